import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { map, Observable } from 'rxjs';
import { Journal } from '../support/journal.js';

@Injectable()
class PassingInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => data));
  }
}

@Controller()
export class StreamsController {
  constructor(private readonly journal: Journal) {}

  @MessagePattern('generator')
  async *generator(@Payload() numbers: number[]) {
    for (const number of numbers) yield await Promise.resolve(number);
  }

  @MessagePattern('promise of generator')
  later(@Payload() numbers: number[]) {
    return Promise.resolve(this.generator(numbers));
  }

  @UseInterceptors(PassingInterceptor)
  @MessagePattern('intercepted generator')
  intercepted(@Payload() numbers: number[]) {
    return this.generator(numbers);
  }

  @MessagePattern('generator that fails')
  async *failing(@Payload() [first]: number[]) {
    yield await Promise.resolve(first);
    throw new RpcException('enough');
  }

  @MessagePattern('generator with a plain error')
  async *broken(@Payload() [first]: number[]) {
    yield await Promise.resolve(first);
    throw new Error('a secret');
  }

  @MessagePattern('endless generator')
  async *endless() {
    let given = 0;
    try {
      for (;;) yield await Promise.resolve(given++);
    } finally {
      this.journal.add({ given });
    }
  }

  @EventPattern('generated event')
  async *event(@Payload() numbers: number[]) {
    for (const number of numbers) yield await Promise.resolve(number);
    this.journal.add('event handled');
  }

  /** Gives values for as long as somebody wants them, without a pause. */
  @MessagePattern('hot values')
  hot(): Observable<number> {
    return new Observable<number>((observer) => {
      let given = 0;
      observer.add(() => this.journal.add({ given }));
      while (!observer.closed) observer.next(given++);
    });
  }
}
