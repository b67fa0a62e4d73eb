import 'reflect-metadata';
import type { ClientProxy } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { setTimeout as delay } from 'node:timers/promises';
import { peerNamed } from '../peers.js';
import { quantile } from '../stats.js';
import { serveCommands } from './child.js';
import { type Command, type Load, type LoadResult, usage } from './messages.js';

let client: ClientProxy;

/** Latencies of up to this many calls are kept; more than any run makes. */
const MAX_SAMPLES = 4_000_000;

class Recorder {
  readonly #latencies: number[] = [];
  readonly #cpuUs = usage().cpuUs;
  readonly #began = performance.now();
  failed = 0;

  add(ms: number): void {
    if (this.#latencies.length < MAX_SAMPLES) this.#latencies.push(ms);
  }

  result(done = this.#latencies.length): LoadResult {
    const seconds = (performance.now() - this.#began) / 1000;
    const sorted = Float64Array.from(this.#latencies).sort();
    return {
      done,
      failed: this.failed,
      seconds,
      p50: quantile(sorted, 0.5),
      p90: quantile(sorted, 0.9),
      p99: quantile(sorted, 0.99),
      max: sorted.at(-1) ?? NaN,
      cpuUs: usage().cpuUs - this.#cpuUs,
    };
  }
}

async function calls({
  concurrency,
  bytes,
  ms,
}: Extract<Load, { kind: 'calls' }>): Promise<LoadResult> {
  const data = 'x'.repeat(bytes);
  const recorder = new Recorder();
  const end = performance.now() + ms;
  const loop = async () => {
    let began = performance.now();
    while (began < end) {
      await firstValueFrom(client.send<string>('echo', data));
      const now = performance.now();
      recorder.add(now - began);
      began = now;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return recorder.result();
}

async function streams({ values, ms }: Extract<Load, { kind: 'streams' }>): Promise<LoadResult> {
  const recorder = new Recorder();
  const end = performance.now() + ms;
  let received = 0;
  while (performance.now() < end) {
    const began = performance.now();
    await new Promise<void>((resolve, reject) => {
      client.send<number>('stream', values).subscribe({
        next: () => received++,
        complete: resolve,
        error: reject,
      });
    });
    recorder.add(performance.now() - began);
  }
  return recorder.result(received);
}

async function events({ count, bytes }: Extract<Load, { kind: 'events' }>): Promise<LoadResult> {
  const data = 'x'.repeat(bytes);
  const recorder = new Recorder();
  const inFlight = 64;
  for (let sent = 0; sent < count; sent += inFlight) {
    await Promise.all(
      Array.from({ length: inFlight }, () =>
        lastValueFrom(client.emit('tick', data), { defaultValue: 0 }),
      ),
    );
  }
  return recorder.result(Math.ceil(count / inFlight) * inFlight);
}

/** An open loop: calls start at their times whether or not earlier ones are answered. */
async function arrivals({
  perSecond,
  ms,
}: Extract<Load, { kind: 'arrivals' }>): Promise<LoadResult> {
  const recorder = new Recorder();
  const pending: Promise<void>[] = [];
  const begin = performance.now();
  let at = begin;
  while (at < begin + ms) {
    at += (-Math.log(1 - Math.random()) * 1000) / perSecond;
    const wait = at - performance.now();
    if (wait >= 1) await delay(wait);
    pending.push(timed(recorder));
  }
  await Promise.all(pending);
  return recorder.result();
}

async function timed(recorder: Recorder): Promise<void> {
  const began = performance.now();
  try {
    await firstValueFrom(client.send<string>('work', 'x'));
    recorder.add(performance.now() - began);
  } catch {
    recorder.failed++;
  }
}

async function held({ count }: Extract<Load, { kind: 'held' }>): Promise<LoadResult> {
  const recorder = new Recorder();
  await delay(100);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const subscriptions = Array.from({ length: count }, (_, index) =>
    client.send('hold', index).subscribe({ error: () => recorder.failed++ }),
  );
  await delay(3000);
  globalThis.gc?.();
  const heapPerCall = (process.memoryUsage().heapUsed - before) / count;
  for (const subscription of subscriptions) subscription.unsubscribe();
  await delay(1000);
  return { ...recorder.result(count), heapPerCall };
}

function run(load: Load): Promise<LoadResult> {
  switch (load.kind) {
    case 'calls':
      return calls(load);
    case 'streams':
      return streams(load);
    case 'events':
      return events(load);
    case 'arrivals':
      return arrivals(load);
    case 'held':
      return held(load);
  }
}

async function start(command: Extract<Command, { kind: 'start' }>): Promise<void> {
  client = peerNamed(command.peer).client(command.addresses);
  await client.connect();
}

serveCommands(async (command) => {
  switch (command.kind) {
    case 'start':
      return start(command);
    case 'run':
      return run(command.load);
    case 'usage':
      return usage();
    case 'count':
      return 0;
    case 'stop':
      return process.exit(0);
  }
});
