import { NestFactory } from '@nestjs/core';
import { ReaderModule } from './reader.module.js';
import { ReaderService } from './reader.service.js';

const app = await NestFactory.createApplicationContext(ReaderModule, { logger: ['warn', 'error'] });
const reader = app.get(ReaderService);

await reader.readSlowly({ name: 'slow', rows: 10_000 });
await reader.readSome({ name: 'loop', rows: 1_000_000 }, 3);
await reader.subscribeToSome({ name: 'subscription', rows: 1_000_000 }, 3);

await app.close();
