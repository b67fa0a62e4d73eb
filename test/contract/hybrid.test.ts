/** Applications with HTTP and several transports at once. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Module,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Ctx,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  Transport,
} from '@nestjs/microservices';
import { CLOUDS_TRANSPORT, CloudsContext, CloudsServer } from 'nestjs-clouds';
import { map, type Observable, throwError } from 'rxjs';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();

@Controller()
class BothController {
  @Get('ping')
  http(): string {
    return 'pong over http';
  }

  @MessagePattern('ping')
  ping(@Payload() data: unknown): unknown {
    return ['pong', data];
  }

  @MessagePattern('throws')
  throws(): never {
    throw new Error('no');
  }

  @MessagePattern('only here', CLOUDS_TRANSPORT)
  onlyHere(): string {
    return 'here';
  }

  @MessagePattern('only there', Transport.TCP)
  onlyThere(): string {
    return 'there';
  }
}

@Module({ controllers: [BothController] })
class BothModule {}

class Guard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.getType() === 'http' || context.switchToRpc().getData() !== 'forbidden';
  }
}

class Doubles implements PipeTransform {
  transform(value: unknown): unknown {
    return [value, value];
  }
}

class Wraps implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value: unknown) => ({ value })));
  }
}

@Catch()
class Filter {
  catch(error: Error): Observable<never> {
    return throwError(() => ({ filtered: error.message }));
  }
}

/** A hybrid application with two strategies of ours, and TCP beside them. */
async function hybrid(part: string, inheritAppConfig: boolean) {
  const prefixes = ['a', 'b'].map((end) => `${world.options.prefix}${part}:${end}:`);
  const app = await NestFactory.create(BothModule, { logger: false });
  app.useGlobalGuards(new Guard());
  app.useGlobalPipes(new Doubles());
  app.useGlobalInterceptors(new Wraps());
  app.useGlobalFilters(new Filter());
  const strategies = prefixes.map((prefix) => world.server({ prefix }));
  for (const strategy of strategies) {
    app.connectMicroservice<MicroserviceOptions>({ strategy }, { inheritAppConfig });
  }
  const tcp = app.connectMicroservice<MicroserviceOptions>(
    { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } },
    { inheritAppConfig },
  );
  world.ending(() => app.close());
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  const clients = prefixes.map((prefix) => world.client({ prefix }));
  const { port } = tcp.unwrap<{ address(): { port: number } }>().address();
  return { app, clients, port };
}

async function overHttp(app: INestApplication): Promise<string> {
  return (await fetch(`${await app.getUrl()}/ping`)).text();
}

describe('a hybrid application', () => {
  let plain: Awaited<ReturnType<typeof hybrid>>;
  let inheriting: Awaited<ReturnType<typeof hybrid>>;
  before(async () => {
    plain = await hybrid('plain', false);
    inheriting = await hybrid('inheriting', true);
  });

  it('answers over HTTP and every one of its strategies', async () => {
    assert.match(await overHttp(plain.app), /pong over http/);
    for (const client of plain.clients) {
      assert.deepEqual(await outcomeOf(client.send('ping', 1)), { values: [['pong', 1]] });
    }
  });

  it('keeps its global enhancers to HTTP unless told otherwise', async () => {
    const [client] = plain.clients;
    assert.deepEqual(await outcomeOf(client!.send('ping', 'forbidden')), {
      values: [['pong', 'forbidden']],
    });
    assert.deepEqual((await outcomeOf(client!.send('throws', 1))).error, {
      status: 'error',
      message: 'Internal server error',
    });
  });

  it('has them for messages with inheritAppConfig', async () => {
    for (const client of inheriting.clients) {
      assert.deepEqual(await outcomeOf(client.send('ping', 1)), {
        values: [{ value: ['pong', [1, 1]] }],
      });
      assert.deepEqual((await outcomeOf(client.send('throws', 1))).error, { filtered: 'no' });
      assert.deepEqual((await outcomeOf(client.send('ping', 'forbidden'))).error, {
        filtered: 'Forbidden resource',
      });
    }
  });

  it('serves a handler only over the transport that it names', async () => {
    const [client] = plain.clients;
    assert.deepEqual(await outcomeOf(client!.send('only here', 1)), { values: ['here'] });
    const { error } = await outcomeOf(client!.send('only there', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_NO_NODE');
    const options = { host: '127.0.0.1', port: plain.port };
    const tcp = ClientProxyFactory.create({ transport: Transport.TCP, options });
    assert.deepEqual(await outcomeOf(tcp.send('only there', 1)), { values: ['there'] });
    assert.ok((await outcomeOf(tcp.send('only here', 1))).error);
    await tcp.close();
  });

  it('may have several strategies under one prefix: each is a node, and one call runs at one of them', async () => {
    const prefix = `${world.options.prefix}shared:`;
    const seen: string[] = [];
    @Controller()
    class CountingController {
      @MessagePattern('count')
      count(@Ctx() context: CloudsContext): string {
        seen.push(context.getNodeId());
        return context.getNodeId();
      }
    }
    @Module({ controllers: [CountingController] })
    class CountingModule {}
    const app = await NestFactory.create(CountingModule, { logger: false });
    const strategies = [world.server({ prefix }), world.server({ prefix })];
    for (const strategy of strategies) app.connectMicroservice<MicroserviceOptions>({ strategy });
    world.ending(() => app.close());
    await app.startAllMicroservices();
    const client = world.client({ prefix });
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => outcomeOf(client.send('count', 1))),
    );
    assert.deepEqual(outcomes.map(({ values: [node] }) => node).sort(), [...seen].sort());
    assert.equal(new Set(seen).size, 2);
    await app.close();
    const { error } = await outcomeOf(client.send('count', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_NO_NODE');
  });

  it('does not start with a handler whose options are wrong', async () => {
    @Controller()
    class WrongController {
      @MessagePattern('wrong', { capacity: 0 })
      wrong(): void {}
    }
    @Module({ controllers: [WrongController] })
    class WrongModule {}
    const app = await NestFactory.create(WrongModule, { logger: false });
    world.ending(() => app.close());
    const prefix = `${world.options.prefix}wrong:`;
    app.connectMicroservice<MicroserviceOptions>({ strategy: world.server({ prefix }) });
    await assert.rejects(app.startAllMicroservices(), { code: 'CLOUDS_BAD_OPTIONS' });
  });

  it('closes all of its strategies', async () => {
    const { app, clients } = await hybrid('closing', false);
    await app.close();
    for (const client of clients) {
      const { error } = await outcomeOf(client.send('ping', 1));
      assert.equal((error as { code: string }).code, 'CLOUDS_NO_NODE');
    }
  });
});

describe('a strategy', () => {
  it('may come from the injector', async () => {
    const prefix = `${world.options.prefix}injected:`;
    const STRATEGY = 'STRATEGY';
    @Module({
      controllers: [BothController],
      providers: [{ provide: STRATEGY, useFactory: () => world.server({ prefix }) }],
      exports: [STRATEGY],
    })
    class InjectedModule {}
    const app = await NestFactory.createMicroservice(InjectedModule, {
      logger: false,
      inject: [STRATEGY],
      useFactory: (strategy: CloudsServer) => ({ strategy }),
    });
    world.ending(() => app.close());
    await app.listen();
    const { values } = await outcomeOf(world.client({ prefix }).send('ping', 1));
    assert.deepEqual(values, [['pong', 1]]);
  });
});
