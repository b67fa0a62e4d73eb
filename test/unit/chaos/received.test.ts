import { describe, expect, it } from 'vitest';
import { Received } from '../../chaos/programs/received.js';

const answer = { key: 'a', by: 'node', text: 'é' };
const request = () => new Received({ key: 'a', text: 'é', values: 0 });
const stream = () => new Received({ key: 'a', text: 'é', values: 2 });

function receive(received: Received, ...values: unknown[]): Received {
  for (const value of values) received.add(value);
  return received;
}

describe('what a call has received', () => {
  it('is its own when it is the one result of a request', () => {
    const received = request();
    received.add(answer, true);
    expect(received.whole()).toEqual({ isOwn: true, from: 'node' });
  });

  it('is its own when it is all values of a stream in their order', () => {
    const received = receive(stream(), { ...answer, value: 0 }, { ...answer, value: 1 });
    expect(received.whole()).toEqual({ isOwn: true, from: 'node' });
  });

  it.each<[string, Received]>([
    ['a request that ends without a value', request()],
    ['a request that is answered like a stream', receive(request(), answer)],
    ['a stream that ends without a value', stream()],
    ['a stream that is cut off', receive(stream(), { ...answer, value: 0 })],
    ['a stream out of order', receive(stream(), { ...answer, value: 1 }, { ...answer, value: 0 })],
    [
      'a stream of two nodes',
      receive(stream(), { ...answer, value: 0 }, { ...answer, value: 1, by: 'other' }),
    ],
  ])('is not its own: %s', (_, received) => {
    expect(received.whole().isOwn).toBe(false);
  });

  it.each([{ ...answer, key: 'b' }, { ...answer, text: 'e' }, undefined, null])(
    'is not its own when it is %j',
    (value) => {
      const received = request();
      received.add(value, true);
      expect(received.whole().isOwn).toBe(false);
    },
  );

  it('says nothing before an error when there was nothing, and else what it was', () => {
    expect(stream().part()).toEqual({ isOwn: undefined });
    expect(receive(stream(), { ...answer, value: 0 }).part()).toEqual({ isOwn: true });
    expect(receive(stream(), { ...answer, value: 7 }).part()).toEqual({ isOwn: false });
  });
});
