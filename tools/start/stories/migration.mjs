import { runOf } from '../story.mjs';

/** @typedef {import('../story.mjs').Line} Line */

const BASKETS = 3;
const REPLICAS = {
  'replica 1': 'replica/main.js',
  'replica 2': 'replica/main.js',
  'replica 3': 'replica/main.js',
};

/**
 * @param {string} folder
 * @param {string} transport
 * @param {number} expected how often the handler of one request runs
 * @returns {import('../story.mjs').Story}
 */
const act = (folder, transport, expected) => ({
  folder: `06-migration/${folder}`,
  servers: REPLICAS,
  teller: ['shop', 'shop/main.js'],
  promises: (lines) => {
    const counts = runsPerBasket(lines).map(([, replicas]) => replicas.length);
    const isSo = counts.length === BASKETS && counts.every((count) => count === expected);
    return { [`${folder}, each handler runs ${times(expected)} per request`]: isSo };
  },
  summary: (lines) => [`\n${transport}, three replicas:`, ...runsPerBasket(lines).map(describe)],
});

export const run = runOf(
  act('before', 'Before, with Transport.REDIS', Object.keys(REPLICAS).length),
  act('after', 'After, with nestjs-clouds', 1),
);

/**
 * The replicas that ran the handler, for each answer that the shop has printed. Without a prefix, the channels
 * of Transport.REDIS are shared with all that use this Redis, so what others ask for is there as well.
 *
 * @param {Line[]} lines
 * @returns {[answer: string, replicas: string[]][]}
 */
function runsPerBasket(lines) {
  const answers = lines.filter(({ by }) => by === 'shop').map(({ text }) => text);
  return answers.map((answer) => {
    const [, id] = answer.match(/^basket (\S+)/) ?? [];
    const runs = lines.filter(({ text }) => text === `total of ${id}`);
    return [answer, runs.map(({ by }) => by).sort()];
  });
}

/** @param {[answer: string, replicas: string[]]} runs */
function describe([answer, replicas]) {
  const [, cost] = answer.match(/(costs .*)/) ?? [];
  return `  a basket that ${cost}: its handler ran ${times(replicas.length)} (${replicas.join(', ')})`;
}

/** @param {number} count */
function times(count) {
  return count === 1 ? 'once' : `${count} times`;
}
