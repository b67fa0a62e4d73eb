import { NestFactory } from '@nestjs/core';
import { Transport } from '@nestjs/microservices';
import { ReplicaModule } from '../../shared/replica.module.js';
import { redisOptions } from '../redis.options.js';

const app = await NestFactory.createMicroservice(ReplicaModule, {
  transport: Transport.REDIS,
  options: redisOptions,
  logger: ['warn', 'error'],
});
app.enableShutdownHooks();
await app.listen();
process.send?.('ready');
