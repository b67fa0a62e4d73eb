import type { Measurement } from '../measurement.js';
import type { Case } from '../results.js';
import { compareCalls, EVERYBODY, sizeOf } from './calls.js';

const KIB = 1024;
const PAYLOADS = [
  { bytes: 10 * KIB },
  { bytes: 100 * KIB },
  { bytes: 10 * KIB, content: 'records' },
] as const;
const CONCURRENCY = 64;

export const payloads: Measurement = {
  name: 'payloads',
  title: 'Larger payloads',
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const cases: Case[] = [];
    for (const payload of PAYLOADS) {
      const what = 'content' in payload ? ` of ${payload.content}` : '';
      const title = `${sizeOf(payload.bytes)}${what} there and back, ${CONCURRENCY} in flight`;
      cases.push(await compareCalls(lab, rigs, title, { concurrency: CONCURRENCY, ...payload }));
    }
    return cases;
  },
};
