import { describe, expect, it, vi } from 'vitest';
import type { Call } from '../../../lib/node/call.js';
import { NO_EPOCH } from '../../../lib/node/fence.js';
import { decodeMessage } from '../../../lib/protocol/decode.js';
import type { RequestMessage } from '../../../lib/protocol/frames.js';
import type { Command } from '../../../lib/redis/link.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { EPOCH, setUpDispatcher } from '../fakes/dispatcher.js';
import { type FakeRedis, only, redisError, type SentScript } from '../fakes/redis.js';

const RULED_FROM = 12;
const PICK_ONLY = '';
/** The most frames of a run of the script. */
const FULL = 128;
const MEBIBYTE = 1024 * 1024;
const MINUTE = 60_000;
/** The longest body that rides in the script. */
const LARGEST_SMALL = 4 * 1024;
const LARGE = { body: `0,"${'x'.repeat(LARGEST_SMALL)}"` };

function setUp(maxWaiting?: number, epoch?: string) {
  const set = setUpDispatcher(maxWaiting, epoch);
  const { redis, dispatcher } = set;
  /** What was sent in this turn. */
  const sent = async () => (await turn(), redis.takeScripts('dispatch'));
  const cut = (script: SentScript) => (dispatcher.pause(), script.cut());
  return { ...set, sent, cut };
}

const countsOf = ({ args }: SentScript) => ({ small: Number(args[5]), large: Number(args[6]) });
const smallOf = ({ args }: SentScript) => (args[7] === '' ? [] : String(args[7]).split(',\n'));
/** One per request, in the order of the batch. */
const framesOf = (script: SentScript) => [
  ...smallOf(script),
  ...Array<string>(countsOf(script).large).fill(PICK_ONLY),
  ...script.args.slice(RULED_FROM).map(String),
];
const idOf = (frame: string) =>
  frame === PICK_ONLY ? undefined : (JSON.parse(frame) as unknown[])[0];
const sequenceOf = ({ args: [sequence] }: SentScript) => Number(sequence);
/** Gives every request of the script to `member`. */
const placeAll = (script: SentScript, member = 'node.1') =>
  script.answer(`1000|${member}*${framesOf(script).length}`);

function timeLeftIn([, , message]: Command): number {
  const { frames } = decodeMessage(Buffer.from(String(message)), MEBIBYTE) as RequestMessage;
  return frames[0]![1];
}

useFakeClock();

describe('a turn of the event loop', () => {
  it('is one run of the script per service', async () => {
    const { add, sent } = setUp();
    add(3, { service: 'sum' });
    add(2, { service: 'product' });
    add(1, { service: 'sum' });
    const scripts = await sent();
    expect(scripts.map(({ keys }) => keys)).toEqual([
      ['t:S:sum', 't:F:caller', 't:W:sum'],
      ['t:S:product', 't:F:caller', 't:W:product'],
    ]);
    expect(scripts.map((script) => framesOf(script).length)).toEqual([4, 2]);
  });

  it('sends what the script needs to know, and a frame per request', async () => {
    const { addOne, sent } = setUp();
    const call = addOne({ timeoutMs: 500, body: '{"a":"b"},[1,2]' });
    await pass(0);
    const { args } = only(await sent());
    expect(args).toEqual([
      1,
      256,
      10 * MINUTE,
      't:P:',
      '"caller.3","sum",[',
      1,
      0,
      `["${call.id}",500,1,{"a":"b"},[1,2]]`,
      '',
      0,
      0,
      EPOCH,
    ]);
  });

  it('leaves out calls whose time is over, as when the process stood still', async () => {
    const { add, addOne, dispatcher, sent } = setUp();
    dispatcher.pause();
    add(2, { timeoutMs: 500 });
    const inTime = addOne({ timeoutMs: 5000 });
    await pass(1000);
    dispatcher.resume();
    expect(framesOf(only(await sent())).map(idOf)).toEqual([inTime.id]);
  });

  it('says how many calls wait for room, with all of the batch, and whether some did before', async () => {
    const { add, listener, sent } = setUp();
    const lineOf = async () => only(await sent()).args.slice(9, 11);
    add(1);
    add(2, { waitsWhenFull: true });
    expect(await lineOf()).toEqual([3, 0]);
    listener.waiting.set('sum', 5);
    const [waits] = add(1, { waitsWhenFull: true });
    waits!.waitForRoom();
    expect(await lineOf()).toEqual([5, 1]);
    add(2);
    expect(await lineOf()).toEqual([7, 1]);
    listener.waiting.delete('sum');
    add(2);
    expect(await lineOf()).toEqual([0, 0]);
  });

  it('has a line feed between its frames', async () => {
    const { add, sent } = setUp();
    const calls = add(3);
    const { args } = only(await sent());
    const frames = calls.map(({ id }) => `["${id}",1000,1,0,[1,2,3]]`);
    expect(args.slice(5)).toEqual([3, 0, frames.join(',\n'), '', 0, 0, EPOCH]);
  });

  it('says of a one-way call that its attempt is 0', async () => {
    const { addOne, sent } = setUp();
    const call = addOne({ isOneWay: true });
    expect(framesOf(only(await sent()))).toEqual([`["${call.id}",1000,0,0,[1,2,3]]`]);
  });

  it('says how much time a call has left when it is sent', async () => {
    const { dispatcher, addOne, sent } = setUp();
    dispatcher.pause();
    const call = addOne({ timeoutMs: 1000 });
    await pass(300);
    dispatcher.resume();
    expect(framesOf(only(await sent()))).toEqual([`["${call.id}",700,1,0,[1,2,3]]`]);
  });

  it('sends nothing when nothing waits, and keeps no timer', async () => {
    const { sent } = setUp();
    expect(await sent()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves out calls that were taken back', async () => {
    const { dispatcher, addOne, sent } = setUp();
    const [removed, stays] = [addOne(), addOne()];
    dispatcher.remove(removed);
    expect(framesOf(only(await sent()))).toEqual([expect.stringContaining(stays.id)]);
  });

  it('renews the fence with the first batch and then once a minute', async () => {
    const { add, sent } = setUp();
    const ttls: unknown[] = [];
    for (let i = 0; i < 25; i++) {
      add();
      const script = only(await sent());
      ttls.push(script.args[2]);
      placeAll(script);
      await pass(5000);
    }
    expect(ttls.filter((ttl) => ttl === 10 * MINUTE)).toHaveLength(3);
    expect(ttls.filter((ttl) => ttl === 0)).toHaveLength(22);
  });
});

describe('the epoch of the fence', () => {
  const setUpNew = () => setUp(undefined, NO_EPOCH);
  const epochOf = ({ args }: SentScript) => args[RULED_FROM - 1];
  const isQuestion = (script: SentScript) => framesOf(script).length === 0;

  it('is not known at first: the script says it, and the calls are sent anew with it', async () => {
    const { listener, add, sent } = setUpNew();
    const calls = add(2);
    const first = only(await sent());
    expect(epochOf(first)).toBe('');
    first.answer('1000|@new');
    const anew = only(await sent());
    expect([sequenceOf(anew), epochOf(anew)]).toEqual([2, 'new']);
    expect(framesOf(anew).map(idOf)).toEqual(calls.map(({ id }) => id));
    placeAll(anew);
    await turn();
    expect(listener.placed.map(({ call }) => call)).toEqual(calls);
  });

  it('can be asked for before anything is sent', async () => {
    const { redis, dispatcher, add, sent } = setUpNew();
    const opening = dispatcher.openFence();
    const question = only(redis.takeScripts('dispatch'));
    expect([sequenceOf(question), isQuestion(question), epochOf(question)]).toEqual([0, true, '']);
    question.answer('1000|@new');
    await opening;
    add();
    const first = only(await sent());
    expect([sequenceOf(first), epochOf(first)]).toEqual([1, 'new']);
    await dispatcher.openFence();
    expect(await sent()).toEqual([]);
  });

  it('is left to the first batch where Redis refuses to say it, but not where the connection breaks', async () => {
    const { redis, dispatcher, add, sent } = setUpNew();
    const refused = dispatcher.openFence();
    only(redis.takeScripts('dispatch')).refuse('NOPERM no rights');
    await refused;
    const broken = dispatcher.openFence();
    only(redis.takeScripts('dispatch')).cut();
    await expect(broken).rejects.toThrow();
    add();
    expect(epochOf(only(await sent()))).toBe('');
  });

  it('is taken from the first answer of many batches that had none', async () => {
    const { add, sent } = setUpNew();
    add(1, { service: 'sum' });
    add(1, { service: 'product' });
    const scripts = await sent();
    expect(scripts).toHaveLength(2);
    for (const script of scripts) script.answer('1000|@new');
    expect((await sent()).map(epochOf)).toEqual(['new', 'new']);
  });

  it('lets calls be sent anew without a question if their connection broke before it was known', async () => {
    const { dispatcher, listener, add, sent, cut } = setUpNew();
    const calls = add(2);
    cut(only(await sent()));
    await turn();
    dispatcher.resume();
    const anew = only(await sent());
    expect(framesOf(anew).map(idOf)).toEqual(calls.map(({ id }) => id));
    expect(listener.forgotten).toEqual([]);
  });

  it('is another one when Redis has lost the fence: no call of a batch that comes back is given up', async () => {
    const { redis, listener, add, sent } = setUp();
    const calls = add(1);
    const batch = only(await sent());
    redis.serverId = 'another';
    batch.answer('1000|@next');
    const anew = only(await sent());
    expect(epochOf(anew)).toBe('next');
    expect(framesOf(anew).map(idOf)).toEqual(calls.map(({ id }) => id));
    expect(listener.forgotten).toEqual([]);
  });

  it('that a batch was sent with is the one that it is asked about with', async () => {
    const { dispatcher, add, sent, cut } = setUp();
    add(1, { service: 'sum' });
    add(1, { service: 'product' });
    const [sum, product] = (await sent()) as [SentScript, SentScript];
    sum.answer('1000|@next');
    const anew = only(await sent());
    cut(product);
    cut(anew);
    await turn();
    dispatcher.resume();
    const questions = await sent();
    expect(questions.every(isQuestion)).toBe(true);
    expect(questions.map(epochOf)).toEqual([EPOCH, 'next']);
  });

  it('is not changed by what a batch of an earlier one is told', async () => {
    const { add, sent } = setUp();
    add(1, { service: 'sum' });
    add(1, { service: 'product' });
    const [sum, product] = (await sent()) as [SentScript, SentScript];
    sum.answer('1000|@second');
    only(await sent()).answer('1000|@third');
    expect(epochOf(only(await sent()))).toBe('third');
    product.answer('1000|@second');
    expect(epochOf(only(await sent()))).toBe('third');
  });

  it('is forgotten when the dispatcher is closed, as its fence is deleted', async () => {
    const { redis, dispatcher, add, sent } = setUp();
    redis.canBeQuiet = true;
    add();
    placeAll(only(await sent()));
    await turn();
    dispatcher.close();
    dispatcher.resume();
    add();
    expect(epochOf(only(await sent()))).toBe(NO_EPOCH);
  });
});

describe('a turn with many calls', () => {
  const left = (redis: FakeRedis) =>
    redis.takeScripts('dispatch').map((one) => framesOf(one).length);

  it('has 32 leave at once, the rest at its end', async () => {
    const { redis, add, sent } = setUp();
    add(31);
    expect(left(redis)).toEqual([]);
    add(1);
    expect(left(redis)).toEqual([32]);
    add(70);
    expect(left(redis)).toEqual([32, 32]);
    expect((await sent()).map(framesOf)).toEqual([expect.objectContaining({ length: 6 })]);
  });

  it('has large ones leave at once that are 128 KiB together', async () => {
    const { redis, add, sent } = setUp();
    const TEN_KIB = { body: `0,"${'x'.repeat(10 * 1024 - 4)}"` };
    add(11, TEN_KIB);
    expect(left(redis)).toEqual([]);
    add(1, TEN_KIB);
    expect(left(redis)).toEqual([12]);
    add(1, TEN_KIB);
    expect(left(redis)).toEqual([]);
    expect((await sent()).map(framesOf)).toEqual([[PICK_ONLY]]);
  });

  it.each([
    [64, 32],
    [65, 33],
    [100, 50],
    [256, FULL],
    [100_000, FULL],
  ])('with %i calls out, has them leave as soon as they are %i', (inFlight, size) => {
    const { redis, listener, add } = setUp();
    listener.inFlight = inFlight;
    add(size - 1);
    expect(left(redis)).toEqual([]);
    add(1);
    expect(left(redis)).toEqual([size]);
  });

  it('counts the calls of each service, and then sends those of all', async () => {
    const { redis, add, sent } = setUp();
    add(31, { service: 'sum' });
    add(31, { service: 'product' });
    expect(left(redis)).toEqual([]);
    add(1, { service: 'sum' });
    expect(left(redis)).toEqual([32, 31]);
    expect(await sent()).toEqual([]);
  });

  it('keeps their order, and sends each once', async () => {
    const { add, sent } = setUp();
    const ids = add(200).map(({ id }) => id);
    expect((await sent()).flatMap(framesOf).map(idOf)).toEqual(ids);
  });

  it('has none leave while the connection is cut', async () => {
    const { redis, dispatcher, add, sent } = setUp();
    dispatcher.pause();
    add(50);
    expect(left(redis)).toEqual([]);
    dispatcher.resume();
    expect(framesOf(only(await sent()))).toHaveLength(50);
  });
});

describe('a call while no other is out', () => {
  const setUpAlone = () => {
    const set = setUp();
    set.listener.inFlight = 1;
    return set;
  };

  it('leaves at once, and what follows in the same turn leaves together', async () => {
    const { redis, listener, add, addOne, sent } = setUpAlone();
    const first = addOne();
    const script = only(redis.takeScripts('dispatch'));
    expect(framesOf(script).map(idOf)).toEqual([first.id]);
    listener.inFlight = 4;
    const others = add(3);
    expect(redis.takeScripts('dispatch')).toEqual([]);
    expect(framesOf(only(await sent())).map(idOf)).toEqual(others.map(({ id }) => id));
  });

  it('waits for the end of the turn if something else does', async () => {
    const { redis, listener, add, addOne, sent } = setUp();
    listener.inFlight = 2;
    const [earlier] = add(1);
    listener.inFlight = 1;
    const call = addOne({ service: 'product' });
    expect(redis.takeScripts('dispatch')).toEqual([]);
    const ids = (await sent()).flatMap(framesOf).map(idOf);
    expect(ids).toEqual([earlier!.id, call.id]);
  });

  it('waits while the connection is cut', async () => {
    const { redis, dispatcher, addOne, sent } = setUpAlone();
    dispatcher.pause();
    addOne();
    expect(redis.takeScripts('dispatch')).toEqual([]);
    dispatcher.resume();
    expect(await sent()).toHaveLength(1);
  });
});

describe('a run of the script', () => {
  /** So many calls are out that runs are as large as may be. */
  const setUpBusy = () => {
    const set = setUp();
    set.listener.inFlight = 100_000;
    return set;
  };

  it('has at most 128 frames', async () => {
    const { add, sent } = setUpBusy();
    add(300);
    expect((await sent()).map((script) => framesOf(script).length)).toEqual([FULL, FULL, 44]);
  });

  it('has at most 128 frames when more have gathered meanwhile', async () => {
    const { dispatcher, add, sent } = setUp();
    dispatcher.pause();
    add(300);
    dispatcher.resume();
    expect((await sent()).map((script) => framesOf(script).length)).toEqual([FULL, FULL, 44]);
  });

  it('has at most 64 Ki characters of frames', async () => {
    const { add, sent } = setUpBusy();
    add(2000, { body: `0,"${'名'.repeat(LARGEST_SMALL - 4)}"` });
    const scripts = await sent();
    const texts = scripts.map((script) => framesOf(script).join(',\n').length);
    expect(Math.max(...texts)).toBeLessThanOrEqual(64 * 1024);
    expect(Math.max(...texts)).toBeGreaterThan(56 * 1024);
    expect(scripts.flatMap(framesOf)).toHaveLength(2000);
  });

  it('has the next number', async () => {
    const { add, sent } = setUpBusy();
    add(FULL + 1, { service: 'sum' });
    add(1, { service: 'product' });
    const first = await sent();
    add();
    expect([...first, ...(await sent())].map(sequenceOf)).toEqual([1, 2, 3, 4]);
  });

  it('waits while 256 others are unanswered', async () => {
    const { add, sent } = setUpBusy();
    add(300 * FULL);
    const scripts = await sent();
    expect(scripts).toHaveLength(256);
    expect(await sent()).toEqual([]);
    for (const script of scripts.slice(0, 10)) placeAll(script);
    const more = await sent();
    expect(more.map(sequenceOf)).toEqual(Array.from({ length: 10 }, (_, i) => 257 + i));
    for (const script of [...scripts.slice(10), ...more]) placeAll(script);
    expect(await sent()).toHaveLength(34);
  });

  it('waits for the one whose place in the fence it will take', async () => {
    const { add, sent } = setUpBusy();
    add(258 * FULL);
    const [first, ...others] = (await sent()) as [SentScript, ...SentScript[]];
    for (const script of others) placeAll(script);
    expect(await sent()).toEqual([]);
    placeAll(first);
    expect((await sent()).map(sequenceOf)).toEqual([257, 258]);
  });

  it('does not wait for one that Redis has lost', async () => {
    const { add, sent, listener, redis, dispatcher } = setUpBusy();
    const calls = add(1);
    const [script] = await sent();
    dispatcher.pause();
    script!.cut();
    await turn();
    dispatcher.resume();
    only(redis.takeScripts('dispatch')).refuse('LOST the fence is not that of this batch');
    await turn();
    add(256 * FULL);
    expect((await sent()).map(sequenceOf)).toContain(257);
    expect(listener.forgotten).toEqual([]);
    await pass(2000);
    expect(listener.forgotten.map(({ call }) => call)).toEqual(calls);
  });

  it('does not wait for other services that are full', async () => {
    const { add, sent, listener } = setUpBusy();
    add(257 * FULL, { service: 'sum' });
    const other = add(1, { service: 'product' });
    const scripts = await sent();
    placeAll(only(scripts.slice(0, 1)));
    placeAll(only(scripts.slice(1, 2)));
    const services = (await sent()).map(({ keys: [key] }) => key);
    expect(services).toEqual(['t:S:sum', 't:S:product']);
    expect(listener.placed.map(({ call }) => call)).not.toContain(other[0]);
  });

  it('is sent when a stale one has made room', async () => {
    const { add, sent } = setUpBusy();
    add(257 * FULL);
    const scripts = await sent();
    scripts[0]!.refuse('STALE a later batch has taken the slot of this one');
    expect(await sent()).toHaveLength(1);
  });
});

describe('the answer of the script', () => {
  it('says which node each call went to', async () => {
    const { listener, add, sent } = setUp();
    const [a, b, c] = add(3) as [Call, Call, Call];
    only(await sent()).answer('1000|node-b.2!*1,node-a.1*2');
    await turn();
    expect(listener.placed).toEqual([
      { call: a, attempt: 1, incarnation: 'node-b.2', isResent: false },
      { call: b, attempt: 1, incarnation: 'node-a.1', isResent: false },
      { call: c, attempt: 1, incarnation: 'node-a.1', isResent: false },
    ]);
  });

  it('says why a call went to none', async () => {
    const { listener, add, sent } = setUp();
    const [a, b, c, d] = add(4) as [Call, Call, Call, Call];
    only(await sent()).answer('1000|0*1,-1*1,-2*1,node-a.1*1');
    await turn();
    expect(listener.unplaced).toEqual([
      { call: a, reason: 'no-node' },
      { call: b, reason: 'overloaded' },
      { call: c, reason: 'only-tried' },
    ]);
    expect(listener.placed.map(({ call }) => call)).toEqual([d]);
  });

  it('can be that Redis refuses', async () => {
    const { listener, add, sent } = setUp();
    const calls = add(2);
    only(await sent()).refuse('OOM command not allowed');
    await turn();
    expect(listener.refused.map(({ call }) => call)).toEqual(calls);
    expect(listener.refused.map(({ error }) => error.message)).toContain('OOM command not allowed');
    expect(await sent()).toEqual([]);
  });

  it.each(['1000|node.1*1', '1000|node.1*3', '2', '', 'OK', '|node.1*2', 'null'])(
    'is not its own if it is %j: a new connection asks for it',
    async (answer) => {
      const { redis, dispatcher, listener, add, sent } = setUp();
      const calls = add(2);
      only(await sent()).answer(answer);
      await turn();
      expect(redis.resets).toBe(1);
      expect(listener.placed).toEqual([]);
      dispatcher.pause();
      dispatcher.resume();
      only(await sent()).answer('1000|node.1*2');
      await turn();
      expect(listener.placed.map(({ call }) => call)).toEqual(calls);
    },
  );

  it('can be that the batch is too old for the fence', async () => {
    const { listener, add, sent } = setUp();
    const [call] = add();
    only(await sent()).refuse('STALE a later batch has taken the slot of this one');
    await turn();
    expect(listener.forgotten).toEqual([{ call, attempt: 1 }]);
    expect(listener.refused).toEqual([]);
  });
});

describe('the nodes that a call has tried', () => {
  it('are passed over: it comes behind the others, with a rule', async () => {
    const { listener, add, addOne, sent } = setUp();
    const [first, second, third] = add(3) as [Call, Call, Call];
    first.addTried('node-a.7');
    first.addTried('node-b.1');
    first.addTried('node-a.8');
    third.addTried('node-c.1');
    third.mayRepeatNode = true;
    const large = addOne(LARGE);
    const script = only(await sent());
    expect(countsOf(script)).toEqual({ small: 1, large: 1 });
    expect(JSON.parse(String(script.args[8]))).toEqual([
      { nodes: ['node-a', 'node-b'], again: false },
      { nodes: ['node-c'], again: true },
    ]);
    expect(framesOf(script).map(idOf)).toEqual([second.id, undefined, first.id, third.id]);
    script.answer('1000|node-d.1*1,-1*1,node-e.1*1,-2*1');
    await turn();
    expect(listener.placed.map(({ call }) => call)).toEqual([second, first]);
    expect(listener.unplaced).toEqual([
      { call: large, reason: 'overloaded' },
      { call: third, reason: 'only-tried' },
    ]);
  });

  it('are passed over also by one that is large', async () => {
    const { redis, addOne, sent } = setUp();
    const call = addOne(LARGE);
    call.addTried('node-a.1');
    const script = only(await sent());
    expect(countsOf(script)).toEqual({ small: 0, large: 0 });
    expect(framesOf(script)).toEqual([PICK_ONLY]);
    placeAll(script, 'node-b.1');
    await turn();
    const [, channel, text] = only(redis.takeCommands());
    expect(channel).toBe('t:P:node-b.1');
    expect(text).toContain(call.id);
  });
});

describe('a cut connection', () => {
  it('keeps calls back until it is there again', async () => {
    const { dispatcher, add, sent } = setUp();
    dispatcher.pause();
    add(2);
    expect(await sent()).toEqual([]);
    dispatcher.resume();
    expect(framesOf(only(await sent()))).toHaveLength(2);
  });

  it('holds also what was to be sent in this turn', async () => {
    const { dispatcher, add, sent } = setUp();
    add();
    dispatcher.pause();
    expect(await sent()).toEqual([]);
    dispatcher.resume();
    expect(await sent()).toHaveLength(1);
  });

  it('has the answers of batches asked for, each by its number, before new ones', async () => {
    const { dispatcher, listener, address, add, sent, cut } = setUp();
    const calls = add(2);
    const first = only(await sent());
    cut(first);
    add();
    address.incarnation = 'caller.4';
    await turn();
    dispatcher.resume();
    const [again, next] = (await sent()) as [SentScript, SentScript];
    const fenceAndInbox = [256, 10 * MINUTE, 't:P:', '"caller.4","sum",['];
    expect(again.args).toEqual([1, ...fenceAndInbox, 0, 0, '', '', 0, 0, EPOCH]);
    expect(again.keys).toEqual(first.keys);
    expect(sequenceOf(next)).toBe(2);
    expect(framesOf(next)).toHaveLength(1);
    again.answer('1000|node.1*2');
    await turn();
    expect(listener.placed).toEqual(
      calls.map((call) => ({ call, attempt: 1, incarnation: 'node.1', isResent: true })),
    );
  });

  it('has the calls of a batch that did not run sent under a new number', async () => {
    const { dispatcher, listener, add, sent, cut } = setUp();
    const calls = add(2);
    cut(only(await sent()));
    await turn();
    dispatcher.resume();
    only(await sent()).answer('1000|');
    const anew = only(await sent());
    expect(sequenceOf(anew)).toBe(2);
    expect(framesOf(anew).map(idOf)).toEqual(calls.map(({ id }) => id));
    placeAll(anew);
    await turn();
    expect(listener.placed).toEqual(
      calls.map((call) => ({ call, attempt: 1, incarnation: 'node.1', isResent: false })),
    );
  });

  it('may cut what was sent again', async () => {
    const { dispatcher, add, sent, cut } = setUp();
    add();
    for (let i = 0; i < 3; i++) {
      const script = only(await sent());
      expect(sequenceOf(script)).toBe(1);
      cut(script);
      await turn();
      dispatcher.resume();
    }
  });

  it('lets calls drop out that nobody waits for, so that they cannot run now', async () => {
    const { dispatcher, add, sent, cut } = setUp();
    const [settled, wanted, moved] = add(3) as [Call, Call, Call];
    cut(only(await sent()));
    settled.isSettled = true;
    moved.leave(performance.now());
    await turn();
    dispatcher.resume();
    only(await sent()).answer('1000|');
    expect(framesOf(only(await sent()))).toEqual([expect.stringContaining(wanted.id)]);
  });

  it('has a batch asked about of which nothing is wanted: its node may have it', async () => {
    const { dispatcher, listener, add, sent, cut } = setUp();
    const [call] = add() as [Call];
    cut(only(await sent()));
    call.isSettled = true;
    await turn();
    dispatcher.resume();
    only(await sent()).answer('1000|node.1*1');
    expect(await sent()).toEqual([]);
    expect(listener.placed).toEqual([{ call, attempt: 1, incarnation: 'node.1', isResent: true }]);
  });

  it('leaves nothing of such a batch if it did not run', async () => {
    const { dispatcher, listener, add, sent, cut } = setUp();
    const [call] = add() as [Call];
    cut(only(await sent()));
    call.isSettled = true;
    await turn();
    dispatcher.resume();
    only(await sent()).answer('1000|');
    expect(await sent()).toEqual([]);
    expect(listener.placed).toEqual([]);
  });

  it('has large calls published with the new return address', async () => {
    const { redis, dispatcher, listener, address, addOne, sent, cut } = setUp();
    const call = addOne(LARGE);
    cut(only(await sent()));
    address.incarnation = 'caller.4';
    await turn();
    dispatcher.resume();
    only(await sent()).answer('1000|node.1*1');
    await turn();
    expect(only(redis.takeCommands())[2]).toMatch(/^\[1,"q",1000,"caller\.4","sum",\[/);
    expect(listener.placed).toMatchObject([{ call, incarnation: 'node.1', isResent: true }]);
  });

  it('takes nothing off the time that a large call has at its node', async () => {
    const { redis, dispatcher, addOne, sent, cut } = setUp();
    addOne({ ...LARGE, timeoutMs: 5000 });
    cut(only(await sent()));
    await pass(3000);
    dispatcher.resume();
    // The node reckons the age of the request from the first run of the script.
    only(await sent()).answer('1000|node.1*1');
    await turn();
    expect(timeLeftIn(only(redis.takeCommands()))).toBeGreaterThan(4900);
  });

  it.each([
    ['another server', 'server-1', 'server-2'],
    ['a server that does not say who it is', undefined, undefined],
  ])(
    'has nothing sent again that %s says it has not run: it may know less',
    async (_, before, after) => {
      const { redis, dispatcher, listener, add, sent, cut } = setUp();
      redis.serverId = before;
      const [call] = add() as [Call];
      cut(only(await sent()));
      await turn();
      redis.serverId = after;
      dispatcher.resume();
      only(await sent()).answer('1000|');
      expect(await sent()).toEqual([]);
      expect(listener.forgotten).toEqual([{ call, attempt: 1 }]);
    },
  );

  it('is also that of a server that has become a replica: its calls are sent to the next master', async () => {
    const { dispatcher, listener, add, sent } = setUp();
    const [call] = add() as [Call];
    only(await sent()).refuse('READONLY You can not write against a read only replica');
    dispatcher.pause();
    await turn();
    dispatcher.resume();
    expect(framesOf(only(await sent())).map(idOf)).toEqual([call.id]);
    expect(listener.refused).toEqual([]);
  });

  it('has its batches forgotten of which Redis no longer knows', async () => {
    const { dispatcher, listener, add, sent, cut } = setUp();
    const [call] = add() as [Call];
    cut(only(await sent()));
    await turn();
    dispatcher.resume();
    only(await sent()).refuse('STALE a later batch has taken the slot of this one');
    await turn();
    expect(listener.forgotten).toEqual([{ call, attempt: 1 }]);
  });

  it('that lasts longer than the fence makes its batches forgotten', async () => {
    const { dispatcher, listener, add, sent, cut } = setUp();
    const [call] = add(1, { timeoutMs: 60 * MINUTE }) as [Call];
    cut(only(await sent()));
    await pass(10 * MINUTE);
    dispatcher.resume();
    only(await sent()).refuse('LOST the fence is not that of this batch');
    await pass(1);
    expect(listener.forgotten).toEqual([{ call, attempt: 1 }]);
  });

  it('sends again only what it cut', async () => {
    const { dispatcher, add, sent } = setUp();
    add();
    const script = only(await sent());
    dispatcher.pause();
    dispatcher.resume();
    expect(await sent()).toEqual([]);
    placeAll(script);
  });
});

describe('a call', () => {
  it('counts as sent from when it is until Redis says that it has not run', async () => {
    const { dispatcher, addOne, sent, cut } = setUp();
    const call = addOne();
    expect(call.isSent).toBe(false);
    cut(only(await sent()));
    expect(call.isSent).toBe(true);
    await turn();
    dispatcher.resume();
    const asked = only(await sent());
    expect(call.isSent).toBe(true);
    asked.answer('1000|');
    dispatcher.pause();
    await turn();
    expect(call.isSent).toBe(false);
  });
});

describe('a large call', () => {
  it('is placed by the script, which does not see its data, and then published', async () => {
    const { redis, listener, addOne, sent } = setUp();
    const call = addOne(LARGE);
    const script = only(await sent());
    expect(countsOf(script)).toEqual({ small: 0, large: 1 });
    expect(script.args.slice(7)).toEqual(['', '', 0, 0, EPOCH]);
    placeAll(script, 'node-a.1!');
    await turn();
    const [name, channel, text] = only(redis.takeCommands());
    expect([name, channel]).toEqual(['publish', 't:P:node-a.1']);
    expect(decodeMessage(Buffer.from(String(text)), MEBIBYTE)).toMatchObject({
      redisMs: 1000,
      from: 'caller.3',
      service: 'sum',
      frames: [[call.id, expect.any(Number), 1, 0, 'x'.repeat(LARGEST_SMALL)]],
    });
    expect(listener.placed).toEqual([
      { call, attempt: 1, incarnation: 'node-a.1', isResent: false },
    ]);
  });

  it.each([
    [LARGEST_SMALL, false],
    [LARGEST_SMALL + 1, true],
  ])('is one whose body has %d characters: %j', async (length, isLarge) => {
    const { addOne, sent } = setUp();
    addOne({ body: 'x'.repeat(length) });
    expect(countsOf(only(await sent())).large === 1).toBe(isLarge);
  });

  it('is not told to be placed before it is published', async () => {
    const { redis, listener, addOne, sent } = setUp();
    let answer!: (value?: unknown) => void;
    redis.pipelineHeld = new Promise((resolve) => (answer = resolve));
    addOne(LARGE);
    placeAll(only(await sent()));
    await turn();
    expect(listener.placed).toEqual([]);
    answer();
    await turn();
    expect(listener.placed).toHaveLength(1);
  });

  it('that reaches nobody is dispatched again, without that node', async () => {
    const { redis, listener, addOne, sent } = setUp();
    redis.reply = ([name]) => (name === 'publish' ? 0 : 1);
    const call = addOne(LARGE);
    placeAll(only(await sent()), 'node-a.1!');
    const again = only(await sent());
    expect(redis.takeCommands()).toContainEqual(['zrem', 't:S:sum', 'node-a.1!']);
    expect(listener.placed).toEqual([]);
    expect(call.attempt).toBe(1);
    redis.reply = () => 1;
    placeAll(again, 'node-b.1');
    await turn();
    expect(listener.placed).toMatchObject([{ call, incarnation: 'node-b.1' }]);
  });

  it('that was settled or moved meanwhile is not published', async () => {
    const { redis, add, sent } = setUp();
    const [settled, moved] = add(2, LARGE) as [Call, Call];
    const script = only(await sent());
    settled.isSettled = true;
    moved.leave(performance.now());
    placeAll(script);
    await turn();
    expect(redis.takeCommands()).toEqual([]);
  });

  it('whose PUBLISH is cut counts as placed, so that its node is asked', async () => {
    const { redis, listener, addOne, sent } = setUp();
    redis.cutPipelines();
    const call = addOne(LARGE);
    placeAll(only(await sent()));
    await turn();
    expect(listener.placed).toMatchObject([{ call, incarnation: 'node.1' }]);
  });

  it('that its node has refused before Redis has said that it got it is not placed there', async () => {
    const { redis, listener, addOne, sent } = setUp();
    let answer!: (value?: unknown) => void;
    redis.pipelineHeld = new Promise((resolve) => (answer = resolve));
    const call = addOne(LARGE);
    placeAll(only(await sent()));
    await turn();
    call.voidDispatch();
    answer();
    await turn();
    expect(listener.placed).toEqual([]);
  });

  it('that is dispatched again is published once, to its new node', async () => {
    const { redis, dispatcher, addOne, sent } = setUp();
    const call = addOne(LARGE);
    const first = only(await sent());
    call.voidDispatch();
    dispatcher.add(call);
    const second = only(await sent());
    placeAll(first, 'old.1');
    placeAll(second, 'new.1');
    await turn();
    expect(redis.takeCommands()).toMatchObject([['publish', 't:P:new.1', expect.anything()]]);
  });

  it('whose PUBLISH is refused is refused', async () => {
    const { redis, listener, addOne, sent } = setUp();
    redis.reply = () => redisError('NOPERM no permissions to access a channel');
    const call = addOne(LARGE);
    placeAll(only(await sent()));
    await turn();
    expect(listener.placed).toEqual([]);
    expect(listener.refused).toMatchObject([{ call }]);
  });

  it('is told after the small ones of its batch', async () => {
    const { listener, addOne, sent } = setUp();
    const [large, small] = [addOne(LARGE), addOne()];
    placeAll(only(await sent()));
    await turn();
    expect(listener.placed.map(({ call }) => call)).toEqual([small, large]);
  });
});

describe('a dispatcher', () => {
  it('is full when as many calls wait as may, of all services together', async () => {
    const { dispatcher, add, sent } = setUp(5);
    dispatcher.pause();
    const [call] = add(2, { service: 'sum' }) as [Call];
    add(2, { service: 'product' });
    expect(dispatcher.isFull).toBe(false);
    add(1, { service: 'sum' });
    expect(dispatcher.isFull).toBe(true);
    dispatcher.remove(call);
    expect(dispatcher.isFull).toBe(false);
    add(1);
    dispatcher.resume();
    expect(await sent()).toHaveLength(2);
    expect(dispatcher.isFull).toBe(false);
  });

  it('is full when the data of those that wait takes 256 MiB', () => {
    const { dispatcher, add } = setUp();
    dispatcher.pause();
    add(15, { body: 'x'.repeat(16 * MEBIBYTE) });
    expect(dispatcher.isFull).toBe(false);
    add(1, { body: 'x'.repeat(16 * MEBIBYTE) });
    expect(dispatcher.isFull).toBe(true);
  });
});

describe('close', () => {
  it('forgets what waits, and leaves no timer', async () => {
    const { dispatcher, add, sent } = setUp();
    add(3);
    dispatcher.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(await sent()).toEqual([]);
    dispatcher.resume();
    expect(await sent()).toEqual([]);
  });
});
