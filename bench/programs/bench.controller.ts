import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { type Observable, range } from 'rxjs';
import { WorkQueue } from './work-queue.js';

/** What the servers of all peers can do. */
@Controller()
export class BenchController {
  static work = new WorkQueue(0);
  static events = 0;

  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('stream')
  stream(@Payload() values: number): Observable<number> {
    return range(0, values);
  }

  @MessagePattern('work')
  async work(): Promise<string> {
    await BenchController.work.add();
    return 'done';
  }

  @MessagePattern('hold')
  hold(): Promise<never> {
    return new Promise(() => undefined);
  }

  @EventPattern('tick')
  tick(@Payload() _data: unknown): void {
    BenchController.events++;
  }
}
