import { NestFactory } from '@nestjs/core';
import type { Payment } from '../payment.js';
import { ShopModule } from './shop.module.js';
import { ShopService } from './shop.service.js';

const PAYMENTS: Payment[] = [
  { order: 'bread', cents: 350 },
  { order: 'cheese', cents: 890, accident: 'hangs' },
  { order: 'wine', cents: 1_290, accident: 'dies' },
];

const app = await NestFactory.createApplicationContext(ShopModule, { logger: ['warn', 'error'] });
const shop = app.get(ShopService);

for (const payment of PAYMENTS) {
  const { order, cents, chargedInAttempt } = await shop.pay(payment);
  console.log(`${order}: paid ${cents}, charged in attempt ${chargedInAttempt}`);
}
for (const { order, cents } of await shop.listCharges()) {
  console.log(`ledger: ${order} ${cents}`);
}

await app.close();
