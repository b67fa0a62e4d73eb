import { describe, expect, it } from 'vitest';
import {
  incarnationOf,
  incarnationOfMember,
  isIncarnation,
  memberOf,
  nodeIdOf,
  randomId,
} from '../../../lib/protocol/ids.js';

/** More than the 512 ids that one draw of random bytes gives. */
const SEVERAL_POOLS = 5000;

describe('randomId', () => {
  it('has 16 characters that are safe in keys, channels and JSON, and never repeats', () => {
    const ids = Array.from({ length: SEVERAL_POOLS }, randomId);
    expect(ids.every((id) => /^[A-Za-z0-9_-]{16}$/.test(id))).toBe(true);
    expect(ids.every((id) => /^[A-Za-z0-9_-]{16}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(SEVERAL_POOLS);
  });
});

describe('an incarnation', () => {
  it.each([1, 7, 4_294_967_295])('names its node and generation %d', (generation) => {
    const nodeId = randomId();
    const incarnation = incarnationOf(nodeId, generation);
    expect(isIncarnation(incarnation)).toBe(true);
    expect(nodeIdOf(incarnation)).toBe(nodeId);
    expect(incarnation).toBe(`${nodeId}.${generation}`);
  });

  it.each([
    'a',
    'a.',
    '.1',
    'a.b',
    'a.1.2',
    'a.12345678901',
    `${'a'.repeat(65)}.1`,
    'a b.1',
    'a.1\n',
    '名.1',
    'a.1!',
    'a.-1',
    '',
    5,
    null,
    undefined,
    ['a.1'],
  ])('is not %j', (text) => {
    expect(isIncarnation(text)).toBe(false);
  });

  it.each([false, true])('is found in its member (limited: %j)', (limited) => {
    const member = memberOf('node.3', limited);
    expect(member).toBe(limited ? 'node.3!' : 'node.3');
    expect(incarnationOfMember(member)).toBe('node.3');
  });
});
