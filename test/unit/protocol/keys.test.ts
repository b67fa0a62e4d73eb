import { describe, expect, it } from 'vitest';
import { Keys } from '../../../lib/protocol/keys.js';

describe.each(['clouds:', '', '{clouds}', 'TEST:'])('with the prefix %j', (prefix) => {
  const keys = new Keys(prefix);

  it('every key and channel begins with it', () => {
    expect(keys.service('sum')).toBe(`${prefix}S:sum`);
    expect(keys.inbox('n1.3')).toBe(`${prefix}P:n1.3`);
    expect(keys.inbox('n1.3')).toBe(`${keys.inboxPrefix}n1.3`);
    expect(keys.node('n1')).toBe(`${prefix}N:n1`);
    expect(keys.fence('n1')).toBe(`${prefix}F:n1`);
  });

  it.each(['sum', '服务', 'S:S:', '{"cmd":"sum"}'])(
    'the service %s is read from its key',
    (name) => {
      expect(keys.serviceOf(keys.service(name))).toBe(name);
    },
  );
});

describe('everyService', () => {
  it.each([
    ['clouds:', 'clouds:S:*'],
    ['{clouds}', '{clouds}S:*'],
    ['a*b?c', 'a\\*b\\?cS:*'],
    ['[x]', '\\[x\\]S:*'],
    ['back\\slash', 'back\\\\slashS:*'],
  ])('takes the prefix %j as it stands', (prefix, pattern) => {
    expect(new Keys(prefix).everyService()).toBe(pattern);
  });
});
