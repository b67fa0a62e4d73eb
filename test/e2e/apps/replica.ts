/**
 * One of several that serve `work`, with a stand-in for a database in a module of its own, which is gone once
 * Nest has destroyed it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type AsyncMicroserviceOptions, Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext, CloudsModule, CloudsServer } from 'nestjs-clouds';
import { Journal } from './support/journal.js';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';

const WORK_MS = 10;

@Injectable()
class Database implements OnModuleDestroy {
  private isOpen = true;

  async query(): Promise<void> {
    await delay(WORK_MS);
    if (!this.isOpen) throw new Error('the database is gone');
  }

  onModuleDestroy(): void {
    this.isOpen = false;
  }
}

@Module({ providers: [Database], exports: [Database] })
class DatabaseModule {}

@Controller()
class WorkController {
  constructor(
    private readonly database: Database,
    private readonly journal: Journal,
  ) {}

  @MessagePattern('work')
  async work(@Payload() data: unknown, @Ctx() context: CloudsContext): Promise<unknown> {
    this.journal.add(context.getCallId());
    await this.database.query();
    return { data, nodeId: context.getNodeId(), attempt: context.getAttempt() };
  }

  /** Half of the replicas never answer this. */
  @MessagePattern('stuck')
  stuck(@Ctx() context: CloudsContext): unknown {
    if (process.env.IS_STUCK) return new Promise(() => {});
    return { attempt: context.getAttempt() };
  }
}

const clouds = CloudsModule.forRoot({ ...options, drainTimeout: 2000 });

@Module({ imports: [clouds, DatabaseModule], controllers: [WorkController], providers: [Journal] })
class ReplicaModule {}

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(ReplicaModule, {
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
  logger: false,
});
app.enableShutdownHooks();
await app.listen();

takeOrders({
  journal: () => app.get(Journal, { strict: false }).entries,
  close: () => app.close(),
});
