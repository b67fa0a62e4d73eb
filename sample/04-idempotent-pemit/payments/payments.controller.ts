import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import type { Payment, Receipt } from '../payment.js';
import { die, hang } from './accidents.js';
import { Ledger } from './ledger.js';

@Controller()
export class PaymentsController {
  constructor(private readonly ledger: Ledger) {}

  /** May run again on another node: the id of the call is the same there. */
  @MessagePattern('payments.charge')
  async charge(@Payload() payment: Payment, @Ctx() context: CloudsContext): Promise<Receipt> {
    const attempt = context.getAttempt();
    const accident = attempt === 1 ? payment.accident : undefined;
    console.log(`${payment.order}: attempt ${attempt}`);

    if (accident === 'hangs') await hang();
    const { order, cents } = payment;
    const receipt = { order, cents, chargedInAttempt: attempt };
    const { isNew, kept } = await this.ledger.chargeOnce(context.getCallId(), receipt);
    console.log(
      `${order}: ${isNew ? 'charges' : `was charged in attempt ${kept.chargedInAttempt}`}`,
    );
    if (accident === 'dies') await die();
    return kept;
  }

  @MessagePattern('payments.all')
  list(): Promise<Receipt[]> {
    return this.ledger.all();
  }
}
