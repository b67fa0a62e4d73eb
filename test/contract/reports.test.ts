/** What handlers of events throw, and those of messages for an event, is reported once: by Nest where it does, else by the transport. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  BadRequestException,
  Controller,
  Logger,
  Module,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CloudsExceptionFilter, CloudsStreamInterceptor, CloudsTimeoutError } from 'nestjs-clouds';
import { throwError } from 'rxjs';
import { until } from './support/until.js';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const client = world.client();
const reports: string[] = [];
let barriers = 0;

const ERRORS: Record<string, () => Error> = {
  plain: () => new Error('plain'),
  clouds: () => new CloudsTimeoutError('clouds'),
  rpc: () => new RpcException('rpc'),
  // Nest itself does not report it.
  http: () => new BadRequestException('http'),
};
const errorOf = (kind: unknown) => ERRORS[String(kind)]!();

@Controller()
class EventsController {
  @EventPattern('throws')
  throws(@Payload() kind: string): unknown {
    throw errorOf(kind);
  }

  @EventPattern('rejects')
  rejects(@Payload() kind: string): Promise<never> {
    return Promise.reject(errorOf(kind));
  }

  @EventPattern('observable')
  observable(@Payload() kind: string): unknown {
    return throwError(() => errorOf(kind));
  }

  @EventPattern('generator')
  async *generator(@Payload() kind: string): AsyncGenerator<number> {
    yield await Promise.resolve(1);
    throw errorOf(kind);
  }

  @UseFilters(new CloudsExceptionFilter())
  @EventPattern('filtered')
  filtered(@Payload() kind: string): unknown {
    throw errorOf(kind);
  }

  @MessagePattern('message')
  message(@Payload() kind: string): unknown {
    throw errorOf(kind);
  }

  @MessagePattern('message observable')
  messageObservable(@Payload() kind: string): unknown {
    return throwError(() => errorOf(kind));
  }

  @MessagePattern('message generator')
  async *messageGenerator(@Payload() kind: string): AsyncGenerator<number> {
    yield await Promise.resolve(1);
    throw errorOf(kind);
  }

  @UseFilters(new CloudsExceptionFilter())
  @MessagePattern('filtered message')
  filteredMessage(@Payload() kind: string): unknown {
    throw errorOf(kind);
  }

  @UseFilters(new CloudsExceptionFilter())
  @UseInterceptors(CloudsStreamInterceptor)
  @EventPattern('filtered generator')
  async *filteredGenerator(@Payload() kind: string): AsyncGenerator<number> {
    yield await Promise.resolve(1);
    throw errorOf(kind);
  }

  @EventPattern('barrier')
  barrier(@Payload() _data: unknown): void {
    barriers++;
  }
}

@Module({ controllers: [EventsController] })
class ReportsModule {}

describe('what a handler throws for an event', () => {
  before(async () => {
    await world.serve(ReportsModule);
    const ignore = () => undefined;
    const error = (said: unknown) =>
      void reports.push(said instanceof Error ? said.message : JSON.stringify(said));
    Logger.overrideLogger({ log: ignore, warn: ignore, error });
  });

  for (const how of [
    'throws',
    'rejects',
    'observable',
    'generator',
    'filtered',
    'filtered generator',
    'message',
    'message observable',
    'message generator',
    'filtered message',
  ])
    for (const kind of Object.keys(ERRORS))
      it(`is reported once: ${how}, ${kind}`, async () => {
        reports.length = 0;
        barriers = 0;
        const { error } = await outcomeOf(client.emit(how, kind));
        assert.equal(error, undefined);
        await until('it is reported', () => reports.length > 0);
        // What is still to be said of it is said by then.
        await outcomeOf(client.emit('barrier', 1));
        await until('the next event is handled', () => barriers === 1);
        assert.equal(reports.length, 1, reports.join(', '));
        assert.match(reports[0]!, new RegExp(kind));
      });
});
