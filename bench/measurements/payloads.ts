import type { Measurement } from '../measurement.js';
import type { Case } from '../results.js';
import { compareCalls, EVERYBODY, sizeOf } from './calls.js';

const SIZES = [10 * 1024, 100 * 1024];
const CONCURRENCY = 64;

export const payloads: Measurement = {
  name: 'payloads',
  title: 'Larger payloads',
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const cases: Case[] = [];
    for (const bytes of SIZES) {
      const title = `${sizeOf(bytes)} there and back, ${CONCURRENCY} in flight`;
      cases.push(await compareCalls(lab, rigs, title, { concurrency: CONCURRENCY, bytes }));
    }
    return cases;
  },
};
