import { parseArgs } from 'node:util';
import type { Endurance } from './endurance.js';
import { outage } from './outage.js';
import { overload } from './overload.js';
import { soak } from './soak.js';

const USAGE = `npm run endure -- [flags]

  --only <a,b>        of: soak, overload, overload-with-capacity, scarcity,
                      scarcity-with-capacity, outage; default all
  --minutes <n>       how long the soak takes; default 30
  --rate <n>          calls per second of each of its two callers; default 700
  --seconds <n>       how long an overload or a scarcity takes; default 60
  --away <n>          how many seconds Redis is away; default 30
  --max-waiting <n>   how many calls may wait for it; default 1000
  --help              this text`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '700' },
    seconds: { type: 'string', default: '60' },
    away: { type: 'string', default: '30' },
    'max-waiting': { type: 'string', default: '1000' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
const CAPACITY = 20;

const seconds = Number(flags.seconds);
const LOADS: Readonly<Record<string, () => Promise<Endurance>>> = {
  outage: () =>
    outage({ seconds: Number(flags.away), maxWaiting: Number(flags['max-waiting']) }, say),
  overload: () => overload({ seconds, capacity: undefined, lacks: 'processor' }, say),
  'overload-with-capacity': () =>
    overload({ seconds, capacity: CAPACITY, lacks: 'processor' }, say),
  scarcity: () => overload({ seconds, capacity: undefined, lacks: 'connections' }, say),
  'scarcity-with-capacity': () =>
    overload({ seconds, capacity: CAPACITY, lacks: 'connections' }, say),
  soak: () => soak({ minutes: Number(flags.minutes), callsPerSecond: Number(flags.rate) }, say),
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
