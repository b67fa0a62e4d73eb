import { Injectable } from '@nestjs/common';
import { CloudsClient, CloudsRecordBuilder } from 'nestjs-clouds';
import { firstValueFrom } from 'rxjs';
import type { Payment, Receipt } from '../payment.js';

const ATTEMPTS = 3;
const TIMEOUT_MS = 500;

@Injectable()
export class ShopService {
  constructor(private readonly clouds: CloudsClient) {}

  /** Up to three nodes are tried, each for half a second. */
  pay(payment: Payment): Promise<Receipt> {
    const record = new CloudsRecordBuilder(payment).setTimeout(TIMEOUT_MS).build();
    return firstValueFrom(this.clouds.pemit<Receipt>(ATTEMPTS, 'payments.charge', record));
  }

  listCharges(): Promise<Receipt[]> {
    return firstValueFrom(this.clouds.pemit<Receipt[]>(ATTEMPTS, 'payments.all', {}));
  }
}
