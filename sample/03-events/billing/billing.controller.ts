import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { Order, PriceChange } from '../messages.js';

@Controller()
export class BillingController {
  @EventPattern('order.paid')
  onOrderPaid(@Payload() order: Order): void {
    console.log(`took order.paid of order ${order.id}`);
  }

  @EventPattern('prices.changed')
  onPricesChanged(@Payload() { percent }: PriceChange): void {
    console.log(`took prices.changed by ${percent} %`);
  }
}
