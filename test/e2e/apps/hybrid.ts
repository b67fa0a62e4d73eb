/** One application that answers HTTP, serves a pattern and calls it, with one node for all. */
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern } from '@nestjs/microservices';
import { CloudsClient, CloudsContext, CloudsModule, CloudsNode, CloudsServer } from 'nestjs-clouds';
import type { Observable } from 'rxjs';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';

@Controller()
class HybridController {
  constructor(private readonly clouds: CloudsClient) {}

  @Get('who')
  ask(): Observable<unknown> {
    return this.clouds.send('who', {});
  }

  @MessagePattern('who')
  answer(@Ctx() context: CloudsContext): unknown {
    return { nodeId: context.getNodeId(), callerId: context.getCallerId() };
  }
}

@Module({ imports: [CloudsModule.forRoot(options)], controllers: [HybridController] })
class HybridModule {}

const app = await NestFactory.create(HybridModule, { logger: false });
app.connectMicroservice({ strategy: app.get(CloudsServer) });
await app.startAllMicroservices();
await app.listen(0, '127.0.0.1');

takeOrders({
  url: () => app.getUrl(),
  nodeId: () => app.get(CloudsNode).id,
  close: () => app.close(),
});
