import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudsError, CloudsNode } from '../../lib/index.js';
import type { PrivateRedis } from '../../tools/redis.mjs';
import { startPrivateRedis } from '../../tools/redis.mjs';
import { withRedis } from '../../tools/redis/resp.mjs';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { closedPort, FakeRedis } from '../support/fake-redis.js';
import { Proxy } from '../support/proxy.js';
import { outcome, rejection, timeOf, until } from '../support/wait.js';

const cloud = useCloud();
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cloud.closeNodes();
    await cleanup();
  }
});

async function fake(info: string | undefined, lastWord?: string): Promise<FakeRedis> {
  const server = await FakeRedis.start(info, lastWord);
  cleanups.push(() => server.close());
  return server;
}

async function privateRedis(args: string[]): Promise<PrivateRedis> {
  const server = await startPrivateRedis({ args });
  cleanups.push(() => server.stop());
  return server;
}

describe('connect()', () => {
  it('fails with CLOUDS_DISCONNECTED when nothing listens, after connectTimeout', async () => {
    const port = await closedPort();
    const node = cloud.node({ redis: { port }, connectTimeout: 300 });

    const connecting = node.connect();
    const ms = await timeOf(connecting);

    const error = await rejection(connecting);
    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED', name: 'CloudsDisconnectedError' });
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain('ECONNREFUSED');
    expect(ms).toBeGreaterThan(280);
    expect(ms).toBeLessThan(1300);
  });

  it('fails in the same way when somebody accepts and never says a word', async () => {
    const { port } = await fake(undefined);
    const node = cloud.node({ redis: { port }, connectTimeout: 300 });

    const connecting = node.connect();
    const ms = await timeOf(connecting);

    expect(await outcome(connecting)).toBe('CLOUDS_DISCONNECTED');
    expect(ms).toBeLessThan(1300);
  });

  it('waits for a Redis that starts a little later', async () => {
    const port = await closedPort();
    const node = cloud.node({ redis: { port } });
    const connecting = node.connect();
    const server = await startPrivateRedis({ port });
    cleanups.push(() => server.stop());

    await connecting;

    expect(node.isConnected).toBe(true);
  });

  it('tries again when a handshake hangs', async () => {
    const mute = await fake(undefined);
    const { port } = mute;
    const node = cloud.node({ redis: { port, connectTimeout: 200 } });
    const connecting = node.connect();
    await until('it has tried twice', () => mute.accepted === 2);
    await mute.close();
    const server = await startPrivateRedis({ port });
    cleanups.push(() => server.stop());

    await connecting;

    expect(node.isConnected).toBe(true);
  });

  it.each([
    ['while it asks for its fence', ({ id }: CloudsNode) => cloud.keys.fence(id)],
    ['while it enters its services', ({ id }: CloudsNode) => cloud.keys.node(id)],
  ])('tries again when the connection of a node goes dead %s', async (_, wordOf) => {
    const proxy = await Proxy.start(cloud.url);
    cleanups.push(() => proxy.close());
    const node = cloud.node({ redis: { url: proxy.url }, ...FAST_BEAT });
    proxy.loseRepliesFrom(wordOf(node));

    const ms = await timeOf(node.register('work', () => 1));

    // Three heartbeats; else nothing was lost.
    expect(ms).toBeGreaterThan(2 * FAST_BEAT.heartbeatInterval);

    expect(await node.send('work')).toBe(1);
  });

  it('gives up after connectTimeout when each connection goes dead then', async () => {
    const { port } = await fake('redis_version:7.0.0', 'SUBSCRIBE');
    const node = cloud.node({ redis: { port }, connectTimeout: 1000, ...FAST_BEAT });

    const connecting = node.connect();
    const ms = await timeOf(connecting);

    const error = await rejection<CloudsError>(connecting);
    expect(error.code).toBe('CLOUDS_DISCONNECTED');
    expect(error.message).toContain(`no connection to Redis at 127.0.0.1:${port} within 1000 ms`);
    expect(ms).toBeGreaterThan(990);
  });

  it('ends the attempt when the node is closed meanwhile', async () => {
    const server = await fake('redis_version:7.0.0', 'SUBSCRIBE');
    const node = cloud.node({ redis: { port: server.port }, ...FAST_BEAT });
    const connecting = rejection(node.connect());
    await until('it tries for the second time', () => server.accepted === 2);

    await node.close();

    expect(await connecting).toMatchObject({ code: 'CLOUDS_CLOSED' });
  });

  it('fails at once, saying why, when the password is wrong; and does not show it', async () => {
    const { port } = await privateRedis(['--requirepass', 'right']);
    const node = cloud.node({ redis: { port, password: 'wr0ng' } });

    const connecting = node.connect();
    const ms = await timeOf(connecting);

    const error = await rejection(connecting);
    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toMatch(/refused.*WRONGPASS/);
    expect(error.message).not.toContain('wr0ng');
    expect(ms).toBeLessThan(2000);
  });

  it('fails at once when a password is needed and none is given', async () => {
    const { port } = await privateRedis(['--requirepass', 'right']);

    const error = await rejection(cloud.node({ redis: { port } }).connect());

    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toContain('NOAUTH');
  });

  it('takes user, password and database from a URL', async () => {
    const { port } = await privateRedis(['--requirepass', 's3/cret']);
    const url = `redis://:s3%2Fcret@127.0.0.1:${port}/3`;
    const node = cloud.node({ redis: url });
    await node.register('work', () => 'here');

    expect(await node.send('work')).toBe('here');
  });

  it('fails when the database does not exist', async () => {
    const { port } = await privateRedis([]);

    const error = await rejection(cloud.node({ redis: { port, db: 999 } }).connect());

    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toContain('out of range');
  });

  it.each([
    ['redis_version:6.2.14', /Redis 6\.2\.14.*Redis 7\.0/],
    ['redis_version:7.2.4\r\nvalkey_version:7.1.0', /Valkey 7\.1\.0.*Valkey 7\.2/],
  ])('fails with CLOUDS_BAD_OPTIONS when the server says %j', async (version, text) => {
    const { port } = await fake(version);
    const node = cloud.node({ redis: { port } });

    const error = await rejection(node.connect());

    expect(error).toMatchObject({ code: 'CLOUDS_BAD_OPTIONS', name: 'CloudsBadOptionsError' });
    expect(error.message).toMatch(text);
  });

  it('can be called again after it failed', async () => {
    const port = await closedPort();
    const node = cloud.node({ redis: { port }, connectTimeout: 200 });
    expect(await outcome(node.connect())).toBe('CLOUDS_DISCONNECTED');
    const server = await startPrivateRedis({ port });
    cleanups.push(() => server.stop());

    await node.connect();

    expect(node.isConnected).toBe(true);
  });

  it('is free when it is called twice', async () => {
    const node = cloud.node();
    let connected = 0;
    node.on('connected', () => connected++);

    await Promise.all([node.connect(), node.connect()]);
    await node.connect();

    expect(connected).toBe(1);
  });

  it('is the end of the calls that wait for it when it fails', async () => {
    const node = cloud.node({ redis: { port: await closedPort() }, connectTimeout: 200 });

    expect(await outcome(node.send('work'))).toBe('CLOUDS_DISCONNECTED');
    expect(node.stats.inFlight).toBe(0);
  });

  it('shows the address without the password in it', async () => {
    const port = await closedPort();
    const node = cloud.node({ redis: `redis://bob:s3cret@127.0.0.1:${port}`, connectTimeout: 100 });

    const error = await rejection(node.connect());

    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).not.toContain('s3cret');
  });
});

describe('a user of Redis with few rights', () => {
  it('who may not subscribe cannot connect, and the error says why', async () => {
    const { port, url } = await privateRedis([]);
    const rules = 'on >pw ~* &* +@all -subscribe'.split(' ');
    await withRedis(url, 2000, (run) => run('ACL', 'SETUSER', 'caller', ...rules));
    const node = cloud.node({ redis: { port, username: 'caller', password: 'pw' } });

    const error = await rejection(node.connect());

    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toContain('subscribe');
  });

  it('gets an error that says what Redis refused', async () => {
    const { port, url } = await privateRedis([]);
    const rules = 'on >pw ~* &* +@all -eval -evalsha'.split(' ');
    await withRedis(url, 2000, (run) => run('ACL', 'SETUSER', 'caller', ...rules));
    const server = cloud.node({ redis: url });
    await server.register('work', () => 1);
    await server.connect();
    const caller = cloud.node({ redis: { port, username: 'caller', password: 'pw' } });

    const error = await rejection(caller.send('work'));

    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toContain('NOPERM');
  });
});

describe('what is told of an outage', () => {
  function warningsOf(node: CloudsNode): string[] {
    const warnings: string[] = [];
    node.on('warning', (text) => warnings.push(text));
    return warnings;
  }

  it('is that Redis cannot be reached, and then that it refuses us, each once', async () => {
    const server = await privateRedis([]);
    const proxy = await Proxy.start(server.url);
    cleanups.push(() => proxy.close());
    const node = await cloud.connected({ redis: proxy.url });
    const warnings = warningsOf(node);

    proxy.refuse();
    await until('the outage is told', () => warnings.length === 1);
    await withRedis(server.url, 1000, (command) => command('CONFIG', 'SET', 'requirepass', 'new'));
    proxy.accept();
    await until('the refusal is told', () => warnings.length === 2);

    expect(warnings[1]).toContain('NOAUTH it asks for a password, and none was given. Trying');
    const end = await rejection(node.send('work', 1, { timeout: 200 }));
    expect(end.message).toContain('refused the connection');
  });

  it('is not that calls wait when the first connection is refused: connect() says why', async () => {
    const { port } = await privateRedis(['--requirepass', 'right']);
    const node = cloud.node({ redis: { port } });
    const warnings = warningsOf(node);

    expect(await outcome(node.connect())).toBe('CLOUDS_DISCONNECTED');
    expect(warnings.filter((text) => text.includes('Trying again'))).toEqual([]);
  });

  it('is how long the first connection is tried', async () => {
    const node = cloud.node({ redis: { port: await closedPort() }, connectTimeout: 300 });
    const warnings = warningsOf(node);

    expect(await outcome(node.connect())).toBe('CLOUDS_DISCONNECTED');
    expect(warnings[0]).toContain('Trying again for 300 ms ("connectTimeout").');
  });
});

describe('a port of something else', () => {
  it('is no Redis: CLOUDS_DISCONNECTED', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as net.AddressInfo;
    const node = cloud.node({ redis: { port }, connectTimeout: 500 });

    expect(await outcome(node.connect())).toBe('CLOUDS_DISCONNECTED');
  });
});
