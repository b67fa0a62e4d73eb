import 'reflect-metadata';
import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { setTimeout as delay } from 'node:timers/promises';
import { NullServer } from '../null/null.server.js';
import { peerNamed } from '../peers.js';
import { BenchController } from './bench.controller.js';
import { serveCommands } from './child.js';
import { type Command, type Load, type LoadResult, usage } from './messages.js';
import { WorkQueue } from './work-queue.js';

type CommandOf<K extends Command['kind']> = Extract<Command, { kind: K }>;

@Module({ controllers: [BenchController] })
class BenchModule {}

let options: MicroserviceOptions;

async function start({ peer, addresses, role }: CommandOf<'start'>): Promise<void> {
  BenchController.work = new WorkQueue(role?.workMs ?? 0);
  options = peerNamed(peer).server(addresses);
  Logger.overrideLogger(['error', 'warn']);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, options);
  await app.listen();
}

/** The null transport has no caller to wait for: its server feeds itself. */
function run(load: Load): Promise<LoadResult> {
  const server = 'strategy' in options ? options.strategy : undefined;
  if (server instanceof NullServer) return server.feed(load);
  throw new Error('a server is not given a load');
}

async function received({ count, patienceMs }: CommandOf<'received'>): Promise<number> {
  const giveUpAt = performance.now() + patienceMs;
  while (BenchController.events < count && performance.now() < giveUpAt) await delay(1);
  return BenchController.events;
}

serveCommands({
  start,
  run: ({ load }) => run(load),
  usage,
  received,
  reset: () => BenchController.work.clear(),
});
