import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { replyMessage, resultFrame } from '../../lib/protocol/encode.js';
import type { CallOptions, CloudsNode, IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { outcome, rejection, tally, timeOf, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();

/** A caller that has been connected for longer than its grace: a missing node is missing. */
async function settledCaller(graceMs = 100): Promise<CloudsNode> {
  const caller = await cloud.connected({ service: { noNodeGrace: graceMs } });
  const connectedAt = performance.now();
  await until('the grace is over', () => performance.now() - connectedAt > graceMs);
  return caller;
}

async function server(
  service: string,
  handler: (data: never, request: IncomingRequest) => unknown,
) {
  const node = await cloud.connected(FAST_BEAT);
  await node.register(service, handler);
  return node;
}

describe('when the process of a node is killed', () => {
  it('every pemit that it had is answered by another node within a second', async () => {
    const [victim, caller] = await Promise.all([cloud.child(), settledCaller()]);
    const rescuer = await server('work', () => 'rescued');
    const moves: string[] = [];
    caller.on('moved', ({ reason }) => moves.push(reason.code));
    const calls = Array.from({ length: 20 }, () => caller.pemit(3, 'work', { hold: true }));
    await until('half of them run on the victim', () => victim.runs.length === 10);

    const ms = await timeOf(Promise.all([victim.kill(), ...calls]));

    expect(await tally(calls)).toEqual({ ok: 20 });
    expect(moves).toEqual(Array(10).fill('CLOUDS_NODE_LOST'));
    expect(ms).toBeLessThan(1000);
    await cloud.silence('work', [rescuer]);
  });

  it('every send that it had fails with CLOUDS_NODE_LOST within a second', async () => {
    const [victim, caller] = await Promise.all([cloud.child(), settledCaller()]);
    const calls = Array.from({ length: 20 }, () => caller.send('work', { hold: true }));
    await until('all run', () => victim.runs.length === 20);

    const ended = tally(calls);
    const ms = await timeOf(Promise.all([victim.kill(), ended]));

    expect(await ended).toEqual({ CLOUDS_NODE_LOST: 20 });
    expect(ms).toBeLessThan(1000);
    expect(caller.stats.inFlight).toBe(0);
  });

  it('nobody is sent there any more', async () => {
    const [victim, caller] = await Promise.all([cloud.child(), settledCaller()]);
    const survivor = await server('work', () => 'here');
    await victim.kill();

    const answers = await Promise.all(Array.from({ length: 50 }, () => caller.send('work')));

    expect(new Set(answers)).toEqual(new Set(['here']));
    await cloud.silence('work', [survivor]);
  });

  it('a pemit waits for a node that starts in its place', async () => {
    const [victim, caller] = await Promise.all([cloud.child(), settledCaller(1000)]);
    const call = caller.pemit(3, 'work', { hold: true });
    await until('it runs', () => victim.runs.length === 1);
    await victim.kill();
    await server('work', (_: never, { attempt }) => `attempt ${attempt}`);

    expect(await call).toBe('attempt 2');
  });
});

describe('when the process of a node is frozen', () => {
  it('a send times out, and is not run when the process goes on', async () => {
    const [frozen, caller] = await Promise.all([cloud.child(FAST_BEAT), settledCaller(1000)]);
    frozen.pause();

    const began = performance.now();
    expect(await outcome(caller.send('work', { key: 'late' }, { timeout: 300 }))).toBe(
      'CLOUDS_TIMEOUT',
    );
    const ms = performance.now() - began;
    expect(ms).toBeGreaterThan(290);
    expect(ms).toBeLessThan(1300);

    frozen.resume();
    expect(await caller.send('work', { key: 'fresh' })).toBe(frozen.id);
    await until('the program has said so', () => frozen.runs.length > 0);
    expect(frozen.runs.map(({ key }) => key)).toEqual(['fresh']);
    await cloud.silence('work', [frozen]);
  });

  it('a pemit moves on when three beats are missing, long before its timeout', async () => {
    const [frozen, caller] = await Promise.all([cloud.child(FAST_BEAT), settledCaller()]);
    const call = caller.pemit(2, 'work', { hold: true });
    await until('it runs', () => frozen.runs.length === 1);
    await server('work', (_: never, { attempt }) => `attempt ${attempt}`);
    frozen.pause();

    expect(await call).toBe('attempt 2');
  });

  it('a send stays with it: whether it was run is not known', async () => {
    const [frozen, caller] = await Promise.all([cloud.child(FAST_BEAT), settledCaller()]);
    const call = caller.send('work', { ms: 100 });
    await until('it runs', () => frozen.runs.length === 1);
    const other = await server('work', () => 'moved');
    frozen.pause();
    await until('it is swept', async () => !(frozen.id in (await cloud.scores('work'))));
    frozen.resume();

    expect(await call).toBe(frozen.id);
    await cloud.silence('work', [frozen, other]);
  });

  it('the others sweep it out of the service, and it comes back by itself', async () => {
    const frozen = await cloud.child(FAST_BEAT);
    const other = await server('work', () => 'here');
    frozen.pause();

    await cloud.silence('work', [other]);
    frozen.resume();
    await cloud.silence('work', [frozen, other]);
  });
});

describe('when the event loop of a node stands still for many beats', () => {
  it('it is not dead: its calls are answered, and it keeps its connection', async () => {
    const [busy, caller] = await Promise.all([cloud.child(FAST_BEAT), settledCaller()]);
    const blocking = caller.send('work', { blockMs: 800 });
    await until('it runs', () => busy.runs.length === 1);
    const behind = [1, 2, 3].map((key) => caller.send('work', { key }));

    expect(await blocking).toBe(busy.id);
    expect(await tally(behind)).toEqual({ ok: 3 });
    await cloud.silence('work', [busy]);
    expect(await cloud.members('work')).toEqual([`${busy.id}.1`]);
  });

  it('it is not sent what others can do', async () => {
    const [busy, caller] = await Promise.all([cloud.child(), settledCaller()]);
    const blocking = caller.send('work', { blockMs: 800 });
    await until('it runs', () => busy.runs.length === 1);
    const other = await server('work', () => 'other');
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await caller.send('work'));

    expect(new Set(answers)).toEqual(new Set(['other']));
    await blocking;
    await cloud.silence('work', [busy, other]);
  });
});

describe('when a caller stands still before its calls have left', () => {
  /** The first leaves at once, those of the same turn after it together. */
  async function callsOfOneTurn(settings: CallOptions) {
    const [node, caller] = await Promise.all([cloud.child(), settledCaller()]);
    const [first, ...others] = [0, 1, 2].map((key) => caller.send('work', { key }, settings));
    const end = performance.now() + 1000;
    while (performance.now() < end);
    const ends = await tally(others);
    await first;
    await cloud.silence('work', [node]);
    return { ends, keys: node.runs.map(({ key }) => key) };
  }

  it('those whose time is over are not made', async () => {
    const { ends, keys } = await callsOfOneTurn({ timeout: 500, attempts: 1 });
    expect(ends).toEqual({ CLOUDS_TIMEOUT: 2 });
    expect(keys).toEqual([0]);
  });

  it('those with attempts left begin anew', async () => {
    const { ends, keys } = await callsOfOneTurn({ timeout: 500, attempts: 2, deadline: 5000 });
    expect(ends).toEqual({ ok: 2 });
    expect(keys).toEqual([0, 1, 2]);
  });
});

describe('a timeout', () => {
  it('has the word "timeout" in its message, for those who know the seed', async () => {
    await server('slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();

    const error = await rejection(caller.send('slow', 1, { timeout: 50 }));

    expect(error).toMatchObject({ code: 'CLOUDS_TIMEOUT', name: 'CloudsTimeoutError' });
    expect(error.message).toContain('timeout');
  });

  it('cleans dead nodes away by itself', async () => {
    const slow = await server('slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();
    await cloud.admin.zadd(cloud.keys.service('slow'), 5, 'ghost.1', 6, 'limited.1!');

    await rejection(caller.send('slow', 1, { timeout: 50 }));

    await until('only the living are left', async () => (await cloud.members('slow')).length === 1);
    await cloud.silence('slow', [slow]);
  });

  it('cleans at most once per interval', async () => {
    // A service without a living node, so that no heartbeat sweeps it.
    const mute = cloud.admin.duplicate();
    await mute.subscribe(cloud.keys.inbox('mute.1'));
    const caller = await cloud.connected({ service: { cleanInterval: 60_000 } });
    const put = (member: string, score: number) =>
      cloud.admin.zadd(cloud.keys.service('slow'), score, member);
    await put('mute.1', 1000);
    await put('ghost.1', 5);
    await cloud.admin.set(cloud.keys.node('mute'), '{}', 'PX', 20_000);
    await rejection(caller.send('slow', 1, { timeout: 30 }));
    await until('the ghost is gone', async () => (await cloud.members('slow')).length === 1);

    await put('ghost.2', 5);
    await rejection(caller.send('slow', 1, { timeout: 30 }));
    await caller.send('nobody', 1, { timeout: 30 }).catch(() => undefined);

    expect(await cloud.members('slow')).toEqual(['ghost.2', 'mute.1']);
    mute.disconnect();
    expect(await caller.clean()).toBe(2);
    await cloud.admin.del(cloud.keys.node('mute'));
  });

  it('is not harmed by a reply that comes after it', async () => {
    let late: IncomingRequest | undefined;
    const node = await server('slow', (_: never, request) => {
      late ??= request;
      return request === late ? untilCancelled(request) : 'in time';
    });
    const caller = await cloud.connected();
    await rejection(caller.send('slow', 1, { timeout: 50 }));

    const reply = String(replyMessage(`${node.id}.1`, [resultFrame(late!.id, '"too late"')]));
    await cloud.admin.publish(cloud.keys.inbox(late!.from), reply);
    await cloud.admin.publish(cloud.keys.inbox(late!.from), reply);

    expect(await caller.send('slow')).toBe('in time');
    expect(caller.stats).toMatchObject({ inFlight: 0, dropped: {} });
  });
});

describe('clean()', () => {
  it('takes the dead out of all services, tells how many, and leaves the living', async () => {
    const node = await server('alive', () => 1);
    await cloud.admin.zadd(cloud.keys.service('dead'), 1000, 'a.1', 1000, 'b.2!');
    await cloud.admin.zadd(cloud.keys.service('服务'), 1000, 'a.1');

    expect(await node.clean()).toBe(3);

    expect(await cloud.scores('alive')).toEqual({ [node.id]: 1000 });
    expect(await cloud.members('dead')).toEqual([]);
    expect(await node.clean()).toBe(0);
  });

  it('takes out a process that was killed', async () => {
    const [victim, caller] = await Promise.all([cloud.child(), cloud.connected()]);
    await victim.kill();

    expect(await caller.clean()).toBe(1);
    expect(await cloud.members('work')).toEqual([]);
  });
});

describe('when a service has no node', () => {
  it('a caller that never reached it fails at once', async () => {
    const caller = await settledCaller(300);

    const call = caller.send('nobody');
    const ms = await timeOf(call);

    expect(await outcome(call)).toBe('CLOUDS_NO_NODE');
    expect(ms).toBeLessThan(250);
  });

  it('a caller that did reach it waits for one to come back', async () => {
    const first = await server('work', () => 'first');
    const caller = await settledCaller(1000);
    await caller.send('work');
    await first.close();
    const call = caller.send('work');
    await server('work', () => 'second');

    expect(await call).toBe('second');
  });

  it('it waits no longer than its grace', async () => {
    const first = await server('work', () => 'first');
    const caller = await settledCaller(300);
    await caller.send('work');
    await first.close();

    const call = caller.send('work');
    const ms = await timeOf(call);

    expect(await outcome(call)).toBe('CLOUDS_NO_NODE');
    expect(ms).toBeGreaterThan(250);
    expect(ms).toBeLessThan(1300);
  });

  it('it waits no longer than the call has time, and says what was missing', async () => {
    const caller = await cloud.connected();

    expect(await outcome(caller.send('nobody', 1, { timeout: 100 }))).toBe('CLOUDS_NO_NODE');
  });

  it('a caller that has just connected waits for the nodes that connect with it', async () => {
    const caller = await cloud.connected();
    const call = caller.send('work');
    await server('work', () => 'here');

    expect(await call).toBe('here');
  });
});

describe('pemit', () => {
  it('tries each node once, under one call id', async () => {
    const runs: string[] = [];
    const ids = new Set<string>();
    const nodes = await Promise.all(
      [0, 1, 2].map((index) =>
        server('slow', (_: never, request) => {
          runs.push(`${index}`);
          ids.add(request.id);
          return untilCancelled(request);
        }),
      ),
    );
    const caller = await cloud.connected();

    expect(await outcome(caller.pemit(3, 'slow', 1, { timeout: 100 }))).toBe('CLOUDS_TIMEOUT');

    expect(runs.toSorted()).toEqual(['0', '1', '2']);
    expect(ids.size).toBe(1);
    await cloud.silence('slow', nodes);
  });

  it('tells the handler the number of the attempt', async () => {
    const attempts: number[] = [];
    const handler = (_: never, request: IncomingRequest) => {
      attempts.push(request.attempt);
      return request.attempt < 3 ? untilCancelled(request) : 'third';
    };
    for (let i = 0; i < 3; i++) await server('slow', handler);
    const caller = await cloud.connected();

    expect(await caller.pemit(3, 'slow', 1, { timeout: 100 })).toBe('third');
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('goes on with -1, to nodes that it tried before when there is no other', async () => {
    const node = await server('slow', (_: never, request) =>
      request.attempt < 5 ? untilCancelled(request) : request.attempt,
    );
    const caller = await cloud.connected();

    expect(await caller.pemit(-1, 'slow', 1, { timeout: 30 })).toBe(5);
    await cloud.silence('slow', [node]);
  });

  it('ends with its deadline, however many attempts it has', async () => {
    await server('slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();

    const call = caller.pemit(-1, 'slow', 1, { timeout: 50, deadline: 300 });
    const ms = await timeOf(call);

    expect(await outcome(call)).toBe('CLOUDS_TIMEOUT');
    expect(ms).toBeGreaterThan(280);
    expect(ms).toBeLessThan(1300);
  });

  it('never tries again what the handler refused', async () => {
    let runs = 0;
    for (let i = 0; i < 3; i++) {
      await server('picky', () => {
        runs++;
        throw Object.assign(new TypeError('no'), { retryable: true });
      });
    }
    const caller = await cloud.connected();

    expect(await rejection(caller.pemit(-1, 'picky'))).toMatchObject({
      name: 'TypeError',
      message: 'no',
    });
    expect(runs).toBe(1);
  });

  it('never runs twice at once on a node that ignores the cancel', async () => {
    let running = 0;
    let most = 0;
    const node = await server('stubborn', async () => {
      most = Math.max(most, ++running);
      await delay(250);
      running--;
      return 'done';
    });
    const caller = await cloud.connected();

    await outcome(caller.pemit(4, 'stubborn', 1, { timeout: 80 }));

    expect(most).toBe(1);
    await cloud.silence('stubborn', [node]);
  });

  it('that comes back to a node which still works on it gets the answer of that run', async () => {
    let runs = 0;
    await server('stubborn', async () => {
      runs++;
      await delay(700);
      return 'done';
    });
    const caller = await cloud.connected();

    // The second attempt begins 50 to 250 ms after the first ended, and lasts until 750 ms at least.
    expect(await caller.pemit(2, 'stubborn', 1, { timeout: 400 })).toBe('done');
    expect(runs).toBe(1);
  });

  it('tells each move to those who listen', async () => {
    await server('slow', (_: never, request) => untilCancelled(request));
    await server('slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();
    const moves: unknown[] = [];
    caller.on('moved', (move) => moves.push(move));

    await outcome(caller.pemit(2, 'slow', 1, { timeout: 50 }));

    expect(moves).toMatchObject([
      { service: 'slow', attempt: 2, reason: { code: 'CLOUDS_TIMEOUT' } },
    ]);
  });
});
