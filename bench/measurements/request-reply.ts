import type { Measurement } from '../measurement.js';
import type { Case } from '../results.js';
import { compareCalls, EVERYBODY, SMALL_BYTES } from './calls.js';

const CONCURRENCIES = [1, 64, 512];

export const requestReply: Measurement = {
  name: 'request-reply',
  title: 'Request and reply',
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const cases: Case[] = [];
    for (const concurrency of CONCURRENCIES) {
      const title = `${SMALL_BYTES} bytes, ${concurrency} in flight`;
      cases.push(await compareCalls(lab, rigs, title, { concurrency, bytes: SMALL_BYTES }));
    }
    return cases;
  },
};
