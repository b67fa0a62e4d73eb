/** Makes the calls that a test asks for. */
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import {
  CloudsClient,
  CloudsModule,
  CloudsNode,
  CloudsRecordBuilder,
  type CallOptions,
} from 'nestjs-clouds';
import type { Subscription } from 'rxjs';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';
import { type Outcome, outcomeOf, taken } from './support/outcome.js';

@Module({ imports: [CloudsModule.forRoot(options)] })
class CallerModule {}

const app = await NestFactory.createApplicationContext(CallerModule, { logger: false });
const clouds = app.get(CloudsClient);
const node = app.get(CloudsNode);
const calls = new Map<number, Subscription>();
await clouds.connect();

let dispatched = 0;
clouds.setOnDispatchHook((packet) => {
  dispatched++;
  packet.metadata = { 'x-request-id': `request ${dispatched}` };
});

function record(data: unknown, { attempts, timeout, headers, whenFull }: CallOptions) {
  const builder = new CloudsRecordBuilder(data);
  if (attempts !== undefined) builder.setAttempts(attempts);
  if (timeout !== undefined) builder.setTimeout(timeout);
  if (headers !== undefined) builder.setHeaders(headers);
  if (whenFull !== undefined) builder.setWhenFull(whenFull);
  return builder.build();
}

/** As many calls as asked for, so many at a time; what each of them answered. */
async function load(calls: number, concurrency: number, pattern: string, attempts: number) {
  const outcomes: Outcome[] = [];
  let made = 0;
  const callOnAndOn = async () => {
    while (made < calls) outcomes.push(await outcomeOf(clouds.pemit(attempts, pattern, made++)));
  };
  await Promise.all(Array.from({ length: concurrency }, callOnAndOn));
  return outcomes;
}

takeOrders({
  send: (pattern: unknown, data: unknown) => outcomeOf(clouds.send(pattern, data)),
  pemit: (attempts: number, pattern: unknown, data: unknown) =>
    outcomeOf(clouds.pemit(attempts, pattern, data)),
  sendRecord: (pattern: unknown, data: unknown, how: CallOptions) =>
    outcomeOf(clouds.send(pattern, record(data, how))),
  emit: (pattern: unknown, data: unknown) => outcomeOf(clouds.emit(pattern, data)),
  broadcast: (pattern: unknown, data: unknown) =>
    outcomeOf(clouds.emit(pattern, new CloudsRecordBuilder(data).setBroadcast().build())),
  /** A loop over the values; with `limit` it is left after so many. */
  stream: (pattern: unknown, data: unknown, limit?: number) =>
    taken(clouds.stream(pattern, data), limit),
  streamRecord: (pattern: unknown, data: unknown, how: CallOptions) =>
    taken(clouds.stream(pattern, record(data, how))),
  /** A call to be given up later. */
  begin: (key: number, pattern: unknown, data: unknown) =>
    void calls.set(key, clouds.send(pattern, data).subscribe()),
  giveUp: (key: number) => calls.get(key)!.unsubscribe(),
  load,
  stats: () => node.stats,
  dispatched: () => dispatched,
  /** The same over Nest's own TCP transport. */
  sendOverTcp: async (port: number, pattern: unknown, data: unknown) => {
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { port } });
    try {
      return await outcomeOf(client.send(pattern, data));
    } finally {
      await client.close();
    }
  },
  close: () => app.close(),
});
