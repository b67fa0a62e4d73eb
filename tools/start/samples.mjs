/**
 * The samples that `npm start` knows. They are loaded when they are chosen: before the install there is
 * nothing to list them with.
 *
 * @typedef {(redis: import('../redis.mjs').Redis, ending: AbortSignal) => Promise<number>} Run
 *   runs the sample, until `ending` if it does not end by itself, and gives the exit code
 *
 * @typedef {object} Sample
 * @property {string} number
 * @property {string} name
 * @property {string} title
 * @property {(options: { once?: boolean }) => Promise<Run>} load
 */

export const QUICK_START = 'quick-start';

/** @type {Sample[]} */
export const SAMPLES = [
  {
    number: '01',
    name: QUICK_START,
    title: 'an HTTP gateway that calls three workers',
    load: async ({ once }) =>
      once ? (await import('./once.mjs')).runOnce : (await import('./serve.mjs')).serve,
  },
  {
    number: '02',
    name: 'streams',
    title: 'streams that wait for their reader, and end when it leaves',
    load: async () => (await import('./stories/streams.mjs')).run,
  },
  {
    number: '03',
    name: 'events',
    title: 'events for one replica of each group, wildcards, a broadcast',
    load: async () => (await import('./stories/events.mjs')).run,
  },
  {
    number: '04',
    name: 'idempotent-pemit',
    title: 'a payment that moves to another node and is charged once',
    load: async () => (await import('./stories/idempotent-pemit.mjs')).run,
  },
  {
    number: '05',
    name: 'hybrid-gateway',
    title: 'one node that answers HTTP, serves and calls; errors as HTTP status',
    load: async () => (await import('./stories/hybrid-gateway.mjs')).run,
  },
  {
    number: '06',
    name: 'migration',
    title: 'the same application with Transport.REDIS and with nestjs-clouds',
    load: async () => (await import('./stories/migration.mjs')).run,
  },
];

/** @param {string} wanted number, name, or both as in `02-streams` */
export function findSample(wanted) {
  return SAMPLES.find(({ number, name }) =>
    [number, name, `${number}-${name}`].includes(wanted.toLowerCase()),
  );
}
