import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudsNode } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { Inboxes } from '../support/scripts.js';
import { gate, until } from '../support/wait.js';

const cloud = useCloud();
let stranger: Inboxes | undefined;

afterEach(async () => {
  await stranger?.close();
  stranger = undefined;
});

interface Served {
  node: CloudsNode;
  runs: unknown[];
  warnings: string[];
  /** Publishes to the node's inbox. */
  publish: (text: string) => Promise<void>;
  /** A call from elsewhere is answered: the node is alive, and has read all that was published before. */
  expectAlive: () => Promise<void>;
}

async function served(options = {}): Promise<Served> {
  const runs: unknown[] = [];
  const warnings: string[] = [];
  const node = await cloud.connected({ ...FAST_BEAT, ...options });
  node.on('warning', (text) => warnings.push(text));
  await node.register('work', (data) => {
    runs.push(data);
    return data;
  });
  const caller = await cloud.connected();
  const publish = async (text: string) => {
    expect(await cloud.admin.publish(cloud.keys.inbox(`${node.id}.1`), text)).toBe(1);
  };
  const expectAlive = async () => {
    expect(await caller.send('work', 'alive?')).toBe('alive?');
    await cloud.silence('work', [node]);
  };
  return { node, runs, warnings, publish, expectAlive };
}

/** A batch of requests from the stranger. */
function batch(
  frames: unknown[],
  { from = 'stranger.1', service = 'work', version = 1 } = {},
): string {
  return JSON.stringify([version, 'q', Date.now(), from, service, frames]);
}

function frame(id: string, data: unknown = 'data'): unknown[] {
  return [id, 60_000, 1, 0, data];
}

/** The replies that have reached the stranger, by call id: kind and value. */
async function replies(): Promise<Record<string, unknown[][]>> {
  const byId: Record<string, unknown[][]> = {};
  for (const message of await stranger!.messages('stranger.1')) {
    if (message[1] !== 'r') continue;
    for (const [id, kind, , value] of message[3] as [string, number, number, unknown][]) {
      (byId[id] ??= []).push([kind, value]);
    }
  }
  return byId;
}

const REFUSAL = 5;

describe('what is no message of the protocol', () => {
  it.each([
    ['no JSON', 'hello', 'not-json'],
    ['half a message', '[1,"q",12', 'not-json'],
    ['nothing', '', 'not-json'],
    ['an object', '{"a":1}', 'malformed'],
    ['a number', '5', 'malformed'],
    ['null', 'null', 'malformed'],
    ['an empty array', '[]', 'unknown-version'],
    ['of another version', '[2,"q",1,"a.1","work",[]]', 'unknown-version'],
    ['of an unknown kind', '[1,"z",1]', 'malformed'],
    ['a batch without frames', '[1,"q",1,"a.1","work"]', 'malformed'],
    ['a batch with a bad time', '[1,"q","x","a.1","work",[]]', 'malformed'],
    ['replies without a sender', '[1,"r",null,[]]', 'malformed'],
    ['a cancel with no list', '[1,"c","a.1",{}]', 'malformed'],
    ['a probe with a text for a score', '[1,"p",1,1,["x"]]', 'malformed'],
    ['a farewell without a token', '[1,"f",5]', 'malformed'],
    ['nested too deep', '['.repeat(100_000), 'too-deep'],
    ['nested too deep in an object', `[1,"q",1,"a.1","work",${'{"a":'.repeat(5000)}`, 'too-deep'],
  ])('(%s) is counted, warned of, and harms nobody', async (_, text, reason) => {
    const { node, warnings, publish, expectAlive } = await served();

    await publish(text);

    await until('it is counted', () => node.stats.dropped[reason] === 1);
    expect(Object.keys(node.stats.dropped)).toEqual([reason]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.length).toBeLessThan(400);
    await expectAlive();
  });

  it('and too large is dropped before it is parsed', async () => {
    const { node, publish, expectAlive } = await served();
    const start = performance.now();
    await publish(`[1,"q",1,"a.1","work",["${'x'.repeat(8 * 1024 * 1024)}"]]`);
    await until('it is counted', () => node.stats.dropped['too-large'] === 1);
    expect(performance.now() - start).toBeLessThan(3000);
    await expectAlive();
  });

  it('is warned of once per kind, however much of it comes', async () => {
    const { node, warnings, publish, expectAlive } = await served();

    for (let i = 0; i < 100; i++) await publish('junk');
    for (let i = 0; i < 100; i++) await publish('[1,"z"]');

    await until('all is counted', () => (node.stats.dropped.malformed ?? 0) === 100);
    expect(node.stats.dropped).toEqual({ 'not-json': 100, malformed: 100 });
    expect(warnings).toHaveLength(2);
    await expectAlive();
  });

  it('cannot forge a line of the log', async () => {
    const { warnings, publish, expectAlive } = await served();
    await publish('junk\nERROR everything is lost\r\n\u001b[31m');
    await until('it is warned of', () => warnings.length === 1);
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    expect(warnings[0]).not.toMatch(/[\u0000-\u001f]/);
    await expectAlive();
  });
});

describe('a request that cannot be read, with a valid return address', () => {
  it.each([
    ['of another version', () => batch([frame('id1')], { version: 2 }), 'CLOUDS_UNSERIALIZABLE'],
    [
      'with data nested too deep',
      () => batch([frame('id1')]).replace('"data"', '['.repeat(90) + ']'.repeat(90)),
      'CLOUDS_UNSERIALIZABLE',
    ],
    [
      'that is too large',
      () => batch([frame('id1', 'x'.repeat(8 * 1024 * 1024))]),
      'CLOUDS_PAYLOAD_TOO_LARGE',
    ],
  ])('(%s) is answered with an error', async (_, text, code) => {
    const { runs, publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish(text());

    await until('it is answered', async () => 'id1' in (await replies()));
    expect((await replies()).id1).toMatchObject([[REFUSAL, { code }]]);
    await expectAlive();
    expect(runs).toEqual(['alive?']);
  });

  it('within a batch is answered with an error, while the rest of the batch is run', async () => {
    const { node, runs, publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish(batch([frame('good1'), ['bad', 'soon', 1, 0, 1], frame('good2')]));

    await until('the good are answered', async () => 'good2' in (await replies()));
    expect(runs).toEqual(['data', 'data']);
    expect(node.stats.dropped).toEqual({ malformed: 1 });
    expect((await replies()).bad).toMatchObject([[REFUSAL, { code: 'CLOUDS_UNSERIALIZABLE' }]]);
    await expectAlive();
  });
});

describe('malformed frames within a batch', () => {
  it.each([
    ['null', null],
    ['an object', { id: 'x' }],
    ['a frame without an id', [1, 60_000, 1, 0, 1]],
    ['an id that is too long', ['x'.repeat(65), 60_000, 1, 0, 1]],
    ['an id with a quote', ['a"b', 60_000, 1, 0, 1]],
    ['a negative attempt', ['id', 60_000, -1, 0, 1]],
    ['headers that are no texts', ['id', 60_000, 1, { a: 1 }, 1]],
    ['headers that are a list', ['id', 60_000, 1, ['a'], 1]],
  ])('(%s) are left out, and give their points back', async (_, bad) => {
    const { node, runs, publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish(batch([frame('good1'), bad, bad, frame('good2')]));

    await until('the good are answered', async () => 'good2' in (await replies()));
    expect(runs).toHaveLength(2);
    expect(node.stats.dropped).toEqual({ malformed: 1 });
    await expectAlive();
  });
});

describe('return addresses', () => {
  it.each(['evil', 'a.b.c', 'S:work', '../x.1', 'a*.1', `${'x'.repeat(80)}.1`, ''])(
    'that are not of the protocol (%j) are not used',
    async (from) => {
      const { node, runs, publish, expectAlive } = await served();

      await publish(batch([frame('id1')], { from }));

      await until('it is counted', () => node.stats.dropped.malformed === 1);
      expect(runs).toEqual([]);
      await expectAlive();
    },
  );

  it('of another node bring it replies to calls that it never made: it drops them', async () => {
    const { node, runs, publish, expectAlive } = await served();
    const victim = await cloud.connected();

    await publish(batch([frame('id1')], { from: `${victim.id}.1` }));

    await until('it is run', () => runs.length === 1);
    await expectAlive();
    expect(victim.stats).toMatchObject({ inFlight: 0, dropped: {} });
    expect(node.stats.dropped).toEqual({});
  });

  it('where nobody is are no harm', async () => {
    const { publish, runs, expectAlive } = await served();
    await publish(batch([frame('id1')], { from: 'nobody.1' }));
    await until('it is run', () => runs.length === 1);
    await expectAlive();
  });
});

describe('request ids', () => {
  it('that come twice while the first runs are run once, and answered', async () => {
    const held = gate();
    const { node, publish, expectAlive } = await served();
    let runs = 0;
    await node.register('held', async () => {
      runs++;
      await held.opened;
      return 'done';
    });
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish(batch([frame('twin'), frame('twin')], { service: 'held' }));
    await publish(batch([frame('twin')], { service: 'held' }));
    await expectAlive();
    held.open();

    await until('it is answered', async () => 'twin' in (await replies()));
    await expectAlive();
    expect(runs).toBe(1);
    expect((await replies()).twin).toEqual([[0, 'done']]);
    await cloud.silence('held', [node]);
  });
});

describe('a node that is sent', () => {
  it('a request for a service that it does not serve says so', async () => {
    const { publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish(batch([frame('id1')], { service: 'constructor' }));

    await until('it is answered', async () => 'id1' in (await replies()));
    expect((await replies()).id1).toMatchObject([[REFUSAL, { code: 'CLOUDS_NO_NODE' }]]);
    await expectAlive();
  });

  it('a request that is too old does not run it', async () => {
    const { runs, publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');
    const late = [1, 'q', Date.now() - 5000, 'stranger.1', 'work', [['id1', 1000, 1, 0, 'late']]];

    await publish(JSON.stringify(late));

    await until('it is answered', async () => 'id1' in (await replies()));
    expect((await replies()).id1).toMatchObject([[REFUSAL, { code: 'CLOUDS_EXPIRED' }]]);
    expect(runs).toEqual([]);
    await expectAlive();
  });

  it.each([
    [
      'replies to calls that it never made',
      [
        'r',
        'stranger.1',
        [
          ['id1', 0, 0, 1],
          ['id2', 5, 0, null],
        ],
      ],
    ],
    ['cancels for calls that it never had', ['c', 'stranger.1', ['id1', 5, null]]],
    ['a probe that it never sent', ['p', Date.now(), 99_999, [1, 2, 3]]],
    ['a farewell to somebody else', ['f', 'token']],
  ])('%s ignores them', async (_, message) => {
    const { node, publish, expectAlive } = await served();
    await publish(JSON.stringify([1, ...message]));
    await expectAlive();
    expect(node.stats.dropped).toEqual({});
  });

  it('a question about a call that it never had says so', async () => {
    const { publish, expectAlive } = await served();
    stranger = await Inboxes.open(cloud, 'stranger.1');

    await publish('[1,"a","stranger.1",["id1"]]');

    const UNKNOWN = 6;
    await until('it is answered', async () => 'id1' in (await replies()));
    expect((await replies()).id1).toMatchObject([[UNKNOWN, undefined]]);
    await expectAlive();
  });

  it('all of this at once, under load, goes on as if nothing was', async () => {
    const { node, publish, expectAlive } = await served();
    const caller = await cloud.connected();
    const junk = [
      'x',
      '[]',
      '[1,"q",1,"a.1","work",[null,5]]',
      '[1,"r","a.1",[[]]]',
      '['.repeat(500),
    ];
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      await publish(junk[i % junk.length]!);
      calls.push(caller.send('work', i));
    }

    expect(await Promise.all(calls)).toEqual([...Array(200).keys()]);
    await expectAlive();
    expect(Object.values(node.stats.dropped).reduce((sum, count) => sum + count)).toBe(200);
  });
});

describe('replies that a caller gets', () => {
  /** A service whose calls somebody else answers first, who knows their ids; under these names. */
  async function answeredByLiar(names: (node: CloudsNode) => string[], options = {}, pauseMs = 0) {
    const { node } = await served(options);
    await node.register('asked', async (_, { id, from }) => {
      await delay(pauseMs);
      for (const liar of names(node)) {
        const lie = `[1,"r","${liar}",[["${id}",0,0,"false"]]]`;
        await cloud.admin.publish(cloud.keys.inbox(from), lie);
      }
      return 'true';
    });
    const caller = await cloud.connected({ ...FAST_BEAT, ...options });
    return { node, caller };
  }
  const stranger = () => ['liar.1'];
  const itself = ({ id }: CloudsNode) => [`${id}.1`];

  it('in the name of another node than the one that is known to have the call are not taken', async () => {
    // Of a first call Redis tells which node has it. On a busy machine both may arrive at the same time.
    const { node, caller } = await answeredByLiar(stranger, {}, 200);
    expect(await caller.send('asked')).toBe('true');
    await cloud.silence('asked', [node]);
  });

  it('in any name are taken while the caller does not know which node has the call', async () => {
    const { node, caller } = await answeredByLiar(stranger);
    await caller.send('asked');
    // Once Redis is asked, which a busy machine may do before the lie arrives, it is known.
    await until('a lie is taken', async () => (await caller.send('asked')) === 'false');
    await cloud.silence('asked', [node]);
  });

  it('in the name of the node that has the call are taken, whoever sends them', async () => {
    const { node, caller } = await answeredByLiar(itself);
    expect(await caller.send('asked')).toBe('false');
    await cloud.silence('asked', [node]);
  });

  it('from whoever has no key are not taken with signing, whatever the name', async () => {
    const signing = { keys: ['the key of this cloud, 32 characters'] };
    const names = (node: CloudsNode) => [...stranger(), ...itself(node)];
    const { node, caller } = await answeredByLiar(names, { signing });
    for (let i = 0; i < 3; i++) expect(await caller.send('asked')).toBe('true');
    expect(caller.stats.dropped).toEqual({ unsigned: 6 });
    await cloud.silence('asked', [node]);
  });
});
