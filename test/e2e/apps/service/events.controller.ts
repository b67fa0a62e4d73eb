import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import { Journal } from '../support/journal.js';

@Controller()
export class EventsController {
  constructor(private readonly journal: Journal) {}

  @EventPattern('user.created')
  onUserCreated(@Payload() user: unknown): void {
    this.journal.add({ handler: 'string', data: user });
  }

  @EventPattern({ event: 'user', action: 'deleted' })
  onUserDeleted(@Payload() user: unknown, @Ctx() context: CloudsContext): void {
    this.journal.add({ handler: 'object', data: user, pattern: context.getPattern() });
  }

  @EventPattern('order.placed')
  bill(@Payload() order: unknown): void {
    this.journal.add({ handler: 'billing', data: order });
  }

  @EventPattern<string>('audit.*')
  audit(@Payload() data: unknown, @Ctx() context: CloudsContext): void {
    this.journal.add({ handler: 'wildcard', data, pattern: context.getPattern() });
  }

  @EventPattern('order.paid')
  thank(@Payload() data: unknown): void {
    this.journal.add({ handler: 'default group', data });
  }

  @EventPattern('order.shipped', { group: 'mail' })
  mail(@Payload() data: unknown): void {
    this.journal.add({ handler: 'group mail', data });
  }

  @EventPattern('event that fails')
  fail(@Payload() data: unknown): void {
    this.journal.add({ handler: 'failing', data });
    throw new Error('cannot do this');
  }

  @EventPattern<string>('event that fails twice')
  failFirst(): void {
    throw new Error('cannot do this');
  }

  @EventPattern<string>('event that fails twice')
  failSecond(): Promise<void> {
    return Promise.reject(new Error('nor that'));
  }
}

@Controller()
export class ShippingController {
  constructor(private readonly journal: Journal) {}

  @EventPattern('order.placed')
  ship(@Payload() order: unknown): void {
    this.journal.add({ handler: 'shipping', data: order });
  }
}
