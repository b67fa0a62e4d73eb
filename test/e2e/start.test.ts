import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { until } from '../support/wait.js';

const ROOT = join(import.meta.dirname, '../..');
const START = join(ROOT, 'tools/start.mjs');
const TIED = join(ROOT, 'tools/start/tied.mjs');
const START_MS = 30_000;

const redis = new Redis(inject('redisUrl'), { lazyConnect: true });
const env = { ...process.env, REDIS_URL: inject('redisUrl'), PORT: '0' };
let started: ChildProcess[] = [];

beforeAll(() => redis.connect());
afterEach(() => {
  for (const child of started) child.kill('SIGKILL');
  started = [];
});
afterAll(() => redis.disconnect());

interface Run {
  readonly output: string;
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

function follow(child: ChildProcess): Run {
  started.push(child);
  let output = '';
  child.stdout!.on('data', (chunk) => (output += String(chunk)));
  child.stderr!.on('data', (chunk) => (output += String(chunk)));
  return {
    get output() {
      return output;
    },
    ended: once(child, 'close').then(([code, signal]) => (signal ?? code) as number),
    kill: (signal) => void child.kill(signal),
  };
}

function start(...args: string[]): Run {
  const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
  return follow(fork(START, args, { execArgv: ['--import', TIED], env, stdio: [...stdio] }));
}

/** The sample runs: where it listens, which processes its workers are, and the prefix of its keys. */
async function startedSample() {
  const run = start();
  await until('the table is printed', () => /worker 3 +\d+ +\S+ +1000/.test(run.output), START_MS);
  const workers = [...run.output.matchAll(/^worker \d +(\d+)/gm)].map(([, pid]) => Number(pid));
  const [curl] = run.output.match(/(?<=curl ')[^']+/) ?? [''];
  const [prefix] = run.output.match(/(?<=prefix )\S+/) ?? [''];
  return { run, curl, workers, prefix };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function expectNothingLeft({
  curl,
  workers,
  prefix,
}: Awaited<ReturnType<typeof startedSample>>) {
  await until('the workers have ended', () => !workers.some(isRunning));
  await until('the gateway has ended', () =>
    fetch(curl).then(
      () => false,
      () => true,
    ),
  );
  expect(await keysLeft(prefix)).toEqual([]);
}

/** But for the table of who takes events, which is there for a restart and has a TTL. */
async function keysLeft(prefix: string): Promise<string[]> {
  const keys = await redis.keys(`${prefix}*`);
  return keys.filter((key) => key !== `${prefix}E`);
}

describe('npm start', () => {
  it('runs workers and a gateway that can be asked, until SIGINT', async () => {
    const sample = await startedSample();
    const { run, curl, workers } = sample;
    expect(new Set(workers).size).toBe(3);
    const response = await fetch(curl);
    expect(await response.json()).toMatchObject({ total: 6, attempt: 1 });
    run.kill('SIGINT');
    expect(await run.ended).toBe(0);
    await expectNothingLeft(sample);
  });

  it('starts a worker again that has died', async () => {
    const sample = await startedSample();
    const { run, workers } = sample;
    process.kill(workers[0]!, 'SIGKILL');
    await until('it tells', () => run.output.includes(`worker 1 (pid ${workers[0]}) has died`));
    const again = new RegExp(`^worker 1 +(?!${workers[0]} )\\d+ +\\S+ +1000`, 'm');
    await until('another one serves', () => again.test(run.output), START_MS);
    run.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    await expectNothingLeft(sample);
  });

  it('takes its children along when it is killed', async () => {
    const sample = await startedSample();
    sample.run.kill('SIGKILL');
    await expectNothingLeft(sample);
  });

  it('refuses options that it does not know, and shows those that it does', async () => {
    const wrong = start('--twice');
    expect(await wrong.ended).toBe(1);
    expect(wrong.output).toContain("Unknown option '--twice'");
    const help = start('--help');
    expect(await help.ended).toBe(0);
    expect(help.output).toContain('--once');
  });
});

describe('npm start -- --once', () => {
  it('answers all calls though a worker is killed half way', async () => {
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const run = follow(
      spawn('npm', ['start', '--', '--once'], { cwd: ROOT, env, stdio: [...stdio] }),
    );
    expect(await run.ended, run.output).toBe(0);
    expect(run.output).toMatch(/^calls +10000$/m);
    expect(run.output).toMatch(/^answered +10000$/m);
    expect(run.output).toMatch(/^lost +0$/m);
    expect(run.output).toMatch(/^moved +[1-9]\d*$/m);
    expect(run.output).toMatch(/^worker 1 +[1-9]\d* until it was killed$/m);
    expect(run.output).toMatch(/^p50 +[\d.]+ ms$/m);
    expect(run.output).toMatch(/^p99 +[\d.]+ ms$/m);
    const [prefix] = run.output.match(/(?<=prefix )\S+/) ?? [''];
    expect(await keysLeft(prefix)).toEqual([]);
  });
});
