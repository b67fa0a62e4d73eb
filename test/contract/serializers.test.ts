/** Serializers and deserializers of an application, as the transports of Nest have them. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { Controller, Inject, Injectable, Module, type Type, UseFilters } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  Ctx,
  type Deserializer,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  RpcException,
  type Serializer,
} from '@nestjs/microservices';
import {
  CloudsClient,
  CloudsContext,
  CloudsExceptionFilter,
  CloudsModule,
  CloudsOverloadedError,
  type CloudsPacketOptions,
  CloudsRecordBuilder,
  CloudsServer,
} from 'nestjs-clouds';
import { concat, firstValueFrom, interval, Observable, of, throwError } from 'rxjs';
import { hasDispatchHook, onDispatch } from './support/nest-version.js';
import { until } from './support/until.js';
import { outcomeOf, QUIET, useWorld } from './support/world.js';

const world = useWorld();
const heard: unknown[] = [];

/** As a call within a handler fails with it: another node has raised it. */
const FULL = { details: { service: 'stock' }, node: 'elsewhere' };
const full = () => new CloudsOverloadedError('all are full', FULL);

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('metadata')
  metadata(@Ctx() context: CloudsContext): unknown {
    return context.getMetadata();
  }

  @MessagePattern('stream')
  stream(@Payload() data: unknown): Observable<unknown> {
    return of(data, data, data);
  }

  @MessagePattern('failing stream')
  failingStream(@Payload() data: unknown): Observable<unknown> {
    return concat(
      of(data),
      throwError(() => new RpcException({ reason: data as string })),
    );
  }

  @MessagePattern('fails')
  fails(@Payload() data: unknown): never {
    throw new RpcException({ reason: data as string });
  }

  @MessagePattern('full')
  full(): never {
    throw full();
  }

  @MessagePattern('full stream')
  fullStream(@Payload() data: unknown): Observable<unknown> {
    return concat(of(data, data), throwError(full));
  }

  @UseFilters(CloudsExceptionFilter)
  @MessagePattern('plain error')
  plainError(): never {
    throw Object.assign(new TypeError('no such thing'), { sku: 'a1' });
  }

  @MessagePattern('nothing')
  nothing(): void {}

  @MessagePattern('ticks')
  ticks(): Observable<number> {
    return new Observable<number>((observer) => {
      const timer = interval(5).subscribe(observer);
      return () => {
        heard.push('teardown');
        timer.unsubscribe();
      };
    });
  }

  @EventPattern('told')
  told(@Payload() data: unknown): void {
    heard.push(data);
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

interface Codec {
  serializer: Serializer;
  deserializer: Deserializer;
}

/** Knows more than JSON: a Map arrives as a Map. All bytes. */
const binary: Codec = {
  serializer: { serialize: (packet: unknown) => serialize(packet) },
  deserializer: {
    deserialize(bytes: unknown): unknown {
      assert.ok(Buffer.isBuffer(bytes));
      return deserialize(bytes);
    },
  },
};

const binarySlow: Codec = {
  serializer: {
    // The first takes longest: the order of a stream must not depend on that.
    serialize: (packet: unknown): unknown => delay(slow(), serialize(packet)),
  },
  deserializer: {
    deserialize: (bytes: Buffer): unknown => delay(slow(), deserialize(bytes)),
  },
};

let delays = 0;
function slow(): number {
  return [20, 1, 10][delays++ % 3]!;
}

/** Only the data of Nest's packets is changed, as users do who keep Nest's form. */
function within(encode: (value: unknown) => unknown, decode: (value: unknown) => unknown): Codec {
  const change = (packet: object, by: (value: unknown) => unknown) => {
    const changed: Record<string, unknown> = { ...packet };
    for (const key of ['data', 'response', 'err']) {
      if (changed[key] !== undefined) changed[key] = by(changed[key]);
    }
    return changed;
  };
  return {
    serializer: { serialize: (packet: object) => change(packet, encode) },
    deserializer: { deserialize: (packet: object) => change(packet, decode) },
  };
}

/** A form of its own, with fields that Nest does not know. */
const foreign: Codec = {
  serializer: { serialize: (packet: unknown) => ({ version: 3, body: [packet] }) },
  deserializer: {
    deserialize({ version, body }: { version: number; body: [unknown] }): unknown {
      assert.equal(version, 3);
      return body[0];
    },
  },
};

const text: Codec = {
  serializer: { serialize: (packet: unknown) => JSON.stringify(packet) },
  deserializer: { deserialize: (packet: string): unknown => JSON.parse(packet) },
};

const extended: Codec = {
  serializer: { serialize: (packet: object) => ({ ...packet, sentBy: 'me' }) },
  deserializer: {
    deserialize(packet: { sentBy?: string }): unknown {
      assert.equal(packet.sentBy, 'me');
      return packet;
    },
  },
};

const CODECS: [name: string, codec: Codec, data: unknown][] = [
  ['binary packets', binary, new Map([['a', [1n, new Date(0)]]])],
  ['binary packets, asynchronously', binarySlow, new Map([['a', 1]])],
  [
    'data changed within packets',
    within(
      (v) => [v],
      (v) => (v as [unknown])[0],
    ),
    { a: 1 },
  ],
  ['binary data within packets', within(serialize, (v) => deserialize(v as Buffer)), new Set([1])],
  ['packets of another form', foreign, { a: 1 }],
  ['text', text, { a: 1 }],
  ['packets with more fields', extended, { a: 1 }],
];

for (const [name, codec, data] of CODECS) {
  describe(`a serializer and deserializer of ${name}`, () => {
    const prefix = `${world.options.prefix}${name}:`;
    const client = world.client({ prefix, ...codec });
    before(() => world.serve(EchoModule, world.server({ prefix, ...codec })));

    it('carry data there and back', async () => {
      assert.deepEqual(await outcomeOf(client.send('echo', data)), { values: [data] });
    });

    it('carry the data of a record, and leave its headers readable', async () => {
      const record = new CloudsRecordBuilder(data).setHeaders({ tenant: 'a' }).build();
      assert.deepEqual(await outcomeOf(client.send('echo', record)), { values: [data] });
      const { values } = await outcomeOf(client.send('metadata', record));
      assert.deepEqual(values, [{ tenant: 'a' }]);
    });

    it('carry a stream in its order', async () => {
      const values = [data, data, data];
      assert.deepEqual(await outcomeOf(client.send('stream', data)), { values });
    });

    it('carry failures', async () => {
      const error = { reason: data };
      assert.deepEqual(await outcomeOf(client.send('fails', data)), { values: [], error });
      assert.deepEqual(await outcomeOf(client.send('failing stream', data)), {
        values: [data],
        error,
      });
    });

    it('have errors of the transport pass by, in their turn', async () => {
      for (const [pattern, sent] of [
        ['full', []],
        ['full stream', [data, data]],
      ] as const) {
        const { values, error } = await outcomeOf(client.send(pattern, data));
        assert.deepEqual(values, sent);
        assert.ok(error instanceof CloudsOverloadedError);
        const { code, message, details, node } = error;
        assert.deepEqual(
          { code, message, details, node },
          { code: 'CLOUDS_OVERLOADED', message: 'all are full', ...FULL },
        );
      }
    });

    it('carry what an Error says, without its stack', async () => {
      const error = { sku: 'a1', name: 'TypeError', message: 'no such thing' };
      assert.deepEqual(await outcomeOf(client.send('plain error', data)), { values: [], error });
    });

    it('leave an answer without a value as it is', async () => {
      assert.deepEqual(await outcomeOf(client.send('nothing', data)), { values: [] });
    });

    it('carry an event', async () => {
      heard.length = 0;
      await outcomeOf(client.emit('told', data));
      await until('it is heard', () => heard.length > 0);
      assert.deepEqual(heard, [data]);
    });

    it('do not stand in the way of a cancel', async () => {
      heard.length = 0;
      const subscription = client.send('ticks', data).subscribe({
        next: () => subscription.unsubscribe(),
      });
      await until('the handler is unsubscribed', () => heard.length > 0);
      assert.deepEqual(heard, ['teardown']);
    });
  });
}

describe('headers beside what a dispatch hook attaches', () => {
  for (const [name, codec] of CODECS) {
    it(`arrive, and go on with calls in the handler, through: ${name}`, async () => {
      const prefix = `${world.options.prefix}hooked ${name}:`;
      const client = world.client({ prefix, ...codec });
      await world.serve(relayBy(client), world.server({ prefix, ...codec }));
      onDispatch(client, (packet) => {
        packet.metadata = { ...packet.metadata, trace: 't1' };
      });
      const headers = { tenant: 'a', ...(hasDispatchHook && { trace: 't1' }) };
      const record = new CloudsRecordBuilder(1).setHeaders({ tenant: 'a' }).build();
      assert.deepEqual(await outcomeOf(client.send('relay', record)), {
        values: [[headers, headers]],
      });
    });
  }

  it('are what a deserializer makes of them', async () => {
    const prefix = `${world.options.prefix}remade:`;
    const client = world.client({ prefix });
    const remade: Deserializer = {
      deserialize: (packet: object) => ({ ...packet, metadata: { only: 'this' } }),
    };
    await world.serve(relayBy(client), world.server({ prefix, deserializer: remade }));
    const record = new CloudsRecordBuilder(1).setHeaders({ tenant: 'a' }).build();
    const { values } = await outcomeOf(client.send('relay', record));
    assert.deepEqual(values, [[{ only: 'this' }, { only: 'this' }]]);
  });

  it('give way to those that a deserializer has found in a packet of another form', async () => {
    const prefix = `${world.options.prefix}within:`;
    const client = world.client({ prefix, ...foreign });
    const changed: Deserializer = {
      deserialize: (packet: never) => ({
        ...(foreign.deserializer.deserialize(packet) as object),
        metadata: { tenant: 'changed' },
      }),
    };
    const server = world.server({ prefix, ...foreign, deserializer: changed });
    await world.serve(EchoModule, server);
    const headers = { tenant: 'a', lang: 'fr' };
    const record = new CloudsRecordBuilder(1).setHeaders(headers).build();
    const { values } = await outcomeOf(client.send('metadata', record));
    assert.deepEqual(values, [{ tenant: 'changed', lang: 'fr' }]);
  });
});

/** What a handler and the one that it calls have heard. */
function relayBy(client: CloudsClient): Type {
  @Controller()
  class RelayController {
    @MessagePattern('relay')
    async relay(@Ctx() context: CloudsContext): Promise<unknown[]> {
      return [context.getMetadata(), await firstValueFrom(client.send<unknown>('heard', 1))];
    }

    @MessagePattern('heard')
    heard(@Ctx() context: CloudsContext): unknown {
      return context.getMetadata();
    }
  }
  @Module({ controllers: [RelayController] })
  class RelayModule {}
  return RelayModule;
}

describe('what a serializer gets', () => {
  const packets: Record<string, unknown>[] = [];
  const record = (packet: object) => {
    packets.push({ ...packet });
    return packet;
  };
  const listening: CloudsPacketOptions = {
    serializer: { serialize: record },
    deserializer: { deserialize: record },
  };
  const prefix = `${world.options.prefix}recorded:`;
  const client = world.client({ prefix, ...listening });
  before(() => world.serve(EchoModule, world.server({ prefix, ...listening })));

  it('is the packets of Nest, with an id for a request', async () => {
    packets.length = 0;
    await outcomeOf(client.send({ cmd: 'none' }, 1));
    const [asked] = packets as [{ id: string }];
    assert.deepEqual(asked, { pattern: { cmd: 'none' }, data: 1, id: asked.id });
    packets.length = 0;
    await outcomeOf(client.send('echo', 1));
    assert.deepEqual(
      packets.map(({ id, ...packet }) => [typeof id, packet]),
      [
        ['string', { pattern: 'echo', data: 1 }],
        ['string', { pattern: 'echo', data: 1 }],
        ['string', { response: 1, isDisposed: true }],
        ['string', { response: 1, isDisposed: true }],
      ],
    );
  });

  it('is plain where a handler fails with an Error, which stays one if the packet does', async () => {
    packets.length = 0;
    const { error } = await outcomeOf(client.send('plain error', 1));
    const said = { sku: 'a1', name: 'TypeError', message: 'no such thing' };
    const [, , written] = packets as [unknown, unknown, { err: unknown }];
    assert.deepEqual(written.err, said);
    assert.ok(error instanceof Error);
    assert.ok(error instanceof Error);
    const { sku, name, message } = error as Error & { sku: string };
    assert.deepEqual({ sku, name, message }, said);
  });

  it('has no id for an event', async () => {
    packets.length = 0;
    await outcomeOf(client.emit('told', 1));
    await until('it is read', () => packets.length === 2);
    assert.deepEqual(packets, [
      { pattern: 'told', data: 1 },
      { pattern: 'told', data: 1 },
    ]);
  });
});

describe('one side alone', () => {
  const prefix = `${world.options.prefix}alone:`;
  before(() => world.serve(EchoModule, world.server({ prefix })));

  it('may change the data of the packets', async () => {
    const shout = within(
      (v) => String(v).toUpperCase(),
      (v) => `${String(v)}!`,
    );
    const client = world.client({ prefix, ...shout });
    assert.deepEqual(await outcomeOf(client.send('echo', 'hey')), { values: ['HEY!'] });
  });

  it('may be beside a plain client and a plain server', async () => {
    const served = `${prefix}server:`;
    const codec = within(
      (v) => [v],
      (v) => ({ wrapped: v }),
    );
    await world.serve(EchoModule, world.server({ prefix: served, ...codec }));
    const client = world.client({ prefix: served });
    assert.deepEqual(await outcomeOf(client.send('echo', 1)), { values: [[{ wrapped: 1 }]] });
  });
});

describe('a serializer or deserializer that throws', () => {
  const boom = () => {
    throw new Error('secret');
  };
  const code = async (call: Promise<{ error?: unknown }>) => {
    const error = (await call).error as { code: string; message: string } | undefined;
    assert.ok(!error?.message.includes('secret'));
    return error?.code;
  };

  it('at the client fails the call there', async () => {
    const prefix = `${world.options.prefix}throws:`;
    await world.serve(EchoModule, world.server({ prefix }));
    const writing = world.client({ prefix, serializer: { serialize: boom } });
    assert.equal(await code(outcomeOf(writing.send('echo', 1))), 'CLOUDS_UNSERIALIZABLE');
    assert.equal(await code(outcomeOf(writing.emit('told', 1))), 'CLOUDS_UNSERIALIZABLE');
    const later = { serialize: () => Promise.reject(new Error('secret')) };
    const writingLater = world.client({ prefix, serializer: later });
    assert.equal(await code(outcomeOf(writingLater.send('echo', 1))), 'CLOUDS_UNSERIALIZABLE');
    const reading = world.client({ prefix, deserializer: { deserialize: boom } });
    assert.equal(await code(outcomeOf(reading.send('echo', 1))), 'CLOUDS_UNSERIALIZABLE');
    assert.equal(await code(outcomeOf(reading.send('stream', 1))), 'CLOUDS_UNSERIALIZABLE');
  });

  for (const [side, packets] of [
    ['serializer', { serializer: { serialize: boom } }],
    ['deserializer', { deserializer: { deserialize: boom } }],
    [
      'asynchronous deserializer',
      { deserializer: { deserialize: () => Promise.reject(new Error('secret')) } },
    ],
  ] as [string, CloudsPacketOptions][]) {
    it(`at the server, a ${side}, fails the call for its caller`, async () => {
      const prefix = `${world.options.prefix}throws ${side}:`;
      await world.serve(EchoModule, world.server({ prefix, ...packets }));
      const client = world.client({ prefix });
      assert.equal(await code(outcomeOf(client.send('echo', 1))), 'CLOUDS_UNSERIALIZABLE');
      assert.equal(await code(outcomeOf(client.send('stream', 1))), 'CLOUDS_UNSERIALIZABLE');
    });
  }

  it('does not reach the errors of the transport', async () => {
    const client = world.client({ ...binary, service: { noNodeGrace: 1, callbackTimeout: 1000 } });
    assert.equal(await code(outcomeOf(client.send('nobody', 1))), 'CLOUDS_NO_NODE');
  });
});

describe('serializers as options', () => {
  it('are refused when they are none', () => {
    const bad = { serializer: {} } as unknown as CloudsPacketOptions;
    const refused = { code: 'CLOUDS_BAD_OPTIONS', message: /"serializer"/ };
    assert.throws(() => new CloudsClient(bad), refused);
    assert.throws(() => new CloudsServer(bad), refused);
  });

  it('are those of server and client of CloudsModule.forRoot', async () => {
    const prefix = `${world.options.prefix}forRoot:`;
    @Injectable()
    class Orders {
      constructor(@Inject(CloudsClient) readonly clouds: CloudsClient) {}
    }
    @Module({
      imports: [CloudsModule.forRoot({ ...world.options, prefix, ...binary })],
      controllers: [EchoController],
      providers: [Orders],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, QUIET);
    world.ending(() => app.close());
    app.connectMicroservice<MicroserviceOptions>({ strategy: app.get(CloudsServer) });
    await app.startAllMicroservices();
    const data = new Map([[1, 2]]);
    assert.deepEqual(await outcomeOf(app.get(Orders).clouds.send('echo', data)), {
      values: [data],
    });
  });

  it('are those of a client of ClientsModule', async () => {
    const prefix = `${world.options.prefix}ClientsModule:`;
    await world.serve(EchoModule, world.server({ prefix, ...binary }));
    const options = { ...world.options, prefix, ...binary };
    @Module({
      imports: [ClientsModule.register([{ name: 'ECHO', customClass: CloudsClient, options }])],
    })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, QUIET);
    world.ending(() => app.close());
    const data = new Set(['a']);
    const client = app.get<CloudsClient>('ECHO');
    assert.deepEqual(await outcomeOf(client.send('echo', data)), { values: [data] });
  });
});
