/** How patterns become services, and what Nest keeps of a handler. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Controller, Module } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext, type CloudsServer } from 'nestjs-clouds';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
const heard: string[] = [];

@Controller()
class FirstController {
  @MessagePattern('text')
  text(@Ctx() context: CloudsContext): unknown {
    return [context.getPattern(), context.getChannel(), context.getArgByIndex(0)];
  }

  @MessagePattern(['one of two', 'two of two'])
  several(@Ctx() context: CloudsContext): unknown {
    return context.getPattern();
  }

  @MessagePattern({ service: 'math', cmd: 'sum', deep: { b: 1, a: { c: 2 } } })
  object(@Payload() data: unknown, @Ctx() context: CloudsContext): unknown {
    return [data, context.getPattern()];
  }

  @MessagePattern('with extras', { weight: 2, group: 'a' })
  extras(): void {}

  @EventPattern('happened')
  first(@Payload() data: unknown): void {
    heard.push(`first ${String(data)}`);
  }

  @EventPattern(['a', 'b'])
  either(@Ctx() context: CloudsContext): void {
    heard.push(context.getPattern());
  }
}

@Controller()
class SecondController {
  @EventPattern('happened')
  second(@Payload() data: unknown): void {
    heard.push(`second ${String(data)}`);
  }

  @EventPattern('happened')
  third(@Payload() _data: unknown): void {
    throw new Error('of which the others know nothing');
  }
}

@Module({ controllers: [FirstController, SecondController] })
class PatternsModule {}

describe('a pattern', () => {
  let server: CloudsServer;
  before(async () => {
    server = world.server();
    await world.serve(PatternsModule, server);
  });

  it('of text is the name of the service, and what the context tells', async () => {
    const { values } = await outcomeOf(client.send('text', 1));
    assert.deepEqual(values, [['text', 'text', 'text']]);
  });

  it('may be one of several of a handler', async () => {
    for (const pattern of ['one of two', 'two of two']) {
      assert.deepEqual(await outcomeOf(client.send(pattern, 1)), { values: [pattern] });
    }
  });

  it('may be an object, whose keys have no order', async () => {
    const pattern = { deep: { a: { c: 2 }, b: 1 }, cmd: 'sum', service: 'math' };
    const { values } = await outcomeOf(client.send(pattern, 1));
    const [[data, name]] = values as [[number, string]];
    assert.equal(data, 1);
    assert.deepEqual(JSON.parse(name), pattern);
  });

  it('that nobody handles fails with CLOUDS_NO_NODE', async () => {
    const { error } = await outcomeOf(client.send('nobody', 1));
    assert.equal((error as { code: string }).code, 'CLOUDS_NO_NODE');
  });

  it('that is missing, or data that is, fails as with every transport', async () => {
    for (const [pattern, data] of [
      [undefined, 1],
      ['text', undefined],
      ['text', null],
    ]) {
      const { error } = await outcomeOf(client.send(pattern, data));
      assert.equal((error as Error).constructor.name, 'InvalidMessageException');
    }
  });

  it('keeps the extras of its handler', () => {
    const handler = server.getHandlers().get('with extras');
    assert.deepEqual(handler?.extras, { weight: 2, group: 'a' });
    assert.equal(handler.isEventHandler, false);
    assert.equal(server.getHandlerByPattern('happened')?.isEventHandler, true);
    assert.equal(server.getHandlerByPattern('nobody has this'), null);
  });
});

describe('an event', () => {
  it('reaches every handler of its pattern once, whatever one of them throws', async () => {
    heard.length = 0;
    await outcomeOf(client.emit('happened', 7));
    await until('both have heard', () => heard.length >= 2);
    // What would come twice is there before this one, which each of them has too.
    await outcomeOf(client.emit('happened', 8));
    await until(
      'both have heard that',
      () => heard.filter((text) => text.endsWith('8')).length >= 2,
    );
    assert.deepEqual(heard.toSorted(), ['first 7', 'first 8', 'second 7', 'second 8']);
  });

  it('reaches a handler of several patterns', async () => {
    heard.length = 0;
    await outcomeOf(client.emit('a', 1));
    await outcomeOf(client.emit('b', 1));
    await until('both have arrived', () => heard.length === 2);
    assert.deepEqual(heard, ['a', 'b']);
  });
});
