/** Which nodes get an event: one of every group, or all of them. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { Controller, Module, type Type } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { CloudsRecordBuilder } from 'nestjs-clouds';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const REPLICAS = [
  { name: 'shop 1', group: 'shop' },
  { name: 'shop 2', group: 'shop' },
  { name: 'bank', group: 'bank' },
];

const world = useWorld();
const client = world.client();
let heard: string[] = [];
let barriers = 0;

function replica(name: string): Type {
  @Controller()
  class GroupsController {
    @EventPattern('paid')
    paid(@Payload() _data: unknown): void {
      heard.push(name);
    }

    @EventPattern('shipped', { group: 'mail' })
    shipped(@Payload() _data: unknown): void {
      heard.push(name);
    }

    @EventPattern('barrier')
    barrier(@Payload() _data: unknown): void {
      barriers++;
    }
  }

  @Module({ controllers: [GroupsController] })
  class GroupsModule {}
  return GroupsModule;
}

const toAll = () => new CloudsRecordBuilder(1).setBroadcast().build();

/** Who has heard what was emitted; whoever was to hear it has done so before the event that follows it. */
async function listeners(): Promise<string[]> {
  const { error } = await outcomeOf(client.emit('barrier', toAll()));
  assert.equal(error, undefined);
  await until('all have the next event', () => barriers === REPLICAS.length);
  return heard.toSorted();
}

describe('an event', () => {
  before(async () => {
    const served = REPLICAS.map(({ name, group }) =>
      world.serve(replica(name), world.server({ group })),
    );
    await Promise.all(served);
  });
  beforeEach(() => {
    heard = [];
    barriers = 0;
  });

  it('goes to one node of every group of servers', async () => {
    await outcomeOf(client.emit('paid', 1));
    const [first, second, ...others] = await listeners();
    assert.equal(first, 'bank');
    assert.match(second!, /^shop/);
    assert.deepEqual(others, []);
  });

  it('goes to one node of the group in the extras, whatever the groups of the servers are', async () => {
    await outcomeOf(client.emit('shipped', 1));
    assert.equal((await listeners()).length, 1);
  });

  for (const pattern of ['paid', 'shipped'])
    it(`goes to every node when it is broadcast: ${pattern}`, async () => {
      await outcomeOf(client.emit(pattern, toAll()));
      assert.deepEqual(await listeners(), ['bank', 'shop 1', 'shop 2']);
    });

  it('arrives when its client has not connected yet and nobody subscribes', async () => {
    const early = world.client();
    assert.throws(() => early.unwrap(), /Not connected/);
    early.emit('shipped', 1);
    await until('it is handled', () => heard.length > 0);
    assert.equal((await listeners()).length, 1);
  });
});
