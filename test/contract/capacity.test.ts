/** How many calls a node takes at once, by the extras of a handler and by the server. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { CLOUDS_TRANSPORT, CloudsRecordBuilder } from 'nestjs-clouds';
import { gate, until } from './support/until.js';
import { type Outcome, outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
let held = gate();
let running = 0;

async function hold(name: string): Promise<string> {
  running++;
  await held.passed;
  return name;
}

@Controller()
class CapacityController {
  @MessagePattern('by extras', { capacity: 2 })
  byExtras(@Payload() name: string): Promise<string> {
    return hold(name);
  }

  @MessagePattern('beside a transport', CLOUDS_TRANSPORT, { capacity: 1 })
  besideTransport(@Payload() name: string): Promise<string> {
    return hold(name);
  }

  @MessagePattern('by the server')
  byServer(@Payload() name: string): Promise<string> {
    return hold(name);
  }
}

@Module({ controllers: [CapacityController] })
class CapacityModule {}

const call = (pattern: string, name: string) => outcomeOf(client.send(pattern, name));

const waiting = (name: string) => new CloudsRecordBuilder(name).setWhenFull('wait');

async function fill(pattern: string, capacity: number): Promise<Promise<Outcome>[]> {
  const calls = Array.from({ length: capacity }, (_, i) => call(pattern, `call ${i}`));
  await until('the node is full', () => running === capacity);
  return calls;
}

async function assertAnswered(calls: Promise<Outcome>[]): Promise<void> {
  const expected = calls.map((_, i) => ({ values: [`call ${i}`] }));
  assert.deepEqual(await Promise.all(calls), expected);
}

function assertRefused({ values, error }: Outcome): void {
  assert.deepEqual([values, (error as { code: string }).code], [[], 'CLOUDS_OVERLOADED']);
}

describe('a full node', () => {
  before(async () => {
    await world.serve(CapacityModule, world.server({ capacity: 3 }));
  });
  beforeEach(() => {
    held = gate();
    running = 0;
  });

  for (const [pattern, capacity] of [
    ['by extras', 2],
    ['beside a transport', 1],
    ['by the server', 3],
  ] as const)
    it(`refuses what exceeds its capacity: ${pattern}`, async () => {
      const calls = await fill(pattern, capacity);
      assertRefused(await call(pattern, 'too many'));
      held.open();
      await assertAnswered(calls);
      assert.equal(running, capacity);
    });

  it('answers a call that waits when it has room', async () => {
    const calls = await fill('by extras', 2);
    const late = outcomeOf(client.send('by extras', waiting('late').build()));
    // It came before this one, and there was no room for this one.
    assertRefused(await call('by extras', 'too many'));
    assert.equal(running, 2);
    held.open();
    assert.deepEqual(await late, { values: ['late'] });
    await assertAnswered(calls);
  });

  it('does not keep a call that waits beyond its deadline', async () => {
    const calls = await fill('by extras', 2);
    const late = waiting('late').setDeadline(500).build();
    assertRefused(await outcomeOf(client.send('by extras', late)));
    held.open();
    await assertAnswered(calls);
    assert.equal(running, 2);
  });
});
