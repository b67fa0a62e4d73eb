import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { CloudsNode } from '../../lib/index.js';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link } from '../../lib/redis/link.js';
import { FAST_BEAT, usePrivateCloud } from '../support/cloud.js';
import { Proxy } from '../support/proxy.js';
import { outcome, rejection, tally, until } from '../support/wait.js';

const DOCS = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
const PASSWORD = 'password';
/** What makes things better, but nothing impossible. */
const OPTIONAL = ['+info', '+client|setname', '+client|reply', '+unsubscribe'];
const isOptional = (user: string, rule: string) =>
  OPTIONAL.includes(rule) || (user === 'node' && rule === '+hmget');
const RULE = /^[+~&%]/;

/** The rules of a user, as the documentation has them. */
function rulesOf(user: string): string[] {
  const [, rules] = new RegExp(`^user ${user} on >${PASSWORD} (.+)$`, 'm').exec(DOCS)!;
  return rules!.split(' ');
}

const cloud = usePrivateCloud();

const withPrefix = (rules: readonly string[]) =>
  rules.map((rule) => rule.replace('clouds:', cloud.prefix));

async function setUser(name: string, rules: readonly string[]): Promise<void> {
  await cloud.admin.call(
    'ACL',
    'SETUSER',
    name,
    'reset',
    'on',
    `>${PASSWORD}`,
    ...withPrefix(rules),
  );
}

/** Gives a user all of its rules but one. */
async function takeAway(user: string, rule: string): Promise<void> {
  await setUser(
    user,
    rulesOf(user).filter((one) => one !== rule),
  );
}

const urlOf = (user: string, url = cloud.url) => url.replace('//', `//${user}:${PASSWORD}@`);
const redisOf = (user: string, url?: string) => ({
  url: urlOf(user, url),
  connectionName: cloud.prefix,
});

/** What Redis has refused, as the rules that were missing: `node +zadd`. */
async function refusals(): Promise<string[]> {
  const log = (await cloud.admin.call('ACL', 'LOG', 128)) as string[][];
  const missing = log.map((entry) => {
    const of = (field: string) => entry[entry.indexOf(field) + 1]!;
    return `${of('username')} ${ruleFor(of('username'), of('reason'), of('object'))}`;
  });
  return [...new Set(missing)].toSorted();
}

/** The rule that lets a user have this command, key or channel. */
function ruleFor(user: string, reason: string, object: string): string {
  if (reason === 'command') return `+${object}`;
  const sigil = reason === 'channel' ? '&' : '~';
  const covers = (rule: string) => {
    const [pattern] = withPrefix([rule.slice(rule.indexOf(sigil) + 1)]);
    return pattern!.endsWith('*') ? object.startsWith(pattern!.slice(0, -1)) : object === pattern;
  };
  const rules = rulesOf(user).filter((rule) => rule.replace('%R', '').startsWith(sigil));
  return rules.find(covers) ?? `${sigil}${object}`;
}

/**
 * Does with a node and a caller of these users whatever such processes do in their lives, and returns what
 * went wrong.
 */
async function live(): Promise<string[]> {
  const wrong: string[] = [];
  const note = (what: string, is: unknown, shouldBe: unknown) => {
    const [text, right] = [JSON.stringify(is), JSON.stringify(shouldBe)];
    if (text !== right) wrong.push(`${what}: ${text} instead of ${right}`);
  };
  const options = { ...FAST_BEAT, connectTimeout: 500, service: { noNodeGrace: 100 } };
  const node = cloud.node({ ...options, redis: redisOf('node') });
  const caller = cloud.node({ ...options, redis: redisOf('caller') });
  const forgotten: string[] = [];
  const isOfAGroup = (text: string) => text.startsWith('no node of group "gone"');
  for (const one of [node, caller])
    one.on('warning', (text) => (isOfAGroup(text) ? forgotten : wrong).push(text));
  note('subscribing', await outcome(node.subscribe('told.*', work)), 'ok');
  await cloud.admin.hset(cloud.keys.subscriptions, '@gone/told.one', '', 'v', 'changed');
  note('a node', await outcome(node.register('work', work)), 'ok');
  // Somebody who died is still there, ahead of all.
  await cloud.admin.zadd(cloud.keys.service('work'), 5000, 'dead.1');
  note('a call', await outcome(caller.send('work', 'quick', { timeout: 500 })), 'ok');
  const large = 'x'.repeat(10_000);
  const calls = ['quick', 'quick', large, 'slow'].map((data) =>
    caller.send('work', data, { timeout: 2000 }),
  );
  note('calls', await tally(calls), { ok: 4 });
  note('a call to somebody who dies', await outcome(callTheGhost(caller)), 'CLOUDS_NODE_LOST');
  note('an event of a group', await outcome(caller.publish('told.one', 'quick')), 'ok');
  const isForgotten = until('a group is forgotten', () => forgotten.length > 0, 1500);
  note('a group that is gone', await outcome(isForgotten), 'ok');
  note('an event', await outcome(caller.emit('work', 'quick', { timeout: 500 })), 'ok');
  note(
    'a call that nobody waits for',
    await outcome(caller.send('work', 'long', { timeout: 100 })),
    'CLOUDS_TIMEOUT',
  );
  note('a narrow service', await outcome(node.register('narrow', work, { capacity: 1 })), 'ok');
  // Somebody who has died waits before all.
  await cloud.admin.zadd(cloud.keys.line('narrow'), 1, 'dead.3');
  const waiting = ['quick', 'quick', 'quick'].map((data) =>
    caller.send('narrow', data, { timeout: 500, whenFull: 'wait' }),
  );
  note('calls that wait', await tally(waiting), { ok: 3 });
  note(
    'a call that is not served',
    await outcome(caller.send('nobody', 0, { timeout: 500 })),
    'CLOUDS_NO_NODE',
  );
  const settled = until(
    'all is settled',
    async () => (await cloud.scores('work'))[node.id] === 1000,
    1500,
  );
  note('the score', await outcome(settled), 'ok');
  await cloud.admin.zadd(cloud.keys.service('work'), -5, 'dead.2');
  const swept = until(
    'the dead are gone',
    async () => (await cloud.members('work')).length === 1,
    1500,
  );
  note('the dead', await outcome(swept), 'ok');
  await Promise.all([node.close(), caller.close()]);
  note('what is left', await cloud.admin.keys(`${cloud.prefix}*`), [cloud.keys.subscriptions]);
  await cloud.admin.flushall();
  return wrong;
}

/** A call that a node takes which answers nobody, and then is gone. */
async function callTheGhost(caller: CloudsNode): Promise<unknown> {
  const ghost = cloud.admin.duplicate({ connectionName: 'ghost' });
  await ghost.subscribe(cloud.keys.inbox('ghost.1'));
  await cloud.admin.zadd(cloud.keys.service('haunted'), 1000, 'ghost.1');
  const arrived = once(ghost, 'message');
  const call = caller.send('haunted', 0, { timeout: 2000 });
  await Promise.race([arrived, outcome(call)]);
  ghost.disconnect();
  await outcome(call);
  await cloud.admin.del(cloud.keys.service('haunted'));
  return call;
}

async function work(data: string, request: { signal: AbortSignal }): Promise<string> {
  const ms = { slow: 700, long: 5000 }[data] ?? 0;
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    request.signal.addEventListener('abort', () => (clearTimeout(timer), resolve(undefined)));
  });
  return data;
}

beforeEach(async () => {
  // The driver says there that it may not use INFO.
  vi.spyOn(console, 'warn').mockReturnValue();
  await setUser('caller', rulesOf('caller'));
  await setUser('node', rulesOf('node'));
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the users of docs/security.md', () => {
  it('can do all that a caller and a node do, and are refused nothing', async () => {
    expect(await live()).toEqual([]);
    expect(await refusals()).toEqual([]);
  });

  it('can do it without what is said to be optional', async () => {
    const needed = (user: string) => rulesOf(user).filter((rule) => !isOptional(user, rule));
    await setUser('caller', needed('caller'));
    await setUser('node', needed('node'));
    expect(await live()).toEqual([]);
  });

  const users = ['caller', 'node'].flatMap((user) =>
    rulesOf(user)
      .filter((rule) => RULE.test(rule))
      .map((rule) => [user, rule] as const),
  );

  it.each(users)(
    'have no rule too many: %s without %s is refused that, and nothing else',
    { timeout: 30_000 },
    async (user, rule) => {
      await takeAway(user, rule);

      const wrong = await live();

      expect(await refusals()).toEqual([`${user} ${rule}`]);
      if (isOptional(user, rule)) expect(wrong).toEqual([]);
      else expect(wrong).not.toEqual([]);
    },
  );

  it.each([
    ['FLUSHALL'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', '*'],
    ['CLIENT', 'LIST'],
    ['MONITOR'],
    ['SCRIPT', 'FLUSH'],
    ['PSUBSCRIBE', 'PREFIXP:*'],
    ['SUBSCRIBE', 'other:P:node.1'],
    ['PUBLISH', 'other:P:node.1', 'x'],
    ['ZADD', 'other:S:work', '1', 'x'],
    ['DEL', 'other'],
    ['EVAL', 'return redis.call("FLUSHALL")', '0'],
  ])('cannot do anything else: %s', async (...command) => {
    const [name, ...args] = command.map((word) => word.replace('PREFIX', cloud.prefix));
    for (const user of ['caller', 'node', 'monitor']) {
      await setUser(user, rulesOf(user));
      const redis = new Redis(urlOf(user), { maxRetriesPerRequest: 0 });
      const refused = await redis.call(name!, ...args).catch((error: Error) => error.message);
      redis.disconnect();
      expect(refused, user).toMatch(/NOPERM|ACL failure|can't run|not allowed/);
    }
  });
});

describe.each(['caller', 'node'])('what is optional: a %s', (user) => {
  /** Whether it does without answers of Redis, and knows the server when it sees it again. */
  async function linkState(): Promise<{ isQuiet: boolean; knowsServer: boolean }> {
    const link = new Link(redisOf(user), 2000);
    await link.open();
    // It has asked by then: commands are answered in their order.
    for (let i = 0; i < 2; i++) await link.pipeline([['time']]);
    const state = { isQuiet: link.canBeQuiet, knowsServer: link.serverId !== undefined };
    link.close();
    return state;
  }

  it('with all rules does without answers', async () => {
    expect(await linkState()).toEqual({ isQuiet: true, knowsServer: true });
  });

  it('without +info does not know the server, and waits for every answer', async () => {
    await takeAway(user, '+info');
    expect(await linkState()).toEqual({ isQuiet: false, knowsServer: false });
    expect(console.warn).toHaveBeenCalledWith(expect.stringContaining('INFO command fails'));
  });

  it('without +client|reply waits for every answer', async () => {
    await takeAway(user, '+client|reply');
    expect(await linkState()).toEqual({ isQuiet: false, knowsServer: true });
  });

  it.each([
    ['with', 1],
    ['without', 0],
  ])('%s +client|setname has a name: %d', async (way, named) => {
    if (way === 'without') await takeAway(user, '+client|setname');
    await cloud.connected({ redis: redisOf(user) });
    const clients = String(await cloud.admin.client('LIST')).split('\n');
    const own = clients.filter((line) => line.includes(` user=${user} `));
    expect(own).toHaveLength(1);
    expect(own.filter((line) => line.includes(` name=${cloud.prefix} `))).toHaveLength(named);
  });

  it.each(['with', 'without'])('%s +unsubscribe has no inbox after close()', async (way) => {
    if (way === 'without') await takeAway(user, '+unsubscribe');
    const node = await cloud.connected({ redis: redisOf(user) });
    const inbox = cloud.keys.inbox(`${node.id}.1`);
    const receivers = async () => Number((await cloud.admin.pubsub('NUMSUB', inbox))[1]);
    expect(await receivers()).toBe(1);
    await node.close();
    await until('it is gone', async () => (await receivers()) === 0);
    expect(await refusals()).toEqual(way === 'with' ? [] : [`${user} +unsubscribe`]);
  });
});

describe('calls that were on their way to Redis when the connection broke', () => {
  /** How calls end that were on their way to Redis when the connection broke. */
  async function endsOfCut(): Promise<Record<string, number>> {
    const proxy = await Proxy.start(cloud.url);
    const server = await cloud.connected();
    await server.register('work', work);
    const caller = await cloud.connected({ redis: redisOf('caller', proxy.url) });
    await caller.send('work', 'quick');
    proxy.stall();
    const calls = ['quick', 'quick'].map((data) => caller.send('work', data, { timeout: 5000 }));
    await new Promise(setImmediate);
    proxy.cut();
    proxy.flow();
    const ends = await tally(calls);
    await cloud.closeNodes();
    await proxy.close();
    return ends;
  }

  it.each([
    ['are sent again', 'nothing missing', { ok: 2 }],
    ['are sent again', '+client|reply', { ok: 2 }],
    ['are lost, as nobody can tell whether they ran', '+info', { CLOUDS_NODE_LOST: 2 }],
  ])('%s; the caller lacks: %s', async (_, rule, ends) => {
    await takeAway('caller', rule);
    expect(await endsOfCut()).toEqual(ends);
  });
});

describe.each(['caller', 'node'])('clean() by a %s', (user) => {
  const cleaner = async (...more: string[]) => {
    await setUser(user, [...rulesOf(user), ...more]);
    await cloud.admin.zadd(cloud.keys.service('gone'), 1000, 'dead.1');
    return cloud.connected({ redis: redisOf(user) });
  };

  it('is done with +scan added', async () => {
    const node = await cleaner('+scan');
    expect(await node.clean()).toBe(1);
    expect(await refusals()).toEqual([]);
  });

  it('without it fails, and says why', async () => {
    const node = await cleaner();
    const { code, message } = await rejection(node.clean());
    expect(code).toBe('CLOUDS_DISCONNECTED');
    expect(message).toMatch(/^Redis refused .*NOPERM.*scan/);
    expect(await refusals()).toEqual([`${user} +scan`]);
    await cloud.admin.del(cloud.keys.service('gone'));
  });

  it.each(['+zrange', '+zrem', '+mget', '+pubsub|numsub'])(
    'without %s does not say that nobody is gone',
    async (rule) => {
      const node = await cleaner('+scan', `-${rule.slice(1)}`);
      expect((await rejection(node.clean())).message).toMatch(/^Redis refused .*NOPERM/);
      expect(await refusals()).toEqual([`${user} ${rule}`]);
      await cloud.admin.del(cloud.keys.service('gone'));
    },
  );
});

describe('the monitor of docs/security.md', () => {
  const commands: [rule: string, ...command: string[]][] = [
    ['+info', 'INFO', 'server'],
    ['+client|setname', 'CLIENT', 'SETNAME', 'monitor'],
    ['+zrange', 'ZRANGE', 'S:work', '0', '-1'],
    ['+zcard', 'ZCARD', 'S:work'],
    ['+scan', 'SCAN', '0'],
    ['+get', 'GET', 'N:node'],
    ['+mget', 'MGET', 'N:node'],
    ['+pubsub|numsub', 'PUBSUB', 'NUMSUB', 'P:node.1'],
    ['%R~clouds:S:*', 'ZRANGE', 'S:work', '0', '-1'],
    ['%R~clouds:N:*', 'GET', 'N:node'],
  ];

  it.each(commands)('needs %s: %s', async (rule, name, ...args) => {
    const words = args.map((word) => (/^[SNP]:/.test(word) ? cloud.prefix + word : word));
    const run = async (rules: readonly string[]) => {
      await setUser('monitor', rules);
      const redis = new Redis(urlOf('monitor'), { maxRetriesPerRequest: 0 });
      const result = await outcome(redis.call(name, ...words));
      redis.disconnect();
      return result;
    };
    expect(await run(rulesOf('monitor'))).toBe('ok');
    await cloud.admin.call('ACL', 'LOG', 'RESET');
    expect(await run(rulesOf('monitor').filter((one) => one !== rule))).toMatch(/NOPERM/);
    expect(await refusals()).toEqual([`monitor ${rule}`]);
  });

  it.each([
    ['ZADD', 'S:work', '1', 'x'],
    ['DEL', 'N:node'],
    ['PUBLISH', 'P:node.1', 'x'],
    ['SUBSCRIBE', 'P:node.1'],
    ['HGETALL', 'F:node'],
  ])('changes nothing, and hears nothing: %s', async (name, key, ...args) => {
    await setUser('monitor', rulesOf('monitor'));
    const redis = new Redis(urlOf('monitor'), { maxRetriesPerRequest: 0 });
    const result = await outcome(redis.call(name, cloud.prefix + key, ...args));
    redis.disconnect();
    expect(result).toMatch(/NOPERM/);
  });
});
