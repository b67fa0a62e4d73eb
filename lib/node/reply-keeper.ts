import { CloudsErrorCode } from '../common/errors.js';
import { SECOND } from '../common/durations.js';
import { ownReplyFrame, ownReplyFrames, ownReplyHead } from '../protocol/decode.js';
import { replyMessage } from '../protocol/encode.js';
import { type ReplyFrame, ReplyKind } from '../protocol/frames.js';
import type { Text } from '../protocol/text.js';
import { RecentIds } from './recent-ids.js';
import { heldMessage, MAX_REPLIES, RecentReplies, type SentMessage } from './recent-replies.js';

const UNCLAIMED_REPLIES = 10_000;
const UNCLAIMED_LENGTH = 16 * 1024 * 1024;
const UNCLAIMED_MS = 10 * SECOND;

/** Refusals that say that the handler has not run: asked again, the node may well run it. */
const NOT_RUN: ReadonlySet<string> = new Set([
  CloudsErrorCode.NO_NODE,
  CloudsErrorCode.OVERLOADED,
  CloudsErrorCode.EXPIRED,
]);

/** Replies that do not say how the handler has ended. */
const SAYS_NO_END: ReadonlySet<ReplyKind> = new Set([
  ReplyKind.VALUE,
  ReplyKind.UNKNOWN,
  ReplyKind.PROGRESS,
]);

const OF_STREAMS: ReadonlySet<ReplyKind> = new Set([ReplyKind.VALUE, ReplyKind.PROGRESS]);

/** A stream whose caller is not there. */
export interface UnclaimedStream {
  readonly id: string;
  /** Whether values of it are lost. */
  readonly hasLost: boolean;
}

interface Unclaimed {
  readonly frame: string;
  readonly keptAt: number;
}

/**
 * Keeps replies for callers that lost theirs with a connection and ask again: the last ones that were
 * sent, and for some seconds those that nobody received. Both are bounded.
 */
export class ReplyKeeper {
  readonly #recent = new RecentReplies();
  /** Of twice as many: one message may have more than are kept beside it. */
  readonly #recentIds = new RecentIds(2 * MAX_REPLIES);
  readonly #unclaimed = new Map<string, Unclaimed>();
  #unclaimedLength = 0;

  /** A message that is being sent, with the replies in it. What is no answer pushes none out. */
  keepRecent(message: Text, replies: readonly Text[]): SentMessage {
    const answers = replies.filter(holdsAnswer);
    for (const answer of answers) this.#recentIds.add(ownReplyHead(answer).id);
    if (answers.length === replies.length) return this.#recent.add(message, answers.length);
    if (answers.length > 0) this.#recent.add(replyMessage('', answers), answers.length);
    return heldMessage(message.toString(), answers.length);
  }

  /** A message that reached nobody. Returns the streams that it is about. */
  keepUnclaimed(message: SentMessage): UnclaimedStream[] {
    const text = message.text();
    if (text === undefined) return [];
    const frames = ownReplyFrames(text);
    for (const frame of frames) {
      if (isAnswer(frame)) this.#keepUnclaimed(frame[0], JSON.stringify(frame));
    }
    return frames
      .filter(([, kind]) => OF_STREAMS.has(kind))
      .map(([id, kind]) => ({ id, hasLost: kind === ReplyKind.VALUE }));
  }

  /** The answer that a handler gave to this call, as a frame. */
  find(id: string): string | undefined {
    return this.#unclaimed.get(id)?.frame ?? this.#findRecent(id);
  }

  /** Forgets what was kept long enough; called with every heartbeat. */
  expire(): void {
    const limit = performance.now() - UNCLAIMED_MS;
    for (const [id, { keptAt }] of this.#unclaimed) {
      if (keptAt > limit) break;
      this.#forget(id);
    }
  }

  /** Seldom found, so it searches the texts. */
  #findRecent(id: string): string | undefined {
    if (!this.#recentIds.mayHave(id)) return undefined;
    for (const message of this.#recent.having(Buffer.from(`["${id}",`))) {
      const frame = ownReplyFrames(message).find((one) => one[0] === id && isAnswer(one));
      if (frame) return JSON.stringify(frame);
    }
    return undefined;
  }

  #keepUnclaimed(id: string, frame: string): void {
    this.#forget(id);
    this.#unclaimed.set(id, { frame, keptAt: performance.now() });
    this.#unclaimedLength += frame.length;
    for (const oldest of this.#unclaimed.keys()) {
      if (this.#unclaimed.size <= UNCLAIMED_REPLIES && this.#unclaimedLength <= UNCLAIMED_LENGTH)
        break;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    const kept = this.#unclaimed.get(id);
    if (kept === undefined) return;
    this.#unclaimed.delete(id);
    this.#unclaimedLength -= kept.frame.length;
  }
}

function holdsAnswer(frame: Text): boolean {
  const { kind } = ownReplyHead(frame);
  if (kind === ReplyKind.REFUSAL) return isAnswer(ownReplyFrame(frame.toString()));
  return !SAYS_NO_END.has(kind);
}

/** Whether a handler has answered with it, or what it answered could not be sent. */
export function isAnswer([, kind, , value]: ReplyFrame): boolean {
  if (SAYS_NO_END.has(kind)) return false;
  return kind !== ReplyKind.REFUSAL || !NOT_RUN.has((value as { code: string }).code);
}
