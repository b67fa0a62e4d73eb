/** What Nest puts around a handler works as with its own transports. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  Module,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { type CloudsClient, CloudsContext } from 'nestjs-clouds';
import { map, type Observable, throwError } from 'rxjs';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();

class NamedGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const rpc = context.switchToRpc();
    const { name } = rpc.getData<{ name?: string }>();
    return name === rpc.getContext<CloudsContext>().getHeaders()?.name || name === 'Ada';
  }
}

class Greeting implements PipeTransform {
  transform({ name }: { name: string }): string {
    return `hello ${name}`;
  }
}

class Counted implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const pattern = context.switchToRpc().getContext<CloudsContext>().getPattern();
    return next.handle().pipe(map((value: unknown) => [pattern, value]));
  }
}

@Catch(RangeError)
class RangeFilter {
  catch(error: RangeError, host: ArgumentsHost): Observable<never> {
    const data = host.switchToRpc().getData<unknown>();
    return throwError(() => ({ status: 'error', message: error.message, data }));
  }
}

@Controller()
class EnhancedController {
  @UseGuards(NamedGuard)
  @MessagePattern('guarded')
  guarded(): string {
    return 'let through';
  }

  @MessagePattern('piped')
  piped(@Payload(Greeting) text: string, @Ctx() context: CloudsContext): unknown {
    return [text, context instanceof CloudsContext];
  }

  @MessagePattern('part')
  part(@Payload('name') name: string): string {
    return name;
  }

  @UseInterceptors(Counted)
  @MessagePattern('intercepted')
  intercepted(): number[] {
    return [1, 2];
  }

  @UseFilters(RangeFilter)
  @MessagePattern('filtered')
  filtered(): never {
    throw new RangeError('too far');
  }

  @UseFilters(RangeFilter)
  @MessagePattern('not filtered')
  notFiltered(): never {
    throw new RpcException('another');
  }
}

@Module({ controllers: [EnhancedController] })
class EnhancedModule {}

describe('around a handler', () => {
  let client: CloudsClient;
  const answerTo = async (pattern: string, data: unknown = {}) =>
    outcomeOf(client.send(pattern, data));

  before(async () => {
    await world.serve(EnhancedModule);
    client = world.client();
  });

  it('a guard lets through whom it knows, and refuses others', async () => {
    assert.deepEqual(await answerTo('guarded', { name: 'Ada' }), { values: ['let through'] });
    const { values, error } = await answerTo('guarded', { name: 'Eve' });
    assert.deepEqual(values, []);
    assert.deepEqual(error, { status: 'error', message: 'Forbidden resource' });
  });

  it('a pipe changes the payload, and not the context', async () => {
    const { values } = await answerTo('piped', { name: 'Ada' });
    assert.deepEqual(values, [['hello Ada', true]]);
  });

  it('a part of the payload is taken by its name', async () => {
    assert.deepEqual(await answerTo('part', { name: 'Ada' }), { values: ['Ada'] });
  });

  it('an interceptor sees the pattern, and changes what is answered', async () => {
    assert.deepEqual(await answerTo('intercepted'), { values: [['intercepted', [1, 2]]] });
  });

  it('a filter makes errors of the exceptions that it is for', async () => {
    const { error } = await answerTo('filtered', 7);
    assert.deepEqual(error, { status: 'error', message: 'too far', data: 7 });
    const other = await answerTo('not filtered');
    assert.deepEqual(other.error, { status: 'error', message: 'another' });
  });
});
