import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import type { Order, PriceChange } from '../messages.js';

@Controller()
export class MailController {
  /** The wildcard takes `order.placed`, `order.paid` and whatever comes later. */
  @EventPattern<string>('order.*')
  onOrder(@Payload() order: Order, @Ctx() context: CloudsContext): void {
    console.log(`took ${context.getPattern()} of order ${order.id}`);
  }

  @EventPattern('prices.changed')
  onPricesChanged(@Payload() { percent }: PriceChange): void {
    console.log(`took prices.changed by ${percent} %`);
  }
}
