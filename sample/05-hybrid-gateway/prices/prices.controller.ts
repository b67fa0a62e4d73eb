import { setTimeout as delay } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';

/** The price of an item, and which nodes have asked and answered. */
export interface Price {
  item: string;
  cents: number;
  caller: string;
  node: string;
}

const CENTS_PER_LETTER = 100;
/** Longer than a caller waits. */
const SLOW_MS = 1_000;
const REPORT_MS = 200;

/** What other applications can ask this one for; it asks itself in the same way. */
@Controller()
export class PricesController {
  @MessagePattern('prices.get')
  async get(@Payload() item: string, @Ctx() context: CloudsContext): Promise<Price> {
    if (item === 'antique') await delay(SLOW_MS);
    return {
      item,
      cents: CENTS_PER_LETTER * item.length,
      caller: context.getCallerId(),
      node: context.getNodeId(),
    };
  }

  /** Each node makes one report at a time. */
  @MessagePattern('prices.report', { capacity: 1 })
  async report(): Promise<string> {
    await delay(REPORT_MS);
    return 'all prices are low';
  }
}
