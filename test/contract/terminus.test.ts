/** Health checks of @nestjs/terminus connect and close a client each time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CustomClientOptions, Transport } from '@nestjs/microservices';
import {
  HealthCheck,
  HealthCheckService,
  MicroserviceHealthIndicator,
  TerminusModule,
} from '@nestjs/terminus';
import type { Redis } from 'ioredis';
import { CloudsClient } from 'nestjs-clouds';
import { until } from './support/until.js';
import { QUIET, useWorld } from './support/world.js';

const PROBES = 5;

const world = useWorld();
const connectionName = `${world.options.prefix}terminus`;
const options = { ...world.options, redis: { url: world.url, connectionName } };

function pinged(options: object): CustomClientOptions & { transport: Transport } {
  // Terminus wants one of Nest's own transports by its type; the class is what counts.
  return { transport: Transport.REDIS, customClass: CloudsClient, options };
}

@Controller()
class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(MicroserviceHealthIndicator) private readonly microservice: MicroserviceHealthIndicator,
  ) {}

  @Get('up')
  @HealthCheck()
  up() {
    return this.check(options);
  }

  @Get('down')
  @HealthCheck()
  down() {
    return this.check({ redis: 'redis://127.0.0.1:1', connectTimeout: 100 });
  }

  private check(options: object) {
    return this.health.check([() => this.microservice.pingCheck('clouds', pinged(options))]);
  }
}

@Module({ imports: [TerminusModule.forRoot({ logger: false })], controllers: [HealthController] })
class HealthModule {}

/** How many connections this file has. */
async function connectionsOf(redis: Redis): Promise<number> {
  const clients = (await redis.client('LIST')) as string;
  return clients.split('\n').filter((line) => line.includes(` name=${connectionName} `)).length;
}

describe('MicroserviceHealthIndicator', () => {
  it('tells whether Redis can be reached, and leaves neither node nor connection', async () => {
    const app = await NestFactory.create(HealthModule, QUIET);
    world.ending(() => app.close());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const client = world.client(options);
    await client.connect();
    const redis = client.unwrap<Redis>();
    const before = await connectionsOf(redis);
    assert.ok(before > 0);
    for (let probe = 1; probe <= PROBES; probe++) {
      const up = await fetch(`${url}/up`);
      assert.equal(up.status, 200);
      const { info } = (await up.json()) as { info: { clouds: { status: string } } };
      assert.equal(info.clouds.status, 'up');
    }
    const down = await fetch(`${url}/down`);
    assert.equal(down.status, 503);

    // Redis may learn of the end of a connection after the answer.
    await until('no connection is left', async () => (await connectionsOf(redis)) === before);
    const keys = await redis.keys(`${world.options.prefix}*`);
    assert.deepEqual(
      keys.filter((key) => !key.startsWith(`${world.options.prefix}F:`)),
      [],
    );
  });
});
