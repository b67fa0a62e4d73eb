import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';

const USAGE = `npm run fuzz -- [flags]

  --count <n>  how many messages; default 1000000
  --seed <n>   default 1
  --help       this text`;

/** What the heap may grow by, from a tenth of the messages to the last. */
const MAX_GROWTH_MIB = 20;
const PROGRESS_MS = 1000;

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  if (flags.help) return console.log(USAGE);
  const count = Number(flags.count);
  let toldAt = 0;
  const began = performance.now();
  const result = await fuzz(count, Number(flags.seed), (sent) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    process.stderr.write(`\r${Math.floor((100 * sent) / count)} %`);
  });
  process.stderr.write('\r');
  const { escapes, heapMiB, ...counts } = result;
  const seconds = Math.round((performance.now() - began) / 1000);
  const [early, late] = heapMiB;
  console.log({ ...counts, escapes: escapes.length, seconds, heapMiB: heapMiB.map(Math.round) });
  for (const { text, error } of escapes) console.log(JSON.stringify(text.slice(0, 500)), error);
  process.exitCode = escapes.length > 0 || late - early > MAX_GROWTH_MIB ? 1 : 0;
}

await main();
