/** Errors with a code on their way through services that do nothing about them. */
import assert from 'node:assert/strict';
import type net from 'node:net';
import { before, describe, it } from 'node:test';
import {
  Catch,
  Controller,
  type ExceptionFilter,
  type INestMicroservice,
  Module,
  UseFilters,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Ctx,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  RpcException,
  Transport,
} from '@nestjs/microservices';
import {
  type CloudsClient,
  CloudsContext,
  CloudsExceptionFilter,
  CloudsOverloadedError,
} from 'nestjs-clouds';
import { firstValueFrom, from, lastValueFrom, mergeMap, type Observable, throwError } from 'rxjs';
import { outcomeOf, QUIET, useWorld } from './support/world.js';

const world = useWorld();
/** What a node has for its calls: the same prefix, a node of its own. */
const client = world.client();

const SAID = {
  code: 'OUT_OF_STOCK',
  message: 'none left',
  details: { sku: 'a1' },
  retryable: true,
};

/** As an `HttpException` has it. */
const REFUSED = { code: 'REFUSED', message: 'no', error: 'Bad Request', statusCode: 400 };

/** As gRPC has it. */
const NUMBERED = { code: 5, message: 'not found', retryable: true };

@Catch(RpcException)
class PassesOn implements ExceptionFilter {
  catch(exception: RpcException): Observable<never> {
    return throwError(() => exception);
  }
}

class OutOfStock extends RpcException {
  readonly code = SAID.code;
  readonly details = SAID.details;
  readonly retryable = SAID.retryable;
}

/** The last service of the chain. */
@Controller()
class StockController {
  @MessagePattern('node')
  node(@Ctx() context: CloudsContext): string {
    return context.getNodeId();
  }

  @MessagePattern('object')
  object(): never {
    throw new RpcException(SAID);
  }

  @MessagePattern('error')
  error(): never {
    throw new RpcException(REFUSED);
  }

  @MessagePattern('number')
  number(): never {
    throw new RpcException(NUMBERED);
  }

  @MessagePattern('details that JSON has no words for')
  unwritable(): never {
    throw new RpcException({ ...SAID, details: { sku: 1n } });
  }

  @MessagePattern('without a message')
  withoutMessage(): never {
    throw new RpcException({ code: 'NONE' });
  }

  @MessagePattern('fields')
  fields(): never {
    throw new OutOfStock(SAID.message);
  }

  @MessagePattern('fields, in an Observable')
  fieldsInObservable(): Observable<never> {
    return throwError(() => new OutOfStock(SAID.message));
  }

  @MessagePattern('fields, in a generator')
  async *fieldsInGenerator(): AsyncGenerator<never> {
    yield await Promise.reject<never>(new OutOfStock(SAID.message));
  }

  @UseFilters(CloudsExceptionFilter)
  @MessagePattern('fields, filtered')
  fieldsFiltered(): never {
    throw new OutOfStock(SAID.message);
  }

  @UseFilters(PassesOn)
  @MessagePattern('object, passed on by a filter')
  objectPassedOn(): never {
    throw new RpcException(SAID);
  }

  @UseFilters(PassesOn)
  @MessagePattern('fields, passed on by a filter')
  fieldsPassedOn(): never {
    throw new OutOfStock(SAID.message);
  }

  @MessagePattern('fields and an object')
  fieldsAndObject(): never {
    throw new OutOfStock({ status: 'error', message: SAID.message, code: 'OF_THE_OBJECT' });
  }

  @MessagePattern('text')
  text(): never {
    throw new RpcException('text');
  }

  @MessagePattern('of the transport')
  ofTheTransport(): never {
    throw new CloudsOverloadedError('the store is full', { details: { sku: 'a1' } });
  }

  @MessagePattern('of the transport, in a generator')
  async *inGenerator(): AsyncGenerator<never> {
    yield await Promise.reject<never>(
      new CloudsOverloadedError('the store is full', { details: { sku: 'a1' } }),
    );
  }

  @MessagePattern('plain object')
  plainObject(): never {
    throw new RpcException({ reason: 7 });
  }
}

interface Order {
  readonly pattern: string;
}

/** The service in the middle: it calls, and does nothing about errors. */
@Controller()
class OrdersController {
  private readonly clouds: CloudsClient = client;

  @MessagePattern('awaits')
  awaits(@Payload() { pattern }: Order): Promise<unknown> {
    return firstValueFrom(this.clouds.send(pattern, {}));
  }

  @MessagePattern('returns')
  returns(@Payload() { pattern }: Order): Observable<unknown> {
    return this.clouds.send(pattern, {});
  }

  @MessagePattern('loops')
  async *loops(@Payload() { pattern }: Order): AsyncGenerator<unknown> {
    yield* this.clouds.stream(pattern, {});
  }

  @UseFilters(CloudsExceptionFilter)
  @MessagePattern('awaits, filtered')
  awaitsFiltered(@Payload() { pattern }: Order): Promise<unknown> {
    return firstValueFrom(this.clouds.send(pattern, {}));
  }

  @MessagePattern('wraps')
  async wraps(@Payload() { pattern }: Order): Promise<unknown> {
    try {
      return await lastValueFrom(this.clouds.send(pattern, {}));
    } catch (error) {
      throw new RpcException(error as object);
    }
  }

  @MessagePattern('two hops')
  twoHops(@Payload() order: Order): Observable<unknown> {
    return from([order]).pipe(mergeMap(() => this.clouds.send('awaits', order)));
  }
}

@Module({ controllers: [StockController] })
class StockModule {}
@Module({ controllers: [OrdersController] })
class OrdersModule {}

/** What the caller sees; an Error with all its properties. */
async function seen(pattern: string, data: object = {}): Promise<unknown> {
  const { values, error } = await outcomeOf(client.send(pattern, data));
  assert.deepEqual(values, []);
  return error;
}

before(async () => {
  await Promise.all([world.serve(StockModule), world.serve(OrdersModule)]);
});

const nodeOfStock = () => firstValueFrom(client.send<string>('node', {}));

describe('an RpcException with a code', () => {
  it('arrives as one, with what it says and its node', async () => {
    const error = await seen('object');
    const said = { ...SAID, node: await nodeOfStock() };
    assert.ok(error instanceof RpcException);
    assert.deepEqual(error.getError(), said);
    assert.equal(error.message, SAID.message);
    assert.deepEqual({ ...error }, said);
    assert.deepEqual(JSON.parse(JSON.stringify(error)), said);
  });

  it('has its code as its message if it has none', async () => {
    const error = (await seen('without a message')) as RpcException;
    assert.equal(error.message, 'NONE');
    assert.deepEqual(error.getError(), { code: 'NONE', node: await nodeOfStock() });
  });

  it('has an `error` of its object as a property too', async () => {
    const error = await seen('error');
    assert.ok(error instanceof RpcException);
    const said = { ...REFUSED, node: await nodeOfStock() };
    assert.equal(Reflect.get(error, 'error'), REFUSED.error);
    assert.deepEqual({ ...error }, said);
    assert.deepEqual(JSON.parse(JSON.stringify(error)), said);
    assert.deepEqual(error.getError(), said);
  });

  it('loses no more than its details when they cannot be written', async () => {
    const pattern = 'details that JSON has no words for';
    const { code, message, retryable } = SAID;
    for (const error of [await seen(pattern), await seen('awaits', { pattern })]) {
      assert.ok(error instanceof RpcException);
      assert.deepEqual({ ...error }, { code, message, retryable, node: await nodeOfStock() });
    }
  });

  for (const how of ['awaits', 'returns', 'loops', 'awaits, filtered', 'wraps', 'two hops']) {
    it(`goes on as it is through a handler that ${how}`, async () => {
      const node = await nodeOfStock();
      for (const [pattern, said] of Object.entries({
        object: SAID,
        error: REFUSED,
        number: NUMBERED,
      })) {
        const error = await seen(how, { pattern });
        assert.ok(error instanceof RpcException);
        assert.deepEqual({ ...error }, { ...said, node });
        assert.deepEqual(error.getError(), { ...said, node });
      }
    });
  }
});

describe('an RpcException with fields of its own', () => {
  for (const pattern of ['fields', 'fields, in an Observable', 'fields, in a generator']) {
    it(`arrives with them: ${pattern}`, async () => {
      const error = (await seen(pattern)) as RpcException;
      const said = { status: 'error', ...SAID, node: await nodeOfStock() };
      assert.deepEqual({ ...error }, said);
    });
  }

  it('arrives with them when a filter passes it on as it is', async () => {
    const node = await nodeOfStock();
    const object = (await seen('object, passed on by a filter')) as RpcException;
    assert.deepEqual({ ...object }, { ...SAID, node });
    const fields = (await seen('fields, passed on by a filter')) as RpcException;
    assert.deepEqual({ ...fields }, { status: 'error', ...SAID, node });
  });

  it('arrives with them through CloudsExceptionFilter', async () => {
    const error = (await seen('fields, filtered')) as RpcException;
    assert.deepEqual({ ...error }, { status: 'error', ...SAID, node: await nodeOfStock() });
  });

  it('arrives with them through a service that does nothing about it', async () => {
    const error = (await seen('awaits', { pattern: 'fields' })) as RpcException;
    assert.deepEqual({ ...error }, { status: 'error', ...SAID, node: await nodeOfStock() });
  });

  it('has those of its object before them', async () => {
    const { details, retryable, message } = SAID;
    const error = (await seen('fields and an object')) as RpcException;
    const said = { status: 'error', message, code: 'OF_THE_OBJECT', details, retryable };
    assert.deepEqual({ ...error }, { ...said, node: await nodeOfStock() });
  });

  it('is what it was to a caller of another transport of the application', async () => {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(StockModule, {
      ...QUIET,
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
    });
    world.ending(() => app.close());
    await app.listen();
    const tcp = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: portOf(app) },
    });
    world.ending(() => tcp.close());
    const { error } = await outcomeOf(tcp.send('fields', {}));
    assert.deepEqual(error, { status: 'error', message: SAID.message });
  });
});

describe('a CloudsError that a handler throws of its own', () => {
  for (const pattern of ['of the transport', 'of the transport, in a generator']) {
    for (const how of ['at once', 'awaits', 'returns', 'loops', 'awaits, filtered', 'two hops']) {
      it(`arrives as one, with its details and its node: ${pattern}, ${how}`, async () => {
        const error = await (how === 'at once' ? seen(pattern) : seen(how, { pattern }));
        assert.ok(error instanceof CloudsOverloadedError);
        const { code, message, details, node, retryable } = error;
        assert.deepEqual(
          { code, message, details, node, retryable },
          {
            code: 'CLOUDS_OVERLOADED',
            message: 'the store is full',
            details: { sku: 'a1' },
            node: await nodeOfStock(),
            retryable: true,
          },
        );
      });
    }
  }
});

it('an RpcException without a code arrives as in Nest', async () => {
  assert.deepEqual(await seen('text'), { status: 'error', message: 'text' });
  assert.deepEqual(await seen('plain object'), { reason: 7 });
});

function portOf(app: INestMicroservice): number {
  return (app.unwrap<net.Server>().address() as net.AddressInfo).port;
}
