/** Instrumentation hangs on the processing hooks: each message passes them once, in its own context. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CLOUDS_TRANSPORT, CloudsContext, CloudsServer } from 'nestjs-clouds';
import { interval, Observable, of, take, throwError, timer } from 'rxjs';
import { gate, until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

interface Trace {
  pattern: string;
}

const traces = new AsyncLocalStorage<Trace>();
const world = useWorld();
const client = world.client();
let log: string[] = [];
let hold = gate();

function seen(what: string): void {
  log.push(`${what} in ${traces.getStore()?.pattern ?? 'no context'}`);
}

@Controller()
class HookedController {
  @MessagePattern('value')
  async value(): Promise<string> {
    await nextTurn();
    seen('handler');
    return 'v';
  }

  @MessagePattern('stream')
  stream(): Observable<number> {
    seen('handler');
    return timer(0, 1).pipe(take(3));
  }

  @MessagePattern('one')
  one(): Observable<string> {
    return of('only');
  }

  @MessagePattern('nothing')
  nothing(): void {}

  @MessagePattern('throws')
  throws(): never {
    throw new RpcException('no');
  }

  @MessagePattern('stream fails')
  streamFails(): Observable<never> {
    return throwError(() => new RpcException('no'));
  }

  @MessagePattern('endless stream')
  endless(): Observable<number> {
    return new Observable<number>((observer) => {
      const ticks = interval(5).subscribe(observer);
      return () => {
        seen('teardown');
        ticks.unsubscribe();
      };
    });
  }

  @MessagePattern('endless promise')
  async waits(@Ctx() { signal }: CloudsContext): Promise<void> {
    signal.addEventListener('abort', () => seen('listener'));
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    seen('abort');
  }

  @MessagePattern('bad value')
  badValue(): Observable<bigint> {
    return new Observable<bigint>((observer) => {
      observer.next(1n);
      return () => seen('teardown');
    });
  }

  @EventPattern('event')
  async event(@Payload() _data: unknown): Promise<void> {
    await nextTurn();
    seen('handler');
  }

  @EventPattern('failing event')
  failingEvent(@Payload() _data: unknown): void {
    throw new Error('no');
  }

  @EventPattern('streaming event')
  streamingEvent(@Payload() _data: unknown): Observable<number> {
    return of(1, 2, 3);
  }

  @MessagePattern('later')
  later(): void {}

  @MessagePattern('held')
  held(): Promise<void> {
    return hold.passed;
  }
}

@Module({ controllers: [HookedController] })
class HookedModule {}

function patternOf(context: unknown): string {
  assert.ok(context instanceof CloudsContext);
  return context.getPattern();
}

/** As instrumentation does: the store of the message is there for all that `done` starts. */
function hooked(server: CloudsServer): CloudsServer {
  server.setOnProcessingStartHook((transportId, context, done) => {
    assert.equal(transportId, CLOUDS_TRANSPORT);
    const pattern = patternOf(context);
    return traces.run({ pattern }, () => {
      seen('start');
      return done() as unknown;
    });
  });
  server.setOnProcessingEndHook((transportId, context) => {
    assert.equal(transportId, CLOUDS_TRANSPORT);
    assert.equal(patternOf(context), traces.getStore()?.pattern);
    seen('end');
  });
  return server;
}

const endsIn = (lines: string[]) => lines.filter((line) => line.startsWith('end ')).length;
const ends = () => endsIn(log);

/** What was seen of the messages so far: a second end of one would be there when a later message is over. */
async function allSeen(): Promise<string[]> {
  await until('the end hook has run', () => ends() > 0);
  await outcomeOf(client.send('later', 1));
  await until('the later message is over', () => log.includes('end in later'));
  return log.filter((line) => !line.endsWith(' in later'));
}

describe('the processing hooks', () => {
  const served = world.serve(HookedModule, hooked(world.server()));
  beforeEach(async () => {
    await served;
    log = [];
    hold = gate();
  });

  for (const [pattern, values] of [
    ['value', ['v']],
    ['stream', [0, 1, 2]],
    ['one', ['only']],
    ['nothing', []],
  ] as const) {
    it(`run once, in the context of the message, around: ${pattern}`, async () => {
      assert.deepEqual(await outcomeOf(client.send(pattern, 1)), { values });
      const lines = await allSeen();
      assert.equal(lines[0], `start in ${pattern}`);
      assert.equal(lines.at(-1), `end in ${pattern}`);
      assert.equal(endsIn(lines), 1);
      assert.ok(
        lines.every((line) => line.endsWith(` in ${pattern}`)),
        lines.join(),
      );
    });
  }

  for (const pattern of ['throws', 'stream fails']) {
    it(`run once around a failure: ${pattern}`, async () => {
      const { error } = await outcomeOf(client.send(pattern, 1));
      assert.deepEqual(error, { status: 'error', message: 'no' });
      assert.deepEqual(await allSeen(), [`start in ${pattern}`, `end in ${pattern}`]);
    });
  }

  for (const pattern of ['event', 'failing event', 'streaming event']) {
    it(`run once around: ${pattern}`, async () => {
      await outcomeOf(client.emit(pattern, 1));
      const lines = await allSeen();
      assert.equal(lines[0], `start in ${pattern}`);
      assert.equal(lines.at(-1), `end in ${pattern}`);
      assert.equal(endsIn(lines), 1);
    });
  }

  it('run once around a stream that is cancelled, the last of it in its context', async () => {
    const subscription = client.send('endless stream', 1).subscribe();
    await until('it runs', () => log.length > 0);
    subscription.unsubscribe();
    assert.deepEqual(await allSeen(), [
      'start in endless stream',
      'teardown in endless stream',
      'end in endless stream',
    ]);
  });

  it('run once around a promise that is cancelled, when it settles; its signal fires in its context', async () => {
    const subscription = client.send('endless promise', 1).subscribe();
    await until('it runs', () => log.length > 0);
    subscription.unsubscribe();
    assert.deepEqual(await allSeen(), [
      'start in endless promise',
      'listener in endless promise',
      'abort in endless promise',
      'end in endless promise',
    ]);
  });

  it('run once around a stream with a value that cannot be sent, which is unsubscribed', async () => {
    const { error } = await outcomeOf(client.send('bad value', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_UNSERIALIZABLE');
    assert.deepEqual(await allSeen(), [
      'start in bad value',
      'teardown in bad value',
      'end in bad value',
    ]);
  });

  it('are not mixed up between messages that run at the same time', async () => {
    const calls = ['held', 'value', 'held', 'value'].map((pattern) =>
      outcomeOf(client.send(pattern, 1)),
    );
    await until('two are done', () => ends() === 2);
    hold.open();
    await Promise.all(calls);
    await until('all are done', () => ends() === 4);
    const lines = await allSeen();
    for (const pattern of ['held', 'value']) {
      assert.equal(lines.filter((line) => line === `end in ${pattern}`).length, 2);
    }
  });
});

describe('a server that has to stop', () => {
  it('unsubscribes from its streams, and the end hook runs once for each', async () => {
    const server = hooked(
      world.server({ drainTimeout: 50, prefix: `${world.options.prefix}stop:` }),
    );
    const app = await world.serve(HookedModule, server);
    const caller = world.client({ prefix: `${world.options.prefix}stop:` });
    log = [];
    const outcome = outcomeOf(caller.send('endless stream', 1));
    await until('it runs', () => log.length > 0);
    await app.close();
    assert.equal(((await outcome).error as { code: string }).code, 'CLOUDS_CANCELLED');
    assert.deepEqual(await allSeen(), [
      'start in endless stream',
      'teardown in endless stream',
      'end in endless stream',
    ]);
  });
});

describe('a hook that', () => {
  async function answer(part: string, prepare: (server: CloudsServer) => void): Promise<unknown> {
    const prefix = `${world.options.prefix}${part}:`;
    const server = world.server({ prefix });
    prepare(server);
    await world.serve(HookedModule, server);
    return outcomeOf(world.client({ prefix }).send('value', 1));
  }

  it('throws before the message is processed does not cost the message', async () => {
    const fail = () => {
      throw new Error('start');
    };
    assert.deepEqual(await answer('start', (server) => server.setOnProcessingStartHook(fail)), {
      values: ['v'],
    });
  });

  it('rejects before the message is processed does not cost the message', async () => {
    const fail = (): unknown => Promise.reject(new Error('start'));
    assert.deepEqual(await answer('rejects', (server) => server.setOnProcessingStartHook(fail)), {
      values: ['v'],
    });
  });

  it('waits before it goes on delays the message', async () => {
    let isLate = false;
    const outcome = await answer('waits', (server) =>
      server.setOnProcessingStartHook((_id, _context, done): unknown =>
        nextTurn().then(() => {
          isLate = true;
          return done() as unknown;
        }),
      ),
    );
    assert.deepEqual(outcome, { values: ['v'] });
    assert.ok(isLate);
  });

  it('waits for longer than the caller does costs the message: it is not processed', async () => {
    const prefix = `${world.options.prefix}too late:`;
    const server = world.server({ prefix });
    const passed = gate();
    let ends = 0;
    let isCancelled = false;
    server.setOnProcessingStartHook((_id, context, done): unknown => {
      const { signal } = context as CloudsContext;
      signal.addEventListener('abort', () => (isCancelled = true));
      return passed.passed.then(() => done() as unknown);
    });
    server.setOnProcessingEndHook(() => void ends++);
    await world.serve(HookedModule, server);
    const client = world.client({ prefix, service: { callbackTimeout: 500 } });
    await client.connect();
    log = [];
    const { error } = await outcomeOf(client.send('value', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_TIMEOUT');
    await until('its node knows', () => isCancelled);
    passed.open();
    await until('it is over', () => ends > 0);
    assert.deepEqual([log, ends], [[], 1]);
  });

  it('throws at the end does not cost the reply', async () => {
    const fail = () => {
      throw new Error('end');
    };
    assert.deepEqual(await answer('end', (server) => server.setOnProcessingEndHook(fail)), {
      values: ['v'],
    });
  });
});
