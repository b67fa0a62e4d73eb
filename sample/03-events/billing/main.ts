import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { CloudsServer } from 'nestjs-clouds';
import { BillingModule } from './billing.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(BillingModule, {
  logger: ['warn', 'error'],
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
});
app.enableShutdownHooks();
await app.listen();
process.send?.('ready');
