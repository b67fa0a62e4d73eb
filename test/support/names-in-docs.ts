/** What the code blocks of the documentation may leave out: imports of packages, and stand-ins for what readers have. */
import { Module } from '@nestjs/common';
import type { MicroserviceHealthIndicator } from '@nestjs/terminus';
import type { CloudsClient, CloudsNode } from 'nestjs-clouds';

export { randomUUID } from 'node:crypto';
export { readFileSync } from 'node:fs';
export {
  Controller,
  Inject,
  Injectable,
  Module,
  ServiceUnavailableException,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
export { NestFactory } from '@nestjs/core';
export {
  type AsyncMicroserviceOptions,
  Client,
  type ClientOptions,
  type ClientProxy,
  ClientProxyFactory,
  ClientRedis,
  ClientsModule,
  Ctx,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  RedisContext,
  RpcException,
  Transport,
} from '@nestjs/microservices';
export {
  type HealthIndicatorResult,
  HealthIndicatorService,
  type MicroserviceHealthIndicator,
} from '@nestjs/terminus';
export { Test } from '@nestjs/testing';
export type { Redis } from 'ioredis';
export {
  CLOUDS_TRANSPORT,
  CloudsClient,
  CloudsContext,
  CloudsError,
  CloudsErrorCode,
  CloudsExceptionFilter,
  CloudsModule,
  CloudsNode,
  CloudsRecordBuilder,
  CloudsServer,
  CloudsStreamInterceptor,
} from 'nestjs-clouds';
export {
  EMPTY,
  firstValueFrom,
  lastValueFrom,
  type Observable,
  of,
  shareReplay,
  timeout,
} from 'rxjs';

@Module({})
export class AppModule {}
@Module({})
export class GatewayModule {}

/** As of @nestjs/config. */
@Module({})
export class ConfigModule {}
export class ConfigService {
  getOrThrow(name: string): string {
    return name;
  }
}

export class Image {
  url = '';
}
export class Order {
  id = 0;
}
export class Query {
  since = 0;
}
export declare class OrderTable {
  find(since: number): AsyncIterable<Order>;
}
export declare class Archive {
  write(order: Order): Promise<void>;
}

export declare function readLines(id: string): AsyncIterable<string>;
export declare const clouds: CloudsClient;
export declare const client: CloudsClient;
export declare const microservice: MicroserviceHealthIndicator;
export declare const node: CloudsNode;
export declare const order: Order;
export declare const prices: number[];
export declare const since: number;
export declare const archive: Archive;
