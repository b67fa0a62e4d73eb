import { NestFactory } from '@nestjs/core';
import { CloudsServer } from 'nestjs-clouds';
import { ReplicaModule } from '../../shared/replica.module.js';
import { redisOptions } from '../redis.options.js';

const app = await NestFactory.createMicroservice(ReplicaModule, {
  strategy: new CloudsServer(redisOptions),
  logger: ['warn', 'error'],
});
app.enableShutdownHooks();
await app.listen();
process.send?.('ready');
