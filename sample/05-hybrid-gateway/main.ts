import { NestFactory } from '@nestjs/core';
import { CloudsNode, CloudsServer } from 'nestjs-clouds';
import { AppModule } from './app.module.js';
import { visit } from './http/visits.js';

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error'] });
// The same node serves and calls: one id, one connection to Redis.
app.connectMicroservice({ strategy: app.get(CloudsServer) });
app.enableShutdownHooks();
await app.startAllMicroservices();
await app.listen(process.env.PORT ?? 0, '127.0.0.1');
console.log(`the node is ${app.get(CloudsNode).id}`);

await visit(await app.getUrl());
await app.close();
