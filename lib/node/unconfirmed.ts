import type { Keys } from '../protocol/keys.js';
import type { RedisPort } from '../redis/link.js';
import { absentOf } from './presence.js';
import { MAX_BYTES as RECENT_BYTES, type SentMessage } from './recent-replies.js';

/** How long it may take to notice that a caller was not there. */
const CHECK_MS = 100;
const MAX_REPLIES = 2048;
/** Half of what is kept of recent replies: none is lost before it is checked. */
const MAX_LENGTH = RECENT_BYTES / 2;

export interface SentReplies {
  /** The incarnation of the caller. */
  readonly to: string;
  readonly message: SentMessage;
}

/**
 * Replies that went out without Redis saying whether anybody got them. It is asked for all of them at
 * once: an inbox that is there now was there when they were sent, as it is opened only once.
 */
export class Unconfirmed {
  #sent: SentReplies[] = [];
  #replies = 0;
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly onUnclaimed: (message: SentMessage) => void,
  ) {}

  add(sent: SentReplies): void {
    this.#sent.push(sent);
    this.#replies += sent.message.replies;
    this.#length += sent.message.length;
    if (this.#replies >= MAX_REPLIES || this.#length >= MAX_LENGTH) void this.check();
    else this.#timer ??= setTimeout(() => void this.check(), CHECK_MS);
  }

  /** Asks now. Resolves when it is known, or the connection is cut. */
  async check(): Promise<void> {
    const sent = this.#sent;
    this.close();
    if (sent.length === 0) return;
    const absent = await this.#absentOf(new Set(sent.map(({ to }) => to)));
    for (const { to, message } of sent) if (absent.has(to)) this.onUnclaimed(message);
  }

  /** Takes all for unclaimed: it cannot be asked for any more. */
  giveUp(): void {
    const sent = this.#sent;
    this.close();
    for (const { message } of sent) this.onUnclaimed(message);
  }

  /** Forgets what has not been checked. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sent = [];
    this.#replies = this.#length = 0;
  }

  /** After a cut nobody is known to be there: the callers ask when both are back. */
  async #absentOf(callers: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    try {
      return await absentOf(this.redis, this.keys, callers);
    } catch {
      return callers;
    }
  }
}
