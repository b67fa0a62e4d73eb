import { setTimeout as delay } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { CLOUDS_TRANSPORT, CloudsContext } from 'nestjs-clouds';

const WORK_MS = 5;

@Controller()
export class CapacityController {
  private running = 0;

  @MessagePattern('two at once', { capacity: 2 })
  async two(): Promise<number> {
    const now = ++this.running;
    await delay(WORK_MS);
    this.running--;
    return now;
  }

  @MessagePattern('one at once', CLOUDS_TRANSPORT, { capacity: 1 })
  one(@Ctx() context: CloudsContext): string {
    return context.getPattern();
  }
}
