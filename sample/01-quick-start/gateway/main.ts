import { NestFactory } from '@nestjs/core';
import { GatewayModule } from './gateway.module.js';

const app = await NestFactory.create(GatewayModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
console.log(`Try ${await app.getUrl()}/sum?numbers=1,2,3`);
