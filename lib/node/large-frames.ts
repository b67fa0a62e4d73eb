import { requestMessage } from '../protocol/encode.js';
import type { Keys } from '../protocol/keys.js';
import { byteLength, type Text } from '../protocol/text.js';
import type { Answer, RedisPort } from '../redis/link.js';
import { type Attempt, isCurrent, isVoid } from './attempt.js';
import type { Call } from './call.js';
import { COUNTED_BYTES, type FlowControl } from './flow-control.js';
import type { DispatchListener } from './ports.js';
import type { RequestHeads } from './request-heads.js';

/** What a message has around its header, and a frame around its body, takes less. */
const OVERHEAD_BYTES = 100;
/** No UTF-16 unit takes more in UTF-8. */
const MAX_BYTES_PER_UNIT = 3;

/** Where requests go that the script gave to one node. */
export interface Destination {
  readonly service: string;
  readonly member: string;
  readonly incarnation: string;
  /** The constant part of the message. */
  readonly header: string;
  /** When the script picked the node, by Redis's clock. */
  readonly redisMs: number;
  /** When the script was sent. */
  readonly sentAt: number;
  readonly isResent: boolean;
}

interface Parcel {
  readonly to: Destination;
  readonly attempts: readonly Attempt[];
}

/**
 * The second step of the dispatch of large frames: the script took their points, PUBLISH carries their
 * bytes, which Lua would hash one by one.
 */
export class LargeFrames {
  /** What has its node, but waits until that has room, by its incarnation. */
  readonly #waiting = new Map<string, Parcel[]>();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly heads: RequestHeads,
    private readonly listener: DispatchListener,
    private readonly flow: FlowControl,
    private readonly dispatchAgain: (call: Call) => void,
  ) {}

  send(to: Destination, attempts: readonly Attempt[]): void {
    for (const some of inParcels(to, attempts)) this.#send({ to, attempts: some });
  }

  /** A node that was full may have room again. */
  onRoom(incarnation: string): void {
    const waiting = this.#waiting.get(incarnation) ?? [];
    this.#waiting.delete(incarnation);
    for (const parcel of waiting) this.#send(parcel);
  }

  /** Gives up what waits for room, and returns the calls that are still to be made. */
  takeBack(): Call[] {
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return waiting.flatMap(({ attempts }) => attempts.filter(isCurrent).map(({ call }) => call));
  }

  #send(parcel: Parcel): void {
    const { to } = parcel;
    const attempts = parcel.attempts.filter(isCurrent);
    if (attempts.length === 0) return;
    const frames = attempts.map(({ call }) => [this.heads.of(call, to.sentAt), call.body] as const);
    const message = requestMessage(to.redisMs, to.header, frames);
    if (this.flow.take(to.incarnation, byteLength(message)))
      return void this.#publish({ to, attempts }, message);
    const waiting = this.#waiting.get(to.incarnation);
    if (waiting) waiting.push(parcel);
    else this.#waiting.set(to.incarnation, [parcel]);
  }

  async #publish(parcel: Parcel, message: Text): Promise<void> {
    const { incarnation, service, member } = parcel.to;
    let answer: Answer | undefined;
    try {
      [answer] = await this.redis.pipeline([['publish', this.keys.inbox(incarnation), message]]);
    } catch {
      return this.#onCut(parcel);
    }
    if (answer?.error) return this.#onRefused(parcel, answer.error);
    if (answer?.value !== 0) return this.#onPlaced(parcel);
    await this.#removeDead(service, member);
    for (const one of parcel.attempts) if (isCurrent(one)) this.dispatchAgain(one.call);
  }

  #onPlaced({ to: { incarnation, isResent }, attempts }: Parcel): void {
    for (const { call, attempt } of notVoid(attempts))
      this.listener.onPlaced(call, attempt, incarnation, isResent);
  }

  #onRefused({ attempts }: Parcel, error: Error): void {
    for (const { call, attempt } of notVoid(attempts))
      this.listener.onRefused(call, attempt, error);
  }

  /** Whether the frames went out is for the node to say, once the path is open again. */
  #onCut({ to: { incarnation, isResent }, attempts }: Parcel): void {
    for (const { call, attempt } of notVoid(attempts)) {
      if (call.isOneWay) this.listener.onForgotten(call, attempt);
      else this.listener.onPlaced(call, attempt, incarnation, isResent);
    }
  }

  async #removeDead(service: string, member: string): Promise<void> {
    try {
      await this.redis.pipeline([['zrem', this.keys.service(service), member]]);
    } catch {
      // Cut off as well: the next dispatch, or a sweep, finds the dead member again.
    }
  }
}

/** A node may have refused the request before Redis has said that it got it. */
function notVoid(attempts: readonly Attempt[]): Attempt[] {
  return attempts.filter((attempt) => !isVoid(attempt));
}

/** Several frames share a message, as long as it is not one that its receiver has to acknowledge. */
function inParcels({ header }: Destination, attempts: readonly Attempt[]): Attempt[][] {
  const emptyBytes = header.length * MAX_BYTES_PER_UNIT + OVERHEAD_BYTES;
  const parcels: Attempt[][] = [];
  let bytes = Infinity;
  for (const attempt of attempts) {
    const length = byteLength(attempt.call.body) + OVERHEAD_BYTES;
    bytes += length;
    if (bytes <= COUNTED_BYTES) {
      parcels.at(-1)!.push(attempt);
    } else {
      parcels.push([attempt]);
      bytes = emptyBytes + length;
    }
  }
  return parcels;
}
