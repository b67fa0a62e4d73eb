import { describe, expect, it } from 'vitest';
import { freePoints, scoreError, snapshotOf } from '../../../lib/node/points.js';
import { Registration } from '../../../lib/node/registry.js';

const count = (base: number, taken: number, returned: number) =>
  Object.assign(new Registration('sum', () => undefined, base, undefined), { taken, returned });

describe('freePoints', () => {
  it.each([
    [1000, 0, 0, 1000],
    [1000, 5, 0, 995],
    [1000, 5, 5, 1000],
    [10, 12, 1, -1],
  ])('of a base of %d with %d taken and %d returned is %d', (base, taken, returned, free) => {
    expect(freePoints(count(base, taken, returned))).toBe(free);
  });
});

describe('scoreError', () => {
  it.each([
    ['nothing happened', { taken: 0, returned: 0, read: 1000 }, 0],
    ['requests run', { taken: 7, returned: 3, read: 996 }, 0],
    ['a point was not returned', { taken: 7, returned: 7, read: 999 }, 1],
    ['a point was returned twice', { taken: 7, returned: 7, read: 1001 }, -1],
    ['requests were lost on the way', { taken: 4, returned: 4, read: 990 }, 10],
    ['somebody set the score to 0', { taken: 2, returned: 1, read: 0 }, 999],
  ])('when %s', (_, { taken, returned, read }, error) => {
    const registration = count(1000, taken, returned);
    expect(scoreError(registration, snapshotOf(registration), read)).toBe(error);
  });

  it('takes the points that had been returned when the score was read, not those of now', () => {
    const registration = count(1000, 7, 3);
    const then = snapshotOf(registration);
    registration.returned = 7;
    expect(scoreError(registration, then, 996)).toBe(0);
  });

  it('leaves out what was corrected since', () => {
    const registration = count(1000, 0, 0);
    const then = snapshotOf(registration);
    registration.corrected = 10;
    expect(scoreError(registration, then, 990)).toBe(0);
    expect(scoreError(registration, snapshotOf(registration), 990)).toBe(10);
  });
});

describe('a new incarnation', () => {
  it('starts with the points of what runs', () => {
    const registration = count(1000, 70, 65);
    registration.running = 5;
    registration.restartCount();
    expect(freePoints(registration)).toBe(995);
  });
});

describe('a capacity', () => {
  it('is the base, marks the member and bounds what runs', () => {
    const registration = new Registration('sum', () => undefined, 1000, 2);
    expect(registration).toMatchObject({ base: 2, isLimited: true, isFull: false });
    registration.running = 2;
    expect(registration.isFull).toBe(true);
  });

  it('is missing by default: nothing is too much', () => {
    const registration = count(1000, 0, 0);
    registration.running = 100_000;
    expect(registration).toMatchObject({ base: 1000, isLimited: false, isFull: false });
  });
});
