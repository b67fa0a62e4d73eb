import { describe, expect, it, vi } from 'vitest';
import type { Call } from '../../../lib/node/call.js';
import type { Dispatcher } from '../../../lib/node/dispatcher.js';
import type { Command } from '../../../lib/redis/link.js';
import type { FlatSettings } from '../fakes/call.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { EPOCH, setUpDispatcher } from '../fakes/dispatcher.js';
import { only, type SentScript } from '../fakes/redis.js';

const MINUTE = 60_000;
/** When calls that are still out have their answer asked for. */
const LATE_MS = 100;
/** As many batches as the fence keeps answers of. */
const SLOTS = 256;
/** A body that does not ride in the script. */
const LARGE = { body: `0,"${'x'.repeat(4 * 1024)}"` };

/** A dispatcher that may be quiet. */
function setUp() {
  const set = setUpDispatcher();
  const { redis, listener, addOne } = set;
  redis.canBeQuiet = true;
  /** What was sent in this turn, with and without a wish for an answer. */
  const sent = async () => {
    await turn();
    return { loud: redis.takeScripts('dispatch'), quiet: redis.takeQuiet().map(readQuiet) };
  };
  /** Sends this in a turn of its own, and says whether it went quietly. */
  const isQuiet = async (settings?: FlatSettings, change: (call: Call) => void = () => {}) => {
    change(addOne(settings));
    const { loud, quiet } = await sent();
    expect(loud.length + quiet.length).toBe(1);
    for (const script of loud) placeAll(script);
    await turn();
    return quiet.length === 1;
  };
  /** One batch is answered: all of its calls have a node, with this member. */
  const earnTrust = async (member = 'node.1', service = 'sum') => {
    const call = addOne({ service });
    const script = only((await sent()).loud);
    script.answer(`1000|${member}*1`);
    await turn();
    answer(call);
    listener.placed.length = 0;
  };
  return { ...set, sent, isQuiet, earnTrust };
}

async function setUpTrusted() {
  const set = setUp();
  await set.earnTrust();
  return set;
}

const callsOf = (notes: readonly { call: Call }[]) => notes.map(({ call }) => call);

/** What the caller does when the reply is there. */
function answer(...calls: readonly Call[]): void {
  for (const call of calls) call.isAnswered = call.isSettled = true;
}

/** What the caller does when a call has timed out or is cancelled. */
function giveUp(dispatcher: Dispatcher, call: Call): void {
  call.isSettled = true;
  dispatcher.remove(call);
}

function readQuiet([script, service, fence, line, ...args]: Command) {
  const [sequence, slots, ttl, prefix, header, small, large, frames, rules, , , , ...ruled] = args;
  expect([script, slots, prefix]).toEqual(['dispatch', SLOTS, 't:P:']);
  return {
    keys: [service, fence, line],
    sequence,
    ttl,
    header,
    small,
    large,
    frames,
    rules,
    ruled,
  };
}

const sequenceOf = ({ args: [sequence] }: SentScript) => Number(sequence);
const placeAll = (script: SentScript, member = 'node.1') =>
  script.answer(`1000|${member}*${Number(script.args[5]) + Number(script.args[6])}`);
/** Whether it has no requests, and only asks for an answer. */
const isEmpty = ({ args }: SentScript) =>
  args.slice(5, 11).join() === [0, 0, '', '', 0, 0].join() && args.length === 12;

useFakeClock();

it('a call that ends before its answer would be asked for is not sent quietly', async () => {
  const { isQuiet } = await setUpTrusted();
  expect(await isQuiet({ timeoutMs: 299 })).toBe(false);
  expect(await isQuiet({ timeoutMs: 300 })).toBe(true);
});

describe('a batch', () => {
  it('is answered at first, and quiet when that has found nodes for all calls', async () => {
    const { dispatcher, listener, addOne, sent } = setUp();
    const first = addOne();
    const { loud, quiet } = await sent();
    expect(quiet).toEqual([]);
    placeAll(only(loud));
    await turn();
    const second = addOne({ timeoutMs: 500 });
    const next = await sent();
    expect(next.loud).toEqual([]);
    expect(next.quiet).toEqual([
      {
        keys: ['t:S:sum', 't:F:caller', 't:W:sum'],
        sequence: 2,
        ttl: 0,
        header: '"caller.3","sum",[',
        small: 1,
        large: 0,
        frames: `["${second.id}",500,1,0,[1,2,3]]`,
        rules: '',
        ruled: [],
      },
    ]);
    expect(second.isSent).toBe(true);
    expect(listener.placed.map(({ call }) => call)).toEqual([first]);
    dispatcher.close();
  });

  it('is trusted by its service', async () => {
    const { isQuiet } = await setUpTrusted();
    expect(await isQuiet({ service: 'product' })).toBe(false);
    expect(await isQuiet({ service: 'product' })).toBe(true);
    expect(await isQuiet({ service: 'sum' })).toBe(true);
  });

  it('renews the fence, quiet or not', async () => {
    const { add, sent } = await setUpTrusted();
    const ttls: unknown[] = [];
    for (let i = 0; i < 25; i++) {
      const calls = add();
      const { quiet } = await sent();
      ttls.push(only(quiet).ttl);
      answer(...calls);
      await pass(5000);
    }
    expect(ttls.filter((ttl) => ttl === 10 * MINUTE)).toHaveLength(2);
    expect(ttls.filter((ttl) => ttl === 0)).toHaveLength(23);
  });

  it('is answered while Redis does not let us be quiet', async () => {
    const { redis, isQuiet } = await setUpTrusted();
    redis.canBeQuiet = false;
    expect(await isQuiet()).toBe(false);
    redis.canBeQuiet = true;
    expect(await isQuiet()).toBe(true);
  });

  it.each<[string, FlatSettings, ((call: Call) => void)?]>([
    ['that may have another attempt', { attempts: 2 }],
    ['of any number of attempts', { attempts: -1 }],
    ['that wants no reply', { isOneWay: true }],
    ['that is large', LARGE],
    ['that has tried a node', {}, (call) => call.addTried('node-a.1')],
  ])('is answered that has a call %s', async (_, settings, change) => {
    const { isQuiet } = await setUpTrusted();
    expect(await isQuiet(settings, change)).toBe(false);
  });

  it('is answered if one call of many needs that', async () => {
    const { add, sent } = await setUpTrusted();
    add(5);
    add(1, { attempts: 3 });
    add(5);
    const { loud, quiet } = await sent();
    expect(quiet).toEqual([]);
    expect(only(loud).args[5]).toBe(11);
  });
});

describe('a service is not trusted', () => {
  it.each([
    ['a node with a limit', 'node.1!*2'],
    ['a node with a limit for some', 'node.1*1,node.1!*1'],
    ['no node', '0*2'],
    ['no node for some', 'node.1*1,0*1'],
    ['full nodes', '-1*2'],
    ['nodes that were tried', '-2*2'],
  ])('whose last batch has found %s', async (_, runs) => {
    const { redis, add, sent, isQuiet } = await setUpTrusted();
    redis.canBeQuiet = false;
    add(2);
    only((await sent()).loud).answer(`1000|${runs}`);
    await turn();
    redis.canBeQuiet = true;
    expect(await isQuiet()).toBe(false);
    expect(await isQuiet()).toBe(true);
  });

  it('whose last batch Redis has refused', async () => {
    const { redis, listener, add, sent, isQuiet } = await setUpTrusted();
    redis.canBeQuiet = false;
    const calls = add();
    only((await sent()).loud).refuse('OOM command not allowed');
    await turn();
    expect(callsOf(listener.refused)).toEqual(calls);
    redis.canBeQuiet = true;
    expect(await isQuiet()).toBe(false);
  });

  it('that was never reached', async () => {
    const { isQuiet, sent, addOne } = setUp();
    addOne();
    only((await sent()).loud).answer('1000|0*1');
    await turn();
    expect(await isQuiet()).toBe(false);
  });
});

describe('the answer of a quiet batch', () => {
  it('is asked for when calls of it are still out after 100 ms, by its number', async () => {
    const { listener, add, sent } = await setUpTrusted();
    const calls = add(3);
    await sent();
    answer(calls[1]!);
    await pass(LATE_MS - 10);
    expect((await sent()).loud).toEqual([]);
    await pass(10);
    const asked = only((await sent()).loud);
    expect(asked.keys).toEqual(['t:S:sum', 't:F:caller', 't:W:sum']);
    expect(asked.args).toEqual([
      2,
      SLOTS,
      0,
      't:P:',
      '"caller.3","sum",[',
      0,
      0,
      '',
      '',
      0,
      0,
      EPOCH,
    ]);
    asked.answer('1000|node-a.1*1,node-b.2*2');
    await turn();
    expect(listener.placed).toEqual([
      { call: calls[0], attempt: 1, incarnation: 'node-a.1', isResent: false },
      { call: calls[1], attempt: 1, incarnation: 'node-b.2', isResent: false },
      { call: calls[2], attempt: 1, incarnation: 'node-b.2', isResent: false },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not asked for when all were answered', async () => {
    const { add, sent } = await setUpTrusted();
    const calls = add(3);
    await sent();
    answer(...calls);
    await pass(10 * LATE_MS);
    expect((await sent()).loud).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is asked for once', async () => {
    const { add, sent } = await setUpTrusted();
    add();
    await sent();
    await pass(LATE_MS);
    expect((await sent()).loud).toHaveLength(1);
    await pass(10 * LATE_MS);
    expect((await sent()).loud).toEqual([]);
  });

  it('is asked for no sooner and not much later when others were sent before', async () => {
    const { add, sent } = await setUpTrusted();
    add();
    await sent();
    await pass(LATE_MS / 2);
    add();
    await sent();
    await pass(LATE_MS / 2);
    expect((await sent()).loud.map(sequenceOf)).toEqual([2]);
    await pass(LATE_MS);
    expect((await sent()).loud.map(sequenceOf)).toEqual([3]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves its service trusted if all have nodes', async () => {
    const { add, sent, isQuiet } = await setUpTrusted();
    add(2);
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|node-a.1*1,node-b.1*1');
    await turn();
    expect(await isQuiet()).toBe(true);
  });

  it('says why calls went to no node, and ends the trust', async () => {
    const { listener, add, sent, isQuiet } = await setUpTrusted();
    const [a, b] = add(2) as [Call, Call];
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|node-a.1*1,0*1');
    await turn();
    expect(listener.placed.map(({ call }) => call)).toEqual([a]);
    expect(listener.unplaced).toEqual([{ call: b, reason: 'no-node' }]);
    expect(await isQuiet()).toBe(false);
  });

  it('can be that it never ran: what is wanted is sent anew, and answered', async () => {
    const { listener, add, sent, isQuiet } = await setUpTrusted();
    const [wanted, answered, gone] = add(3) as [Call, Call, Call];
    await sent();
    answer(answered);
    gone.isSettled = true;
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|');
    await turn();
    const { loud, quiet } = await sent();
    expect(quiet).toEqual([]);
    const anew = only(loud);
    expect(sequenceOf(anew)).toBe(3);
    expect(anew.args.slice(5, 7)).toEqual([1, 0]);
    expect(anew.args[7]).toContain(wanted.id);
    placeAll(anew);
    await turn();
    expect(listener.placed.map(({ call }) => call)).toEqual([wanted]);
    expect(await isQuiet()).toBe(true);
  });

  it('is asked for again when Redis refuses to say, as long as a call waits', async () => {
    const { listener, add, sent, isQuiet } = await setUpTrusted();
    const [answered, placed] = add(2) as [Call, Call];
    await sent();
    await pass(LATE_MS);
    const refuse = async () => {
      const script = only((await sent()).loud);
      expect(isEmpty(script)).toBe(true);
      expect(sequenceOf(script)).toBe(2);
      script.refuse('OOM command not allowed');
      await turn();
    };
    await refuse();
    expect(await isQuiet()).toBe(false);
    await pass(LATE_MS);
    await refuse();
    answer(answered);
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|node.1*2');
    await turn();
    // The question was refused. The requests were not, for all that is known.
    expect(callsOf(listener.placed)).toContain(placed);
    expect([...listener.forgotten, ...listener.refused]).toEqual([]);
    await pass(MINUTE);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
  });

  it('is not asked for again when Redis has refused to say and nobody waits any more', async () => {
    const { add, sent } = await setUpTrusted();
    const calls = add(2);
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).refuse('OOM command not allowed');
    await turn();
    // They have timed out.
    for (const call of calls) call.isSettled = true;
    await pass(MINUTE);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
  });

  it('is asked for when there is a connection again, with the node about the call, if Redis had refused to say', async () => {
    const { dispatcher, listener, addOne, sent } = await setUpTrusted();
    const call = addOne();
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).refuse('OOM command not allowed');
    await turn();
    dispatcher.pause();
    await pass(MINUTE);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
    dispatcher.resume();
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|node.1*1');
    await turn();
    expect(listener.placed).toEqual([expect.objectContaining({ call, isResent: true })]);
  });

  it('keeps its slot when Redis refuses to say: the number of a later batch is left out', async () => {
    const { listener, addOne, add, sent } = await setUpTrusted();
    const call = addOne();
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).refuse('OOM command not allowed');
    await turn();
    const numbers: number[] = [];
    for (let batch = 0; batch < SLOTS; batch++) {
      add(1, { timeoutMs: 200 });
      for (const script of (await sent()).loud)
        if (sequenceOf(script) === 2) script.refuse('OOM command not allowed');
        else {
          numbers.push(sequenceOf(script));
          placeAll(script);
        }
      await turn();
    }
    expect(numbers.slice(-2)).toEqual([SLOTS + 1, SLOTS + 3]);
    await pass(LATE_MS);
    only((await sent()).loud).answer('1000|node.1*1');
    await turn();
    expect(callsOf(listener.placed)).toContain(call);
    expect(listener.forgotten).toEqual([]);
  });

  it('comes to nothing after close, also when Redis has refused to say', async () => {
    const { dispatcher, addOne, sent } = await setUpTrusted();
    addOne();
    await sent();
    await pass(LATE_MS);
    const question = only((await sent()).loud);
    dispatcher.close();
    question.refuse('OOM command not allowed');
    await turn();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can be that the fence no longer knows', async () => {
    const { listener, add, sent } = await setUpTrusted();
    const calls = add(2);
    await sent();
    await pass(LATE_MS);
    only((await sent()).loud).refuse('STALE a later batch has taken the slot');
    await turn();
    expect(callsOf(listener.forgotten)).toEqual(calls);
    expect(callsOf(listener.refused)).toEqual([]);
  });

  it('can be that Redis has lost it: for two seconds the replies are waited for', async () => {
    const { listener, add, sent } = await setUpTrusted();
    const [answered, unanswered] = add(2) as [Call, Call];
    await sent();
    const refuseAll = async () => {
      for (const script of (await sent()).loud)
        script.refuse('LOST the fence is not that of this batch');
      await turn();
    };
    for (let ms = 0; ms < 1900; ms += LATE_MS) {
      await pass(LATE_MS);
      await refuseAll();
    }
    expect(listener.forgotten).toEqual([]);
    answer(answered);
    await pass(2 * LATE_MS);
    await refuseAll();
    expect(callsOf(listener.forgotten)).toContain(unanswered);
    expect(callsOf(listener.refused)).toEqual([]);
    await pass(MINUTE);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
  });
});

describe('a fence that Redis has lost', () => {
  it('makes batches come back: those that were sent quietly are asked for at once', async () => {
    const { listener, addOne, sent } = await setUpTrusted();
    const quiet = addOne();
    await sent();
    // Not long enough to be quiet.
    const loud = addOne({ timeoutMs: 200 });
    only((await sent()).loud).answer('1000|@next');
    const [question, anew] = (await sent()).loud as [SentScript, SentScript];
    expect([sequenceOf(question), isEmpty(question)]).toEqual([2, true]);
    question.answer('1000|@next');
    await turn();
    placeAll(only((await sent()).loud));
    placeAll(anew);
    await turn();
    expect(callsOf(listener.placed)).toEqual([quiet, loud]);
  });

  it('ends the trust in all services when that is found out by a question', async () => {
    const { add, addOne, sent, earnTrust, isQuiet } = await setUpTrusted();
    await earnTrust('node.1', 'product');
    addOne();
    await sent();
    await pass(LATE_MS / 2);
    add(1, { service: 'product' });
    await sent();
    await pass(LATE_MS / 2);
    only((await sent()).loud).refuse('LOST the fence is not that of this batch');
    await turn();
    // Not only when it is late.
    expect(only((await sent()).loud).keys[0]).toBe('t:S:product');
    expect(await isQuiet({ service: 'product' })).toBe(false);
  });

  it('may have expired while nothing was sent: the next batch has an answer', async () => {
    const { isQuiet, addOne, sent } = await setUpTrusted();
    await pass(8 * MINUTE);
    const call = addOne();
    expect((await sent()).quiet).toHaveLength(1);
    answer(call);
    await pass(9 * MINUTE);
    expect(await isQuiet()).toBe(false);
    expect(await isQuiet()).toBe(true);
  });
});

describe('a call that was sent quietly and is taken back', () => {
  it('has the answer asked for at the next turn', async () => {
    const { redis, dispatcher, listener, add, sent } = await setUpTrusted();
    const [call] = add(2) as [Call];
    await sent();
    giveUp(dispatcher, call);
    expect(redis.takeScripts()).toEqual([]);
    const asked = only((await sent()).loud);
    expect([sequenceOf(asked), isEmpty(asked)]).toEqual([2, true]);
    asked.answer('1000|node-a.1*2');
    await turn();
    expect(listener.placed[0]).toEqual({
      call,
      attempt: 1,
      incarnation: 'node-a.1',
      isResent: false,
    });
  });

  it('has it asked for once, with all that are taken back in this turn', async () => {
    const { dispatcher, add, sent } = await setUpTrusted();
    const calls = add(3);
    await sent();
    for (const call of calls) giveUp(dispatcher, call);
    expect((await sent()).loud).toHaveLength(1);
    await pass(10 * LATE_MS);
    expect((await sent()).loud).toEqual([]);
  });

  it('has nothing asked about calls that went with other batches', async () => {
    const { dispatcher, addOne, sent } = await setUpTrusted();
    addOne();
    await sent();
    const call = addOne();
    const { sequence } = only((await sent()).quiet);
    giveUp(dispatcher, call);
    expect(sequenceOf(only((await sent()).loud))).toBe(sequence);
  });

  it('is not sent again if the batch never ran', async () => {
    const { dispatcher, listener, addOne, sent } = await setUpTrusted();
    const call = addOne();
    await sent();
    giveUp(dispatcher, call);
    only((await sent()).loud).answer('1000|');
    await turn();
    expect(await sent()).toEqual({ loud: [], quiet: [] });
    expect(listener.placed).toEqual([]);
  });

  it('is just left out when it waits still', async () => {
    const { dispatcher, add, sent } = await setUpTrusted();
    const [call, other] = add(2) as [Call, Call];
    giveUp(dispatcher, call);
    const { loud, quiet } = await sent();
    expect(loud).toEqual([]);
    expect(only(quiet).small).toBe(1);
    expect(only(quiet).frames).toContain(other.id);
  });
});

describe('the slots of the fence', () => {
  it('are taken by quiet batches too: the 257th has the first asked for, and waits', async () => {
    const { redis, dispatcher, add, sent } = await setUpTrusted();
    // So many leave at once.
    for (let i = 0; i < SLOTS; i++) add(32);
    expect(redis.takeScripts()).toEqual([]);
    expect(redis.takeQuiet()).toHaveLength(SLOTS);
    add(32);
    expect(redis.takeQuiet()).toEqual([]);
    const asked = only(redis.takeScripts('dispatch'));
    expect([sequenceOf(asked), isEmpty(asked)]).toEqual([2, true]);
    asked.answer('1000|node.1*32');
    const { quiet } = await sent();
    expect(only(quiet).sequence).toBe(SLOTS + 2);
    dispatcher.close();
  });

  it('are free again when all calls of their batch were answered', async () => {
    const { redis, dispatcher, add } = await setUpTrusted();
    for (let i = 0; i < 3 * SLOTS; i++) answer(...add(32));
    expect(redis.takeScripts()).toEqual([]);
    expect(redis.takeQuiet()).toHaveLength(3 * SLOTS);
    dispatcher.close();
  });

  it('are free again though older batches are open', async () => {
    const { redis, dispatcher, add } = await setUpTrusted();
    const open = add(32 * 20);
    for (let i = 0; i < SLOTS - 20; i++) answer(...add(32));
    expect(redis.takeScripts()).toEqual([]);
    answer(...open);
    for (let i = 0; i < SLOTS; i++) answer(...add(32));
    expect(redis.takeScripts()).toEqual([]);
    expect(redis.takeQuiet()).toHaveLength(2 * SLOTS);
    dispatcher.close();
  });
});

describe('a cut connection', () => {
  it('has quiet batches asked for when it is there again, and the nodes about their calls', async () => {
    const { redis, dispatcher, listener, add, sent } = await setUpTrusted();
    const calls = add(2);
    await sent();
    dispatcher.pause();
    redis.canBeQuiet = false;
    await pass(5 * LATE_MS);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
    dispatcher.resume();
    const asked = only((await sent()).loud);
    expect([sequenceOf(asked), isEmpty(asked), asked.args[2]]).toEqual([2, true, 10 * MINUTE]);
    asked.answer('1000|node-a.1*2');
    await turn();
    expect(listener.placed).toEqual(
      calls.map((call) => ({ call, attempt: 1, incarnation: 'node-a.1', isResent: true })),
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may have kept them from Redis: they are sent anew', async () => {
    const { dispatcher, listener, add, sent } = await setUpTrusted();
    const calls = add(2);
    await sent();
    dispatcher.pause();
    await turn();
    dispatcher.resume();
    only((await sent()).loud).answer('1000|');
    const anew = only((await sent()).loud);
    expect(sequenceOf(anew)).toBe(3);
    placeAll(anew);
    await turn();
    expect(listener.placed).toEqual(
      calls.map((call) => ({ call, attempt: 1, incarnation: 'node.1', isResent: false })),
    );
  });

  it('may cut the question too', async () => {
    const { dispatcher, addOne, sent } = await setUpTrusted();
    addOne();
    await sent();
    await pass(LATE_MS);
    for (let i = 0; i < 3; i++) {
      const asked = only((await sent()).loud);
      expect([sequenceOf(asked), isEmpty(asked)]).toEqual([2, true]);
      dispatcher.pause();
      asked.cut();
      await turn();
      dispatcher.resume();
    }
  });

  it('asks before it sends what has gathered, and wants an answer: Redis may have lost its scripts', async () => {
    const { dispatcher, add, sent } = await setUpTrusted();
    add();
    await sent();
    dispatcher.pause();
    add();
    await turn();
    dispatcher.resume();
    const { loud, quiet } = await sent();
    expect(loud.map(sequenceOf)).toEqual([2, 3]);
    expect(quiet).toEqual([]);
    dispatcher.close();
  });

  it('that lasts longer than the fence makes them forgotten', async () => {
    const { dispatcher, listener, add, sent } = await setUpTrusted();
    const calls = add(1, { timeoutMs: 60 * MINUTE });
    await sent();
    dispatcher.pause();
    await pass(10 * MINUTE);
    dispatcher.resume();
    only((await sent()).loud).refuse('LOST the fence is not that of this batch');
    await pass(1);
    expect(callsOf(listener.forgotten)).toEqual(calls);
  });
});

describe('close', () => {
  it('forgets quiet batches, and leaves no timer', async () => {
    const { dispatcher, add, sent } = await setUpTrusted();
    const [call] = add(2) as [Call];
    await sent();
    giveUp(dispatcher, call);
    dispatcher.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(10 * LATE_MS);
    expect(await sent()).toEqual({ loud: [], quiet: [] });
    dispatcher.resume();
    expect(await sent()).toEqual({ loud: [], quiet: [] });
  });
});
