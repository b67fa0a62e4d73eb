import { joinFrames, requestHeader } from '../protocol/encode.js';
import type { Keys } from '../protocol/keys.js';
import { type Batch, isLarge } from './batch.js';
import type { Call } from './call.js';
import { type Fence, FENCE_SLOTS } from './fence.js';
import type { DispatchListener } from './ports.js';
import type { RequestHeads } from './request-heads.js';

const PICK_ONLY = '';
const NO_REQUESTS = [0, 0, '', '', 0, 0] as const;

/** Where this process is heard, as far as its dispatcher needs to know. */
export interface ReturnAddress {
  readonly nodeId: string;
  readonly incarnation: string;
}

/** What one run of the script is told. */
export interface ScriptRun {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  /** The constant part of its messages. */
  readonly header: string;
}

type Arguments = readonly (string | number)[];

/** Says to the dispatch script what to do, in the order of arguments that it wants. */
export class DispatchScript {
  constructor(
    private readonly keys: Keys,
    private readonly address: ReturnAddress,
    private readonly heads: RequestHeads,
    private readonly fence: Fence,
    private readonly full: Pick<DispatchListener['full'], 'sizeOf'>,
  ) {}

  /** Gives the requests of the batch to nodes. */
  place(batch: Batch, now: number): ScriptRun {
    return this.#run(batch, this.#requests(batch, now), now);
  }

  /** Asks for the answer to the batch. */
  ask(batch: Batch, now: number): ScriptRun {
    return this.#run(batch, [...NO_REQUESTS, batch.epoch], now);
  }

  #run({ service, sequence }: Batch, requests: Arguments, now: number): ScriptRun {
    const { nodeId, incarnation } = this.address;
    const header = requestHeader(incarnation, service);
    const keys = [this.keys.service(service), this.keys.fence(nodeId), this.keys.line(service)];
    const ttlMs = this.fence.renewalMs(now);
    const args = [sequence, FENCE_SLOTS, ttlMs, this.keys.inboxPrefix, header, ...requests];
    return { keys, args, header };
  }

  #requests(batch: Batch, now: number): Arguments {
    const { calls, small, large, ruled } = batch;
    const before = this.full.sizeOf(batch.service);
    const frames: string[] = [];
    for (let i = 0; i < small; i++) frames.push(this.#frameOf(calls[i]!, now));
    return [
      small,
      large,
      joinFrames(frames),
      ruled.length === 0 ? '' : JSON.stringify(ruled.map(ruleOf)),
      batch.waitingWith(before),
      before > 0 ? 1 : 0,
      batch.epoch,
      ...ruled.map((call) => (isLarge(call) ? PICK_ONLY : this.#frameOf(call, now))),
    ];
  }

  #frameOf(call: Call, now: number): string {
    return `${this.heads.of(call, now)}${String(call.body)}]`;
  }
}

function ruleOf({ tried, mayRepeatNode, plan }: Call): unknown {
  if (plan.isBroadcast) return { all: true };
  return { nodes: tried, again: mayRepeatNode };
}
