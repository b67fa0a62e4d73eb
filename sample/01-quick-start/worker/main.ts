import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { CloudsServer } from 'nestjs-clouds';
import { WorkerModule } from './worker.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(WorkerModule, {
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
});

// On SIGTERM the worker takes no more calls, finishes what it runs, and ends.
app.enableShutdownHooks();
await app.listen();
