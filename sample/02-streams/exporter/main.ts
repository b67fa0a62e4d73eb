import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { CloudsServer } from 'nestjs-clouds';
import { ExporterModule } from './exporter.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(ExporterModule, {
  logger: ['warn', 'error'],
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
});
app.enableShutdownHooks();
await app.listen();
process.send?.('ready');
