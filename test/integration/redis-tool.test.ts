import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { withRedis } from '../../tools/redis/resp.mjs';

const TOOL = new URL('../../tools/redis.mjs', import.meta.url);
const NOT_OF_THE_MACHINE = { ...process.env, REDIS_URL: undefined };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function privateRedis(options: Parameters<typeof startPrivateRedis>[0] = {}) {
  const server = await startPrivateRedis(options);
  cleanups.push(() => server.stop());
  return server;
}

async function acquired(options: Parameters<typeof acquireRedis>[0]) {
  const redis = await acquireRedis({ env: NOT_OF_THE_MACHINE, ...options });
  cleanups.push(() => redis.stop());
  return redis;
}

async function send(url: string, ...command: string[]): Promise<string> {
  return String(await withRedis(url, 2000, (run) => run(...command)));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Something on a port that is not a usable Redis; it answers everything with `answer`. */
async function impostor(answer: string): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('data', () => socket.write(answer)).on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** A process of its own that runs `code` with the tool imported, and the first line it prints. */
async function owner(code: string): Promise<{ child: ChildProcess; line: string; tmp: string }> {
  const tmp = await temporaryFolder();
  const script = `import * as tool from ${JSON.stringify(TOOL.href)};\n${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
    env: { ...NOT_OF_THE_MACHINE, TMPDIR: tmp },
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, line, tmp };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'redis-tool-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  return folder;
}

describe('REDIS_URL', () => {
  it('is used, password and database included', async () => {
    const { port } = await privateRedis({ args: ['--requirepass', 's3/cret'] });
    const url = `redis://:s3%2Fcret@127.0.0.1:${port}/5`;

    const redis = await acquired({ env: { REDIS_URL: url } });

    expect(redis).toMatchObject({ url, source: 'env', shared: true });
  });

  it('is refused, without showing its password, when nothing answers there', async () => {
    const url = `redis://bob:s3cret@127.0.0.1:${await closedPort()}`;

    const attempt = acquireRedis({ env: { ...process.env, REDIS_URL: url } });

    await expect(attempt).rejects.toThrow(/REDIS_URL.*redis:\/\/bob:\*\*\*@127.*ECONNREFUSED/);
    await expect(attempt).rejects.not.toThrow(/s3cret/);
  });

  it('is refused when the password is wrong', async () => {
    const { port } = await privateRedis({ args: ['--requirepass', 'right'] });

    const attempt = acquireRedis({ env: { REDIS_URL: `redis://:wrong@127.0.0.1:${port}` } });

    await expect(attempt).rejects.toThrow(/WRONGPASS/);
    await expect(attempt).rejects.not.toThrow(/:wrong@/);
  });

  it('is refused after two seconds of silence', async () => {
    const port = await impostor('');

    const attempt = acquireRedis({ env: { REDIS_URL: `redis://127.0.0.1:${port}` } });

    await expect(attempt).rejects.toThrow(/no answer within 2000 ms/);
  });

  it('is refused, and not shown, when it is not a Redis URL', async () => {
    const attempt = acquireRedis({ env: { REDIS_URL: 'bob:s3cret@somewhere' } });

    await expect(attempt).rejects.toThrow(/not a redis:\/\/ or rediss:\/\/ URL/);
    await expect(attempt).rejects.not.toThrow(/s3cret/);
  });
});

describe('a Redis that already runs here', () => {
  const onlyLocal = { env: {}, skip: ['path' as const, 'fetched' as const] };

  it('is used when it is open', async () => {
    const { port, url } = await privateRedis();

    const redis = await acquired({ localPort: port });

    expect(redis).toMatchObject({ url, source: 'local', shared: true });
  });

  it('is passed over, saying so, when it asks for a password', async () => {
    const { port } = await privateRedis({ args: ['--requirepass', 'x'] });
    const lines: string[] = [];

    const redis = await acquired({ localPort: port, log: (line) => lines.push(line) });

    expect(redis.source).not.toBe('local');
    expect(lines).toContainEqual(expect.stringMatching(/^local: .*NOAUTH/));
  });

  it.each([
    ['redis_version:6.2.14', /is Redis 6\.2\.14; Redis 7\.0 or newer/],
    ['redis_version:7.2.4\r\nvalkey_version:7.1.0', /is Valkey 7\.1\.0; Valkey 7\.2 or newer/],
    ['redis_version:7.2.4\r\nredis_mode:cluster', /not a standalone server/],
  ])('is passed over when its INFO says %j', async (info, reason) => {
    const localPort = await impostor(`$${info.length}\r\n${info}\r\n`);

    await expect(acquireRedis({ ...onlyLocal, localPort })).rejects.toThrow(reason);
  });

  it('is passed over when it is something else', async () => {
    const localPort = await impostor('HTTP/1.1 400 Bad Request\r\n\r\n');

    await expect(acquireRedis({ ...onlyLocal, localPort })).rejects.toThrow(/Redis protocol/);
  });

  it('loses exactly the keys under the prefix on stop', async () => {
    const { port, url } = await privateRedis();
    const mine = await acquireRedis({ env: {}, localPort: port });
    const other = await acquired({ localPort: port });
    await withRedis(url, 5000, async (run) => {
      for (let i = 0; i < 2500; i++) await run('SET', `${mine.prefix}${i}`, '');
      await run('SET', Buffer.concat([Buffer.from(mine.prefix), Buffer.from([0xff, 0])]), '');
      await run('SET', `${other.prefix}kept`, '');
      await run('SET', `x${mine.prefix}kept`, '');
    });

    await mine.stop();
    await mine.stop();

    expect((await send(url, 'KEYS', '*')).split(',').sort()).toEqual(
      [`${other.prefix}kept`, `x${mine.prefix}kept`].sort(),
    );
  });
});

describe('a private Redis', () => {
  it('is started when none runs here, and is gone after stop', async () => {
    const redis = await acquireRedis({ env: NOT_OF_THE_MACHINE, skip: ['local'] });
    const { pid, port } = redis.server!;
    expect(redis).toMatchObject({ shared: false, url: `redis://127.0.0.1:${port}` });
    expect(await send(redis.url, 'INFO', 'server')).toContain(`process_id:${pid}\r\n`);
    const [, dir] = (await send(redis.url, 'CONFIG', 'GET', 'dir')).split(',');

    await Promise.all([redis.stop(), redis.stop()]);

    expect(exists(pid)).toBe(false);
    expect(await accepts(port)).toBe(false);
    await expect(rm(dir!)).rejects.toThrow('ENOENT');
  });

  it('stops though it is paused', async () => {
    const server = await startPrivateRedis();
    process.kill(server.pid, 'SIGSTOP');

    await server.stop();

    expect(exists(server.pid)).toBe(false);
  });

  it('comes back on its port after it was killed', async () => {
    const killed = await privateRedis();
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited;

    const { url, port } = await privateRedis({ port: killed.port, binary: killed.binary });

    expect(port).toBe(killed.port);
    expect(await send(url, 'PING')).toBe('PONG');
  });

  it('tells the end of its output when it does not start', async () => {
    const taken = await privateRedis();

    await expect(startPrivateRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(
      /did not start[^]*no-such-option/,
    );
    await expect(startPrivateRedis({ port: taken.port })).rejects.toThrow(/already in use/);
  });

  it('is not one from the PATH that is too old', async () => {
    const dir = await temporaryFolder();
    const old = path.join(dir, 'redis-server');
    await writeFile(old, '#!/bin/sh\necho "Redis server v=6.0.16 sha=00000000:0"\n');
    await chmod(old, 0o755);

    const attempt = startPrivateRedis({ env: { PATH: dir }, skip: ['fetched'] });

    await expect(attempt).rejects.toThrow(/is Redis 6\.0\.16; Redis 7\.0 or newer is needed/);
  });

  const START = `const server = await tool.startPrivateRedis();
    console.log(server.port + ' ' + server.pid);`;

  it.each([
    ['is killed', 'setInterval(() => {}, 1000);', 'SIGKILL'],
    ['exits without stopping it', 'setTimeout(() => process.exit(), 50);', undefined],
    ['crashes', 'setTimeout(() => { throw new Error(); }, 50);', undefined],
  ] as const)('is gone when its owner %s', async (_, then, signal) => {
    const { child, line, tmp } = await owner(`${START}\n${then}`);
    const [port, pid] = line.split(' ').map(Number) as [number, number];
    if (!signal) await once(child, 'exit');
    else {
      expect(await accepts(port)).toBe(true);
      child.kill(signal);
    }

    await until(async () => !(await accepts(port)) && !exists(pid));
    await until(async () => (await readdir(tmp)).length === 0);
  });

  it('survives a Ctrl-C until its owner stops it', async () => {
    const { child, line } = await owner(`
      process.once('SIGINT', async () => {
        const { withRedis } = await import(${JSON.stringify(new URL('redis/resp.mjs', TOOL).href)});
        console.log(await withRedis(server.url, 2000, (run) => run('PING')));
        await server.stop();
        clearInterval(keepAlive);
      });
      const keepAlive = setInterval(() => {}, 1000);
      ${START}`);
    const answer = once(createInterface(child.stdout!), 'line');
    const exit = once(child, 'exit');

    process.kill(-child.pid!, 'SIGINT'); // the whole process group, as a terminal does

    expect(await answer).toEqual(['PONG']);
    expect(await exit).toEqual([0, null]);
    expect(exists(Number(line.split(' ')[1]))).toBe(false);
  });

  it('leaves nothing that keeps its owner alive', async () => {
    const { child } = await owner(`const redis = await tool.acquireRedis({ skip: ['local'] });
      await redis.stop();
      console.log('stopped');`);

    expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(0);
  });
});

it('says what was tried and what to do when there is none', async () => {
  const attempt = acquireRedis({
    env: { PATH: '' },
    skip: ['fetched'],
    localPort: await closedPort(),
  });

  await expect(attempt).rejects.toThrow(
    /local: .*ECONNREFUSED[^]*path: neither redis-server nor valkey-server[^]*fetched: not tried[^]*apt-get install redis-server[^]*brew install redis[^]*REDIS_URL/,
  );
});

it('is a command that lends a Redis until Ctrl-C', async () => {
  const child = spawn(process.execPath, [TOOL.pathname], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: NOT_OF_THE_MACHINE,
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');

  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  child.kill('SIGINT');

  expect(line).toMatch(/^redis:\/\/127\.0\.0\.1:\d+ \((local|path|fetched)\)/);
  expect(await exit).toEqual([0, null]);
});
