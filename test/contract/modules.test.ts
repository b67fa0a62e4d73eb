/** Clients of ClientsModule, and what of an application must not touch Redis. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { before, describe, it } from 'node:test';
import { Controller, Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Client,
  type ClientOptions,
  type ClientProxy,
  ClientProxyFactory,
  ClientsModule,
  MessagePattern,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { CloudsClient, CloudsModule, CloudsServer, CloudsStatus } from 'nestjs-clouds';
import { outcomeOf, QUIET, useWorld } from './support/world.js';

const world = useWorld();
const { options } = world;

@Controller()
class SumController {
  @MessagePattern('sum')
  sum(numbers: number[]): number {
    return numbers.reduce((a, b) => a + b, 0);
  }
}

@Module({ controllers: [SumController] })
class SumModule {}

@Injectable()
class Orders {
  constructor(@Inject('MATH') readonly clouds: CloudsClient) {}
}

@Module({ providers: [Orders] })
class FeatureModule {}

const useFactory = () => ({ customClass: CloudsClient, options });

@Injectable()
class MathOptions {
  createClientOptions() {
    return { customClass: CloudsClient, options };
  }
}

const WAYS: Record<string, () => object> = {
  register: () => ClientsModule.register([{ name: 'MATH', customClass: CloudsClient, options }]),
  'register with isGlobal': () =>
    ClientsModule.register({
      isGlobal: true,
      clients: [{ name: 'MATH', customClass: CloudsClient, options }],
    }),
  registerAsync: () => ClientsModule.registerAsync([{ name: 'MATH', useFactory }]),
  'registerAsync with useClass': () =>
    ClientsModule.registerAsync([{ name: 'MATH', useClass: MathOptions }]),
  'registerAsync with isGlobal': () =>
    ClientsModule.registerAsync({ isGlobal: true, clients: [{ name: 'MATH', useFactory }] }),
};

describe('ClientsModule', () => {
  before(() => world.serve(SumModule));

  for (const [way, imported] of Object.entries(WAYS)) {
    it(`makes a client by ${way}, and closes it with the application`, async () => {
      const isGlobal = way.includes('isGlobal');
      @Module({
        imports: [imported() as Type, ...(isGlobal ? [FeatureModule] : [])],
        providers: isGlobal ? [] : [Orders],
      })
      class AppModule {}
      const app = await NestFactory.createApplicationContext(AppModule, QUIET);
      const { clouds } = app.get(Orders, { strict: false });
      const statuses: string[] = [];
      clouds.status.subscribe((status) => statuses.push(status));
      assert.deepEqual(await outcomeOf(clouds.send('sum', [1, 2])), { values: [3] });
      await app.close();
      assert.deepEqual(statuses, [CloudsStatus.CONNECTED, CloudsStatus.DISCONNECTED]);
    });
  }
});

describe('a client', () => {
  @Controller()
  class GatewayController {
    @Client({ customClass: CloudsClient, options } as ClientOptions)
    readonly math!: ClientProxy;
  }

  @Module({ controllers: [GatewayController] })
  class GatewayModule {}

  it('is made by @Client()', async () => {
    const app = await NestFactory.create(GatewayModule, QUIET);
    await app.init();
    const { math } = app.get(GatewayController);
    assert.ok(math instanceof CloudsClient);
    assert.deepEqual(await outcomeOf(math.send('sum', [1, 2])), { values: [3] });
    await app.close();
  });

  it('is made by ClientProxyFactory', async () => {
    const client = ClientProxyFactory.create({ customClass: CloudsClient, options });
    world.ending(() => client.close());
    assert.deepEqual(await outcomeOf(client.send('sum', [1, 2])), { values: [3] });
  });
});

describe('preview mode', () => {
  it('makes no connection', async () => {
    let connections = 0;
    const redis = net.createServer(() => connections++).listen(0, '127.0.0.1');
    await once(redis, 'listening');
    const { port } = redis.address() as net.AddressInfo;
    const elsewhere = { redis: `redis://127.0.0.1:${port}` };
    @Module({
      imports: [
        CloudsModule.forRoot(elsewhere),
        ClientsModule.register([{ name: 'MATH', customClass: CloudsClient, options: elsewhere }]),
      ],
      controllers: [SumController],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, {
      ...QUIET,
      preview: true,
      snapshot: true,
    });
    // Nest makes no providers then.
    const provided = app.get<CloudsServer | null>(CloudsServer);
    assert.equal(provided, null);
    const strategy = provided ?? new CloudsServer(elsewhere);
    app.connectMicroservice<MicroserviceOptions>({ strategy });
    await assert.rejects(async () => app.startAllMicroservices(), /preview/i);
    const served = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, {
      ...QUIET,
      preview: true,
      strategy: new CloudsServer(elsewhere),
    });
    await assert.rejects(async () => served.listen(), /preview/i);
    // Those of before would be accepted before this one.
    const own = net.connect(port, '127.0.0.1');
    await once(redis, 'connection');
    own.destroy();
    await new Promise((resolve) => redis.close(resolve));
    assert.equal(connections, 1);
  });
});
