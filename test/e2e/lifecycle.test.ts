import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();

async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('server and client', () => {
  it('tell how they are connected, from before they start until they are closed', async () => {
    const app = await apps.start('status');
    type Seen = Record<'server' | 'client' | 'events', string[]>;
    const seen = () => app.ask<Seen>('seen');

    expect(await app.ask('unwrapTooEarly')).toEqual([
      expect.stringContaining('Not connected'),
      expect.stringContaining('Not connected'),
    ]);
    await app.ask('start');
    expect(await app.ask('unwrap')).toEqual(['PONG', 'PONG']);
    expect(await seen()).toEqual({
      server: ['connected'],
      client: ['connected'],
      events: ['server is connected'],
    });

    await apps.cutConnections();
    const expected = ['connected', 'reconnecting', 'connected'];
    await until('both are connected again', async () => {
      const { server, client } = await seen();
      return server.length >= expected.length && client.length >= expected.length;
    });
    expect(await seen()).toEqual({
      server: expected,
      client: expected,
      events: ['server is connected', 'client reconnects', 'server is connected'],
    });

    await app.ask('close');
    expect(await seen()).toMatchObject({
      server: [...expected, 'disconnected'],
      client: [...expected, 'disconnected'],
    });
    expect(await app.end()).toBe(0);
  });
});

describe('an application without Redis', () => {
  it('fails to listen with an error that says so, and ends', async () => {
    const port = await closedPort();
    const app = await apps.start('unreachable', { CLOSED_PORT: String(port) });
    const failure = {
      code: 'CLOUDS_DISCONNECTED',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    };
    expect(await app.ask('listen')).toEqual(failure);
    expect(await app.ask('listen'), 'listening again').toEqual(failure);
    expect(await app.end()).toBe(0);
  });
});

describe('a worker', () => {
  it('that is closed exits by itself and leaves no member behind', async () => {
    const service = await apps.start('service');
    expect(await apps.members('sum')).toHaveLength(1);
    expect(await service.end()).toBe(0);
    expect(await apps.keysLeft()).toEqual([]);
  });

  it('that gets SIGTERM with shutdown hooks leaves no member behind', async () => {
    const replica = await apps.start('replica');
    expect(await apps.members('work')).toHaveLength(1);
    replica.kill('SIGTERM');
    expect(await replica.ended).toBe('SIGTERM');
    expect(await apps.keysLeft()).toEqual([]);
  });
});
