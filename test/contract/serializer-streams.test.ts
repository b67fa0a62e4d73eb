/** Streams through serializers and deserializers that take their time: neither side holds more than it may. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { type Deserializer, MessagePattern, type Serializer } from '@nestjs/microservices';
import { Observable } from 'rxjs';
import { gate, until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const WINDOW = 1024;
const MAX_HELD = 10_000;
/** One that waits for room, and one on its way. */
const FEW = 2;
const MANY = 100_000;

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
    assert.ok(given <= MAX_HELD + WINDOW + FEW, `it has given ${given}`);
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
