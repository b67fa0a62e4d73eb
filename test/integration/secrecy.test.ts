import 'reflect-metadata';
import { once } from 'node:events';
import net from 'node:net';
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, RpcException } from '@nestjs/microservices';
import type { Redis } from 'ioredis';
import { finalize, firstValueFrom, NEVER, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Clouds } from '../../lib/clouds.js';
import { CloudsClient, CloudsNode, CloudsServer } from '../../lib/index.js';
import type { CloudsOptions, CloudsRedisOptions } from '../../lib/index.js';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { FAST_BEAT, usePrivateCloud } from '../support/cloud.js';
import { closedPort, FakeRedis } from '../support/fake-redis.js';
import { thrown } from '../support/thrown.js';
import { outcome, until, untilCancelled } from '../support/wait.js';
import { Witness } from '../support/witness.js';

const USER = 'nest';
const PASSWORD = 'pa55word';
const PAYLOAD = 'pay10ad';
const HEADER = 'h3ader';
/** Somebody's card: a secret need not be a string. */
const NUMBER = 4929123412341234;
const SHORT_KEY = 's1gn';
const KEY = `${SHORT_KEY}${'x'.repeat(32)}`;
const SECRETS = [PASSWORD, PAYLOAD, HEADER, SHORT_KEY, String(NUMBER)];
/** What a call has that carries all of them. */
const DATA = { [PAYLOAD]: [PAYLOAD, NUMBER] };
const headers = { 'x-token': HEADER };
/** The longest that Redis quotes of a command. */
const LARGE = `${PAYLOAD}${'x'.repeat(10_000)}`;

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

const cloud = usePrivateCloud();
let witness: Witness;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  await allow('+@all');
  witness = new Witness();
  witness.start();
  Logger.overrideLogger(witness);
});

afterEach(async () => {
  await allow('+@all');
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await cloud.closeNodes();
  // Who was refused could not tidy up.
  await cloud.admin.flushall();
  witness.stop();
  witness.expectNone(SECRETS);
});

/** Gives the user of the nodes these rights, and no others. */
async function allow(...rules: string[]): Promise<void> {
  const words = ['reset', 'on', `>${PASSWORD}`, '~*', '&*', ...rules];
  await cloud.admin.call('ACL', 'SETUSER', USER, ...words);
}

const login = { username: USER, password: PASSWORD };
const urlOf = (port: number) => `redis://${USER}:${PASSWORD}@127.0.0.1:${port}`;

function options(more: CloudsOptions = {}): CloudsOptions {
  const redis = { url: urlOf(cloud.server.port), connectionName: cloud.prefix };
  return { ...FAST_BEAT, redis, prefix: cloud.prefix, ...more };
}

/** A node all of whose events are noted. */
function observed(more?: CloudsOptions): CloudsNode {
  const node = cloud.node(options(more));
  node.on('warning', (text) => witness.warn(text));
  node.on('moved', (event) => witness.note(event));
  return node;
}

async function privateRedis(...args: string[]): Promise<PrivateRedis> {
  const server = await startPrivateRedis({ args });
  cleanups.push(() => server.stop());
  return server;
}

async function fakeRedis(info?: string): Promise<FakeRedis> {
  const server = await FakeRedis.start(info);
  cleanups.push(() => server.close());
  return server;
}

/** Accepts connections, reads what the client says first, and hangs up. */
async function hangingUp(): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** Notes what every kind of user is told who cannot connect. */
async function connectInAllWays(options: CloudsOptions): Promise<(string | undefined)[]> {
  const [node, client, server, clouds] = [
    new CloudsNode(options),
    new CloudsClient(options),
    new CloudsServer(options),
    new Clouds(),
  ];
  client.status.subscribe((status) => witness.note(status));
  const listening = new Promise<void>((resolve, reject) => {
    void server.listen((error) => (error ? reject(error) : resolve()));
  });
  const ways = [node.connect(), client.connect(), listening, clouds.connect(options)];
  const errors = await Promise.all(ways.map((way) => witness.errorOf(way)));
  return errors.map(({ code }) => code);
}

describe('the password of Redis', () => {
  const ways: [string, string, () => Promise<CloudsRedisOptions>][] = [
    ['wrong in the URL', 'DISCONNECTED', async () => ({ url: urlOf((await locked()).port) })],
    ['wrong', 'DISCONNECTED', async () => ({ port: (await locked()).port, ...login })],
    ['for a Redis without AUTH', 'DISCONNECTED', async () => ({ url: urlOf(await mute()) })],
    [
      'for a Redis that is not there',
      'DISCONNECTED',
      async () => ({ url: urlOf(await closedPort()) }),
    ],
    ['for somebody who hangs up', 'DISCONNECTED', async () => ({ url: urlOf(await hangingUp()) })],
    ['for somebody silent', 'DISCONNECTED', async () => ({ url: urlOf((await fakeRedis()).port) })],
    [
      'for an old Redis',
      'BAD_OPTIONS',
      async () => ({ url: urlOf((await fakeRedis('redis_version:6.2.0')).port) }),
    ],
    ['wrong for sentinels', 'DISCONNECTED', async () => sentinel((await locked()).port)],
    ['for sentinels without AUTH', 'DISCONNECTED', async () => sentinel(await mute())],
    ['of a TLS key', 'DISCONNECTED', () => Promise.resolve(withTls())],
  ];
  const withTls = () => ({
    port: cloud.server.port,
    tls: { pfx: PASSWORD, key: PASSWORD, passphrase: PASSWORD },
  });
  const locked = () => privateRedis('--requirepass', 'another');
  const mute = async () => {
    const renamed = ['AUTH', 'HELLO'].flatMap((command) => ['--rename-command', command, '']);
    return (await privateRedis(...renamed)).port;
  };
  const sentinel = (port: number) => ({
    ...{ sentinels: [{ host: '127.0.0.1', port }], name: 'main' },
    ...{ ...login, sentinelUsername: USER, sentinelPassword: PASSWORD },
  });

  it.each(ways)('is told nobody who cannot connect: %s', async (_, code, redis) => {
    const codes = await connectInAllWays({ redis: await redis(), connectTimeout: 300 });

    expect(codes).toEqual(Array(4).fill(`CLOUDS_${code}`));
    await until('the 2012 API has warned', () => witness.lines.length > 0);
  });

  it.each<[string, unknown]>([
    ['a URL without a scheme', { redis: `${USER}:${PASSWORD}@127.0.0.1` }],
    ['a URL of something else', { redis: { url: `http://${USER}:${PASSWORD}@127.0.0.1` } }],
    ['a URL with a query', { redis: `redis://127.0.0.1?password=${PASSWORD}` }],
    ['a "#" in the password', { redis: `redis://${USER}:1234#${PASSWORD}@127.0.0.1` }],
    ['a "/" in the password', { redis: `redis://${USER}:1234/${PASSWORD}@127.0.0.1` }],
    ['a "%" in the password', { redis: `redis://${USER}:${PASSWORD}%@127.0.0.1` }],
    ['a URL for the host', { redis: { host: urlOf(6379) } }],
    ['a URL without a scheme for the host', { redis: { host: `${USER}:${PASSWORD}@127.0.0.1` } }],
    ['a URL for the port', { redis: { port: urlOf(6379) } }],
    ['a URL for the path', { redis: { path: urlOf(6379) } }],
    ['a URL for the sentinels', { redis: { sentinels: urlOf(26379), name: 'main' } }],
    ['a URL for one sentinel', { redis: { sentinels: [urlOf(26379)], name: 'main' } }],
    [
      'a URL for the host of a sentinel',
      { redis: { sentinels: [{ host: urlOf(26379) }], name: 'main' } },
    ],
    ['a URL for a number', { capacity: urlOf(6379) }],
    ['a URL for everything', urlOf(6379)],
    ['a password that is no string', { redis: { password: [PASSWORD] } }],
    ['a password twice', { redis: { url: urlOf(6379), password: PASSWORD } }],
    ['a password for TLS', { redis: { tls: PASSWORD } }],
  ])('is in no error about options: %s', (_, wrong) => {
    const error = thrown(() => new CloudsNode(wrong as CloudsOptions));

    witness.note(error);
    expect(error.code).toBe('CLOUDS_BAD_OPTIONS');
  });

  it('is in no line about a connection that was there', async () => {
    const client = new CloudsClient(options());
    cleanups.push(() => client.close());
    client.status.subscribe((status) => witness.note(status));
    await client.connect();
    client.unwrap<Redis>();

    await cloud.admin.call('ACL', 'SETUSER', USER, 'resetpass', '>another');
    await cloud.cut();
    await until('the outage is told', () => witness.hasLine(/WRONGPASS/));
    await allow('+@all');

    await until('the end is told', () => witness.hasLine(/Connected to Redis again/));
  });
});

/** An array that contains itself. */
const circle: unknown[] = [PAYLOAD];
circle.push({ [PAYLOAD]: circle });

/** Data of which the writing fails, for as many reasons as there are. */
const unwritable: [string, unknown][] = [
  ['a circle', circle],
  ['a BigInt', { ...DATA, big: BigInt(NUMBER) }],
  [
    'a toJSON that throws',
    {
      toJSON: throwing(new Error(PAYLOAD)),
    },
  ],
  [
    'a toJSON that throws a string',
    {
      toJSON: throwing(PAYLOAD),
    },
  ],
  ['a toJSON that parses', { toJSON: () => JSON.parse(PAYLOAD) as unknown }],
  [
    'a getter that throws',
    {
      get [PAYLOAD]() {
        return throwing(new TypeError(PAYLOAD))();
      },
    },
  ],
  ['a function', Object.assign(() => PAYLOAD, DATA)],
  ['a symbol', Symbol(PAYLOAD)],
];

/** What arrives in an inbox. */
async function wiretap(incarnation: string): Promise<string[]> {
  const messages: string[] = [];
  const redis = cloud.admin.duplicate();
  cleanups.push(() => redis.disconnect());
  redis.on('message', (_channel, text: string) => messages.push(text));
  await redis.subscribe(cloud.keys.inbox(incarnation));
  return messages;
}

async function served(more?: CloudsOptions): Promise<CloudsNode> {
  const node = observed(more);
  await node.register('echo', (data) => data);
  await node.register('silent', (_data, request) => untilCancelled(request));
  await node.register('full', (_data, request) => untilCancelled(request), { capacity: 1 });
  return node;
}

const send = (node: CloudsNode, service: string, data: unknown = DATA, more = {}) =>
  node.send(service, data, { headers, timeout: 5000, ...more });

/** A call that is out when something happens to one of both. */
async function whileItRuns(node: CloudsNode, caller: CloudsNode, act: () => unknown) {
  const call = send(caller, 'silent');
  await until('it runs', () => node.stats.running === 1);
  void act();
  return call;
}

/** A call to somebody who takes it and dies. */
async function callGhost(caller: CloudsNode): Promise<unknown> {
  const arrived = await wiretap('ghost.1');
  await cloud.admin.zadd(cloud.keys.service('haunted'), 1, 'ghost.1');
  const call = send(caller, 'haunted');
  await until('it has arrived', () => arrived.length > 0);
  await cloud.admin.del(cloud.keys.service('haunted'));
  await cleanups.pop()!();
  return call;
}

async function callRefused(caller: CloudsNode, data: unknown, ...rules: string[]) {
  await allow('+@all', ...rules);
  return send(caller, 'echo', data);
}

describe('the key of signatures', () => {
  it.each<[string, unknown]>([
    ['for all of it', KEY],
    ['in a list', [KEY]],
    ['without a list', { keys: KEY }],
    ['that is too short', { keys: [SHORT_KEY] }],
    ['among what is no key', { keys: [KEY, 1] }],
    ['in the place of a flag', { keys: [KEY], required: KEY }],
    ['with a number of its own', { keys: [KEY], required: [KEY] }],
  ])('is in no error about options: %s', (_, signing) => {
    const error = thrown(() => new CloudsNode({ signing } as CloudsOptions));

    witness.note(error);
    expect(error.code).toBe('CLOUDS_BAD_OPTIONS');
  });

  it('is in no line about what was dropped, and in no error of who has another', async () => {
    const node = observed({ signing: { keys: [KEY] } });
    await node.register('echo', (data: unknown) => data);
    const signings = [undefined, { keys: [`${KEY} of others`] }];

    for (const signing of signings) {
      const caller = observed({ signing });
      await caller.connect();
      const error = await witness.errorOf(caller.send('echo', DATA, { timeout: 300 }));
      expect(error.code).toBe('CLOUDS_TIMEOUT');
    }

    await until('it was told', () => witness.hasLine(/unsigned/));
    const { unsigned, tampered } = node.stats.dropped;
    expect([unsigned, tampered].every((count) => count! > 0)).toBe(true);
  });
});

describe('data and headers of a call', () => {
  type Fail = (caller: CloudsNode, node: CloudsNode) => Promise<unknown>;
  const failures: [string, string, Fail][] = [
    ['nobody serves it', 'NO_NODE', (caller) => send(caller, 'nobody')],
    ['nobody answers', 'TIMEOUT', (caller) => send(caller, 'silent', DATA, { timeout: 50 })],
    [
      'nobody answers, thrice',
      'TIMEOUT',
      (caller) => send(caller, 'silent', DATA, { timeout: 50, attempts: 3 }),
    ],
    [
      'all are full',
      'OVERLOADED',
      (caller) => {
        void outcome(send(caller, 'full'));
        return send(caller, 'full');
      },
    ],
    [
      'its node stops',
      'CANCELLED',
      (caller, node) => whileItRuns(node, caller, () => node.close()),
    ],
    [
      'its caller stops',
      'CLOSED',
      (caller, node) => whileItRuns(node, caller, () => caller.close()),
    ],
    ['its node dies', 'NODE_LOST', (caller) => callGhost(caller)],
    [
      'Redis refuses the script',
      'DISCONNECTED',
      (caller) => callRefused(caller, DATA, '-eval', '-evalsha'),
    ],
    [
      'Redis refuses to publish',
      'DISCONNECTED',
      (caller) => callRefused(caller, LARGE, '-publish'),
    ],
    ['it is too large', 'PAYLOAD_TOO_LARGE', (caller) => send(caller, 'echo', PAYLOAD.repeat(1e6))],
    [
      'headers are a text',
      'BAD_OPTIONS',
      (caller) => send(caller, 'echo', DATA, { headers: HEADER }),
    ],
    [
      'headers are a list',
      'BAD_OPTIONS',
      (caller) => send(caller, 'echo', DATA, { headers: [HEADER] }),
    ],
    [
      'a header is a number',
      'BAD_OPTIONS',
      (caller) => send(caller, 'echo', DATA, { headers: { token: NUMBER } }),
    ],
    [
      'a header is a symbol',
      'BAD_OPTIONS',
      (caller) => send(caller, 'echo', DATA, { headers: { token: Symbol(HEADER) } }),
    ],
    [
      'data is where options are',
      'BAD_OPTIONS',
      (caller) => caller.send('echo', DATA, PAYLOAD as never),
    ],
  ];
  it.each(failures)('are not in its error when %s: CLOUDS_%s', async (_, code, fail) => {
    const quick = { drainTimeout: 0, service: { noNodeGrace: 0 } };
    const [node, caller] = [await served(quick), observed(quick)];
    await caller.connect();

    const error = await witness.errorOf(fail(caller, node));

    expect(error.code).toBe(`CLOUDS_${code}`);
  });

  it.each(unwritable)('are in no error when they cannot be written: %s', async (_, data) => {
    const [node, caller] = [observed(), observed()];
    const failure = Object.assign(new Error('it failed'), { data });
    await node.register('answer', () => data);
    await node.register('fail', () => Promise.reject(failure));

    const calls = [send(caller, 'echo', data), caller.emit('echo', data), send(caller, 'answer')];
    const errors = await Promise.all(calls.map((call) => witness.errorOf(call)));
    await witness.errorOf(send(caller, 'fail'));

    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('CLOUDS_UNSERIALIZABLE'));
  });

  it('are in no line, and in no answer, about what a node cannot read', async () => {
    const node = await served({ maxPayload: 100_000 });
    const answers = await wiretap('stranger.1');
    const request = (
      id: string,
      { version = 1, service = 'echo', ms = 60_000, data = PAYLOAD as unknown, metadata = {} },
    ) =>
      JSON.stringify([
        version,
        'q',
        Date.now(),
        'stranger.1',
        service,
        [[id, ms, 1, metadata, data]],
      ]);

    for (const message of [
      PAYLOAD,
      JSON.stringify(DATA),
      request('other', { version: 2 }),
      request('deep', { data: JSON.parse('['.repeat(100) + NUMBER + ']'.repeat(100)) as unknown }),
      request('large', { data: PAYLOAD.repeat(1e6) }),
      request('headers', { metadata: { token: NUMBER } }),
      request('time', { ms: PAYLOAD as never }),
      request('late', { ms: -1 }),
      request('unknown', { service: 'nobody' }),
    ])
      await cloud.admin.publish(cloud.keys.inbox(`${node.id}.1`), message);

    const ids = ['other', 'deep', 'large', 'headers', 'time', 'late', 'unknown'];
    const isAnswered = (id: string) => answers.some((text) => text.includes(`"${id}"`));
    await until('all are refused', () => ids.every(isAnswered));
    for (const answer of answers) witness.note(answer);
    for (const reason of ['not-json', 'malformed', 'unknown-version', 'too-deep', 'too-large'])
      expect(witness.hasLine(new RegExp(`^dropped a message .* ${reason}`)), reason).toBe(true);
  });

  const refusals: [string, string[], RegExp, Fail][] = [
    [
      'to take replies',
      ['-publish'],
      /NOPERM.*publish/,
      () => outcome(send(cloud.node(), 'echo', DATA, { timeout: 100 })),
    ],
    ['the heartbeat', ['-eval', '-evalsha'], /NOPERM.*eval/, () => Promise.resolve()],
    [
      'to say who is there',
      ['-pubsub'],
      /does not tell whether the nodes/,
      (caller) => outcome(send(caller, 'silent', DATA, { timeout: 1000 })),
    ],
    [
      'to let a node go',
      ['-eval', '-evalsha'],
      /refused to take this node out/,
      (_, node) => node.close(),
    ],
    ['to let a node back in', ['-eval', '-evalsha'], /refused to register/, () => cloud.cut()],
    ['an inbox', ['-subscribe'], /NOPERM.*subscribe/, () => cloud.cut()],
  ];
  it.each(refusals)('are in no line when Redis refuses %s', async (_, rules, line, act) => {
    await allow('+@all', '-client|reply');
    const [node, caller] = [await served({ drainTimeout: 0 }), observed()];
    await caller.connect();
    await allow('+@all', ...rules);

    await act(caller, node);

    await until('it is told', () => witness.hasLine(line));
  });

  it('are in no line and no error when Redis quotes what it was sent', async () => {
    const server = await privateRedis('--rename-command', 'PUBLISH', 'PUBLISH-BY-ANOTHER-NAME');
    const admin = cloud.admin.duplicate({ port: server.port });
    await admin.call(
      'ACL',
      'SETUSER',
      USER,
      'on',
      `>${PASSWORD}`,
      '~*',
      '&*',
      '+@all',
      '-client|reply',
    );
    const node = new CloudsNode(options({ redis: urlOf(server.port), heartbeatInterval: 60_000 }));
    cleanups.push(async () => {
      await node.close();
      admin.disconnect();
    });
    node.on('warning', (text) => witness.warn(text));
    await node.register('echo', (data) => data);

    const request = ['call', 60_000, 1, 0, PAYLOAD];
    const message = JSON.stringify([1, 'q', Date.now(), 'a.1', 'echo', [request]]);
    await admin.call('PUBLISH-BY-ANOTHER-NAME', cloud.keys.inbox(`${node.id}.1`), message);
    const error = await witness.errorOf(node.send('echo', LARGE));

    expect(error.message).toMatch(/unknown command 'publish'/i);
    await until('the reply is told', () => witness.hasLine(/unknown command 'publish'/i));
  });
});

/** Its name is in the stack of what it makes. */
function deepInTheServer(message = PAYLOAD, more = {}): Error {
  return Object.assign(new Error(message), more);
}
const STACK = [deepInTheServer.name, '    at ', import.meta.filename];

@Controller()
class AppController {
  @MessagePattern('unknown') unknown(): never {
    throw deepInTheServer();
  }
  @MessagePattern('unknown stream') unknownStream() {
    return throwError(() => deepInTheServer());
  }
  @MessagePattern('unknown value') unknownValue(): never {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- applications do
    throw { message: PAYLOAD, stack: deepInTheServer().stack };
  }
  @MessagePattern('text') text(): never {
    throw new RpcException('it failed');
  }
  @MessagePattern('error') error(): never {
    throw new RpcException(deepInTheServer('it failed'));
  }
  @MessagePattern('echo') echo(data: unknown) {
    return data;
  }
  @MessagePattern('endless') endless() {
    return NEVER.pipe(finalize(throwing(deepInTheServer('the teardown failed'))));
  }
}
@Module({ controllers: [AppController] })
class AppModule {}

async function startApp(prepare: (strategy: CloudsServer) => void = () => undefined) {
  const strategy = new CloudsServer(options());
  prepare(strategy);
  const app = await NestFactory.createMicroservice(AppModule, { strategy, logger: witness });
  const client = new CloudsClient(options());
  cleanups.push(
    () => app.close(),
    () => client.close(),
  );
  await app.listen();
  await client.connect();
  return client;
}

describe('what happens in a handler of Nest', () => {
  const internal = { status: 'error', message: 'Internal server error' };

  it.each([
    ['an Error', 'unknown', internal],
    ['an Error in a stream', 'unknown stream', internal],
    ['an object with a stack', 'unknown value', internal],
    ['an RpcException', 'text', { status: 'error', message: 'it failed' }],
    ['an RpcException of an Error', 'error', { name: 'Error', message: 'it failed' }],
  ])('is told the caller without its stack: %s', async (_, pattern, expected) => {
    const client = await startApp();
    const replies = await wiretap(`${nodeOf(client).id}.1`);

    const error = await witness.errorOf(firstValueFrom(client.send(pattern, DATA)));

    expect(error).toMatchObject(expected);
    await until('the reply is seen', () => replies.some((text) => text.includes('"r"')));
    for (const reply of replies) witness.note(reply);
    witness.expectNone([deepInTheServer.name]);
    for (const part of STACK) expect(replies.join()).not.toContain(part);
  });

  it('is logged without data when a hook or a teardown fails', async () => {
    const client = await startApp((strategy) => {
      strategy.setOnProcessingStartHook(throwing(new Error('the start hook failed')));
      strategy.setOnProcessingEndHook(throwing(new Error('the end hook failed')));
    });

    expect(await firstValueFrom(client.send('echo', DATA))).toEqual(DATA);
    client.send('endless', DATA).subscribe().unsubscribe();

    for (const what of ['start hook', 'end hook', 'teardown'])
      await until(`the ${what} is told`, () => witness.hasLine(new RegExp(`the ${what} failed`)));
  });
});

describe('the stack of an error of a handler without Nest', () => {
  const own = { stack: deepInTheServer().stack, inner: deepInTheServer() };

  it.each<[string, () => unknown]>([
    ['thrown', throwing(deepInTheServer('it failed'))],
    ['rejected', () => Promise.reject(deepInTheServer('it failed'))],
    [
      'of a stream',
      async function* () {
        yield await Promise.resolve(1);
        throw deepInTheServer('it failed');
      },
    ],
    ['with more errors on it', throwing(deepInTheServer('it failed', own))],
    [
      'with one on it that writes itself',
      throwing(
        deepInTheServer('it failed', { inner: deepInTheServer('inner', { toJSON: () => own }) }),
      ),
    ],
    ['with a cause', throwing(new Error('it failed', { cause: deepInTheServer() }))],
    ['with several causes', throwing(new AggregateError([deepInTheServer()], 'it failed'))],
    [
      'that shows its stack',
      throwing(Object.defineProperty(deepInTheServer('it failed'), 'stack', { enumerable: true })),
    ],
    ['that writes itself', throwing(deepInTheServer('it failed', { toJSON: () => own }))],
    ['that cannot be written', throwing(deepInTheServer('it failed', { big: 1n }))],
  ])('does not reach the caller: %s', async (_, handler) => {
    const [node, caller] = [observed(), observed()];
    await node.register('fail', handler);
    await caller.connect();
    const replies = await wiretap(`${caller.id}.1`);

    const error = await witness.errorOf(send(caller, 'fail'));

    expect(error.message).toBe('it failed');
    await until('the reply is seen', () => replies.some((text) => text.includes('it failed')));
    witness.expectNone([deepInTheServer.name]);
    for (const part of STACK) expect(replies.join()).not.toContain(part);
  });

  it('does not reach the caller of the 2012 API', async () => {
    const clouds = new Clouds();
    cleanups.push(() => clouds.disconnect());
    await clouds.connect(options());
    const service = await clouds.register('math');
    service.on('throws', throwing(deepInTheServer('it failed')));
    service.on('answers', (_data, callback) => callback(deepInTheServer('it failed')));

    for (const event of ['throws', 'answers', 'nothing'])
      await witness.errorOf(clouds.require('math').pemit(1, event, DATA));

    witness.expectNone([deepInTheServer.name]);
  });
});

function nodeOf(client: CloudsClient): CloudsNode {
  return (client as unknown as { node: CloudsNode }).node;
}
