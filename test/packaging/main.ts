/** An application that has only the required peers; it uses all that the package exports. */
import 'reflect-metadata';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type AsyncMicroserviceOptions } from '@nestjs/microservices';
import { CloudsClient, CloudsModule, CloudsServer, CloudsTimeoutError } from 'nestjs-clouds';
import * as all from 'nestjs-clouds';
import * as clouds from 'nestjs-clouds/clouds';
import { firstValueFrom } from 'rxjs';

@Controller()
class MathController {
  constructor(@Inject(CloudsClient) readonly clouds: CloudsClient) {}

  @MessagePattern('sum')
  sum(numbers: number[]): number {
    return numbers.reduce((a, b) => a + b, 0);
  }
}

const options = { redis: process.env.REDIS_URL, prefix: `plain-${process.pid}:` };

@Module({ imports: [CloudsModule.forRoot(options)], controllers: [MathController] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(AppModule, {
    logger: false,
    inject: [CloudsServer],
    useFactory: (strategy: CloudsServer) => ({ strategy }),
  });
  await app.listen();
  const sum = await firstValueFrom(app.get(MathController).clouds.send<number>('sum', [1, 2, 3]));
  await app.close();
  if (Object.keys(all).length < 10 || typeof clouds.connect !== 'function') process.exitCode = 1;
  // A bundler may have shortened the name of its class.
  if (new CloudsTimeoutError('').name !== 'CloudsTimeoutError') process.exitCode = 1;
  console.log(`the sum is ${sum}`);
}

void main();
