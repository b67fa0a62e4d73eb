import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { CloudsServer } from 'nestjs-clouds';
import { MailModule } from './mail.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(MailModule, {
  logger: ['warn', 'error'],
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
});
app.enableShutdownHooks();
await app.listen();
process.send?.('ready');
