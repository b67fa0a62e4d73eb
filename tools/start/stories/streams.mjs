import { runOf } from '../story.mjs';

/** @type {(ended: string) => (lines: import('../story.mjs').Line[]) => number} */
const finallyRan = (how) => (lines) =>
  lines.filter(({ by, text }) => by === 'exporter' && text.includes(`finally: ${how}`)).length;

export const run = runOf({
  folder: '02-streams',
  servers: { exporter: 'exporter/main.js' },
  teller: ['reader', 'reader/main.js'],
  promises: (lines) => ({
    'the generator that was read to its end runs its finally once': finallyRan('done')(lines) === 1,
    'the generators that were left run their finally': finallyRan('left')(lines) === 2,
    'a generator waits for its slow reader': lines.some(({ text }) => /it has waited/.test(text)),
  }),
});
