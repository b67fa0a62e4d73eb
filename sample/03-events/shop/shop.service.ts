import { Injectable } from '@nestjs/common';
import { CloudsClient, CloudsRecordBuilder } from 'nestjs-clouds';
import { lastValueFrom } from 'rxjs';
import type { Order, PriceChange } from '../messages.js';

@Injectable()
export class ShopService {
  constructor(private readonly clouds: CloudsClient) {}

  async sell(order: Order): Promise<void> {
    await this.tell('order.placed', order);
    await this.tell('order.paid', order);
  }

  /** A broadcast is for all replicas of all groups: they may hold old prices. */
  async changePrices(change: PriceChange): Promise<void> {
    await this.tell('prices.changed', new CloudsRecordBuilder(change).setBroadcast().build());
  }

  /** Without waiting it would be sent as well, but nobody would learn that it failed. */
  private async tell(event: string, data: unknown): Promise<void> {
    await lastValueFrom(this.clouds.emit(event, data), { defaultValue: undefined });
  }
}
