import { describe, expect, it } from 'vitest';
import { ChurnMap } from '../../../lib/common/churn-map.js';

/** The same as a plain Map, whatever is asked. */
function expectSame(map: ChurnMap<number, string>, model: Map<number, string>): void {
  expect(map.size).toBe(model.size);
  expect(map.values()).toEqual([...model.values()]);
}

describe('a churn map', () => {
  it('has what was put into it, until it is taken out', () => {
    const map = new ChurnMap<string, number>();
    expect([map.size, map.get('a'), map.values()]).toEqual([0, undefined, []]);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    expect([map.size, map.get('a'), map.values()]).toEqual([2, 3, [3, 2]]);
    map.delete('a');
    map.delete('a');
    map.delete('never there');
    expect([map.size, map.get('a'), map.values()]).toEqual([1, undefined, [2]]);
  });

  it.each([
    ['one at a time', 1],
    ['a hundred at a time', 100],
    ['thousands at a time', 3000],
  ])('loses nothing of what stays while thousands come and go, %s', (_, atATime) => {
    const map = new ChurnMap<number, string>();
    const model = new Map<number, string>();
    const set = (key: number, value: string) => (map.set(key, value), model.set(key, value));
    for (let key = -10; key < 0; key++) set(key, `stays ${key}`);
    for (let first = 0; first < 12_000; first += atATime) {
      const keys = Array.from({ length: atATime }, (_, i) => first + i);
      for (const key of keys) set(key, `comes ${key}`);
      expect(map.size).toBe(model.size);
      for (const key of keys) {
        map.delete(key);
        model.delete(key);
        expect([map.get(key), map.get(-1)]).toEqual([undefined, 'stays -1']);
      }
    }
    expectSame(map, model);
    expect(map.size).toBe(10);
  });

  it('is as right when what stays grows and what goes is anywhere', () => {
    const map = new ChurnMap<number, string>();
    const model = new Map<number, string>();
    for (let i = 0; i < 10_000; i++) {
      map.set(i, `value ${i}`);
      model.set(i, `value ${i}`);
      const goes = (i * 7919) % 10_007;
      map.delete(goes);
      model.delete(goes);
      if (i % 1000 === 999) expectSame(map, model);
    }
    for (const [key, value] of model) expect(map.get(key)).toBe(value);
  });

  it('is empty when everything was taken out, and can be used again', () => {
    const map = new ChurnMap<number, number>();
    for (let i = 0; i < 5000; i++) map.set(i, i);
    for (let i = 0; i < 5000; i++) map.delete(i);
    expect([map.size, map.values()]).toEqual([0, []]);
    map.set(1, 2);
    expect([map.size, map.values()]).toEqual([1, [2]]);
  });
});

describe('its values', () => {
  it('are a copy: each comes once, whatever happens to the map meanwhile', () => {
    const map = new ChurnMap<number, number>();
    for (let i = 0; i < 1000; i++) map.set(i, i);
    const seen: number[] = [];
    for (const value of map.values()) {
      seen.push(value);
      map.delete(value);
      map.delete(value + 1);
      map.set(value + 5000, value);
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(map.size).toBe(1000);
  });

  it('can be changed without changing the map', () => {
    const map = new ChurnMap<string, number>();
    map.set('a', 1);
    map.values().push(2);
    expect(map.values()).toEqual([1]);
  });
});
