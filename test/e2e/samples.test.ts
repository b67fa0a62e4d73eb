import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const env = { ...process.env, REDIS_URL: inject('redisUrl') };
const redis = new Redis(inject('redisUrl'), { lazyConnect: true });

beforeAll(() => redis.connect());
afterAll(() => redis.disconnect());

async function start(...args: string[]) {
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  const child = spawn('npm', ['start', '--', ...args], { cwd: ROOT, env, stdio: [...stdio] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

/** Runs a sample to its end, which has to be a good one that leaves nothing behind. */
async function outputOf(sample: string): Promise<string> {
  const { code, output } = await start(sample);
  expect(code, output).toBe(0);
  expect(output).toContain('All as promised.');
  const [prefix] = output.match(/(?<=prefix )\S+/) ?? [''];
  expect(prefix).not.toBe('');
  expect(await redis.keys(`${prefix}*`)).toEqual([]);
  expect(await redis.pubsub('CHANNELS', `${prefix}*`)).toEqual([]);
  return output;
}

it('streams wait for their reader, and end when it leaves', async () => {
  const output = await outputOf('02');
  expect(output).toMatch(/^reader +slow: 300 ms later it has made \d+: it has waited$/m);
  expect(output).toMatch(/^reader +slow: all 10000 rows are here$/m);
  expect(output).toMatch(/^exporter +slow: finally: done after 10000 rows$/m);
  expect(output).toMatch(/^exporter +loop: finally: left by its reader after \d+ rows$/m);
  expect(output).toMatch(/^exporter +subscription: finally: left by its reader after \d+ rows$/m);
});

it('events go to one replica of each group, a broadcast to all', async () => {
  const output = await outputOf('events');
  const takenBy = (group: string, event: string) =>
    output.match(new RegExp(`^${group} \\d +took ${event}`, 'gm')) ?? [];
  expect(takenBy('mail', 'order.placed')).toHaveLength(3);
  expect(takenBy('mail', 'order.paid')).toHaveLength(3);
  expect(takenBy('billing', 'order.paid')).toHaveLength(3);
  expect(takenBy('(mail|billing)', 'prices.changed')).toHaveLength(4);
});

it('a payment that moves to another node is charged once', async () => {
  const output = await outputOf('04-idempotent-pemit');
  expect(output).toMatch(/^payments \d +cheese: attempt 2$/m);
  expect(output).toMatch(/^payments \d +wine: attempt 2$/m);
  expect(output).toMatch(/^payments \d +cheese: was charged in attempt 2$/m);
  expect(output).toMatch(/^payments \d +wine: was charged in attempt 1$/m);
  expect(output.match(/: charges$/gm)).toHaveLength(3);
});

it('one application answers HTTP, serves and calls with one node', async () => {
  const output = await outputOf('05');
  const [, node] = output.match(/^gateway +the node is (\S+)$/m) ?? [];
  expect(output).toContain(`"caller":"${node}","node":"${node}"`);
  for (const answer of [
    '/prices/antique -> 504 {"statusCode":504,"code":"CLOUDS_TIMEOUT","retryable":true}',
    '/reviews/bread -> 503 {"statusCode":503,"code":"CLOUDS_NO_NODE","retryable":true}',
    '413 {"statusCode":413,"code":"CLOUDS_PAYLOAD_TOO_LARGE","retryable":false}',
    '/report -> 429 {"statusCode":429,"code":"CLOUDS_OVERLOADED","retryable":true}',
  ])
    expect(output).toContain(answer);
});

it('a handler that ran on all replicas runs on one after the migration', async () => {
  const output = await outputOf('migration');
  const [before, after] = output.split('After, with nestjs-clouds');
  const all = '3 times (replica 1, replica 2, replica 3)';
  expect(before!.split(`its handler ran ${all}`)).toHaveLength(1 + 3);
  expect(after!.match(/its handler ran once \(replica \d\)$/gm)).toHaveLength(3);
});

it('--help lists the samples', async () => {
  const { code, output } = await start('--help');
  expect(code).toBe(0);
  for (const name of ['01 quick-start', '02 streams', '03 events', '04 idempotent-pemit'])
    expect(output).toContain(name);
  expect(output).toContain('05 hybrid-gateway');
  expect(output).toContain('06 migration');
});

it.each([
  [['tea'], "There is no sample 'tea'"],
  [['02', '03'], 'One sample runs at a time'],
  [['streams', '--once'], '--once is only for quick-start'],
])('%j is refused with a sentence', async (args, sentence) => {
  const { code, output } = await start(...args);
  expect(code).toBe(1);
  expect(output).toContain(`${sentence}. \`npm start -- --help\` shows what there is.`);
});
