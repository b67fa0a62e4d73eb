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
import { QUIET, useWorld } from './support/world.js';

const world = useWorld();

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
    return this.check(world.options);
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

describe('MicroserviceHealthIndicator', () => {
  it('tells whether Redis can be reached, and leaves neither node nor connection', async () => {
    const app = await NestFactory.create(HealthModule, QUIET);
    world.ending(() => app.close());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const up = await fetch(`${url}/up`);
    assert.equal(up.status, 200);
    const { info } = (await up.json()) as { info: { clouds: { status: string } } };
    assert.equal(info.clouds.status, 'up');
    const down = await fetch(`${url}/down`);
    assert.equal(down.status, 503);

    const client = world.client();
    await client.connect();
    const keys = await client.unwrap<Redis>().keys(`${world.options.prefix}*`);
    assert.deepEqual(
      keys.filter((key) => !key.startsWith(`${world.options.prefix}F:`)),
      [],
    );
  });
});
