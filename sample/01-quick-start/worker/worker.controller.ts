import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Logger } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import type { Sum } from '../sum.js';

/** Stands for a query or a request to somebody else. */
const WORK_MS = 1;

@Controller()
export class WorkerController {
  private readonly logger = new Logger(WorkerController.name);

  /** Runs on one worker: the one that has the least to do. */
  @MessagePattern('sum')
  async sum(@Payload() numbers: number[], @Ctx() context: CloudsContext): Promise<Sum> {
    await delay(WORK_MS);
    return {
      total: numbers.reduce((total, number) => total + number, 0),
      node: context.getNodeId(),
      attempt: context.getAttempt(),
    };
  }

  /** One-way: nobody waits for this. */
  @EventPattern('sum.asked')
  onSumAsked(@Payload() numbers: number[]): void {
    this.logger.log(`Somebody asked for the sum of ${numbers.join(', ')}`);
  }
}
