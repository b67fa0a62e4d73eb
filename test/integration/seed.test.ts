import { afterEach, describe, expect, it } from 'vitest';
import { Clouds, type LocalService } from '../../lib/clouds.js';
import type { CloudsOptions } from '../../lib/index.js';
import { useCloud } from '../support/cloud.js';
import { closedPort } from '../support/fake-redis.js';
import { gate, outcome, rejection, until } from '../support/wait.js';

const cloud = useCloud();
const processes: Clouds[] = [];

afterEach(async () => {
  for (const one of processes.splice(0)) await one.disconnect();
});

/** A process of the cloud, as the seed has it. */
async function clouds(service: CloudsOptions['service'] = {}): Promise<Clouds> {
  const one = new Clouds();
  processes.push(one);
  await one.connect(cloud.options({ service, drainTimeout: 100 }));
  return one;
}

async function math(add: (service: LocalService) => void = () => {}) {
  const server = await clouds();
  const service = await server.register('math');
  service.on('sum', (numbers: number[], callback) =>
    callback(
      null,
      numbers.reduce((a, b) => a + b),
    ),
  );
  add(service);
  const caller = await clouds();
  return { server, service, caller, math: caller.require('math') };
}

/** A call with a callback, and what the callback got. */
function called(act: (callback: (...args: unknown[]) => void) => unknown): Promise<unknown[]> {
  return new Promise((resolve) => {
    act((...args) => resolve(args));
  });
}

describe('the quick start of the seed', () => {
  const redis = () => ({ ...hostAndPort(), prefix: cloud.prefix });

  function hostAndPort() {
    const { hostname, port } = new URL(cloud.url);
    return { host: hostname, port: Number(port) };
  }

  it('runs as it is written, by require()', async () => {
    const program = cloud.program('quick-start.cjs', { redis: redis() });

    expect(await program.heard('pemitted')).toEqual({ 结果: 6 });
    expect(await program.heard('emitted')).toEqual({ 结果: 4 });
    expect(await program.heard('cleaned')).toBeNull();
    expect(program.said.filter((one) => '收到' in one)).toEqual(
      [1, 2, 3].map((数) => ({ 收到: { 数 } })),
    );
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('runs with import and promises', async () => {
    const program = cloud.program('quick-start.mjs', { redis: redis() });

    expect(await program.heard('sum')).toBe(6);
    expect(await program.heard('disconnected')).toBe(true);
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('has what a callback throws as an uncaught exception of the process', async () => {
    const program = cloud.program('throwing-callback.mjs', { redis: redis() });

    expect(await program.heard('uncaught')).toEqual(['thrown by a callback', 'uncaughtException']);
    expect((await program.ended).code).toBe(7);
  });
});

describe('a listener', () => {
  it('answers by its callback', async () => {
    const { math: remote } = await math();
    expect(await called((callback) => remote.emit('sum', [1, 2, 3], callback))).toEqual([null, 6]);
  });

  it.each([
    ['an Error', () => new RangeError('bad'), { name: 'RangeError', message: 'bad' }],
    ['a text', () => 'bad', 'bad'],
  ])('fails by its callback, with %s', async (_, make, expected) => {
    const { math: remote } = await math((service) =>
      service.on('fail', (_: never, callback) => callback(make())),
    );
    const [error] = await called((callback) => remote.emit('fail', 1, callback));
    if (typeof expected === 'string') expect(error).toBe(expected);
    else expect(error).toMatchObject(expected);
  });

  it('may call back later, and only the first time counts', async () => {
    const { math: remote } = await math((service) =>
      service.on('later', (_: never, callback) => {
        setTimeout(() => {
          callback(null, 'first');
          callback(null, 'second');
          callback(new Error('third'));
        }, 20);
      }),
    );
    expect(await called((callback) => remote.emit('later', 1, callback))).toEqual([null, 'first']);
    expect(await remote.pemit(1, 'later')).toBe('first');
  });

  it('that takes no callback answers with what it returns or promises', async () => {
    const { math: remote } = await math((service) =>
      service
        .on('value', (n: number) => n + 1)
        .on('promise', (n: number) => Promise.resolve(n + 2))
        .on('nothing', () => undefined),
    );
    expect(await remote.pemit(1, 'value', 1)).toBe(2);
    expect(await remote.pemit(1, 'promise', 1)).toBe(3);
    expect(await remote.pemit(1, 'nothing', 1)).toBeUndefined();
  });

  it('that throws or rejects fails the call, whether or not it takes a callback', async () => {
    const { math: remote } = await math((service) =>
      service
        .on('throws', () => {
          throw new Error('one');
        })
        .on('throws with callback', (_: never, _callback) => {
          throw new Error('two');
        })
        .on('rejects', () => Promise.reject(new Error('three')))
        .on('rejects with callback', (_: never, _callback) => Promise.reject(new Error('four'))),
    );
    const events = ['throws', 'throws with callback', 'rejects', 'rejects with callback'];
    const errors = await Promise.all(events.map((event) => rejection(remote.pemit(1, event))));
    expect(errors.map(({ message }) => message)).toEqual(['one', 'two', 'three', 'four']);
  });

  it('is one per event; another may take its place after off()', async () => {
    const { service, math: remote } = await math();
    expect(() => service.on('sum', () => 1)).toThrow(
      expect.objectContaining({ code: 'CLOUDS_BAD_OPTIONS' }),
    );
    service.off('sum').on('sum', () => 'another');
    expect(await remote.pemit(1, 'sum')).toBe('another');
  });

  it('for an event may be missing: the call fails and says so', async () => {
    const { math: remote } = await math();
    const names = ['missing', 'constructor', '__proto__'];
    for (const name of names) {
      expect((await rejection(remote.pemit(3, name))).message).toContain(name);
    }
  });
});

describe('a one-way emit', () => {
  it('is settled when the listener returns, whether or not it calls back', async () => {
    const heard: unknown[] = [];
    const { server, math: remote } = await math((service) =>
      service
        .on('silent', (data, _callback) => void heard.push(data))
        .on('answering', (data, callback) => {
          heard.push(data);
          callback(null, 'nobody hears');
        })
        .on('throwing', (data) => {
          heard.push(data);
          throw new Error('nobody hears');
        }),
    );

    await Promise.all(
      ['silent', 'answering', 'throwing'].map((event) => remote.emit(event, event)),
    );

    await until('all were heard', () => heard.length === 3);
    await until('the score is base', async () =>
      Object.values(await cloud.scores('math')).every((score) => score === 1000),
    );
    await server.unregister('math');
  });

  it('is settled when the promise of its listener is', async () => {
    const held = gate();
    const { math: remote } = await math((service) =>
      service.on('slow', async (_: never, _callback) => held.opened),
    );
    await remote.emit('slow');
    await until('it is at work', async () =>
      Object.values(await cloud.scores('math')).every((score) => score === 999),
    );
    held.open();
    await until('the score is base', async () =>
      Object.values(await cloud.scores('math')).every((score) => score === 1000),
    );
  });

  it('without a node fails its promise, and nothing else when that is ignored', async () => {
    const caller = await clouds({ noNodeGrace: 0 });
    void caller.require('nobody').emit('event', 1);
    expect(await outcome(caller.require('nobody').emit('event', 1))).toBe('CLOUDS_NO_NODE');
  });
});

describe('pemit', () => {
  it('-1 goes on to another process until one answers', async () => {
    const silent = await clouds();
    (await silent.register('math')).on('sum', (_: never, _callback) => {});
    await math();
    const remote = (await clouds({ callbackTimeout: 300 })).require('math');

    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) => called((callback) => remote.pemit(-1, 'sum', [n, n], callback))),
    );

    expect(answers).toEqual([1, 2, 3, 4].map((n) => [null, 2 * n]));
  });

  it('gives the word "timeout" when nobody answers in time, and cleans the dead away', async () => {
    const silent = await clouds();
    (await silent.register('math')).on('sum', (_: never, _callback) => {});
    await cloud.admin.zadd(cloud.keys.service('math'), 1, 'dead.1');
    const remote = (await clouds({ callbackTimeout: 50 })).require('math');

    const [error] = await called((callback) => remote.pemit(1, 'sum', [1], callback));

    expect(String(error)).toContain('timeout');
    await until('the dead are gone', async () => (await cloud.members('math')).length === 1);
  });

  it('never tries again what a listener refused', async () => {
    let runs = 0;
    const { math: remote } = await math((service) =>
      service.on('refuse', (_: never, callback) => {
        runs++;
        callback(new Error('no'));
      }),
    );
    expect(await rejection(remote.pemit(-1, 'refuse'))).toMatchObject({ message: 'no' });
    expect(runs).toBe(1);
  });
});

describe('clouds', () => {
  it('takes callbacks everywhere', async () => {
    const one = new Clouds();
    processes.push(one);
    expect(await called((done) => one.connect(cloud.options(), done))).toEqual([null, undefined]);
    const [error, service] = await called((done) => one.register('math', done));
    expect(error).toBeNull();
    (service as LocalService).on('sum', () => 6);
    expect(await called((done) => one.require('math').emit('sum', 1, done))).toEqual([null, 6]);
    expect(await called((done) => one.clean(done))).toEqual([null, 0]);
    expect(await called((done) => one.unregister('math', done))).toEqual([null, undefined]);
    expect(await called((done) => one.disconnect(done))).toEqual([null, undefined]);
  });

  it('need not wait for connect() before it registers and calls', async () => {
    const one = new Clouds();
    processes.push(one);
    void one.connect(cloud.options());
    const registered = one.register('math');
    (await registered).on('sum', () => 6);
    expect(await one.require('math').pemit(1, 'sum')).toBe(6);
  });

  it('says what to do when connect() was not called, or was called twice', async () => {
    const one = new Clouds();
    const [error] = await called((done) => one.register('math', done));
    expect(error).toMatchObject({ code: 'CLOUDS_CLOSED' });
    expect(await outcome(one.require('math').pemit(1, 'sum'))).toBe('CLOUDS_CLOSED');
    const connected = await clouds();
    expect(await outcome(connected.connect(cloud.options()))).toBe('CLOUDS_BAD_OPTIONS');
  });

  it('refuses bad options and bad names', async () => {
    const one = new Clouds();
    expect(await outcome(one.connect({ nonsense: 1 } as never))).toBe('CLOUDS_BAD_OPTIONS');
    const two = await clouds();
    expect(await outcome(two.register(''))).toBe('CLOUDS_BAD_NAME');
    expect(() => two.require('')).toThrow(expect.objectContaining({ code: 'CLOUDS_BAD_NAME' }));
  });

  it('can be connected again after disconnect(), and after a connect() that failed', async () => {
    const one = await clouds();
    await one.disconnect();
    await one.connect(cloud.options());
    await one.disconnect();
    await one.disconnect();
    const nowhere = cloud.options({ redis: { port: await closedPort() }, connectTimeout: 100 });
    expect(await outcome(one.connect(nowhere))).toBe('CLOUDS_DISCONNECTED');
    await one.connect(cloud.options());
  });

  it('takes only a process that is gone out, when it cleans', async () => {
    const { caller, math: remote } = await math();
    await cloud.admin.zadd(cloud.keys.service('math'), 1, 'dead.1');
    expect(await caller.clean()).toBe(1);
    expect(await remote.pemit(1, 'sum', [1, 2])).toBe(3);
  });

  it('serves no more after unregister()', async () => {
    const { server } = await math();
    await server.unregister('math');
    const late = await clouds({ noNodeGrace: 0 });
    expect(await outcome(late.require('math').pemit(1, 'sum', [1]))).toBe('CLOUDS_NO_NODE');
  });

  it('finishes what runs before it disconnects', async () => {
    const held = gate();
    let isRunning = false;
    const { server, math: remote } = await math((service) =>
      service.on('slow', async () => {
        isRunning = true;
        await held.opened;
        return 'done';
      }),
    );
    const call = remote.pemit(1, 'slow');
    await until('it runs', () => isRunning);
    const disconnected = server.disconnect();
    held.open();
    expect(await call).toBe('done');
    await disconnected;
  });

  it('fails a call that is out when its own process disconnects', async () => {
    const { caller, math: remote } = await math((service) =>
      service.on('slow', () => new Promise(() => {})),
    );
    const call = called((callback) => remote.emit('slow', 1, callback));
    await until('it is at work', async () =>
      Object.values(await cloud.scores('math')).every((score) => score === 999),
    );
    await caller.disconnect();
    expect((await call)[0]).toMatchObject({ code: 'CLOUDS_CLOSED' });
  });
});
