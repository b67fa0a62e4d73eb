import { parseArgs } from 'node:util';
import type { LabSettings } from './lab.js';
import type { Measurement } from './measurement.js';

export const usage = (known: readonly Measurement[]) => `npm run bench -- [flags]

  --quick            under a minute: fewer and shorter rounds, smaller sizes
  --only <name,...>  only these: ${namesOf(known)}
  --json             all raw results as JSON on standard output, instead of tables
  --save <file>      all raw results as JSON in a file
  --help             this text`;

const FULL: LabSettings = { isQuick: false, rounds: 5, roundMs: 700, warmUpMs: 1500 };
const QUICK: LabSettings = { isQuick: true, rounds: 2, roundMs: 120, warmUpMs: 300 };

export interface Flags {
  readonly settings: LabSettings;
  readonly measurements: readonly Measurement[];
  readonly asJson: boolean;
  readonly file: string | undefined;
  readonly wantsHelp: boolean;
}

/** @throws Error about a flag or a name that is not there */
export function readFlags(args: readonly string[], known: readonly Measurement[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      save: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    settings: values.quick ? QUICK : FULL,
    measurements: values.only
      ? named(
          values.only.flatMap((names) => names.split(',')),
          known,
        )
      : known.filter(({ isSlow }) => !values.quick || !isSlow),
    asJson: values.json,
    file: values.save,
    wantsHelp: values.help,
  };
}

function named(names: readonly string[], known: readonly Measurement[]): Measurement[] {
  const unknown = names.filter((name) => !known.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(`There is no ${unknown.join(', ')}; there are: ${namesOf(known)}`);
  }
  return known.filter(({ name }) => names.includes(name));
}

function namesOf(known: readonly Measurement[]): string {
  return known.map(({ name }) => name).join(', ');
}
