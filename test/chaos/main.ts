import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { reportOf } from './report.js';
import { runScenario, type ScenarioResult } from './scenario.js';
import { SINGLE_FAULTS } from './single-faults.js';
import { SingleRedis } from './single-redis.js';

const USAGE = `npm run chaos -- [flags]

  --seed <n>          the first seed; default 1
  --seeds <n>         how many seeds; default 5
  --seconds <n>       how long faults strike with each seed; default 8
  --rate <n>          calls per second of each of two callers; default 300
  --faults <a,b>      only faults whose names have one of these words in them
  --one-by-one        each fault is over before the next strikes
  --jobs <n>          so many seeds at the same time; default 1
  --save <file>       writes the report, without what is the machine's, to a file
  --help              this text`;

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    rate: { type: 'string', default: '300' },
    faults: { type: 'string' },
    'one-by-one': { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1' },
    save: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const words = flags.faults?.split(',');
const isWanted = ({ name }: { name: string }) =>
  !words || words.some((word) => name.includes(word));
const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;

function progress(line: string): void {
  const clock = `[${Math.floor(seconds())} s]`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${clock} ${line}`);
  else console.error(`${clock} ${line}`);
}

async function runSeed(seed: number): Promise<ScenarioResult> {
  const result = await runScenario({
    seed,
    startRedis: SingleRedis.start,
    faults: SINGLE_FAULTS.filter(isWanted),
    nodes: 3,
    callers: 2,
    callsPerSecond: Number(flags.rate),
    ms: Number(flags.seconds) * 1000,
    isOneByOne: flags['one-by-one'],
  });
  const { calls, violations, failures } = result;
  progress(`seed ${seed}: ${calls} calls, ${violations.length + failures.length} wrong`);
  return result;
}

async function main(): Promise<void> {
  if (flags.help) return console.log(USAGE);
  const first = Number(flags.seed);
  const seeds = Array.from({ length: Number(flags.seeds) }, (_, index) => first + index);
  const results: ScenarioResult[] = [];
  const work = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift())
      results.push(await runSeed(seed));
  };
  await Promise.all(Array.from({ length: Number(flags.jobs) }, work));
  results.sort((a, b) => a.seed - b.seed);
  const report = reportOf(results, seconds());
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(report);
  if (flags.save) writeFileSync(flags.save, `${report}\n`);
  const isWrong = results.some(
    ({ violations, failures }) => violations.length + failures.length > 0,
  );
  process.exitCode = isWrong ? 1 : 0;
}

await main();
