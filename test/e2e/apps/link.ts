/** One of a chain of services, `LINK`: `front` calls `middle`, that calls `back`, and nobody passes anything on. */
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type AsyncMicroserviceOptions, Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  CloudsClient,
  CloudsContext,
  CloudsModule,
  CloudsOverloadedError,
  CloudsServer,
} from 'nestjs-clouds';
import { firstValueFrom, map, Observable, switchMap } from 'rxjs';
import { Journal } from './support/journal.js';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';

const { LINK: link } = process.env;

interface Heard {
  metadata: unknown;
  deadline: number;
}

const heard = (context: CloudsContext): Heard => ({
  metadata: context.getMetadata(),
  deadline: context.getDeadline(),
});

@Controller()
class FrontController {
  constructor(private readonly clouds: CloudsClient) {}

  /** The second call is made when the first is answered, by a callback. */
  @MessagePattern('front')
  front(@Payload() data: unknown, @Ctx() context: CloudsContext): Observable<Heard[]> {
    return this.clouds.send<string>('greeting', data).pipe(
      switchMap(() => this.clouds.send<Heard[]>('middle', data)),
      map((others) => [heard(context), ...others]),
    );
  }
}

@Controller()
class MiddleController {
  constructor(private readonly clouds: CloudsClient) {}

  @MessagePattern('relay')
  relay(@Payload() data: unknown): Promise<unknown> {
    return firstValueFrom(this.clouds.send('fail', data));
  }

  @MessagePattern('middle')
  async middle(@Payload() data: unknown, @Ctx() context: CloudsContext): Promise<Heard[]> {
    const last = await firstValueFrom(this.clouds.send<Heard>('back', data));
    return [heard(context), last];
  }
}

@Controller()
class BackController {
  constructor(private readonly journal: Journal) {}

  @MessagePattern('fail')
  fail(@Ctx() context: CloudsContext): never {
    throw new CloudsOverloadedError('no', { details: { raisedAt: context.getNodeId() } });
  }

  @MessagePattern('greeting')
  greeting(): string {
    return 'hello';
  }

  @MessagePattern('back')
  back(@Payload() { isEndless }: { isEndless: boolean }, @Ctx() context: CloudsContext): unknown {
    this.journal.add('started');
    if (!isEndless) return heard(context);
    return new Promise(() =>
      context.signal.addEventListener('abort', () =>
        this.journal.add((context.signal.reason as Error).name),
      ),
    );
  }
}

const CONTROLLERS = { front: FrontController, middle: MiddleController, back: BackController };

@Module({
  imports: [CloudsModule.forRoot(options)],
  controllers: [CONTROLLERS[link as keyof typeof CONTROLLERS]],
  providers: [Journal],
})
class LinkModule {}

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(LinkModule, {
  inject: [CloudsServer],
  useFactory: (strategy: CloudsServer) => ({ strategy }),
  logger: false,
});
await app.listen();

takeOrders({
  journal: () => app.get(Journal).entries,
  close: () => app.close(),
});
