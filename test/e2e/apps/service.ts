/** A microservice with handlers of every kind, over Clouds and over Nest's own TCP transport. */
import { type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { CloudsContext, CloudsServer } from 'nestjs-clouds';
import type { AddressInfo, Server as TcpServer } from 'node:net';
import { CapacityController } from './service/capacity.controller.js';
import { ContextController } from './service/context.controller.js';
import { EnhancersController } from './service/enhancers.controller.js';
import { ErrorsController } from './service/errors.controller.js';
import { EventsController, ShippingController } from './service/events.controller.js';
import { RequestScopedController } from './service/request-scoped.controller.js';
import { ResultsController } from './service/results.controller.js';
import { StreamsController } from './service/streams.controller.js';
import { Journal } from './support/journal.js';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';

@Module({
  controllers: [
    ResultsController,
    EnhancersController,
    RequestScopedController,
    EventsController,
    ShippingController,
    ContextController,
    StreamsController,
    CapacityController,
    ErrorsController,
  ],
  providers: [Journal],
})
class ServiceModule {}

@Module({ controllers: [ResultsController] })
class PeerModule {}

interface Hooked {
  hook: 'start' | 'end';
  pattern: string;
}

const hooked: Hooked[] = [];
const note = (hook: Hooked['hook'], context: unknown) =>
  hooked.push({ hook, pattern: (context as CloudsContext).getPattern() });

const strategy = new CloudsServer(options);
strategy.setOnProcessingStartHook((_transport, context, done) => {
  note('start', context);
  void done();
});
strategy.setOnProcessingEndHook((_transport, context) => void note('end', context));

/** What was logged as an error, by its name; for both applications, as the last one decides for all. */
const logged: string[] = [];
const logger: LoggerService = {
  log: () => undefined,
  warn: () => undefined,
  error: (error: unknown) => void logged.push(error instanceof Error ? error.name : String(error)),
};

const app = await NestFactory.createMicroservice<MicroserviceOptions>(ServiceModule, {
  strategy,
  logger,
});
const peer = await NestFactory.createMicroservice<MicroserviceOptions>(PeerModule, {
  transport: Transport.TCP,
  options: { port: 0 },
  logger,
});
await app.listen();
await peer.listen();

takeOrders({
  journal: () => app.get(Journal).entries.splice(0),
  logged: () => logged.splice(0),
  hooked: () => hooked.splice(0),
  tcpPort: () => (peer.unwrap<TcpServer>().address() as AddressInfo).port,
  close: () => Promise.all([app.close(), peer.close()]),
});
