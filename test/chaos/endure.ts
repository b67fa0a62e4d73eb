import { parseArgs } from 'node:util';
import { type Endurance, outage, overload, soak } from './endurance.js';

const USAGE = `npm run endure -- [flags]

  --only <a,b>     of: soak, overload, overload-with-capacity, outage; default all
  --minutes <n>    how long the soak takes; default 30
  --rate <n>       calls per second of each of its two callers; default 700
  --seconds <n>    how long the overload takes; default 60
  --help           this text`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '700' },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
const OUTAGE_SECONDS = 30;
const MAX_WAITING = 1000;
const CAPACITY = 20;

const LOADS: Readonly<Record<string, () => Promise<Endurance>>> = {
  outage: () => outage(OUTAGE_SECONDS, MAX_WAITING, say),
  overload: () => overload(Number(flags.seconds), undefined, say),
  'overload-with-capacity': () => overload(Number(flags.seconds), CAPACITY, say),
  soak: () => soak(Number(flags.minutes), Number(flags.rate), say),
};

async function main(): Promise<void> {
  if (flags.help) return console.log(USAGE);
  const names = flags.only?.split(',') ?? Object.keys(LOADS);
  for (const name of names) {
    say(name);
    const { facts, failures } = await LOADS[name]!();
    console.log(`${name}\n${JSON.stringify(facts, undefined, 1)}`);
    for (const failure of failures) console.log(`FAILED: ${failure}`);
    if (failures.length > 0) process.exitCode = 1;
  }
}

await main();
