import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import { Observable } from 'rxjs';
import { Journal } from '../support/journal.js';

@Controller()
export class ContextController {
  constructor(private readonly journal: Journal) {}

  @MessagePattern('context')
  describe(@Ctx() context: CloudsContext): unknown {
    return {
      pattern: context.getPattern(),
      channel: context.getChannel(),
      metadata: context.getMetadata(),
      headers: context.getHeaders(),
      nodeId: context.getNodeId(),
      callerId: context.getCallerId(),
      callId: context.getCallId(),
      attempt: context.getAttempt(),
      timeLeftMs: context.getDeadline() - Date.now(),
      isAborted: context.signal.aborted,
      args: context.getArgs(),
    };
  }

  /** Goes on until nobody listens. */
  @MessagePattern('endless values')
  endless(@Ctx() { signal }: CloudsContext): Observable<number> {
    signal.addEventListener('abort', () => this.journal.add('aborted'));
    return new Observable<number>((observer) => {
      observer.next(1);
      this.journal.add('subscribed');
      return () => this.journal.add('unsubscribed');
    });
  }

  @MessagePattern('endless promise')
  waits(@Ctx() { signal }: CloudsContext): Promise<string> {
    this.journal.add('started');
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        this.journal.add('aborted');
        resolve('too late');
      });
    });
  }
}
