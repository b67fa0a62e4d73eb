/** Compiled, never run: what users write with Nest compiles, and what they must not write does not. */
import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  Ctx,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
} from '@nestjs/microservices';
import type { Redis } from 'ioredis';
import {
  CloudsClient,
  CloudsContext,
  CloudsError,
  CloudsErrorCode,
  CloudsModule,
  CloudsNode,
  type CloudsOptions,
  CloudsRecord,
  CloudsRecordBuilder,
  CloudsServer,
  CloudsStatus,
  CloudsTimeoutError,
} from 'nestjs-clouds';
import type { Observable } from 'rxjs';

// --- a node ---

@Controller()
class MathController {
  @MessagePattern('sum')
  sum(@Payload() numbers: number[], @Ctx() context: CloudsContext): number {
    const texts: string[] = [
      context.getPattern(),
      context.getChannel(),
      context.getNodeId(),
      context.getCallerId(),
      context.getCallId(),
    ];
    const counts: number[] = [context.getAttempt(), context.getDeadline()];
    const header: string | undefined = context.getHeaders()?.['x-request-id'];
    const same: string | undefined = context.getMetadata()?.['x-request-id'];
    const signal: AbortSignal = context.signal;
    const all = [...numbers, ...texts, ...counts, header, same, signal.aborted];
    return all.length;
  }

  @EventPattern({ event: 'user.created' })
  created(): void {}
}

@Module({ controllers: [MathController] })
class AppModule {}

export async function serve(): Promise<void> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, {
    strategy: new CloudsServer({
      redis: { host: '127.0.0.1', port: 6379, db: 4, prefix: 'TEST:' },
    }),
  });
  await app.listen();
}

export const servers = [
  new CloudsServer(),
  new CloudsServer({ redis: 'redis://127.0.0.1:6379', service: { callbackTimeout: 5000 } }),
  new CloudsServer({ capacity: 10, baseScore: 100, drainTimeout: 1000, heartbeatInterval: 500 }),
  new CloudsServer(new CloudsNode({ prefix: 'a:' })),
  new CloudsServer({ prefix: 'a:', serializer: { serialize: (packet: object) => packet } }),
  new CloudsServer(new CloudsNode(), {
    deserializer: { deserialize: (packet: Buffer) => Promise.resolve(packet) },
  }),
  // @ts-expect-error: a serializer has a method of this name
  new CloudsServer({ serializer: { deserialize: () => undefined } }),
  // @ts-expect-error: the option is called `redis`
  new CloudsServer({ host: '127.0.0.1' }),
  // @ts-expect-error: milliseconds are a number
  new CloudsServer({ service: { callbackTimeout: '5s' } }),
  // @ts-expect-error: the transport manages this option
  new CloudsServer({ redis: { autoResubscribe: true } }),
  // @ts-expect-error: a URL goes into `redis`
  new CloudsServer('redis://127.0.0.1:6379'),
];

export function listen(server: CloudsServer): Redis {
  server.status.subscribe((status: CloudsStatus) => status === CloudsStatus.RECONNECTING);
  server.on('warning', (message: string) => message.length);
  server.on('moved', ({ service, callId, attempt, reason }) => [
    service.length + callId.length + attempt,
    reason.code,
  ]);
  // @ts-expect-error: there is no such event
  server.on('error', () => undefined);
  return server.unwrap<Redis>();
}

// --- a caller ---

class OptionsFactory {
  createCloudsOptions(): CloudsOptions {
    return { redis: 'redis://127.0.0.1:6379' };
  }
}

class WrongFactory {
  create(): CloudsOptions {
    return {};
  }
}

export const modules = [
  CloudsModule.forRoot(),
  CloudsModule.forRoot({ redis: 'redis://127.0.0.1:6379', service: { callbackTimeout: 5000 } }),
  CloudsModule.forRoot({ isGlobal: true, prefix: 'a:' }),
  CloudsModule.forRoot({ serializer: { serialize: (packet: object) => JSON.stringify(packet) } }),
  CloudsModule.forRootAsync({ useFactory: () => ({ redis: 'redis://127.0.0.1:6379' }) }),
  CloudsModule.forRootAsync({
    isGlobal: true,
    imports: [AppModule],
    inject: [MathController],
    useFactory: async (math: MathController): Promise<CloudsOptions> => {
      await Promise.resolve(math);
      return { service: { attempts: -1 } };
    },
  }),
  CloudsModule.forRootAsync({ useClass: OptionsFactory }),
  CloudsModule.forRootAsync({ useExisting: OptionsFactory, isGlobal: false }),
  // @ts-expect-error: no such option
  CloudsModule.forRoot({ prefixes: 'a:' }),
  // @ts-expect-error: it is a boolean
  CloudsModule.forRoot({ isGlobal: 'yes' }),
  // @ts-expect-error: the options are checked in a factory too
  CloudsModule.forRootAsync({ useFactory: () => ({ redis: 6379 }) }),
  // @ts-expect-error: the method of a class is `createCloudsOptions`
  CloudsModule.forRootAsync({ useClass: WrongFactory }),
];

@Injectable()
export class Orders {
  constructor(
    private readonly clouds: CloudsClient,
    private readonly node: CloudsNode,
  ) {}

  total(): Observable<number> {
    return this.clouds.send<number>('sum', [1, 2, 3]);
  }

  typed(): Observable<number> {
    return this.clouds.send<number, number[]>({ cmd: 'sum' }, [1, 2, 3]);
  }

  safe(): Observable<number> {
    return this.clouds.pemit<number, number[]>(3, 'sum', [1, 2, 3]);
  }

  unlimited(): Observable<number> {
    return this.clouds.pemit(-1, 'sum', [1, 2, 3]);
  }

  wrong(): Observable<string> {
    // @ts-expect-error: the result is what the type argument says
    return this.clouds.send<number>('sum', [1, 2, 3]);
  }

  wrongData(): Observable<number> {
    // @ts-expect-error: the data is what the type argument says
    return this.clouds.send<number, number[]>('sum', 'text');
  }

  wrongAttempts(): Observable<number> {
    // @ts-expect-error: how many attempts comes first
    return this.clouds.pemit<number>('sum', [1, 2, 3], 3);
  }

  told(): Observable<void> {
    return this.clouds.emit<void, { id: number }>('user.created', { id: 1 });
  }

  withRecord(): Observable<number> {
    const record: CloudsRecord<number[]> = new CloudsRecordBuilder([1, 2, 3])
      .setAttempts(3)
      .setTimeout(500)
      .setDeadline(2000)
      .setHeaders({ 'x-request-id': 'a1' })
      .setDetached()
      .setWhenFull('wait')
      .setData([4])
      .build();
    return this.clouds.send<number, CloudsRecord<number[]>>('sum', record);
  }

  async direct(): Promise<number> {
    const { inFlight, running, dropped } = this.node.stats;
    const counts: number[] = [inFlight, running, ...Object.values(dropped)];
    const options = { timeout: 500, attempts: 3, deadline: 1000, headers: { a: 'b' } };
    const total: number = await this.node.send<number>('sum', counts, options);
    const again: number = await this.node.pemit<number>(3, 'sum', counts);
    await this.node.emit('user.created');
    const removed: number = await this.node.clean();
    return total + again + removed;
  }
}

new CloudsRecordBuilder([1])
  // @ts-expect-error: headers are strings
  .setHeaders({ a: 1 });
new CloudsRecordBuilder([1])
  // @ts-expect-error: the data keeps its type
  .setData('text');
new CloudsRecordBuilder<number[]>()
  // @ts-expect-error: milliseconds are a number
  .setTimeout('500ms');

export const clients = [
  ClientsModule.register([
    { name: 'MATH', customClass: CloudsClient, options: { redis: 'redis://127.0.0.1:6379' } },
  ]),
  ClientsModule.registerAsync([
    { name: 'MATH', useFactory: () => ({ customClass: CloudsClient, options: {} }) },
  ]),
  new CloudsClient(),
  new CloudsClient({ service: { attempts: 3 } }),
  // @ts-expect-error: no such option
  new CloudsClient({ timeout: 5000 }),
];

// --- without decorators ---

export async function engine(node: CloudsNode): Promise<void> {
  await node.register('sum', (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0));
  await node.register('slow', async (_: unknown, { signal }) => Promise.resolve(signal.aborted));
  await node.register(
    'ticks',
    async function* (count: number) {
      for (let i = 0; i < count; i++) yield await Promise.resolve(i);
    },
    { capacity: 5 },
  );
  await node.serve('raw', (request) => request.result(request.data));
  const cancel: () => void = node.request(
    'ticks',
    5,
    { timeout: 100 },
    {
      value: (value: unknown, isLast: boolean) => [value, isLast],
      end: () => undefined,
      error: (error: unknown) => error,
    },
  );
  cancel();
  // @ts-expect-error: a handler is a function
  await node.register('sum', 6);
  // @ts-expect-error: no such option of a call
  await node.send('sum', [1], { retries: 3 });
  // @ts-expect-error: the id is for reading
  node.id = 'mine';
}

// --- errors ---

export function tell(error: unknown): string {
  if (error instanceof CloudsTimeoutError) return error.message;
  if (error instanceof CloudsError) {
    const code: CloudsErrorCode = error.code;
    const where: string | undefined = error.node;
    // @ts-expect-error: not one of the codes
    if (error.code === 'CLOUDS_NONE') return 'never';
    switch (code) {
      case CloudsErrorCode.NO_NODE:
      case 'CLOUDS_OVERLOADED':
        return String(error.retryable);
      default:
        return where ?? JSON.stringify(error.details);
    }
  }
  return 'unknown';
}
