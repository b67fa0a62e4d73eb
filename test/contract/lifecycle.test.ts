/** The end of an application, in the order in which Nest really ends it. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import { CloudsClient, CloudsModule, CloudsServer } from 'nestjs-clouds';
import type { Redis } from 'ioredis';
import { gate, until } from './support/until.js';
import { outcomeOf, QUIET, useWorld } from './support/world.js';

const world = useWorld();
const PROGRAM = path.join(path.dirname(process.argv[1]!), 'programs', 'signalled.js');

class Program {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly prefix: string;
  readonly ended: Promise<unknown[]>;

  constructor(kind: 'microservice' | 'hybrid', part: string, importedBy = 'forRoot') {
    this.prefix = `${world.options.prefix}${kind}:${part}:`;
    const env = {
      ...process.env,
      REDIS_URL: world.url,
      CLOUDS_PREFIX: this.prefix,
      KIND: kind,
      IMPORTED_BY: importedBy,
    };
    this.child = fork(PROGRAM, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.lines.push(...text.trimEnd().split('\n'));
    });
    this.ended = once(this.child, 'close');
    after(() => this.child.kill('SIGKILL'));
  }

  said(line: RegExp): Promise<void> {
    return until(`it says ${line}`, () => this.lines.some((said) => line.test(said)));
  }
}

async function nodesOf(client: CloudsClient, prefix: string): Promise<number> {
  await client.connect();
  return client.unwrap<Redis>().zcard(`${prefix}S:rows`);
}

/** What the handler calls when its node has left. */
@Controller()
class ElsewhereController {
  @MessagePattern('elsewhere')
  elsewhere(row: string): string {
    return row;
  }
}

@Module({ controllers: [ElsewhereController] })
class ElsewhereModule {}

/** Ends the program while its handler runs, and checks that all happens in the order that handlers need. */
async function endInOrder(
  program: Program,
  end: (child: ChildProcess) => void,
  by: string,
): Promise<void> {
  const client = world.client({ prefix: program.prefix });
  await world.serve(ElsewhereModule, world.server({ prefix: program.prefix }));
  await program.said(/^ready/);
  const outcome = outcomeOf(client.send('rows', 1));
  await program.said(/^started/);
  end(program.child);
  await until('the node has left', async () => (await nodesOf(client, program.prefix)) === 0);
  program.child.send('go on');
  assert.deepEqual(await outcome, { values: ['row'] });
  await program.ended;
  const [, , ...ending] = program.lines;
  const expected = [
    'handler done',
    'module destroyed',
    'database closed',
    `before shutdown by ${by}`,
    `shutdown by ${by}`,
  ];
  assert.deepEqual(ending, expected);
}

for (const kind of ['microservice', 'hybrid'] as const)
  describe(`a ${kind} application whose handler still runs`, () => {
    for (const [name, end, by] of [
      ['that gets SIGTERM', (child) => child.kill('SIGTERM'), 'SIGTERM'],
      ['that gets SIGINT', (child) => child.kill('SIGINT'), 'SIGINT'],
      ['that is closed', (child) => child.send('close'), 'undefined'],
    ] as [string, (child: ChildProcess) => void, string][]) {
      it(`${name} leaves, finishes it, and only then closes its database`, async () => {
        await endInOrder(new Program(kind, by), end, by);
      });
    }

    for (const importedBy of ['forRoot with isGlobal', 'forRootAsync']) {
      it(`does so with CloudsModule.${importedBy}`, async () => {
        const program = new Program(kind, importedBy, importedBy);
        await endInOrder(program, (child) => child.kill('SIGTERM'), 'SIGTERM');
      });
    }
  });

describe('close', () => {
  let hold = gate();
  let isRunning = false;

  @Controller()
  class HeldController {
    @MessagePattern('rows')
    rows(): Promise<void> {
      isRunning = true;
      return hold.passed;
    }
  }

  @Module({ controllers: [HeldController] })
  class HeldModule {}

  it('of the server alone waits for its handlers, may come twice, and leaves nothing in Redis', async () => {
    hold = gate();
    const prefix = `${world.options.prefix}twice:`;
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(HeldModule, {
      ...QUIET,
      strategy: world.server({ prefix }),
    });
    await app.listen();
    const client = world.client({ prefix });
    const outcome = outcomeOf(client.send('rows', 1));
    await until('the handler runs', () => isRunning);
    const closings = Promise.all([app.close(), app.close()]);
    await until('the node has left', async () => (await nodesOf(client, prefix)) === 0);
    hold.open();
    assert.deepEqual(await outcome, { values: [] });
    await closings;
    const keys = await client.unwrap<Redis>().keys(`${prefix}*`);
    assert.deepEqual(
      keys.filter((key) => !key.startsWith(`${prefix}F:`)),
      [],
    );
  });

  it('leaves the clients of the application usable until its handlers are done', async () => {
    const prefix = `${world.options.prefix}usable:`;
    hold = gate();
    isRunning = false;
    @Controller()
    class ChainedController {
      constructor(private readonly clouds: CloudsClient) {}

      @MessagePattern('chained')
      async chained(): Promise<unknown> {
        isRunning = true;
        await hold.passed;
        return (await outcomeOf(this.clouds.send('elsewhere', 1))).values;
      }
    }
    @Controller()
    class ElsewhereController {
      @MessagePattern('elsewhere')
      elsewhere(): string {
        return 'there';
      }
    }
    @Module({ controllers: [ElsewhereController] })
    class ElsewhereModule {}
    @Module({
      imports: [CloudsModule.forRoot({ ...world.options, prefix })],
      controllers: [ChainedController],
    })
    class ChainedModule {}
    await world.serve(ElsewhereModule, world.server({ prefix }));
    const app = await NestFactory.create(ChainedModule, QUIET);
    app.connectMicroservice<MicroserviceOptions>({ strategy: app.get(CloudsServer) });
    await app.startAllMicroservices();
    const client = world.client({ prefix });
    const outcome = outcomeOf(client.send('chained', 1));
    await until('the handler runs', () => isRunning);
    const nodes = () => client.unwrap<Redis>().zcard(`${prefix}S:chained`);
    const closing = app.close();
    await until('the node has left', async () => (await nodes()) === 0);
    hold.open();
    assert.deepEqual(await outcome, { values: [['there']] });
    await closing;
  });
});
