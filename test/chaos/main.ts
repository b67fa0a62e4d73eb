import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Fault } from './faults.js';
import type { RedisServer } from './redis-server.js';
import { countOfWrong, isDisturbing, reportOf, wrongOf } from './report.js';
import { runScenario, type ScenarioPlan, type ScenarioResult } from './scenario.js';
import { SENTINEL_FAULTS } from './sentinel-faults.js';
import { SentinelRedis } from './sentinel-redis.js';
import { SINGLE_FAULTS } from './single-faults.js';
import { SingleRedis } from './single-redis.js';

const USAGE = `npm run chaos -- [flags]

  --seed <n>          the first seed; default 1
  --seeds <n>         how many seeds; default 5, with --each 1
  --seconds <n>       how long faults strike with each seed; default 8
  --rate <n>          calls per second of each of two callers; default 300
  --faults <a,b>      only faults whose names have one of these words in them
  --sentinel          the faults of a Redis with sentinels: failovers of three kinds, and what happens to
                      processes; they take longer, so give them some 30 seconds
  --signed            all messages are signed
  --one-by-one        each fault is over before the next strikes
  --each              all seeds for each fault alone, one by one, and a line for each in the report
  --jobs <n>          so many seeds at the same time; default 1
  --save <file>       writes the report, without what is the machine's, to a file
  --help              this text`;

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    seconds: { type: 'string', default: '8' },
    rate: { type: 'string', default: '300' },
    faults: { type: 'string' },
    sentinel: { type: 'boolean', default: false },
    signed: { type: 'boolean', default: false },
    'one-by-one': { type: 'boolean', default: false },
    each: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1' },
    save: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const KEY = 'a key that these processes share';
const words = flags.faults?.split(',');
const isWanted = ({ name }: { name: string }) =>
  !words || words.some((word) => name.includes(word));
const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;

/** A Redis, and what can happen in a world that has it. */
type Setting<R extends RedisServer> = Pick<ScenarioPlan<R>, 'startRedis' | 'faults'>;
type Run = () => Promise<ScenarioResult>;

const SINGLE = { startRedis: SingleRedis.start, faults: SINGLE_FAULTS };
const SENTINEL = { startRedis: SentinelRedis.start, faults: SENTINEL_FAULTS };

function progress(line: string): void {
  const clock = `[${Math.floor(seconds())} s]`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${clock} ${line}`);
  else console.error(`${clock} ${line}`);
}

/** With every seed, and with `--each` every fault. */
function runsOf<R extends RedisServer>({ startRedis, faults }: Setting<R>): Run[] {
  const wanted = faults.filter(isWanted);
  const sets = flags.each ? wanted.map((fault) => [fault]) : [wanted];
  const count = Number(flags.seeds ?? (flags.each ? 1 : 5));
  const seeds = Array.from({ length: count }, (_, index) => Number(flags.seed) + index);
  return sets.flatMap((set) => seeds.map((seed) => () => runSeed(seed, startRedis, set)));
}

async function runSeed<R extends RedisServer>(
  seed: number,
  startRedis: () => Promise<R>,
  faults: readonly Fault<R>[],
): Promise<ScenarioResult> {
  const result = await runScenario({
    seed,
    startRedis,
    faults,
    nodes: 3,
    callers: 2,
    callsPerSecond: Number(flags.rate),
    ms: Number(flags.seconds) * 1000,
    options: flags.signed ? { signing: { keys: [KEY] } } : {},
    isOneByOne: flags['one-by-one'] || flags.each,
  });
  const what = result.fault === undefined ? `seed ${seed}` : `seed ${seed} of ${result.fault}`;
  progress(`${what}: ${result.calls} calls, ${countOfWrong(result)} wrong`);
  // A run takes long: nobody is to wait for its end with that.
  for (const line of wrongOf(result)) console.error(line);
  return result;
}

/** Undefined for who has the sources without their history. */
function revision(): string | undefined {
  try {
    const args = ['describe', '--always', '--dirty'];
    return execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  if (flags.help) return console.log(USAGE);
  const runs = flags.sentinel ? runsOf(SENTINEL) : runsOf(SINGLE);
  const results: ScenarioResult[] = [];
  const work = async () => {
    for (let run = runs.shift(); run !== undefined; run = runs.shift()) results.push(await run());
  };
  // Those that have begun come to their end, so that nothing of them is left on the machine.
  // npm passes on a signal that the terminal has sent to all.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => runs.splice(0));
  const jobs = Array.from({ length: Number(flags.jobs) }, () =>
    work().finally(() => runs.splice(0)),
  );
  await Promise.allSettled(jobs);
  await Promise.all(jobs);
  const byFault = (a: ScenarioResult, b: ScenarioResult) =>
    (a.fault ?? '').localeCompare(b.fault ?? '');
  results.sort((a, b) => byFault(a, b) || a.seed - b.seed);
  const report = reportOf(results, seconds(), revision());
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(report);
  if (flags.save) writeFileSync(flags.save, `${report}\n`);
  const isWrong = results.some((result) => countOfWrong(result) > 0);
  process.exitCode = isWrong || isDisturbing(results) ? 1 : 0;
}

await main();
