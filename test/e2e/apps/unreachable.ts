/** A microservice that is told where no Redis is, and then where there is one. */
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import { CloudsServer } from 'nestjs-clouds';
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

const redis = { port: Number(process.env.CLOSED_PORT), connectionName: process.env.CLOUDS_PREFIX };
const app = await NestFactory.createMicroservice<MicroserviceOptions>(PingModule, {
  strategy: new CloudsServer({ redis, connectTimeout: 500 }),
  logger: false,
});

takeOrders({
  listen: () =>
    app.listen().then(
      () => 'listens',
      ({ code, message }: { code: string; message: string }) => ({ code, message }),
    ),
  close: () => app.close(),
});
