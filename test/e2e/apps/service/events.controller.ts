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

  @EventPattern('event that fails')
  fail(@Payload() data: unknown): void {
    this.journal.add({ handler: 'failing', data });
    throw new Error('cannot do this');
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
