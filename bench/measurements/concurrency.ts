import type { Measurement } from '../measurement.js';
import type { Case } from '../results.js';
import { compareCalls, EVERYBODY, SMALL_BYTES } from './calls.js';

const CONCURRENCIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/** For the plot of throughput: with so many points less depends on each. */
const PER_POINT = { rounds: 3, ms: 400 };

export const concurrency: Measurement = {
  name: 'concurrency',
  title: 'Throughput over concurrency',
  isSlow: true,
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const cases: Case[] = [];
    for (const inFlight of CONCURRENCIES) {
      const title = `${SMALL_BYTES} bytes, ${inFlight} in flight`;
      const load = { concurrency: inFlight, bytes: SMALL_BYTES };
      cases.push(await compareCalls(lab, rigs, title, load, PER_POINT));
    }
    return cases;
  },
};
