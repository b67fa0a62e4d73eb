import { SECOND } from '../common/durations.js';
import { progressFrame } from '../protocol/encode.js';
import type { Keys } from '../protocol/keys.js';
import type { RedisPort } from '../redis/link.js';
import type { IncomingRequest } from './incoming-request.js';
import type { Outbox } from './outbox.js';
import type { OutgoingStream } from './outgoing-stream.js';
import { absentOf } from './presence.js';

/** For so long after its time the cancel of a request may be on its way. */
const OVERDUE_MS = 1 * SECOND;
/** About requests that are younger nobody is asked: most end soon. */
const YOUNG_MS = 3 * SECOND;
/** A caller may be back before that, and get its answer: for so long those are kept that nobody has got. */
const CALLER_ABSENCE_MS = 10 * SECOND;
/** Nor is one heard of whose host has vanished, though Redis still has its inbox; a frozen one may be back before that. */
const CALLER_SILENCE_MS = 10 * SECOND;
/** In every so many beats all streams have their callers reminded, and not only those that wait for room. */
const BEATS_TO_REMIND_ALL = 10;

/** The requests of a node. */
export interface RequestsInHand {
  readonly requests: readonly IncomingRequest[];
  forsake(request: IncomingRequest): void;
}

/**
 * Finds the requests for which nobody waits any more though nobody has said so: who is killed sends no cancel, and a
 * cancel can be lost with a connection.
 */
export class ForsakenRequests {
  #beat = 0;
  /** Since when callers were found absent, by their incarnation. */
  #absentSince = new Map<string, number>();

  constructor(
    private readonly inHand: RequestsInHand,
    private readonly outbox: Pick<Outbox, 'reply'>,
    private readonly redis: RedisPort,
    private readonly keys: Keys,
  ) {}

  /** To be called with every heartbeat. */
  look(): void {
    const isTurnOfAll = ++this.#beat % BEATS_TO_REMIND_ALL === 0;
    const oldest = performance.now() - YOUNG_MS;
    const callers = new Set<string>();
    for (const request of this.#waitedFor()) {
      const { stream, from, arrivedAt, timeLeftMs } = request;
      if (timeLeftMs < -OVERDUE_MS) {
        this.inHand.forsake(request);
        continue;
      }
      if (arrivedAt <= oldest) callers.add(from);
      if (stream && (isTurnOfAll || !stream.hasRoom)) this.#remind(request, stream);
    }
    void this.#lookFor(callers);
  }

  #waitedFor(): IncomingRequest[] {
    return this.inHand.requests.filter(({ isOneWay, isWanted }) => !isOneWay && isWanted);
  }

  /** A caller that is there answers, and cancels what it does not know. */
  #remind(request: IncomingRequest, stream: OutgoingStream): void {
    if (stream.onReminded() >= CALLER_SILENCE_MS) this.inHand.forsake(request);
    else this.outbox.reply(request.from, progressFrame(request.id, stream.sent));
  }

  async #lookFor(callers: ReadonlySet<string>): Promise<void> {
    const before = this.#absentSince;
    this.#absentSince = new Map();
    if (callers.size === 0) return;
    let absent: ReadonlySet<string>;
    try {
      absent = await absentOf(this.redis, this.keys, callers);
    } catch {
      // While there is no connection nobody is known to be absent; with the next one it begins anew.
      return;
    }
    const now = performance.now();
    for (const caller of absent) this.#absentSince.set(caller, before.get(caller) ?? now);
    for (const request of this.#waitedFor())
      if (now - (this.#absentSince.get(request.from) ?? now) >= CALLER_ABSENCE_MS)
        this.inHand.forsake(request);
  }
}
