import { parseArgs } from 'node:util';
import type { CloudsSigningOptions } from '../../lib/common/options.js';
import { fuzz } from './fuzz.js';

const USAGE = `npm run fuzz -- [flags]

  --count <n>  how many messages; default 1000000
  --seed <n>   default 1
  --signed     all of them go to a node that looks at signatures; default a fifth
  --help       this text`;

/** What the memory in use may grow by, from a tenth of the messages to the last. */
const MAX_GROWTH_MIB = 20;
const PROGRESS_MS = 1000;
const SIGNED_SHARE = 0.2;
/** What is not signed is looked at as well. */
const SIGNING: CloudsSigningOptions = { keys: ['k'.repeat(32)], required: false };

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    signed: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  if (flags.help) return console.log(USAGE);
  const count = Number(flags.count);
  const signed = flags.signed ? count : Math.floor(count * SIGNED_SHARE);
  if (signed < count) await run('unsigned', count - signed);
  if (signed > 0) await run('signed', signed, SIGNING);
}

async function run(what: string, count: number, signing?: CloudsSigningOptions): Promise<void> {
  let toldAt = 0;
  const began = performance.now();
  const onProgress = (sent: number) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    process.stderr.write(`\r${what}: ${Math.floor((100 * sent) / count)} %`);
  };
  const result = await fuzz(count, Number(flags.seed), onProgress, signing);
  process.stderr.write('\r');
  const { escapes, memoryMiB, ...counts } = result;
  const seconds = Math.round((performance.now() - began) / 1000);
  const [early, late] = memoryMiB;
  console.log({
    what,
    ...counts,
    escapes: escapes.length,
    seconds,
    memoryMiB: memoryMiB.map(Math.round),
  });
  for (const { text, error } of escapes) console.log(JSON.stringify(text.slice(0, 500)), error);
  if (escapes.length > 0 || late - early > MAX_GROWTH_MIB) process.exitCode = 1;
}

await main();
