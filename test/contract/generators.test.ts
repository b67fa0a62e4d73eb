/** Async generators of handlers: behind interceptors, and what exception filters see of them. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  Module,
  type NestInterceptor,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CloudsContext, CloudsExceptionFilter, CloudsStreamInterceptor } from 'nestjs-clouds';
import {
  concat,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  range,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
const FAR_MORE_THAN_A_WINDOW = 1_000_000;
let seen: string[] = [];
let given = 0;
let ends = 0;

class OutOfStock extends Error {
  override readonly name = 'OutOfStock';
  readonly left = 0;
}

@Catch(OutOfStock)
class OutOfStockFilter implements ExceptionFilter<OutOfStock> {
  catch({ message }: OutOfStock, host: ArgumentsHost): Observable<unknown> {
    const pattern = host.switchToRpc().getContext<CloudsContext>().getPattern();
    return throwError(() => ({ status: 'error', message, pattern }));
  }
}

@Catch(OutOfStock)
class SubstituteFilter implements ExceptionFilter<OutOfStock> {
  catch(): Observable<unknown> {
    return of('substitute');
  }
}

/** What is done with what the handler gives. */
function interceptor(change: (handled$: Observable<unknown>) => Observable<unknown>) {
  @Injectable()
  class ChangingInterceptor implements NestInterceptor {
    intercept(_execution: ExecutionContext, next: CallHandler): Observable<unknown> {
      return change(next.handle());
    }
  }
  return ChangingInterceptor;
}

const twice = interceptor(mergeMap((value) => of(value, numbers(3, 2))));
const between = interceptor((handled$) => concat(of(0), handled$, of(9)));
const failing = interceptor((handled$) =>
  merge(handled$, timer(20).pipe(mergeMap(() => throwError(() => new RpcException('late'))))),
);

async function* numbers(from: number, count: number): AsyncGenerator<number> {
  try {
    for (let number = from; number < from + count; number++) {
      given++;
      yield await Promise.resolve(number);
    }
  } finally {
    await nextTurn();
    seen.push('left');
  }
}

async function* selling(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
  throw new OutOfStock('none left');
}

@Controller()
class GeneratorsController {
  @UseInterceptors(twice)
  @MessagePattern('two')
  two() {
    return numbers(1, 2);
  }

  @UseInterceptors(between)
  @MessagePattern('between')
  between() {
    return numbers(1, 2);
  }

  @UseInterceptors(interceptor(mergeMap(() => of(selling(), numbers(3, 2)))))
  @MessagePattern('first fails')
  firstFails() {}

  @UseInterceptors(failing)
  @MessagePattern('source fails')
  sourceFails() {
    return numbers(0, FAR_MORE_THAN_A_WINDOW);
  }

  @UseInterceptors(twice)
  @MessagePattern('endless behind an interceptor')
  endless() {
    return numbers(0, FAR_MORE_THAN_A_WINDOW);
  }

  @UseInterceptors(
    interceptor(mergeMap(() => concat(of(numbers(0, FAR_MORE_THAN_A_WINDOW)), range(0, 20_000)))),
  )
  @MessagePattern('too many wait')
  tooMany() {}

  @UseFilters(OutOfStockFilter)
  @MessagePattern('unfiltered')
  unfiltered() {
    return selling();
  }

  @UseFilters(OutOfStockFilter)
  @UseInterceptors(CloudsStreamInterceptor)
  @MessagePattern('filtered')
  filtered() {
    return selling();
  }

  @UseFilters(CloudsExceptionFilter)
  @UseInterceptors(CloudsStreamInterceptor)
  @MessagePattern('let through')
  letThrough() {
    return selling();
  }

  @UseFilters(SubstituteFilter)
  @UseInterceptors(CloudsStreamInterceptor)
  @MessagePattern('substituted')
  substituted() {
    return selling();
  }

  @UseInterceptors(interceptor(map((value) => [value])), CloudsStreamInterceptor)
  @MessagePattern('mapped')
  mapped() {
    return numbers(1, 2);
  }

  @UseInterceptors(interceptor(take(2)), CloudsStreamInterceptor)
  @MessagePattern('taken')
  taken() {
    return numbers(1, FAR_MORE_THAN_A_WINDOW);
  }

  @UseInterceptors(CloudsStreamInterceptor)
  @MessagePattern('paced')
  paced(@Payload() count: number) {
    return numbers(0, count);
  }

  @UseInterceptors(CloudsStreamInterceptor)
  @MessagePattern('plain')
  plain(@Payload() data: unknown, @Ctx() _context: CloudsContext) {
    return data;
  }
}

@Module({ controllers: [GeneratorsController] })
class GeneratorsModule {}

const server = world.server();
server.setOnProcessingEndHook(() => {
  ends++;
  seen.push('end');
});
const call = (pattern: string, data: unknown = 1) => outcomeOf(client.send(pattern, data));

before(() => world.serve(GeneratorsModule, server));
beforeEach(() => {
  seen = [];
  given = ends = 0;
});

describe('an Observable with async generators', () => {
  it('gives the values of all of them in their order', async () => {
    assert.deepEqual(await call('two'), { values: [1, 2, 3, 4] });
    await until('it is over', () => ends > 0);
    assert.deepEqual(seen, ['left', 'left', 'end']);
  });

  it('gives them in the place of the generator', async () => {
    assert.deepEqual(await call('between'), { values: [0, 1, 2, 9] });
  });

  it('ends with what one of them throws, as Nest makes it', async () => {
    const error = { status: 'error', message: 'Internal server error' };
    assert.deepEqual(await call('first fails'), { values: [1], error });
    await until('it is over', () => ends > 0);
    assert.deepEqual(seen, ['end']);
  });

  it('leaves its generator when it fails', async () => {
    const { error } = await call('source fails');
    assert.deepEqual(error, { status: 'error', message: 'late' });
    await until('it is left', () => seen.includes('left'));
    assert.equal(ends, 1);
  });

  it('asks a generator for no more than the caller has room for, and leaves it with the caller', async () => {
    const stream = client.stream('endless behind an interceptor', 1);
    for await (const value of stream) if (value === 10) break;
    await until('it is over', () => ends > 0);
    assert.ok(given < 10_000, `${given}`);
    assert.deepEqual(seen, ['left', 'end']);
  });

  it('ends with CLOUDS_OVERLOADED when too much waits behind a generator, which is left', async () => {
    const { error } = await call('too many wait');
    assert.equal((error as { code: string }).code, 'CLOUDS_OVERLOADED');
    await until('it is left', () => seen.includes('left'));
    assert.equal(ends, 1);
  });
});

describe('exception filters', () => {
  it('do not see what a generator throws', async () => {
    const error = { status: 'error', message: 'Internal server error' };
    assert.deepEqual(await call('unfiltered'), { values: [1], error });
  });

  it('see it with CloudsStreamInterceptor', async () => {
    const error = { status: 'error', message: 'none left', pattern: 'filtered' };
    assert.deepEqual(await call('filtered'), { values: [1], error });
    assert.equal(ends, 1);
  });

  it('may go on with other values', async () => {
    assert.deepEqual(await call('substituted'), { values: [1, 'substitute'] });
  });

  it('let it through, if they are CloudsExceptionFilter', async () => {
    const { values, error } = await call('let through');
    assert.deepEqual(values, [1]);
    assert.ok(error instanceof Error);
    const { name, message, left } = error as OutOfStock;
    assert.deepEqual(
      { name, message, left },
      { name: 'OutOfStock', message: 'none left', left: 0 },
    );
  });
});

describe('CloudsStreamInterceptor', () => {
  it('shows the values to interceptors outside of it', async () => {
    assert.deepEqual(await call('mapped'), { values: [[1], [2]] });
  });

  it('has a generator return that is not needed to its end', async () => {
    assert.deepEqual(await call('taken'), { values: [1, 2] });
    await until('it is left', () => seen.includes('left'));
    assert.ok(given < 100, `${given}`);
  });

  it('leaves other results as they are', async () => {
    assert.deepEqual(await call('plain', { one: 1 }), { values: [{ one: 1 }] });
  });

  it('gives long streams whole', async () => {
    const count = 5_000;
    const values$ = client.send<number>('paced', count).pipe(toArray());
    assert.deepEqual(await outcomeOf(values$), { values: [[...Array(count).keys()]] });
  });

  it('asks for no more than the caller has room for, and leaves the generator with the caller', async () => {
    for await (const value of client.stream('paced', FAR_MORE_THAN_A_WINDOW))
      if (value === 10) break;
    await until('it is left', () => seen.includes('left'));
    assert.ok(given < 10_000, `${given}`);
    await until('it is over', () => ends > 0);
    assert.equal(ends, 1);
  });
});
