import { EPOCH, unsignedHeads } from '../fakes/dispatcher.js';
import { expect, it } from 'vitest';
import { Caller } from '../../../lib/node/caller.js';
import { Dispatcher } from '../../../lib/node/dispatcher.js';
import { Fence } from '../../../lib/node/fence.js';
import { FlowControl } from '../../../lib/node/flow-control.js';
import { ReplyKind } from '../../../lib/protocol/frames.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { fakeCall, FakePath, RecordingSink } from '../fakes/call.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only, type SentScript } from '../fakes/redis.js';

/** A caller with its dispatcher, of a service that is trusted. */
async function setUp() {
  const redis = new FakeRedis();
  redis.canBeQuiet = true;
  const caller = new Caller(
    { noNodeGraceMs: 2000, maxWaiting: 1000 },
    { moved: () => {}, timedOut: () => {} },
  );
  const address = { nodeId: 'caller', incarnation: 'caller.3' };
  const flow = new FlowControl(() => {});
  const heads = unsignedHeads(address);
  const keys = new Keys('t:');
  const fence = new Fence(EPOCH);
  const dispatcher = new Dispatcher(redis, keys, address, heads, caller, flow, 1000, fence);
  dispatcher.resume();
  const path = new FakePath();
  path.dispatch = (call) => dispatcher.add(call);
  path.withdraw = (call) => dispatcher.remove(call);
  const start = () => {
    const sink = new RecordingSink();
    const call = fakeCall({ timeoutMs: 5000 }, path, sink);
    caller.start(call);
    return { call, sink };
  };
  const reply = (id: string, kind: ReplyKind, value: unknown, from = 'node-a.1') =>
    caller.onReplies({ kind: 'r', from, frames: [[id, kind, 0, value]], malformed: 0 }, 100, path);
  const { call } = start();
  await turn();
  only(redis.takeScripts()).answer('1000|node-a.1*1');
  await turn();
  reply(call.id, ReplyKind.RESULT, 1);
  /** Two calls in one batch: whoever is alone leaves at once. */
  const startTwo = async () => {
    start();
    const two = [start(), start()] as const;
    await turn();
    expect(redis.takeQuiet()).toHaveLength(2);
    return two;
  };
  return { redis, caller, dispatcher, path, start, startTwo, reply };
}

/** Whether it only asks for the answer to a batch that was sent before. */
const isEmpty = ({ args }: SentScript) =>
  args.length === 12 && args.slice(5, 11).join('') === '0000';

useFakeClock();

// The refused dispatch and the next one have the same attempt number.
it('a call that its node did not serve is not placed there by the answer that comes later', async () => {
  const { redis, caller, path, start, reply } = await setUp();
  const { call, sink } = start();
  await turn();
  expect(redis.takeQuiet()).toHaveLength(1);
  reply(call.id, ReplyKind.REFUSAL, { code: 'CLOUDS_NO_NODE', message: 'no', details: {} });
  await pass(101);
  // Asked about batch 2, from which the call is gone.
  for (const script of redis.takeScripts().filter(isEmpty)) script.answer('1000|node-a.1*1');
  await turn();
  expect(call.place).not.toBe('node-a.1');
  caller.placed.onNodeLost(path, 'node-a.1');
  expect(sink.outcome).toBeUndefined();
});

it('nothing is asked while the connection is cut, and the nodes are asked about the calls after it', async () => {
  const { redis, caller, dispatcher, startTwo } = await setUp();
  const [cancelled, other] = await startTwo();
  dispatcher.pause();
  caller.cancel(cancelled.call);
  await turn();
  const early = redis.takeScripts();
  expect.soft(early).toHaveLength(0);
  dispatcher.resume();
  const [first, second] = [...early, ...redis.takeScripts()];
  first!.answer('1000|node-a.1*1');
  second!.answer('1000|node-a.1*2');
  await turn();
  const asked = (other.call.path as FakePath).asked.map(([, id]) => id);
  expect(asked).toContain(other.call.id);
  expect(asked).not.toContain(cancelled.call.id);
});

it('a call that its node did not serve does not fail with the batch that it left', async () => {
  const { redis, startTwo, reply } = await setUp();
  const [unserved, waiting] = await startTwo();
  const refusal = { code: 'CLOUDS_NO_NODE', message: 'no', details: {} };
  reply(unserved.call.id, ReplyKind.REFUSAL, refusal);
  await pass(101);
  // The call that was not served may be on its way again by now.
  const [first, second] = redis.takeScripts().filter(isEmpty);
  first!.answer('1000|node-a.1*1');
  second!.refuse('STALE a later batch has taken the slot');
  await turn();
  expect(waiting.sink.outcome).toBe('CLOUDS_NODE_LOST');
  expect(unserved.sink.outcome).toBeUndefined();
});
