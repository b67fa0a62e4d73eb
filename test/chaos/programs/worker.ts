import { setTimeout as delay } from 'node:timers/promises';
import { CloudsNode, type IncomingRequest } from '../../../lib/index.js';
import { seededRandom } from '../../support/wait.js';
import { clockMs, HistoryWriter } from '../history.js';
import { watchStalls } from '../stalls.js';
import { Load } from './load.js';
import {
  type Answer,
  EVENT,
  type Order,
  type WorkerPlan,
  type Word,
  type Work,
} from './messages.js';
import { Pool } from './pool.js';
import { recordDispatches } from './record-dispatches.js';
import { recordAnswers } from './record-answers.js';

const RETRY_MS = 200;
const CONNECTIONS = 4;

const plan = JSON.parse(process.argv[2]!) as WorkerPlan;
const { name: by } = plan;
const history = new HistoryWriter(plan.historyFile);
const say = (word: Word) => process.send?.(word);

if (plan.historyFile !== undefined) recordAnswers(by, history, recordDispatches(by, history));
const node = new CloudsNode(plan.options);
const pool = new Pool(CONNECTIONS);

/** Serves one call as its data says. */
async function work(
  { key, ms, busyMs, pooledMs, fails, values, text }: Work,
  request: IncomingRequest,
  group?: string,
) {
  const { id, attempt } = request;
  let hasEnded = false;
  const end = (isError: boolean) => {
    if (!hasEnded) history.add({ what: 'ended', at: clockMs(), by, key, id, attempt, isError });
    hasEnded = true;
  };
  history.add({ what: 'started', at: clockMs(), by, key, id, attempt, group });
  block(busyMs);
  if (pooledMs > 0) await pool.use(pooledMs, request.signal);
  if (ms > 0) await delay(ms);
  const answer: Answer = { key, by, text };
  if (values > 0) return stream(answer, values, () => end(false));
  end(fails);
  if (fails) throw new Error(`thrown:${key}`);
  return answer;
}

/** `end` is called before the last value is given, or when no more are wanted. */
function stream(answer: Answer, values: number, end: () => void): AsyncIterable<unknown> {
  const source = valuesOf(answer, values, end);
  const next = () => source.next();
  // The `finally` of a generator that has not begun would not run.
  const finish = () => {
    end();
    return source.return(undefined);
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: finish }) };
}

async function* valuesOf(answer: Answer, values: number, end: () => void) {
  for (let value = 0; value < values; value++) {
    if (value % 10 === 9) await delay(1);
    if (value === values - 1) end();
    yield { ...answer, value };
  }
}

function usage() {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().length;
  const { running } = node.stats;
  return { rssMiB: rss / 2 ** 20, heapMiB: heapUsed / 2 ** 20, handles, running };
}

function block(ms: number): void {
  const end = clockMs() + ms;
  while (clockMs() < end);
}

/** A Redis that refuses at first, as when a right is missing for a moment, ends the wait for it. */
async function persist(act: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await act();
    } catch {
      await delay(RETRY_MS);
    }
  }
}

async function main(): Promise<void> {
  watchStalls((at, ms) => history.add({ what: 'stalled', at, by, ms }));
  history.add({ what: 'joined', at: clockMs(), by, nodeId: node.id });
  await persist(() => node.connect());
  for (const [service, options] of Object.entries(plan.services))
    await persist(() =>
      node.register(service, (data: Work, request) => work(data, request), options),
    );
  for (const group of plan.groups) {
    const handle = (data: Work, request: IncomingRequest) => work(data, request, group);
    await persist(() => node.subscribe(EVENT, handle, { group }));
  }
  const load = new Load(node, plan, seededRandom(plan.seed), history);
  process.on('message', (order: Order) => {
    if (order.kind === 'block') block(order.ms);
    else if (order.kind === 'rate') load.setRate(order.callsPerSecond, order.mostOut);
    else if (order.kind === 'report') say({ kind: 'report', ...usage(), ...load.takeCounts() });
    else void load.finish().then(() => say({ kind: 'finished' }));
  });
  // As an orchestrator ends a replica.
  process.on('SIGTERM', () => void node.close().then(() => process.exit(0)));
  process.on('disconnect', () => process.exit(1));
  say({ kind: 'ready', nodeId: node.id });
  load.start();
}

void main();
