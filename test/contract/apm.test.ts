/** @nestjs/observe, an APM that hangs on the hooks of server and client. Nothing of it leaves this machine. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Controller, type DynamicModule, Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  Ctx,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
} from '@nestjs/microservices';
import { createObserveModule, TracerService } from '@nestjs/observe';
import {
  CLOUDS_TRANSPORT,
  CloudsClient,
  CloudsContext,
  CloudsModule,
  CloudsServer,
} from 'nestjs-clouds';
import { interval, type Observable } from 'rxjs';
import { hasDispatchHook } from './support/nest-version.js';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
let started: string[] = [];
let ended: string[] = [];
let outer: unknown;

const { ObserveModule, ObserveInstrument } = createObserveModule();

/** A client that Nest makes, or that of the module. */
const CLIENT = 'CLIENT';

@Injectable()
class Caller {
  constructor(@Inject(CLIENT) readonly clouds: CloudsClient) {}
}

@Controller()
class TracedController {
  constructor(
    @Inject(TracerService) private readonly tracer: TracerService,
    @Inject(Caller) private readonly caller: Caller,
  ) {}

  @MessagePattern('outer')
  async outer(): Promise<unknown> {
    outer = this.tracer.currentTraceId();
    return (await outcomeOf(this.caller.clouds.send('inner', 1))).values[0];
  }

  @MessagePattern('inner')
  inner(@Ctx() context: CloudsContext): unknown {
    return [this.tracer.currentTraceId(), context.getMetadata()?.['x-request-id'] ?? null];
  }

  @MessagePattern('endless')
  endless(): Observable<number> {
    return interval(5);
  }

  @EventPattern('event')
  event(@Payload() _data: unknown): void {}

  @MessagePattern('fails')
  fails(): never {
    throw new Error('no');
  }
}

function observing(): DynamicModule {
  return ObserveModule.forRoot({
    appKey: 'none',
    appSecret: 'none',
    serviceId: 'contract',
    endpoint: 'http://127.0.0.1:1',
    tracesSampleRate: 1,
    runtimeMetrics: false,
    forwardLogs: false,
    outgoing: false,
    rpc: {
      setAttributes: (transport, context) => {
        assert.equal(transport, CLOUDS_TRANSPORT);
        started.push((context as unknown as CloudsContext).getPattern());
        return {};
      },
      // It is asked when a trace ends whose context was found.
      getUserId: (_transport, context) => {
        ended.push((context as unknown as CloudsContext).getPattern());
        return 'nobody';
      },
    },
  });
}

@Module({
  imports: [
    ClientsModule.register([{ name: CLIENT, customClass: CloudsClient, options: world.options }]),
    observing(),
  ],
  controllers: [TracedController],
  providers: [Caller],
})
class ByHandModule {}

const { options } = world;
const ownOptions = { ...options, prefix: `${options.prefix}module:` };

@Module({
  imports: [CloudsModule.forRoot(ownOptions), observing()],
  controllers: [TracedController],
  providers: [Caller, { provide: CLIENT, useExisting: CloudsClient }],
})
class ByModule {}

async function serveByHand(): Promise<void> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(ByHandModule, {
    logger: false,
    instrument: ObserveInstrument,
    strategy: world.server(),
  });
  world.ending(() => app.close());
  await app.listen();
}

async function serveByModule(): Promise<void> {
  const app = await NestFactory.createMicroservice(ByModule, {
    logger: false,
    instrument: ObserveInstrument,
    inject: [CloudsServer],
    useFactory: (strategy: CloudsServer) => ({ strategy }),
  });
  world.ending(() => app.close());
  await app.listen();
}

for (const [name, serve, client] of [
  ['with a client and a server that were made by hand', serveByHand, world.client()],
  ['with CloudsModule', serveByModule, world.client(ownOptions)],
] as const)
  describe(`@nestjs/observe ${name}`, () => {
    const served = serve();
    beforeEach(async () => {
      await served;
      started = [];
      ended = [];
    });

    it('traces a call that makes another, in one trace where Nest can tell', async () => {
      const { values } = await outcomeOf(client.send('outer', 1));
      const [[inner, carried]] = values as [[string, string | null]];
      assert.ok(outer);
      if (hasDispatchHook) assert.deepEqual([inner, carried], [outer, outer]);
      else assert.equal(carried, null);
      await until('both traces have ended', () => ended.length >= 2);
      assert.deepEqual(started, ['outer', 'inner']);
      assert.deepEqual(ended, ['inner', 'outer']);
    });

    for (const pattern of ['event', 'fails', 'endless']) {
      it(`ends the trace once: ${pattern}`, async () => {
        const subscription = (
          pattern === 'event' ? client.emit(pattern, 1) : client.send(pattern, 1)
        ).subscribe({ next: () => subscription.unsubscribe(), error: () => undefined });
        await until('the trace has ended', () => ended.length > 0);
        // A second end would have come before that of another message.
        await outcomeOf(client.send('inner', 1));
        await until('the next trace has ended', () => ended.includes('inner'));
        const both = [pattern, 'inner'];
        assert.deepEqual([started, ended], [both, both]);
      });
    }
  });
