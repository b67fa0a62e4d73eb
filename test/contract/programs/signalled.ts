/** An application with a database, which gets a signal while its last handlers run; what happens is printed. */
import {
  type BeforeApplicationShutdown,
  Controller,
  type DynamicModule,
  Global,
  type INestApplicationContext,
  Inject,
  Injectable,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type ClientProxy,
  ClientsModule,
  Ctx,
  MessagePattern,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import {
  CloudsClient,
  CloudsContext,
  CloudsModule,
  type CloudsModuleOptions,
  CloudsServer,
} from 'nestjs-clouds';
import { firstValueFrom } from 'rxjs';

const {
  REDIS_URL: redis,
  CLOUDS_PREFIX: prefix,
  KIND: kind,
  IMPORTED_BY: importedBy,
} = process.env;

@Injectable()
class CloudsOptions {
  createCloudsOptions(): CloudsModuleOptions {
    return { redis, prefix };
  }
}

function cloudsModule(): DynamicModule {
  if (importedBy === 'forRootAsync') return CloudsModule.forRootAsync({ useClass: CloudsOptions });
  return CloudsModule.forRoot({ redis, prefix, isGlobal: importedBy === 'forRoot with isGlobal' });
}

function say(what: string): void {
  process.stdout.write(`${what}\n`);
}

@Injectable()
class Database implements OnModuleDestroy {
  private isOpen = true;

  query(): string {
    if (!this.isOpen) throw new Error('the database is closed');
    return 'row';
  }

  onModuleDestroy(): void {
    this.isOpen = false;
    say('database closed');
  }
}

@Global()
@Module({ providers: [Database], exports: [Database] })
class DatabaseModule {}

/** One that is imported by who needs it, and by nobody else. */
@Injectable()
class Ledger implements OnModuleDestroy {
  private isOpen = true;

  write(row: string): string {
    if (!this.isOpen) throw new Error('the ledger is closed');
    return row;
  }

  onModuleDestroy(): void {
    this.isOpen = false;
  }
}

@Module({ providers: [Ledger], exports: [Ledger] })
class LedgerModule {}

@Controller()
class RowsController implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject('ELSEWHERE') private readonly elsewhere: ClientProxy,
  ) {}

  /** Is done only after the node has left, when the caller says so. */
  @MessagePattern('rows')
  async rows(@Ctx() context: CloudsContext): Promise<string> {
    say(`started ${context.getNodeId()}`);
    await new Promise<void>((resolve) =>
      process.on('message', (order) => order === 'go on' && resolve()),
    );
    const row = this.ledger.write(this.database.query());
    const heard = await firstValueFrom(this.elsewhere.send<string>('elsewhere', row));
    say('handler done');
    return heard;
  }

  onModuleDestroy(): void {
    say('module destroyed');
  }

  beforeApplicationShutdown(signal?: string): void {
    say(`before shutdown by ${signal}`);
  }

  onApplicationShutdown(signal?: string): void {
    say(`shutdown by ${signal}`);
  }
}

/** A feature with all that it needs, one module away from the root. */
@Module({
  imports: [
    LedgerModule,
    ClientsModule.register([
      { name: 'ELSEWHERE', customClass: CloudsClient, options: { redis, prefix } },
    ]),
  ],
  controllers: [RowsController],
})
class RowsModule {}

@Module({ imports: [DatabaseModule, RowsModule, cloudsModule()] })
class AppModule {}

async function startMicroservice(): Promise<INestApplicationContext> {
  const app = await NestFactory.createMicroservice(AppModule, {
    logger: false,
    inject: [CloudsServer],
    useFactory: (strategy: CloudsServer) => ({ strategy }),
  });
  app.enableShutdownHooks();
  await app.listen();
  return app;
}

async function startHybrid(): Promise<INestApplicationContext> {
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice<MicroserviceOptions>({ strategy: app.get(CloudsServer) });
  app.enableShutdownHooks();
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  return app;
}

async function main(): Promise<void> {
  const app = await (kind === 'hybrid' ? startHybrid() : startMicroservice());
  process.on('message', (order) => {
    if (order === 'close') void app.close().then(() => process.disconnect());
  });
  say('ready');
}

void main();
