import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudsNode, CloudsOptions, IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, usePrivateCloud } from '../support/cloud.js';
import { Proxy } from '../support/proxy.js';
import { gate, outcome, seededRandom, tally, timeOf, until } from '../support/wait.js';

const cloud = usePrivateCloud();
const proxies: Proxy[] = [];

afterEach(async () => {
  await cloud.closeNodes();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

async function proxy(): Promise<Proxy> {
  const one = await Proxy.start(cloud.url);
  proxies.push(one);
  return one;
}

/** A node whose connection goes through a proxy. */
function behind({ url }: Proxy, options: CloudsOptions = {}): Promise<CloudsNode> {
  return cloud.connected({ redis: { url, connectionName: cloud.prefix }, ...options });
}

/** Nodes that serve `work` for a few milliseconds each, and how often each key was run. */
async function workers(
  count: number,
  start: () => Promise<CloudsNode> = () => cloud.connected(FAST_BEAT),
) {
  const runs = new Map<number, number>();
  const nodes = await Promise.all(Array.from({ length: count }, start));
  for (const node of nodes) {
    await node.register('work', async (key: number) => {
      runs.set(key, (runs.get(key) ?? 0) + 1);
      await delay(key % 15);
      return key;
    });
  }
  return { nodes, runs, most: () => Math.max(...runs.values()) };
}

/** Makes `perTurn` calls every few milliseconds until `during` has ended; then waits for all. */
async function underLoad(
  call: (key: number) => Promise<unknown>,
  during: () => Promise<void>,
  perTurn = 5,
): Promise<{ counts: Record<string, number>; calls: number }> {
  const calls: Promise<unknown>[] = [];
  let isOver = false;
  const ending = during().finally(() => (isOver = true));
  while (!isOver) {
    for (let i = 0; i < perTurn; i++) {
      const one = call(calls.length);
      one.catch(() => undefined);
      calls.push(one);
    }
    await delay(5);
  }
  await ending;
  return { counts: await tally(calls), calls: calls.length };
}

async function repeat(times: number, everyMs: number, act: () => unknown): Promise<void> {
  for (let i = 0; i < times; i++) {
    await delay(everyMs);
    await act();
  }
}

describe('when the connection of a caller is killed, again and again', () => {
  it('no call is lost, and none is run twice', async () => {
    const { nodes, most } = await workers(2);
    const caller = await cloud.connected();

    const { counts, calls } = await underLoad(
      (key) => caller.send('work', key),
      () => repeat(10, 100, () => caller.isConnected && cloud.cut([caller])),
    );

    expect(counts).toEqual({ ok: calls });
    expect(most()).toBe(1);
    await cloud.silence('work', nodes);
  });

  it('each call gets its own answer', async () => {
    await workers(2);
    const caller = await cloud.connected();
    const answers: Promise<unknown>[] = [];

    await underLoad(
      (key) => {
        const answer = caller.send('work', key);
        answers.push(answer);
        return answer;
      },
      () => repeat(4, 100, () => caller.isConnected && cloud.cut([caller])),
    );

    expect(await Promise.all(answers)).toEqual(answers.map((_, key) => key));
  });
});

describe('when the connection of a node is killed', () => {
  it('it is back as a new incarnation, and the old one is gone', async () => {
    const { nodes } = await workers(1);
    const [node] = nodes as [CloudsNode];
    expect(await cloud.members('work')).toEqual([`${node.id}.1`]);

    await cloud.cut(nodes);

    await until('it is back', async () => {
      const members = await cloud.members('work');
      return members.length === 1 && members[0] === `${node.id}.2`;
    });
    await cloud.silence('work', nodes);
  });

  it('a handler that runs goes on, and its caller gets the answer', async () => {
    const held = gate();
    let runs = 0;
    const node = await cloud.connected();
    await node.register('held', async () => {
      runs++;
      await held.opened;
      return 'done';
    });
    const caller = await cloud.connected();
    const call = caller.send('held');
    await until('it runs', () => runs === 1);
    await cloud.cut([node]);
    await until('the node is back', () => node.isConnected);
    expect(await cloud.scores('held')).toEqual({ [node.id]: 999 });
    held.open();

    expect(await call).toBe('done');
    expect(runs).toBe(1);
    await cloud.silence('held', [node]);
  });

  it('a send is answered or fails as lost, and is never run twice; a pemit is answered', async () => {
    const { nodes, most } = await workers(3);
    const caller = await cloud.connected();
    let turn = 0;
    const cutOne = async () => {
      const node = nodes[turn++ % nodes.length]!;
      if (node.isConnected) await cloud.cut([node]);
    };

    const sends = await underLoad(
      (key) => caller.send('work', key),
      () => repeat(10, 80, cutOne),
    );

    const { ok = 0, CLOUDS_NODE_LOST: lost = 0, ...others } = sends.counts;
    expect(others).toEqual({});
    expect(ok + lost).toBe(sends.calls);
    expect(lost).toBeLessThan(sends.calls / 5);
    expect(most()).toBe(1);

    const pemits = await underLoad(
      (key) => caller.pemit(5, 'work', 1e6 + key),
      () => repeat(10, 80, cutOne),
    );
    expect(pemits.counts).toEqual({ ok: pemits.calls });
    await cloud.silence('work', nodes);
  });

  it('everybody at once: every pemit is answered', async () => {
    const { nodes } = await workers(2);
    const caller = await cloud.connected();

    const { counts, calls } = await underLoad(
      (key) => caller.pemit(5, 'work', key),
      () => repeat(5, 200, () => cloud.cut()),
    );

    expect(counts).toEqual({ ok: calls });
    await cloud.silence('work', nodes);
  });
});

describe('an answer that is lost on the way', () => {
  it('is fetched when the caller is back, if nobody was there to get it', async () => {
    const held = gate();
    const running: IncomingRequest[] = [];
    const node = await cloud.connected(FAST_BEAT);
    await node.register('held', async (_: never, request) => {
      running.push(request);
      await held.opened;
      return 'x'.repeat(100_000);
    });
    const network = await proxy();
    const caller = await behind(network);
    const call = caller.send('held');
    await until('it runs', () => running.length === 1);
    network.refuse();
    await until('the caller is away', () => !caller.isConnected);
    await until('its inbox is gone', async () => {
      const inbox = cloud.keys.inbox(running[0]!.from);
      return ((await cloud.admin.pubsub('NUMSUB', inbox)) as number[])[1] === 0;
    });
    held.open();
    await cloud.silence('held', [node]);
    network.accept();

    expect(await call).toHaveLength(100_000);
    expect(running).toHaveLength(1);
  });

  async function lostInTheConnection(length: number): Promise<void> {
    const held = gate();
    let runs = 0;
    const node = await cloud.connected(FAST_BEAT);
    await node.register('held', async () => {
      runs++;
      await held.opened;
      return 'x'.repeat(length);
    });
    const network = await proxy();
    const caller = await behind(network);
    const call = caller.send('held');
    await until('it runs', () => runs === 1);
    network.loseReplies();
    held.open();
    await cloud.silence('held', [node]);
    network.cut();

    expect(await call).toHaveLength(length);
    expect(runs).toBe(1);
  }

  it('is fetched when it was lost in the connection', () => lostInTheConnection(900));

  // Known: of longer answers a node keeps only those that reached nobody; the call fails as lost.
  it('is fetched when it was lost in the connection and long', () => lostInTheConnection(2000));

  it.each([1_000, 100_000])(
    'of a dispatch: a request of %i bytes is run exactly once',
    async (bytes) => {
      const { nodes, runs } = await workers(1);
      const network = await proxy();
      const caller = await behind(network, FAST_BEAT);
      await caller.send('work', -1);
      await nodes[0]!.register('echo', (data: string) => {
        runs.set(bytes, (runs.get(bytes) ?? 0) + 1);
        return data.length;
      });
      network.loseReplies();
      const call = caller.send('echo', 'x'.repeat(bytes));
      await until(
        'the script ran',
        async () => (await cloud.admin.hlen(cloud.keys.fence(caller.id))) > 1,
      );
      network.cut();

      expect(await call).toBe(bytes);
      expect(runs.get(bytes)).toBe(1);
      await cloud.silence('work', nodes);
      await cloud.silence('echo', nodes);
    },
  );

  it('of a one-way emit: it is run exactly once', async () => {
    const { nodes, runs, most } = await workers(2);
    const network = await proxy();
    const caller = await behind(network);
    await caller.send('work', 0);
    network.loseReplies();
    const sent = Promise.all([1, 2, 3].map((key) => caller.emit('work', key)));
    await until('they were run', () => runs.size === 4);
    network.cut();

    await sent;
    await cloud.silence('work', nodes);
    expect(most()).toBe(1);
  });
});

describe('a dispatch that is lost on the way', () => {
  it.each([1_000, 100_000])(
    'is made anew once it is certain that it cannot run: a request of %i bytes',
    async (bytes) => {
      const { nodes, runs, most } = await workers(1);
      const network = await proxy();
      const caller = await behind(network, FAST_BEAT);
      await caller.send('work', 0);
      let echoes = 0;
      await nodes[0]!.register('echo', (data: string) => {
        echoes++;
        return data.length;
      });
      network.stall();
      const call = caller.send('echo', 'x'.repeat(bytes));
      const emits = [1, 2, 3].map((key) => caller.emit('work', key));
      await turn();
      await turn();
      network.cut();
      network.flow();

      expect(await call).toBe(bytes);
      await Promise.all(emits);
      await cloud.silence('work', nodes);
      await cloud.silence('echo', nodes);
      expect(echoes).toBe(1);
      expect([runs.size, most()]).toEqual([4, 1]);
      // Both batches were asked about, and neither had run.
      const answers = await cloud.admin.hvals(cloud.keys.fence(caller.id));
      expect(answers.filter((answer) => /^\d+:\d+\|$/.test(answer))).toHaveLength(2);
    },
  );
});

describe('in a bad network', () => {
  /** What networks do to a connection, at random. */
  async function trouble(network: Proxy, random: () => number): Promise<void> {
    const kind = random();
    if (kind < 0.4) {
      network.loseReplies();
      await delay(20 * random());
    } else if (kind < 0.6) {
      network.stall();
      await delay(50 * random());
      network.flow();
    } else if (kind < 0.7) {
      network.refuse();
      await delay(50 * random());
      network.accept();
    }
    network.cut();
  }

  it.each([1, 2])(
    'of the caller every send is answered, and none is run twice (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const { nodes, runs, most } = await workers(2);
      const network = await proxy();
      const caller = await behind(network, FAST_BEAT);
      let cuts = 0;

      const { counts, calls } = await underLoad(
        (key) => caller.send('work', key),
        () =>
          repeat(30, 60, async () => {
            if (!caller.isConnected) return;
            cuts++;
            await trouble(network, random);
          }),
      );

      expect(counts).toEqual({ ok: calls });
      expect(runs.size).toBe(calls);
      expect(most()).toBe(1);
      expect(cuts).toBeGreaterThan(5);
      await cloud.silence('work', nodes);
    },
  );

  it.each([3, 4])(
    'of everybody every pemit is answered, and no send is run twice (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const networks = await Promise.all([proxy(), proxy(), proxy()]);
      const [callers, ...others] = networks;
      const { nodes, runs } = await workers(2, () => behind(others.pop()!, FAST_BEAT));
      const caller = await behind(callers, FAST_BEAT);
      const FIRST_SEND = 1e6;
      const sends: Promise<unknown>[] = [];

      const pemits = await underLoad(
        (key) => {
          sends.push(outcome(caller.send('work', FIRST_SEND + key)));
          return caller.pemit(20, 'work', key);
        },
        () => repeat(30, 60, () => trouble(networks[Math.floor(3 * random())]!, random)),
      );

      expect(pemits.counts).toEqual({ ok: pemits.calls });
      const outcomes = new Set(await Promise.all(sends));
      outcomes.delete('CLOUDS_NODE_LOST');
      expect([...outcomes]).toEqual(['ok']);
      const runsOfSends = [...runs].filter(([key]) => key >= FIRST_SEND).map(([, count]) => count);
      expect(Math.max(...runsOfSends)).toBe(1);
      await cloud.silence('work', nodes);
    },
  );
});

describe('when Redis is down', () => {
  it('calls fail with CLOUDS_DISCONNECTED at their timeout, not before', async () => {
    await workers(1);
    const caller = await cloud.connected();
    await caller.send('work', 1);
    await cloud.killRedis();
    await until('it is noticed', () => !caller.isConnected);

    const calls = [
      caller.send('work', 2, { timeout: 300 }),
      caller.pemit(3, 'work', 3, { timeout: 300 }),
    ];
    const ms = await timeOf(Promise.allSettled(calls));

    expect(await tally(calls)).toEqual({ CLOUDS_DISCONNECTED: 2 });
    expect(ms).toBeGreaterThan(280);
    expect(ms).toBeLessThan(1300);
  });

  it('calls that were made meanwhile are answered when it is back, empty', async () => {
    const { nodes, most } = await workers(2);
    const caller = await cloud.connected();
    await caller.send('work', 0);
    await cloud.killRedis();
    await until('it is noticed', () => !caller.isConnected);
    const calls = Array.from({ length: 100 }, (_, key) => caller.send('work', key));

    await cloud.restartRedis();
    const ms = await timeOf(Promise.all(calls));

    expect(await tally(calls)).toEqual({ ok: 100 });
    expect(ms).toBeLessThan(2000);
    expect(most()).toBeLessThanOrEqual(2); // key 0 was run before, too
    await cloud.silence('work', nodes);
  });

  it('the nodes are in their services again within two seconds after it is back', async () => {
    const { nodes } = await workers(3);
    await cloud.killRedis();
    await until('it is noticed', () => nodes.every((node) => !node.isConnected));
    await delay(500);
    await cloud.restartRedis();

    const ms = await timeOf(cloud.silence('work', nodes));

    expect(ms).toBeLessThan(2000);
  });

  it('a handler that runs meanwhile is answered afterwards', async () => {
    const held = gate();
    let runs = 0;
    const node = await cloud.connected();
    await node.register('held', async () => {
      runs++;
      await held.opened;
      return 'done';
    });
    const caller = await cloud.connected();
    const call = caller.send('held');
    await until('it runs', () => runs === 1);
    await cloud.killRedis();
    await until('all have noticed', () => !caller.isConnected && !node.isConnected);
    held.open();
    await cloud.restartRedis();

    expect(await call).toBe('done');
    expect(runs).toBe(1);
    await cloud.silence('held', [node]);
  });

  it('closing does not wait for it', async () => {
    const { nodes } = await workers(2);
    await cloud.killRedis();
    await until('it is noticed', () => nodes.every((node) => !node.isConnected));

    expect(await timeOf(Promise.all(nodes.map((node) => node.close())))).toBeLessThan(1000);
  });

  it('it is told once, and once that it is back', async () => {
    const node = await cloud.connected();
    const events: string[] = [];
    for (const event of ['connected', 'reconnecting', 'disconnected'] as const) {
      node.on(event, () => events.push(event));
    }
    await cloud.killRedis();
    await until('it is noticed', () => !node.isConnected);
    await cloud.restartRedis();
    await until('it is back', () => node.isConnected);
    await node.close();

    expect(events).toEqual(['reconnecting', 'connected', 'disconnected']);
  });
});

describe('when Redis hangs', () => {
  it('the link is given up after three beats, and no pemit is lost', async () => {
    const beat = { heartbeatInterval: 250 };
    const { nodes, most } = await workers(2, () => cloud.connected(beat));
    const caller = await cloud.connected(beat);
    await caller.send('work', 0);
    let gaveUp = 0;
    caller.on('reconnecting', () => gaveUp++);

    cloud.pauseRedis();
    const sends = Array.from({ length: 50 }, (_, key) => caller.send('work', 1 + key));
    const pemits = Array.from({ length: 50 }, (_, key) => caller.pemit(5, 'work', 51 + key));
    await until('the caller has given up the link', () => gaveUp > 0, 6000);
    cloud.resumeRedis();
    const ms = await timeOf(Promise.allSettled([...sends, ...pemits]));

    // Redis may read from the old connection what it then publishes to old inboxes.
    const { ok = 0, CLOUDS_NODE_LOST: lost = 0 } = await tally(sends);
    expect(ok + lost).toBe(50);
    expect(await tally(pemits)).toEqual({ ok: 50 });
    expect(ms).toBeLessThan(5000);
    expect(most()).toBe(1);
    await cloud.silence('work', nodes);
  });

  it('close() does not wait for it', async () => {
    const caller = await cloud.connected();
    cloud.pauseRedis();
    const ms = await timeOf(caller.close());
    cloud.resumeRedis();

    expect(ms).toBeLessThan(3000);
  });

  it('a call fails at its timeout', async () => {
    await workers(1);
    const caller = await cloud.connected();
    cloud.pauseRedis();

    const call = caller.send('work', 1, { timeout: 200 });
    const ms = await timeOf(call);
    cloud.resumeRedis();

    expect(await outcome(call)).toBe('CLOUDS_TIMEOUT');
    expect(ms).toBeLessThan(1200);
  });

  it('a short pause is survived without a new connection', async () => {
    const { nodes } = await workers(1);
    const caller = await cloud.connected();
    cloud.pauseRedis();
    const call = caller.send('work', 1);
    await delay(300);
    cloud.resumeRedis();

    expect(await call).toBe(1);
    expect(await cloud.members('work')).toEqual([`${nodes[0]!.id}.1`]);
  });
});

describe('when an operator', () => {
  it('flushes the scripts, nobody notices', async () => {
    const { nodes, most } = await workers(2);
    const caller = await cloud.connected();

    const { counts, calls } = await underLoad(
      (key) => caller.send('work', key),
      () => repeat(20, 20, () => cloud.admin.script('FLUSH')),
    );

    expect(counts).toEqual({ ok: calls });
    expect(most()).toBe(1);
    await cloud.silence('work', nodes);
  });

  it('flushes all keys, calls wait for the next beat and none is lost', async () => {
    const { nodes, most } = await workers(2);
    const caller = await cloud.connected();

    const { counts, calls } = await underLoad(
      (key) => caller.send('work', key),
      () => repeat(4, 250, () => cloud.admin.flushall()),
    );

    expect(counts).toEqual({ ok: calls });
    expect(most()).toBe(1);
    await cloud.silence('work', nodes);
  });
});
