import { describe, expect, it, vi } from 'vitest';
import { CloudsErrorCode } from '../../../lib/common/errors.js';
import { parseOptions } from '../../../lib/common/parse-options.js';
import type { IncomingRequest } from '../../../lib/node/incoming-request.js';
import { Caller } from '../../../lib/node/caller.js';
import { Partition } from '../../../lib/node/partition.js';
import { Registration } from '../../../lib/node/registry.js';
import { decodeMessage } from '../../../lib/protocol/decode.js';
import { requestHead, requestHeader, requestMessage } from '../../../lib/protocol/encode.js';
import { type DropReason, ReplyKind } from '../../../lib/protocol/frames.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only } from '../fakes/redis.js';

function requestsOf(frames: readonly (readonly [head: string, body: string])[]): string {
  return requestMessage(0, requestHeader('caller.1', 'sum'), frames).toString();
}

function receive(partition: Partition, channel: string, text: string): void {
  partition.onMessage(channel, Buffer.from(text));
}

/** A partition of a node that serves `sum`; its requests stay open until the test settles them. */
function setUp() {
  const redis = new FakeRedis();
  const options = parseOptions({ prefix: 't:', maxPayload: 1000 });
  const caller = new Caller(options, { moved: () => undefined, timedOut: () => undefined });
  const dropped: DropReason[] = [];
  const reporter = {
    dropped: (reason: DropReason) => void dropped.push(reason),
    eventDropped: () => undefined,
    refusedAsFull: () => undefined,
    error: () => undefined,
  };
  const describeNode = () => ({ pid: 1 });
  const partition = new Partition('node', options, redis, caller, describeNode, reporter);
  const requests: IncomingRequest[] = [];
  const sum = new Registration('sum', (request) => void requests.push(request), 1000, undefined);
  partition.registry.add(sum);

  const down = () => {
    redis.isUp = false;
    partition.down();
  };
  const arrive = (count = 1) => {
    const heads = Array.from({ length: count }, (_, i) => requestHead(`id-${i}`, 60_000, 1));
    receive(partition, partition.inbox, requestsOf(heads.map((head) => [head, '0'])));
  };
  const points = async () => {
    await turn();
    const zadds = redis.takeCommands().filter(([name]) => name === 'zadd');
    return zadds.reduce((total, command) => total + Number(command[4]), 0);
  };
  return { redis, partition, requests, sum, dropped, down, arrive, points };
}

type Opening = Promise<{ incarnation: unknown; predecessor: unknown; free: unknown }>;

/** The script has said which fence Redis has; on later connections that is known. */
async function openFence(redis: FakeRedis): Promise<void> {
  for (const script of redis.takeScripts('dispatch')) script.answer('1000|@epoch');
  await turn();
}

/** Registers when Redis is asked to; a fake script waits for its answer. */
async function opened({ redis, partition }: ReturnType<typeof setUp>): Opening {
  redis.isUp = true;
  const opening = partition.open();
  await openFence(redis);
  const script = only(redis.takeScripts('register'));
  script.answer(1);
  await opening;
  const [incarnation, , predecessor, , , , free] = script.args;
  return { incarnation, predecessor, free };
}

useFakeClock();

describe('a partition', () => {
  it('listens before it enters its services, as the first incarnation', async () => {
    const node = setUp();
    expect(await opened(node)).toEqual({ incarnation: 'node.1', predecessor: '', free: 1000 });
    expect(node.redis.subscriptions).toEqual(['t:P:node.1']);
    expect(node.partition.isOpen).toBe(true);
    await node.partition.close();
  });

  it('begins a new incarnation with each connection, with what still runs', async () => {
    const node = setUp();
    await opened(node);
    node.arrive(3);
    node.down();
    expect(node.partition.isOpen).toBe(false);
    expect(await opened(node)).toEqual({ incarnation: 'node.2', predecessor: 'node.1', free: 997 });
    node.requests.forEach((request) => request.result(1));
    expect(await node.points()).toBe(3);
    await node.partition.close();
  });

  it('drops a connection on which Redis does not say that it lets it in', async () => {
    const node = setUp();
    const { redis, partition } = node;
    const reset = vi.spyOn(redis, 'reset');
    redis.isUp = true;
    const opening = partition.open();
    await openFence(redis);
    await pass(2999);
    expect(reset).not.toHaveBeenCalled();
    await pass(10);
    expect(reset).toHaveBeenCalledOnce();
    only(redis.takeScripts('register')).answer(1);
    await opening;
    await partition.close();
  });

  it('does not return points of an incarnation that is over', async () => {
    const node = setUp();
    await opened(node);
    node.arrive(3);
    node.down();
    node.requests.forEach((request) => request.result(1));
    await turn();
    expect(await opened(node)).toMatchObject({ free: 1000 });
    node.partition.ask('other.1', 'id');
    expect(await node.points()).toBe(0);
    expect(node.sum.returned).toBe(0);
    await node.partition.close();
  });

  it('reads its own inbox only', async () => {
    const node = setUp();
    await opened(node);
    const text = requestsOf([[requestHead('id', 1000, 1), '0']]);
    receive(node.partition, 't:P:node.0', text);
    receive(node.partition, 't:P:other.1', text);
    expect(node.requests).toEqual([]);
    receive(node.partition, 't:P:node.1', text);
    expect(node.requests).toHaveLength(1);
    node.requests.forEach((request) => request.end());
    await node.partition.close();
  });

  it('counts what it drops, and answers where that is possible', async () => {
    const node = setUp();
    const { dropped, redis, partition } = node;
    await opened(node);
    redis.takeCommands();
    const hear = (text: string) => receive(partition, partition.inbox, text);
    const deep = `0,${'['.repeat(100)}${']'.repeat(100)}`;
    hear('hello');
    hear('[1,"q",1,"caller.1","sum",[5]]');
    hear(requestsOf([[requestHead('deep', 1, 1), deep]]));
    hear('[2,"q",1,"caller.1","sum",[["new",1]]]');
    await turn();
    expect(dropped).toEqual(['not-json', 'malformed', 'too-deep', 'unknown-version']);
    const replies = redis.takeCommands().filter(([name]) => name === 'publish');
    const read = replies.map(([, channel, text]) => [
      channel,
      decodeMessage(Buffer.from(String(text)), 10_000),
    ]);
    expect(read).toMatchObject([
      [
        't:P:caller.1',
        {
          frames: [
            ['deep', ReplyKind.REFUSAL, 0, { code: CloudsErrorCode.UNSERIALIZABLE }],
            ['new', ReplyKind.REFUSAL, 0, { code: CloudsErrorCode.UNSERIALIZABLE }],
          ],
        },
      ],
    ]);
    await partition.close();
  });

  it('closes without a timer', async () => {
    const node = setUp();
    await opened(node);
    await node.partition.close();
    await pass(60_000);
    expect(node.redis.takeScripts('beat')).toHaveLength(1);
  });
});
