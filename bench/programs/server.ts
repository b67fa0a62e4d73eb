import 'reflect-metadata';
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
} from '@nestjs/microservices';
import { type Observable, range } from 'rxjs';
import { peerNamed } from '../peers.js';
import { serveCommands } from './child.js';
import { type Command, type ServerRole, usage } from './messages.js';

let role: ServerRole = {};
let events = 0;
let previous: Promise<void> = Promise.resolve();

@Controller()
class BenchController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('stream')
  stream(@Payload() values: number): Observable<number> {
    return range(0, values);
  }

  /** One request at a time, as a handler that needs a processor. */
  @MessagePattern('work')
  async work(): Promise<string> {
    const mine = previous.then(
      () => new Promise<void>((resolve) => setTimeout(resolve, role.workMs)),
    );
    previous = mine;
    await mine;
    return 'done';
  }

  @MessagePattern('hold')
  hold(): Promise<never> {
    return new Promise(() => undefined);
  }

  @EventPattern('tick')
  tick(@Payload() _data: unknown): void {
    events++;
  }
}

@Module({ controllers: [BenchController] })
class BenchModule {}

async function start(command: Extract<Command, { kind: 'start' }>): Promise<void> {
  role = command.role ?? {};
  const options = peerNamed(command.peer).server(command.addresses);
  Logger.overrideLogger(['error', 'warn']);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, options);
  await app.listen();
}

serveCommands(async (command) => {
  switch (command.kind) {
    case 'start':
      return start(command);
    case 'run':
      throw new Error('a server is not given a load');
    case 'usage':
      return usage();
    case 'count':
      return events;
    case 'stop':
      return process.exit(0);
  }
});
