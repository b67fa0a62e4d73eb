/** nestjs-cls keeps a store for each message, found by the context that the handler gets. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Controller, type ExecutionContext, Inject, Injectable, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext, CloudsRecordBuilder } from 'nestjs-clouds';
import { ClsModule, ClsService } from 'nestjs-cls';
import { defer, type Observable } from 'rxjs';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const tenants: unknown[] = [];

@Injectable()
class Repository {
  constructor(@Inject(ClsService) private readonly cls: ClsService) {}

  async find(): Promise<unknown> {
    await nextTurn();
    return [this.cls.get('tenant'), this.cls.getId()];
  }
}

@Controller()
class ClsController {
  constructor(@Inject(Repository) private readonly repository: Repository) {}

  @MessagePattern('find')
  find(): Promise<unknown> {
    return this.repository.find();
  }

  @MessagePattern('stream')
  stream(): Observable<unknown> {
    return defer(() => this.repository.find());
  }

  @EventPattern('event')
  async event(@Payload() _data: unknown): Promise<void> {
    tenants.push(await this.repository.find());
  }
}

function contextOf(execution: ExecutionContext): CloudsContext {
  return execution.switchToRpc().getContext<CloudsContext>();
}

const modules = (['interceptor', 'guard'] as const).map((enhancer) => {
  @Module({
    imports: [
      ClsModule.forRoot({
        global: true,
        [enhancer]: {
          mount: true,
          generateId: true,
          idGenerator: (execution: ExecutionContext) => contextOf(execution).getCallId(),
          setup: (cls: ClsService, execution: ExecutionContext) =>
            cls.set('tenant', contextOf(execution).getHeaders()?.tenant),
        },
      }),
    ],
    controllers: [ClsController],
    providers: [Repository],
  })
  class AppModule {}
  return [enhancer, AppModule] as const;
});

for (const [enhancer, module] of modules) {
  describe(`nestjs-cls by its ${enhancer}`, () => {
    const prefix = `${world.options.prefix}${enhancer}:`;
    const caller = world.client({ prefix });
    before(() => world.serve(module, world.server({ prefix })));

    const record = (tenant: string) => new CloudsRecordBuilder(1).setHeaders({ tenant }).build();

    for (const pattern of ['find', 'stream']) {
      it(`has a store for each of many messages at once: ${pattern}`, async () => {
        const names = Array.from({ length: 20 }, (_, i) => `tenant ${i}`);
        const outcomes = await Promise.all(
          names.map((name) => outcomeOf(caller.send(pattern, record(name)))),
        );
        const found = outcomes.map(({ values }) => values[0] as [string, string]);
        assert.deepEqual(
          found.map(([tenant]) => tenant),
          names,
        );
        assert.equal(new Set(found.map(([, id]) => id)).size, names.length);
      });
    }

    it('has a store for an event', async () => {
      tenants.length = 0;
      await outcomeOf(caller.emit('event', record('a')));
      await until('it is handled', () => tenants.length > 0);
      assert.equal((tenants[0] as unknown[])[0], 'a');
    });
  });
}
