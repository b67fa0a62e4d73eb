/** Providers that live as long as one message, or as one tenant. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Controller, Inject, Injectable, Module, Scope } from '@nestjs/common';
import {
  ContextIdFactory,
  type ContextId,
  type ContextIdStrategy,
  type HostComponentInfo,
} from '@nestjs/core';
import {
  CONTEXT,
  EventPattern,
  MessagePattern,
  Payload,
  type RequestContext,
} from '@nestjs/microservices';
import { CloudsContext, CloudsRecordBuilder } from 'nestjs-clouds';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
const events: unknown[] = [];
let requestScoped = 0;
let durable = 0;

@Injectable({ scope: Scope.REQUEST })
class Request {
  readonly number = ++requestScoped;

  constructor(@Inject(CONTEXT) readonly message: RequestContext<unknown, CloudsContext>) {}
}

@Injectable({ scope: Scope.REQUEST, durable: true })
class Tenant {
  readonly number = ++durable;

  constructor(@Inject(CONTEXT) readonly payload: { tenant: string }) {}
}

@Controller()
class RequestController {
  constructor(@Inject(Request) private readonly request: Request) {}

  @MessagePattern('request')
  handle(@Payload() data: unknown): unknown {
    const { message, number } = this.request;
    return {
      number,
      isSame: message.getData() === data,
      pattern: message.getContext().getPattern(),
    };
  }

  @EventPattern('event')
  event(@Payload() data: unknown): void {
    events.push([this.request.number, data]);
  }
}

@Controller()
class TenantController {
  constructor(@Inject(Tenant) private readonly tenant: Tenant) {}

  @MessagePattern('tenant')
  handle(): unknown {
    return [this.tenant.payload.tenant, this.tenant.number];
  }
}

@Module({ controllers: [RequestController], providers: [Request] })
class RequestModule {}

@Module({ controllers: [TenantController], providers: [Tenant] })
class TenantModule {}

const tenants = new Map<string, ContextId>();

/** One subtree of providers for each tenant, named in the headers. */
const byTenant: ContextIdStrategy = {
  attach(contextId: ContextId, request: RequestContext<unknown, CloudsContext>) {
    const tenant = request.getContext().getHeaders()?.tenant ?? 'none';
    const id = tenants.get(tenant) ?? ContextIdFactory.create();
    tenants.set(tenant, id);
    return {
      resolve: ({ isTreeDurable }: HostComponentInfo) => (isTreeDurable ? id : contextId),
      payload: { tenant },
    };
  },
};

describe('a request-scoped provider', () => {
  before(() => world.serve(RequestModule));

  it('is made for each request, and knows it', async () => {
    for (const number of [1, 2]) {
      const { values } = await outcomeOf(client.send('request', { a: 1 }));
      assert.deepEqual(values, [{ number, isSame: true, pattern: 'request' }]);
    }
  });

  it('is made for each event', async () => {
    const first = requestScoped + 1;
    await outcomeOf(client.emit('event', 'a'));
    await outcomeOf(client.emit('event', 'b'));
    await until('both are handled', () => events.length === 2);
    assert.deepEqual(events, [
      [first, 'a'],
      [first + 1, 'b'],
    ]);
  });
});

describe('a durable provider', () => {
  before(async () => {
    ContextIdFactory.apply(byTenant);
    await world.serve(TenantModule);
  });

  it('is made once for a tenant, by what the headers say', async () => {
    const ask = async (tenant: string) => {
      const record = new CloudsRecordBuilder(1).setHeaders({ tenant }).build();
      return (await outcomeOf(client.send('tenant', record))).values[0];
    };
    assert.deepEqual(
      [await ask('a'), await ask('b'), await ask('a'), await ask('b')],
      [
        ['a', 1],
        ['b', 2],
        ['a', 1],
        ['b', 2],
      ],
    );
  });
});
