import { runOf } from '../story.mjs';

const ORDERS = [1, 2, 3];
const REPLICAS = ['mail 1', 'mail 2', 'billing 1', 'billing 2'];

export const run = runOf({
  folder: '03-events',
  servers: {
    'mail 1': 'mail/main.js',
    'mail 2': 'mail/main.js',
    'billing 1': 'billing/main.js',
    'billing 2': 'billing/main.js',
  },
  teller: ['shop', 'shop/main.js'],
  promises: (lines) => {
    /** @type {(group: string, event: string) => number} */
    const taken = (group, event) =>
      lines.filter(({ by, text }) => by.startsWith(group) && text === `took ${event}`).length;
    /** @type {(group: string, event: string) => boolean} */
    const onceEach = (group, event) =>
      ORDERS.every((id) => taken(group, `${event} of order ${id}`) === 1);
    return {
      'one replica of mail takes each order.placed, by a wildcard': onceEach(
        'mail',
        'order.placed',
      ),
      'one replica of mail takes each order.paid, by a wildcard': onceEach('mail', 'order.paid'),
      'one replica of billing takes each order.paid': onceEach('billing', 'order.paid'),
      'every replica takes the broadcast once': REPLICAS.every(
        (name) => taken(name, 'prices.changed by 5 %') === 1,
      ),
    };
  },
});
