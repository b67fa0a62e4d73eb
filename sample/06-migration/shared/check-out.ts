import { NestFactory } from '@nestjs/core';
import { ShopService } from './shop.service.js';

const BASKETS = [
  [1, 2, 3],
  [40, 2],
  [300, 30, 3],
];

/** Checks some baskets out, and ends. */
export async function checkOut(module: new () => object): Promise<void> {
  const app = await NestFactory.createApplicationContext(module, { logger: ['warn', 'error'] });
  const shop = app.get(ShopService);
  for (const prices of BASKETS) await shop.checkOut(prices);
  await app.close();
}
