/** What goes along with a call: what instrumentation attaches, what a record says, and how much of it a chain of services shares. */
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { Controller, Module, type Type } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern } from '@nestjs/microservices';
import { CloudsContext, CloudsRecordBuilder } from 'nestjs-clouds';
import { firstValueFrom } from 'rxjs';
import { type DispatchedPacket, hasDispatchHook, onDispatch } from './support/nest-version.js';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
let dispatched: DispatchedPacket[] = [];
let events: unknown[] = [];
let attempts: unknown[] = [];

@Controller()
class MetadataController {
  @MessagePattern('metadata')
  metadata(@Ctx() context: CloudsContext): unknown {
    assert.deepEqual(context.getHeaders(), context.getMetadata());
    return context.getMetadata() ?? 'none';
  }

  @EventPattern('told')
  told(@Ctx() context: CloudsContext): void {
    events.push(context.getMetadata());
  }

  /** Only the second attempt is answered. */
  @MessagePattern('second time')
  second(@Ctx() context: CloudsContext): unknown {
    attempts.push(context.getMetadata());
    return context.getAttempt() === 1 ? new Promise(() => undefined) : 'done';
  }
}

@Module({ controllers: [MetadataController] })
class MetadataModule {}

/** What of the hook arrives: nothing with a Nest that has no such hook. */
const TRACE = hasDispatchHook ? { 'x-request-id': 'r1' } : {};
const DISPATCHES = hasDispatchHook ? 1 : 0;

describe('the dispatch hook', () => {
  before(async () => {
    await Promise.all([
      world.serve(MetadataModule, world.server({ drainTimeout: 100 })),
      world.serve(MetadataModule, world.server({ drainTimeout: 100 })),
    ]);
    onDispatch(client, (packet) => {
      dispatched.push(packet);
      packet.metadata = { ...packet.metadata, 'x-request-id': 'r1' };
    });
  });
  beforeEach(() => {
    dispatched = [];
    events = [];
    attempts = [];
  });

  it('runs once for a request, and what it attaches arrives', async () => {
    const expected = hasDispatchHook ? TRACE : 'none';
    assert.deepEqual(await outcomeOf(client.send('metadata', 1)), { values: [expected] });
    assert.equal(dispatched.length, DISPATCHES);
    if (hasDispatchHook) assert.equal(dispatched[0]!.pattern, 'metadata');
  });

  it('does not run for a call that nobody has subscribed to, and once for each that somebody has', async () => {
    const call$ = client.send('metadata', 1);
    assert.equal(dispatched.length, 0);
    await Promise.all([outcomeOf(call$), outcomeOf(call$)]);
    assert.equal(dispatched.length, 2 * DISPATCHES);
  });

  it('attaches to the headers of a record, and does not change the record', async () => {
    const record = new CloudsRecordBuilder(1).setHeaders({ tenant: 'a' }).build();
    for (const call of [1, 2]) {
      const { values } = await outcomeOf(client.send('metadata', record));
      assert.deepEqual(values, [{ tenant: 'a', ...TRACE }], `call ${call}`);
    }
    assert.deepEqual(record.options.headers, { tenant: 'a' });
  });

  it('runs once for a stream that is taken value by value, and what it attaches arrives', async () => {
    const record = new CloudsRecordBuilder(1).setHeaders({ tenant: 'a' }).build();
    const values: unknown[] = [];
    for await (const value of client.stream('metadata', record)) values.push(value);
    assert.deepEqual(values, [{ tenant: 'a', ...TRACE }]);
    assert.equal(dispatched.length, DISPATCHES);
  });

  it('runs once for an event, and what it attaches arrives', async () => {
    await outcomeOf(client.emit('told', new CloudsRecordBuilder(1).setHeaders({ a: 'b' }).build()));
    await until('it is handled', () => events.length > 0);
    assert.deepEqual(events, [{ a: 'b', ...TRACE }]);
    assert.equal(dispatched.length, DISPATCHES);
  });

  it('runs once for a call with several attempts, and all of them carry what it attaches', async () => {
    const record = new CloudsRecordBuilder(1).setTimeout(150).setHeaders({ a: 'b' }).build();
    assert.deepEqual(await outcomeOf(client.pemit(3, 'second time', record)), { values: ['done'] });
    assert.deepEqual(attempts, [
      { a: 'b', ...TRACE },
      { a: 'b', ...TRACE },
    ]);
    assert.equal(dispatched.length, DISPATCHES);
  });
});

describe('a chain of three services', () => {
  interface Heard {
    metadata: unknown;
    deadline: number;
  }

  /** Answers with what it and all after it have heard. */
  function link(name: string, next?: string): Type {
    const own = world.client();

    @Controller()
    class LinkController {
      @MessagePattern(name)
      async pass(@Ctx() context: CloudsContext): Promise<Heard[]> {
        const heard = { metadata: context.getMetadata(), deadline: context.getDeadline() };
        if (next === undefined) return [heard];
        return [heard, ...(await firstValueFrom(own.send<Heard[]>(next, 1)))];
      }
    }

    @Module({ controllers: [LinkController] })
    class LinkModule {}
    return LinkModule;
  }

  before(async () => {
    const links = [link('front', 'middle'), link('middle', 'back'), link('back')];
    await Promise.all(links.map((module) => world.serve(module)));
  });

  it('shares one deadline and one set of metadata', async () => {
    const limitMs = 8000;
    const headers = { tenant: 'a' };
    const record = new CloudsRecordBuilder(1).setDeadline(limitMs).setHeaders(headers).build();
    const deadline = Date.now() + limitMs;
    const { values, error } = await outcomeOf(world.client().send('front', record));
    assert.equal(error, undefined);
    const [heard] = values as [Heard[]];
    assert.deepEqual(
      heard.map(({ metadata }) => metadata),
      [headers, headers, headers],
    );
    // A call that is on its own has 15 s.
    for (const link of heard) assert.ok(Math.abs(link.deadline - deadline) < 3000);
  });
});
