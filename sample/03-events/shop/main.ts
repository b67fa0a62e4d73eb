import { NestFactory } from '@nestjs/core';
import { ShopModule } from './shop.module.js';
import { ShopService } from './shop.service.js';

const ORDERS = 3;

const app = await NestFactory.createApplicationContext(ShopModule, { logger: ['warn', 'error'] });
const shop = app.get(ShopService);

for (let id = 1; id <= ORDERS; id++) {
  console.log(`order ${id} is placed and paid`);
  await shop.sell({ id, total: 100 * id });
}
console.log('prices change: everybody has to know');
await shop.changePrices({ percent: 5 });

await app.close();
