import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import type { INestMicroservice, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { CloudsClient, type CloudsPacketOptions, CloudsServer } from 'nestjs-clouds';
import type { CloudsTransportOptions } from 'nestjs-clouds';
import type { Observable } from 'rxjs';

/** Errors of handlers are part of many tests: their log lines are not. */
export const QUIET = { logger: false, abortOnError: false } as const;

/** Applications of one test file, under a prefix of their own. */
export class World {
  readonly url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
  readonly options: CloudsTransportOptions;
  readonly #endings: (() => unknown)[] = [];

  constructor() {
    const prefix = `contract-${randomBytes(6).toString('hex')}:`;
    this.options = {
      redis: this.url,
      prefix,
      service: { callbackTimeout: 15_000, noNodeGrace: 200 },
    };
  }

  /** Has something ended after the tests of the file, the last first. */
  ending(end: () => unknown): void {
    this.#endings.unshift(end);
  }

  async end(): Promise<void> {
    for (const end of this.#endings) await end();
  }

  server(options: CloudsTransportOptions = {}): CloudsServer {
    return new CloudsServer({ ...this.options, ...options });
  }

  client(options: CloudsTransportOptions = {}): CloudsClient {
    const client = new CloudsClient({ ...this.options, ...options });
    this.ending(() => client.close());
    return client;
  }

  /** An application that serves `module`, by a server that the test may have prepared. */
  async serve(
    module: Type,
    server: CloudsServer | CloudsPacketOptions = {},
  ): Promise<INestMicroservice> {
    const strategy = server instanceof CloudsServer ? server : this.server(server);
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
      ...QUIET,
      strategy,
    });
    this.ending(() => app.close());
    await app.listen();
    return app;
  }
}

/** Ends all of it after the tests. */
export function useWorld(): World {
  const world = new World();
  after(() => world.end());
  return world;
}

/** What came of a call. */
export interface Outcome {
  values: unknown[];
  error?: unknown;
}

export function outcomeOf(values$: Observable<unknown>): Promise<Outcome> {
  return new Promise((resolve) => {
    const values: unknown[] = [];
    values$.subscribe({
      next: (value) => values.push(value),
      error: (error: unknown) => resolve({ values, error }),
      complete: () => resolve({ values }),
    });
  });
}
