import type { Call, Unplaced } from '../../../lib/node/call.js';
import { Dispatcher } from '../../../lib/node/dispatcher.js';
import { Fence } from '../../../lib/node/fence.js';
import { FlowControl } from '../../../lib/node/flow-control.js';
import type { DispatchListener } from '../../../lib/node/ports.js';
import { RequestHeads } from '../../../lib/node/request-heads.js';
import { Signer } from '../../../lib/protocol/signer.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { fakeCall, type FlatSettings } from './call.js';
import { FakeRedis } from './redis.js';

/** Notes what a dispatcher tells of its calls. */
export class DispatchNotes implements DispatchListener {
  inFlight = 0;
  /** How many calls wait for room, by service. */
  readonly waiting = new Map<string, number>();
  readonly full = {
    sizeOf: (service: string) => this.waiting.get(service) ?? 0,
    onTurn: () => undefined,
  };
  readonly placed: { call: Call; attempt: number; incarnation: string; isResent: boolean }[] = [];
  readonly sent: Call[] = [];
  readonly unplaced: { call: Call; reason: Unplaced }[] = [];
  readonly refused: { call: Call; error: Error }[] = [];
  readonly forgotten: { call: Call; attempt: number }[] = [];

  onPlaced(call: Call, attempt: number, incarnation: string, isResent: boolean): void {
    this.placed.push({ call, attempt, incarnation, isResent });
  }

  onSent(call: Call): void {
    this.sent.push(call);
  }

  onUnplaced(call: Call, _attempt: number, reason: Unplaced): void {
    this.unplaced.push({ call, reason });
  }
  onRefused(call: Call, _attempt: number, error: Error): void {
    this.refused.push({ call, error });
  }
  onForgotten(call: Call, attempt: number): void {
    this.forgotten.push({ call, attempt });
  }
}

/** Of a process that has no key. */
export function unsignedHeads(address: { readonly incarnation: string }): RequestHeads {
  return new RequestHeads(address, new Signer('t:'));
}

/** Of the fence that Redis has at first. */
export const EPOCH = 'epoch-1';

/** A dispatcher that runs, of the node `caller` in its third incarnation. */
export function setUpDispatcher(maxWaiting = 1000, epoch = EPOCH) {
  const redis = new FakeRedis();
  const listener = new DispatchNotes();
  const address = { nodeId: 'caller', incarnation: 'caller.3' };
  const flow = new FlowControl((node) => dispatcher.onRoom(node));
  const dispatcher: Dispatcher = new Dispatcher(
    redis,
    new Keys('t:'),
    address,
    unsignedHeads(address),
    listener,
    flow,
    maxWaiting,
    new Fence(epoch),
  );
  dispatcher.resume();
  const add = (count = 1, settings: FlatSettings = {}) => {
    const calls = Array.from({ length: count }, () => fakeCall(settings));
    for (const call of calls) dispatcher.add(call);
    return calls;
  };
  const addOne = (settings?: FlatSettings) => add(1, settings)[0]!;
  return { redis, listener, address, dispatcher, add, addOne };
}
