import type { Lab } from './lab.js';
import type { Case } from './results.js';

/** One thing that is measured. */
export interface Measurement {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** Left out of a quick run, unless asked for by name. */
  readonly isSlow?: boolean;
  run(lab: Lab): Promise<Case[]>;
}
