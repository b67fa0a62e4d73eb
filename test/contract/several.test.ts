/** Several handlers of one event: each runs by itself, on every Nest. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Controller, Logger, Module, Scope } from '@nestjs/common';
import { Ctx, EventPattern, Payload, RpcException } from '@nestjs/microservices';
import { CloudsContext, CloudsTimeoutError } from 'nestjs-clouds';
import { interval, Observable, take, tap, throwError, timer } from 'rxjs';
import { gate, until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
const reports: string[] = [];
let seen: string[] = [];
let ends = 0;
let held = gate();

@Controller()
class EventsController {
  @EventPattern('one throws')
  throws(@Payload() _data: unknown): void {
    throw new RpcException('thrown');
  }

  @EventPattern('one throws')
  ticks(@Payload() _data: unknown): Observable<number> {
    return interval(1).pipe(take(20), tap({ complete: () => seen.push('whole') }));
  }

  @EventPattern('all throw')
  first(@Payload() _data: unknown): void {
    throw new RpcException('rpc');
  }

  @EventPattern('all throw')
  second(@Payload() _data: unknown): Observable<never> {
    return throwError(() => new Error('plain'));
  }

  @EventPattern('all throw')
  async *third(@Payload() _data: unknown): AsyncGenerator<number> {
    yield await Promise.resolve(1);
    throw new CloudsTimeoutError('clouds');
  }

  @EventPattern('generators')
  async *generator(@Payload() name: string): AsyncGenerator<number> {
    for (let given = 0; given < 100; given++) yield await Promise.resolve(given);
    seen.push(`first ${name}`);
  }

  @EventPattern('generators')
  async *slow(@Payload() name: string): AsyncGenerator<number> {
    yield 1;
    await held.passed;
    seen.push(`second ${name}`);
  }

  @EventPattern('answers')
  value(@Payload() data: number): number {
    return data;
  }

  @EventPattern('answers')
  values(@Payload() data: number): Observable<number> {
    return timer(0, 1).pipe(take(data + 1));
  }

  @EventPattern('answers')
  async *generated(@Payload() data: number): AsyncGenerator<number> {
    yield await Promise.resolve(data);
    yield data + 1;
  }

  @EventPattern('nothing')
  nothing(@Payload() _data: unknown): void {}

  @EventPattern('nothing')
  neither(@Payload() _data: unknown): void {}

  @EventPattern('endless')
  endless(@Ctx() _context: CloudsContext): Observable<number> {
    return new Observable<number>(() => () => seen.push('teardown'));
  }

  @EventPattern('endless')
  async *forever(@Ctx() _context: CloudsContext): AsyncGenerator<number> {
    try {
      for (;;) yield await nextTurn(1);
    } finally {
      seen.push('finally');
    }
  }

  @EventPattern<string>('wild.*')
  wild(@Ctx() context: CloudsContext): void {
    seen.push(`first ${context.getPattern()}`);
  }

  @EventPattern<string>('wild.*')
  wilder(@Ctx() context: CloudsContext): void {
    seen.push(`second ${context.getPattern()}`);
  }
}

@Controller()
class UsersController {
  @EventPattern<string>('user.>')
  any(@Ctx() context: CloudsContext): void {
    seen.push(`first ${context.getPattern()}`);
  }

  @EventPattern<string>('user.>')
  all(@Ctx() context: CloudsContext): void {
    seen.push(`second ${context.getPattern()}`);
  }
}

@Controller({ scope: Scope.REQUEST })
class ScopedController {
  @EventPattern('one throws')
  scoped(@Payload() _data: unknown): void {
    seen.push('scoped');
  }
}

@Module({ controllers: [EventsController, UsersController, ScopedController] })
class SeveralModule {}

const server = world.server();
server.setOnProcessingEndHook(() => void ends++);

const emit = async (pattern: string, data: unknown) =>
  assert.equal((await outcomeOf(client.emit(pattern, data))).error, undefined);

describe('several handlers of one event', () => {
  before(async () => {
    await world.serve(SeveralModule, server);
  });

  beforeEach(() => {
    // An application that is made takes the logger away.
    const ignore = () => undefined;
    const error = (said: { message: string }) => void reports.push(said.message);
    Logger.overrideLogger({ log: ignore, warn: ignore, error });
    seen = [];
    ends = reports.length = 0;
    held = gate();
  });

  it('run to their end, although one of them fails', async () => {
    await emit('one throws', 1);
    await until('it is over', () => ends > 0);
    assert.deepEqual(seen.sort(), ['scoped', 'whole']);
    assert.deepEqual(reports, ['thrown']);
    assert.equal(ends, 1);
  });

  it('fail by themselves, and each failure is reported once', async () => {
    await emit('all throw', 1);
    await until('it is over', () => ends > 0);
    assert.deepEqual(reports.sort(), ['clouds', 'plain', 'rpc']);
    assert.equal(ends, 1);
  });

  it('may be generators: the message is over when the last of them is', async () => {
    await emit('generators', 'a');
    await until('the first is at its end', () => seen.length > 0);
    await nextTurn();
    assert.deepEqual([seen, ends], [['first a'], 0]);
    held.open();
    await until('it is over', () => ends > 0);
    assert.deepEqual([seen, ends], [['first a', 'second a'], 1]);
  });

  it('are waited for by a server that closes', async () => {
    const prefix = `${world.options.prefix}close:`;
    const app = await world.serve(SeveralModule, world.server({ prefix }));
    await outcomeOf(world.client({ prefix }).emit('generators', 'b'));
    await until('the first is at its end', () => seen.length > 0);
    const closed = app.close().then(() => seen.push('closed'));
    await nextTurn();
    held.open();
    await closed;
    assert.deepEqual(seen, ['first b', 'second b', 'closed']);
  });

  it('take the events of a wildcard', async () => {
    await emit('wild.one', 1);
    await until('it is over', () => ends > 0);
    assert.deepEqual(seen.sort(), ['first wild.one', 'second wild.one']);
  });

  it('take the events of a wildcard for one or more tokens', async () => {
    for (const event of ['user.added', 'user.name.changed']) {
      seen = [];
      ends = 0;
      await emit(event, 1);
      await until('it is over', () => ends > 0);
      assert.deepEqual(seen.sort(), [`first ${event}`, `second ${event}`]);
    }
    const { error } = await outcomeOf(client.emit('user', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_NO_NODE');
  });

  it('answer a request as with every transport: the last value of each, linked', async () => {
    const values = [{ current: 2, next: { current: 2, next: 3 } }];
    assert.deepEqual(await outcomeOf(client.send('answers', 2)), { values });
    await until('it is over', () => ends > 0);
    assert.equal(ends, 1);
  });

  it('answer a request with an object without values when they return nothing', async () => {
    assert.deepEqual(await outcomeOf(client.send('nothing', 2)), { values: [{}] });
  });

  it('fail a request with the first failure; the others are reported', async () => {
    const error = { status: 'error', message: 'rpc' };
    assert.deepEqual(await outcomeOf(client.send('all throw', 1)), { values: [], error });
    await until('it is over', () => ends > 0);
    for (const message of ['clouds', 'plain'])
      assert.equal(reports.filter((report) => report === message).length, 1, reports.join());
  });

  it('are left when the request is cancelled, and the message is over once', async () => {
    const subscription = client.send('endless', 1).subscribe();
    await until('it runs', async () => {
      const { values } = await outcomeOf(client.send('nothing', 1));
      return values.length;
    });
    const before = ends;
    subscription.unsubscribe();
    await until('it is over', () => ends > before);
    assert.deepEqual(seen.sort(), ['finally', 'teardown']);
    assert.equal(ends, before + 1);
  });

  it('are linked by `next` for those who read the handlers', () => {
    const head = server.getHandlers().get('generators');
    assert.equal(head?.isEventHandler, true);
    assert.equal(typeof head.next, 'function');
    assert.equal((head.next as { next?: unknown }).next, undefined);
    assert.equal(server.getHandlerByPattern('generators'), head);
  });
});
