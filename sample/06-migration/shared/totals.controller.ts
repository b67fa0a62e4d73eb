import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';

export interface Basket {
  id: string;
  prices: number[];
}

/** The same before and after. */
@Controller()
export class TotalsController {
  @MessagePattern('basket.total')
  total(@Payload() { id, prices }: Basket): number {
    console.log(`total of ${id}`);
    return prices.reduce((total, price) => total + price, 0);
  }
}
