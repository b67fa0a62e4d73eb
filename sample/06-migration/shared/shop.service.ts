import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

/** The same before and after. */
@Injectable()
export class ShopService {
  constructor(@Inject('TOTALS') private readonly client: ClientProxy) {}

  async checkOut(prices: number[]): Promise<void> {
    const id = randomUUID();
    const total = await lastValueFrom(this.client.send<number>('basket.total', { id, prices }));
    console.log(`basket ${id} costs ${total}`);
  }
}
