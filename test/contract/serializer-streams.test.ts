/** Streams through serializers and deserializers that take their time: neither side holds more than it may. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import {
  type Deserializer,
  MessagePattern,
  RpcException,
  type Serializer,
} from '@nestjs/microservices';
import { concat, from, NEVER, Observable, of, throwError } from 'rxjs';
import type { CloudsClient, CloudsPacketOptions } from 'nestjs-clouds';
import { gate, until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const WINDOW = 1024;
const MAX_UNMADE = 10_000;
/** One that waits for room, and one on its way. */
const FEW = 2;
const MANY = 100_000;

type Late = (packet: unknown) => Promise<unknown>;

const world = useWorld();
let given = 0;
let left = 0;

@Controller()
class NumbersController {
  @MessagePattern('generator')
  async *generator(): AsyncGenerator<number> {
    given = 0;
    await turn();
    try {
      while (given < MANY) yield given++;
    } finally {
      left++;
    }
  }

  @MessagePattern('endless')
  endless(): Observable<unknown> {
    return concat(of(1, 2, 3), NEVER);
  }

  @MessagePattern('short')
  short(): Observable<number> {
    return of(1, 2, 3);
  }

  @MessagePattern('plain')
  plain(): string {
    return 'done';
  }

  @MessagePattern('failing')
  failing(): Observable<unknown> {
    const values = (async function* () {
      for (const value of [1, 2, 3]) {
        await turn();
        yield value;
      }
    })();
    return concat(
      of(values),
      throwError(() => new RpcException('boom')),
    );
  }

  @MessagePattern('many')
  many(): Observable<unknown> {
    const one = (value: number): AsyncIterable<number> => {
      const steps = [
        { done: false as const, value },
        { done: true as const, value: undefined },
      ];
      const next = () => Promise.resolve(steps.shift()!);
      const end = () => Promise.resolve({ done: true as const, value: left++ });
      return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
    };
    return concat(from(Array.from({ length: 20 }, (_, i) => one(i))), NEVER);
  }

  @MessagePattern('hot')
  hot(): Observable<number> {
    given = 0;
    return new Observable<number>((observer) => {
      while (!observer.closed && given < MANY) observer.next(given++);
      return () => left++;
    });
  }
}

@Module({ controllers: [NumbersController] })
class NumbersModule {}

/** Waits until the source has not given anything for a while. */
async function standstill(): Promise<void> {
  let before = -1;
  let unchanged = 0;
  await until('the source stands still', () => {
    unchanged = given === before ? unchanged + 1 : 0;
    before = given;
    return given > 0 && unchanged > 20;
  });
}

const slowly: Serializer = {
  serialize: async (packet: unknown): Promise<unknown> => {
    await turn();
    return packet;
  },
};

describe('a server with an asynchronous serializer', () => {
  const prefix = `${world.options.prefix}server:`;
  const client = world.client({ prefix });
  before(() => world.serve(NumbersModule, world.server({ prefix, serializer: slowly })));

  it('asks a generator for no more than its caller has room for', async () => {
    const values = client.stream<number>('generator', {});
    assert.deepEqual(await values.next(), { done: false, value: 0 });
    await standstill();
    assert.ok(given <= 1 + WINDOW + FEW, `it has given ${given}`);
    for (let i = 1; i < 3 * WINDOW; i++)
      assert.deepEqual(await values.next(), { done: false, value: i });
    left = 0;
    await values.return?.();
    await until('the generator is left', () => left > 0);
  });

  it('ends an Observable that is too fast', async () => {
    left = 0;
    const { error } = await outcomeOf(client.send('hot', {}));
    assert.equal((error as { code: string }).code, 'CLOUDS_OVERLOADED');
    assert.ok(given <= MAX_UNMADE + WINDOW + FEW, `it has given ${given}`);
    assert.equal(left, 1);
  });
});

it('a serializer that makes an error of a value ends the generator', async () => {
  const prefix = `${world.options.prefix}refusing:`;
  const client = world.client({ prefix });
  const serialize = async ({ response, ...packet }: { response?: unknown }) => {
    await turn();
    return response === 3 ? { ...packet, err: 'three' } : { ...packet, response };
  };
  await world.serve(NumbersModule, world.server({ prefix, serializer: { serialize } }));
  left = 0;
  const outcome = await outcomeOf(client.send('generator', {}));
  assert.deepEqual(outcome, { values: [0, 1, 2], error: 'three' });
  await until('the generator is left', () => left > 0);
  assert.ok(given < WINDOW);
});

describe('a client whose deserializer', () => {
  const prefix = `${world.options.prefix}client:`;
  const clientWith = (deserialize: Deserializer['deserialize']) =>
    world.client({ prefix, deserializer: { deserialize } });
  before(() => world.serve(NumbersModule, world.server({ prefix })));

  it('is slow gets no more of a stream than it has read, and a window', async () => {
    const { passed, open } = gate();
    const client = clientWith((packet: unknown) => passed.then(() => packet));
    let seen = 0;
    const subscription = client.send('generator', {}).subscribe(() => seen++);
    await standstill();
    assert.ok(given <= WINDOW + FEW, `it has given ${given}`);
    open();
    await until('it goes on', () => seen > 3 * WINDOW);
    subscription.unsubscribe();
  });

  for (const [how, take] of [
    ['send', (client: CloudsClient) => outcomeOf(client.send('generator', {}))],
    [
      'stream',
      async (client: CloudsClient) => {
        const values: unknown[] = [];
        try {
          for await (const value of client.stream('generator', {})) values.push(value);
        } catch (error) {
          return { values, error };
        }
        return { values };
      },
    ],
  ] as const) {
    it(`fails ends a ${how}, and the generator is left`, async () => {
      left = 0;
      const client = clientWith((packet: { response?: number }) => {
        if (packet.response === 3) throw new Error('unreadable');
        return packet;
      });
      const { values, error } = await take(client);
      assert.deepEqual(values, [0, 1, 2]);
      assert.equal((error as { code: string }).code, 'CLOUDS_UNSERIALIZABLE');
      await until('the generator is left', () => left === 1);
    });
  }

  it('says that a stream is over ends it, and the generator is left', async () => {
    left = 0;
    const client = clientWith((packet: { response?: number }) =>
      packet.response === 3 ? { response: 3, isDisposed: true } : packet,
    );
    assert.deepEqual(await outcomeOf(client.send('generator', {})), { values: [0, 1, 2, 3] });
    await until('the generator is left', () => left === 1);
  });

  it('leaves values out gets the others', async () => {
    const client = clientWith((packet: { response?: number }) =>
      packet.response! % WINDOW === 0 ? packet : {},
    );
    const seen: number[] = [];
    for await (const value of client.stream<number>('generator', {}))
      if (seen.push(value) === 4) break;
    assert.deepEqual(seen, [0, WINDOW, 2 * WINDOW, 3 * WINDOW]);
  });
});

describe('the next attempt, while the first one is still at work,', () => {
  /** Opens the gate when the second attempt has come, up to 250 ms after the first, to the one node there is. */
  async function outcomeLate(pattern: string, options: (late: Late) => CloudsPacketOptions) {
    const prefix = `${world.options.prefix}late:${pattern}:`;
    const timeout = 300;
    const { passed, open } = gate();
    const late = (packet: unknown) => passed.then(() => packet);
    await world.serve(NumbersModule, world.server({ prefix, ...options(late) }));
    const client = world.client({ prefix, service: { callbackTimeout: timeout } });
    // The time for the first attempt would pass while it connects.
    await client.connect();
    const outcome = outcomeOf(client.pemit(3, pattern, {}));
    setTimeout(open, 2 * timeout);
    return outcome;
  }

  for (const [pattern, which] of [
    ['endless', 'that was cut off'],
    ['short', 'whose source was done, but not its serializer,'],
  ] as const) {
    it(`does not take a stream ${which} for whole`, async () => {
      const { error } = await outcomeLate(pattern, (serialize) => ({ serializer: { serialize } }));
      assert.match((error as { code: string }).code, /^CLOUDS_(CANCELLED|TIMEOUT)$/);
    });
  }

  it('gets the answer to a request that was being read', async () => {
    const outcome = await outcomeLate('plain', (deserialize) => ({
      deserializer: { deserialize } as Deserializer,
    }));
    assert.deepEqual(outcome, { values: ['done'] });
  });
});

describe('async iterables that an Observable emits', () => {
  const prefix = `${world.options.prefix}iterables:`;
  const client = world.client({ prefix });
  before(() => world.serve(NumbersModule, world.server({ prefix })));

  it('are sent before an error that comes after them', async () => {
    const { values, error } = await outcomeOf(client.send('failing', {}));
    assert.deepEqual(values, [1, 2, 3]);
    assert.equal((error as { message: string }).message, 'boom');
  });

  it('are not told to return when they are done', async () => {
    left = 0;
    const seen: unknown[] = [];
    const subscription = client.send('many', {}).subscribe((value) => seen.push(value));
    await until('all are there', () => seen.length === 20);
    subscription.unsubscribe();
    // The cancel is older than this call.
    await outcomeOf(client.send('failing', {}));
    assert.equal(left, 0);
  });
});
