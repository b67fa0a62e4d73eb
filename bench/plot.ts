/** `npm run bench:plot`: draws the plots of docs/performance.md from the committed results. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { drawPlots, IMAGES, RESULTS_FILE } from './plot/plots.js';
import type { RunResult } from './results.js';

const result = JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as RunResult;
mkdirSync(IMAGES, { recursive: true });
for (const [name, svg] of drawPlots(result)) {
  const file = path.join(IMAGES, name);
  writeFileSync(file, svg);
  console.log(file);
}
