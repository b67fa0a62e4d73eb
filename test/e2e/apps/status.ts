/** What `status`, `on` and `unwrap` of an application and of a client tell. */
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import { CloudsClient, CloudsServer } from 'nestjs-clouds';
import type { Redis } from 'ioredis';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';

@Controller()
class PingController {
  @MessagePattern('ping')
  ping(): string {
    return 'pong';
  }
}

@Module({ controllers: [PingController] })
class PingModule {}

const app = await NestFactory.createMicroservice<MicroserviceOptions>(PingModule, {
  strategy: new CloudsServer(options),
  logger: false,
  // Else Nest ends the process when `unwrap` throws.
  abortOnError: false,
});
const client = new CloudsClient(options);

const seen = { server: [] as string[], client: [] as string[], events: [] as string[] };
app.status.subscribe((status) => seen.server.push(status));
client.status.subscribe((status) => seen.client.push(status));
// Nest types the callbacks of `on` as plain functions.
app.on('connected', () => seen.events.push('server is connected'));
client.on('reconnecting', () => seen.events.push('client reconnects'));

const messageOf = (act: () => unknown): string | undefined => {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

takeOrders({
  seen: () => seen,
  unwrapTooEarly: () => [messageOf(() => app.unwrap()), messageOf(() => client.unwrap())],
  start: () => Promise.all([app.listen(), client.connect()]),
  /** The driver's connections answer. */
  unwrap: () => Promise.all([app.unwrap<Redis>().ping(), client.unwrap<Redis>().ping()]),
  close: () => Promise.all([app.close(), client.close()]),
});
