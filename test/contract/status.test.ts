/** The connection as Nest shows it: status, events, unwrap, and a listen that fails. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import type { Redis } from 'ioredis';
import { CloudsServer, CloudsStatus } from 'nestjs-clouds';
import { until } from './support/until.js';
import { outcomeOf, QUIET, useWorld } from './support/world.js';

const world = useWorld();

@Controller()
class PingController {
  @MessagePattern('ping')
  ping(): string {
    return 'pong';
  }
}

@Module({ controllers: [PingController] })
class PingModule {}

/** Cuts the connection of the process that bears this name, on the server. */
async function cut(redis: Redis, name: string): Promise<void> {
  const clients = (await redis.client('LIST')) as string;
  const own = clients.split('\n').filter((line) => line.includes(` name=${name} `));
  assert.ok(own.length > 0);
  for (const line of own) await redis.client('KILL', 'ID', /id=(\d+)/.exec(line)![1]!);
}

function options(part: string) {
  const { url } = world;
  const connectionName = `${world.options.prefix}${part}`;
  return { redis: { url, connectionName }, prefix: `${connectionName}:`, connectionName };
}

describe('a server', () => {
  it('tells its status and its events, also to those who asked before it listened', async () => {
    const { connectionName, ...own } = options('server');
    const server = world.server(own);
    const statuses: string[] = [];
    const events: string[] = [];
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(PingModule, {
      ...QUIET,
      strategy: server,
    });
    app.status.subscribe((status: string) => statuses.push(status));
    app.on('connected', () => events.push('connected'));
    app.on('reconnecting', () => events.push('reconnecting'));
    assert.throws(() => app.unwrap(), /Not connected/);
    assert.deepEqual(statuses, []);

    await app.listen();
    assert.deepEqual([statuses, events], [['connected'], ['connected']]);
    app.on('disconnected', () => events.push('disconnected'));
    const redis = app.unwrap<Redis>();
    assert.equal(await redis.ping(), 'PONG');

    await cut(redis, connectionName);
    const again = ['connected', 'reconnecting', 'connected'];
    await until('it is connected again', () => statuses.length === again.length);
    assert.deepEqual([statuses, events], [again, again]);

    await app.close();
    assert.deepEqual(
      [statuses, events],
      [
        [...again, 'disconnected'],
        [...again, 'disconnected'],
      ],
    );
  });

  it('tells the latest status to who comes later', async () => {
    const server = world.server(apart('later'));
    await world.serve(PingModule, server);
    const statuses: string[] = [];
    server.status.subscribe((status) => statuses.push(status));
    assert.deepEqual(statuses, [CloudsStatus.CONNECTED]);
  });

  it('that cannot reach Redis fails to listen, and may try again', async () => {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as net.AddressInfo;
    probe.close();
    await once(probe, 'close');
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(PingModule, {
      ...QUIET,
      strategy: new CloudsServer({ redis: `redis://127.0.0.1:${port}`, connectTimeout: 200 }),
    });
    for (const attempt of [1, 2]) {
      await assert.rejects(app.listen(), { code: 'CLOUDS_DISCONNECTED' }, `attempt ${attempt}`);
    }
    await app.close();
  });
});

describe('a client', () => {
  it('tells its status and its events, and can be used again after it was closed', async () => {
    await world.serve(PingModule, world.server(apart('client')));
    const client = world.client(apart('client'));
    const statuses: string[] = [];
    const events: string[] = [];
    client.status.subscribe((status) => statuses.push(status));
    client.on('connected', () => events.push('connected'));
    assert.throws(() => client.unwrap(), /Not connected/);

    await Promise.all([client.connect(), client.connect()]);
    assert.equal(await client.unwrap<Redis>().ping(), 'PONG');
    assert.deepEqual([statuses, events], [['connected'], ['connected']]);

    await client.close();
    assert.deepEqual(statuses, ['connected', 'disconnected']);
    await client.connect();
    assert.deepEqual(await outcomeOf(client.send('ping', 1)), { values: ['pong'] });
    assert.deepEqual(statuses, ['connected', 'disconnected', 'connected']);
  });

  it('connects with its first call', async () => {
    await world.serve(PingModule, world.server(apart('first')));
    const client = world.client(apart('first'));
    assert.deepEqual(await outcomeOf(client.send('ping', 1)), { values: ['pong'] });
  });

  it('fails the calls that are out when it is closed', async () => {
    @Controller()
    class SlowController {
      @MessagePattern('slow')
      slow(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    @Module({ controllers: [SlowController] })
    class SlowModule {}
    await world.serve(SlowModule, world.server({ ...apart('slow'), drainTimeout: 50 }));
    const client = world.client(apart('slow'));
    await client.connect();
    const outcome = outcomeOf(client.send('slow', 1));
    await client.close();
    assert.equal(((await outcome).error as { code: string }).code, 'CLOUDS_CLOSED');
  });
});

function apart(part: string) {
  return { prefix: options(part).prefix };
}
