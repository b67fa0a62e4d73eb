import { runOf } from '../story.mjs';

const ORDERS = ['bread', 'cheese', 'wine'];

export const run = runOf({
  folder: '04-idempotent-pemit',
  servers: {
    'payments 1': 'payments/main.js',
    'payments 2': 'payments/main.js',
    'payments 3': 'payments/main.js',
  },
  teller: ['shop', 'shop/main.js'],
  promises: (lines) => {
    /** @type {(who: string, what: RegExp) => number} how many lines are so */
    const count = (who, what) =>
      lines.filter(({ by, text }) => by.startsWith(who) && what.test(text)).length;
    return {
      'an order is paid at once when nothing happens': count('payments', /^bread: attempt/) === 1,
      'the call moves from a node that hangs': count('payments', /^cheese: attempt/) === 2,
      'the call moves from a node that dies': count('payments', /^wine: attempt/) === 2,
      'who comes back or comes second finds what was charged':
        count('payments', /was charged in attempt/) === 2,
      'every order is paid': ORDERS.every((order) => count('shop', new RegExp(`^${order}: paid`))),
      'every order is charged exactly once': ORDERS.every(
        (order) =>
          count('payments', new RegExp(`^${order}: charges`)) === 1 &&
          count('shop', new RegExp(`^ledger: ${order}`)) === 1,
      ),
    };
  },
});
