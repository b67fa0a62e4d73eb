/**
 * `npm run bench`: this transport and its peers, side by side in the same run. Rounds are interleaved
 * (A B C A B C ...), servers and callers are processes of their own, the first round warms up.
 */
import { writeFileSync } from 'node:fs';
import { type Brokers, startBrokers } from './brokers/brokers.js';
import { type Flags, readFlags, usage } from './flags.js';
import { Lab } from './lab.js';
import { describeMachine } from './machine.js';
import { MEASUREMENTS } from './measurements/all.js';
import { Progress } from './progress.js';
import { RedisGauge } from './redis-gauge.js';
import { reportOf } from './report.js';
import { jsonOf } from './results-file.js';
import type { MeasurementResult } from './results.js';

const INTERRUPTED = 130;

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2), MEASUREMENTS);
  if (flags.wantsHelp) return console.log(usage(MEASUREMENTS));
  const progress = new Progress();
  progress.start('starting Redis, NATS and RabbitMQ');
  const brokers = await startBrokers((line) => progress.warn(line));
  const gauge = new RedisGauge(brokers.redisUrl);
  const lab = new Lab(flags.settings, brokers, gauge, progress);
  const stop = () => stopAll(lab, gauge, brokers);
  onInterrupt(stop);
  try {
    await run(flags, lab, brokers);
  } finally {
    await stop();
  }
}

async function run(flags: Flags, lab: Lab, brokers: Brokers): Promise<void> {
  const { notes } = brokers;
  for (const note of notes) lab.progress.warn(note);
  const machine = await describeMachine(brokers, lab.gauge);
  const measurements: MeasurementResult[] = [];
  for (const { name, title, run } of flags.measurements) {
    const result = { name, title, cases: await run(lab) };
    measurements.push(result);
    lab.progress.clear();
    if (!flags.asJson) console.log(reportOf(result));
  }
  const { isQuick } = flags.settings;
  const text = jsonOf({ machine, isQuick, notes, measurements });
  if (flags.file !== undefined) writeFileSync(flags.file, text);
  if (flags.asJson) process.stdout.write(text);
}

async function stopAll(lab: Lab, gauge: RedisGauge, brokers: Brokers): Promise<void> {
  gauge.close();
  await lab.stopRigs();
  await brokers.stop();
}

/** What was going on fails when its processes end; that is not to be told. */
function onInterrupt(stop: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(INTERRUPTED)));
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
