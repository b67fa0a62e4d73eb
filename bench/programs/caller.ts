import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import type { ClientProxy } from '@nestjs/microservices';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { peerNamed } from '../peers.js';
import { serveCommands } from './child.js';
import { closedLoop } from './closed-loop.js';
import { type Load, type LoadOf, type LoadResult, usage } from './messages.js';
import { openLoop } from './open-loop.js';
import { payloadOf } from './payload.js';
import { Recorder } from './recorder.js';

const HELD_PER_TURN = 1000;

let client: ClientProxy;

const inTime = (ms: number) => {
  const end = performance.now() + ms;
  return (now: number) => now >= end;
};

async function calls({ concurrency, ms, ...payload }: LoadOf<'calls'>): Promise<LoadResult> {
  const data = payloadOf(payload);
  const recorder = new Recorder();
  const begin = () => client.send<unknown>('echo', data);
  await closedLoop({ concurrency, recorder, begin, isOver: inTime(ms) });
  return recorder.result();
}

async function soak({ concurrency, bytes, calls }: LoadOf<'soak'>): Promise<LoadResult> {
  const data = 'x'.repeat(bytes);
  const recorder = new Recorder(false);
  const begin = () => client.send<string>('echo', data);
  await closedLoop({ concurrency, recorder, begin, isOver: () => recorder.done >= calls });
  return recorder.result();
}

async function streams({ concurrency, values, ms }: LoadOf<'streams'>): Promise<LoadResult> {
  const recorder = new Recorder();
  const begin = () => client.send<number>('stream', values);
  const received = await closedLoop({ concurrency, recorder, begin, isOver: inTime(ms) });
  return recorder.result(received);
}

/** Some transports say "sent" at once: without a turn between two events the socket would never be served. */
async function events({ concurrency, bytes, ms }: LoadOf<'events'>): Promise<LoadResult> {
  const data = 'x'.repeat(bytes);
  const recorder = new Recorder();
  const begin = () => client.emit('tick', data);
  const schedule = (next: () => void) => void setImmediate(next);
  await closedLoop({ concurrency, recorder, begin, isOver: inTime(ms), schedule });
  return recorder.result();
}

async function hold({ count, settleMs }: LoadOf<'hold'>): Promise<LoadResult> {
  const recorder = new Recorder(false);
  const onError = { error: () => recorder.failed++ };
  for (let held = 0; held < count; held++) {
    client.send('hold', held).subscribe(onError);
    if (held % HELD_PER_TURN === 0) await nextTurn();
  }
  await delay(settleMs);
  return recorder.result(count);
}

function run(load: Load): Promise<LoadResult> {
  switch (load.kind) {
    case 'calls':
      return calls(load);
    case 'soak':
      return soak(load);
    case 'streams':
      return streams(load);
    case 'events':
      return events(load);
    case 'arrivals':
      return openLoop(load, () => client.send('work', 'x'));
    case 'hold':
      return hold(load);
  }
}

serveCommands({
  start: async ({ peer, addresses }) => {
    Logger.overrideLogger(['error', 'warn']);
    client = peerNamed(peer).client(addresses);
    await client.connect();
  },
  run: ({ load }) => run(load),
  usage,
});
