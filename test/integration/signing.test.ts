import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CloudsNode, IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { rejection, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();
const [KEY, NEW_KEY] = [
  'the key of this cloud, 32 characters',
  'the key that comes after that one',
];
const SIGNED = { ...FAST_BEAT, signing: { keys: [KEY] } };

const inboxOf = ({ id }: CloudsNode) => cloud.keys.inbox(`${id}.1`);

async function echo(options = SIGNED as object): Promise<{ node: CloudsNode; ran: unknown[] }> {
  const node = await cloud.connected(options);
  const ran: unknown[] = [];
  await node.register('echo', (data: unknown) => {
    ran.push(data);
    return data;
  });
  return { node, ran };
}

function valuesOf(caller: CloudsNode, service: string): Promise<unknown[]> {
  const values: unknown[] = [];
  return new Promise((resolve, reject) => {
    const sink = {
      value: (value: unknown) => void values.push(value),
      end: () => resolve(values),
      error: reject,
    };
    caller.request(service, undefined, {}, sink);
  });
}

describe('with a key for all', () => {
  it('calls are answered, whatever their size', async () => {
    await echo();
    const caller = await cloud.connected(SIGNED);
    for (const text of ['', 'a', '文"\n', 'é'.repeat(10_000), 'x'.repeat(500_000)])
      expect(await caller.send('echo', { text })).toEqual({ text });
  });

  it('calls of one turn go to several nodes, and the scores come back', async () => {
    const nodes = await Promise.all([echo(), echo(), echo()]);
    const caller = await cloud.connected(SIGNED);
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    expect(await Promise.all(numbers.map((number) => caller.send('echo', number)))).toEqual(
      numbers,
    );
    for (const { ran } of nodes) expect(ran.length).toBeGreaterThan(100);
    await cloud.silence(
      'echo',
      nodes.map(({ node }) => node),
    );
    for (const { node } of nodes) expect(node.stats.dropped).toEqual({});
    expect(caller.stats.dropped).toEqual({});
  });

  it('streams come whole, events arrive, a cancel does', async () => {
    const { node, ran } = await echo();
    const caller = await cloud.connected(SIGNED);
    await node.register('count', async function* () {
      for (let n = 0; n < 50; n++) yield await Promise.resolve(n);
    });
    expect(await valuesOf(caller, 'count')).toEqual(Array.from({ length: 50 }, (_, n) => n));
    await caller.emit('echo', 'event');
    await until('the event has arrived', () => ran.includes('event'));
    let request: IncomingRequest | undefined;
    await node.register('wait', (_, incoming) => untilCancelled((request = incoming)));
    const cancel = caller.request('wait', 1, {}, { value() {}, end() {}, error() {} });
    await until('it runs', () => request !== undefined);
    cancel();
    await until('it is cancelled', () => request!.signal.aborted);
  });

  it('a call survives a cut of its caller and of its node', async () => {
    const node = await cloud.connected(SIGNED);
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let isRunning = false;
    await node.register('hold', async () => {
      isRunning = true;
      await held;
      return 'done';
    });
    const caller = await cloud.connected(SIGNED);
    const answer = caller.send('hold', 1);
    await until('it runs', () => isRunning);
    await cloud.cut([node, caller]);
    await until('both are back', () => node.stats.isConnected && caller.stats.isConnected);
    release();
    expect(await answer).toBe('done');
  });
});

describe('a request', () => {
  it.each([
    ['without a signature', {}, 'unsigned'],
    ['signed with another key', { signing: { keys: [NEW_KEY] } }, 'tampered'],
  ])('%s is not run, and is counted; the scores come back', async (_, options, reason) => {
    const { node, ran } = await echo();
    const caller = await cloud.connected({ ...FAST_BEAT, ...options });
    expect(await rejection(caller.send('echo', 1, { timeout: 300 }))).toMatchObject({
      code: 'CLOUDS_TIMEOUT',
    });
    expect(node.stats.dropped[reason]).toBeGreaterThan(0);
    expect(ran).toEqual([]);
    await cloud.silence('echo', [node]);
  });

  it.each(['x'.repeat(8_000_000), '['.repeat(100) + ']'.repeat(100)])(
    'that cannot be read does not make the node answer in its name',
    async (data) => {
      const { node } = await echo();
      const caller = await cloud.connected(SIGNED);
      const spy = cloud.admin.duplicate();
      const heard: string[] = [];
      spy.on('message', (_, text: string) => heard.push(text));
      await spy.subscribe(inboxOf(caller));

      const frames = `[["id",1000,1,0,${data.startsWith('[') ? data : JSON.stringify(data)}]]`;
      await cloud.admin.publish(inboxOf(node), `[1,"q",0,"${caller.id}.1","echo",${frames}]`);
      await until('it is dropped', () => Object.keys(node.stats.dropped).length > 0);
      expect(await caller.send('echo', 1)).toBe(1);

      expect(heard.filter((text) => text.includes('"id"'))).toEqual([]);
      spy.disconnect();
    },
  );

  it('that is brought to other nodes, or back to its caller, is neither run twice nor ended by them', async () => {
    const ran: string[] = [];
    const serve = async (name: string) => {
      const node = await cloud.connected(SIGNED);
      await node.register('pay', async () => {
        ran.push(name);
        await delay(200);
        return name;
      });
      return node;
    };
    const nodes = [await serve('a'), await serve('b')];
    const caller = await cloud.connected(SIGNED);
    const spy = cloud.admin.duplicate();
    await spy.subscribe(...nodes.map(inboxOf));
    spy.on('message', (_, text: string) => {
      if (!text.startsWith('[1,"q"') || text.startsWith('[1,"q",0,')) return;
      const late = text.replace(/^\[1,"q",\d+/, '[1,"q",0');
      for (const one of [text, late]) void cloud.admin.publish(inboxOf(caller), one);
      for (const node of nodes) void cloud.admin.publish(inboxOf(node), late);
    });
    for (let i = 0; i < 10; i++) {
      ran.length = 0;
      expect(await caller.send('pay', i)).toBe(ran[0]);
      expect(ran).toHaveLength(1);
    }
    spy.disconnect();
  });

  it('that was recorded is not run again, nor is one that was changed', async () => {
    const { node, ran } = await echo();
    const caller = await cloud.connected(SIGNED);
    const spy = cloud.admin.duplicate();
    const recorded: string[] = [];
    spy.on('message', (_, text: string) => recorded.push(text));
    await spy.subscribe(inboxOf(node));
    const isRequest = (text: string) => text.startsWith('[1,"q"');
    expect(await caller.send('echo', 'pay 10')).toBe('pay 10');
    await until('it was recorded', () => recorded.some(isRequest));
    const request = recorded.find(isRequest)!;
    await cloud.admin.publish(inboxOf(node), request);
    await cloud.admin.publish(inboxOf(node), request.replace('pay 10', 'pay 99'));
    await until('both are dropped', () => Object.keys(node.stats.dropped).length === 2);
    expect(node.stats.dropped).toEqual({ replayed: 1, tampered: 1 });
    expect(ran).toEqual(['pay 10']);
    spy.disconnect();
  });
});

describe('a reply', () => {
  it('without a signature does not end a call', async () => {
    const { node } = await echo({ ...FAST_BEAT, signing: { keys: [KEY], required: false } });
    const impostor = await cloud.connected(FAST_BEAT);
    await node.unregister('echo');
    await impostor.register('echo', () => 'forged');
    const caller = await cloud.connected(SIGNED);
    expect(await rejection(caller.send('echo', 1, { timeout: 300 }))).toMatchObject({
      code: 'CLOUDS_TIMEOUT',
    });
    expect(caller.stats.dropped.unsigned).toBeGreaterThan(0);
  });
});

describe('keys can be brought in and changed while all runs', () => {
  const call = async (from: object, to: object) => {
    const { node } = await echo({ ...FAST_BEAT, ...from });
    const caller = await cloud.connected({ ...FAST_BEAT, ...to });
    expect(await caller.send('echo', 1)).toBe(1);
    await caller.close();
    await node.close();
  };
  const optional = { signing: { keys: [KEY], required: false } };

  it.each([
    ['a process without a key works with one that does not require it', {}, optional],
    ['one that does not require it with one that does', optional, { signing: { keys: [KEY] } }],
    [
      'one that knows the next key with one that does not',
      { signing: { keys: [KEY, NEW_KEY] } },
      { signing: { keys: [KEY] } },
    ],
    [
      'one that signs with the next key with one that knows it',
      { signing: { keys: [NEW_KEY, KEY] } },
      { signing: { keys: [KEY, NEW_KEY] } },
    ],
    [
      'one that has only the next key with one that signs with it',
      { signing: { keys: [NEW_KEY] } },
      { signing: { keys: [NEW_KEY, KEY] } },
    ],
  ])('%s', async (_, a, b) => {
    await call(a, b);
    await call(b, a);
  });
});
