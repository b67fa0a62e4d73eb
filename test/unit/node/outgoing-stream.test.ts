import { describe, expect, it } from 'vitest';
import { MAX_HELD, MAX_UNMADE, OutgoingStream } from '../../../lib/node/outgoing-stream.js';
import { SizeLog, WINDOW, WINDOW_BYTES } from '../../../lib/node/stream-window.js';

const LONG = 'x'.repeat(WINDOW_BYTES / 4);

function setUp() {
  const sent: string[] = [];
  const stream = new OutgoingStream((frame) => void sent.push(frame.toString()));
  /** Adds so many values, and says whether all may be held. */
  const add = (count: number, text = 'v') =>
    Array.from({ length: count }, () => stream.add(text)).every(Boolean);
  return { sent, stream, add };
}

describe('the values of a stream', () => {
  it('are sent at once up to a window, and held beyond it', () => {
    const { sent, stream, add } = setUp();
    add(WINDOW - 1);
    expect(stream.hasRoom).toBe(true);
    add(10);
    expect([sent.length, stream.sent, stream.hasRoom]).toEqual([WINDOW, WINDOW, false]);
  });

  it('follow in their order when the caller has consumed others', () => {
    const { sent, stream } = setUp();
    for (let i = 0; i < WINDOW + 10; i++) stream.add(String(i));
    stream.onConsumed(3);
    expect(sent.slice(WINDOW)).toEqual([0, 1, 2].map((i) => String(WINDOW + i)));
    stream.onConsumed(WINDOW);
    expect(sent).toEqual(Array.from({ length: WINDOW + 10 }, (_, i) => String(i)));
    expect(stream.hasRoom).toBe(true);
  });

  it.each([
    ['less than before', 5],
    ['the same', 10],
    ['more than was sent', 2 * WINDOW],
  ])('get no room from a count that is %s', (_, count) => {
    const { sent, stream, add } = setUp();
    add(WINDOW);
    stream.onConsumed(10);
    add(30);
    stream.onConsumed(count);
    expect(sent).toHaveLength(WINDOW + 10);
  });

  it('are bounded by their bytes as well', () => {
    const { sent, stream, add } = setUp();
    add(10, LONG);
    expect(sent).toHaveLength(4);
    stream.onConsumed(1);
    expect(sent).toHaveLength(5);
    stream.onConsumed(5);
    expect(sent).toHaveLength(9);
  });

  it('go one by one when each is longer than the window', () => {
    const { sent, stream, add } = setUp();
    add(3, 'x'.repeat(WINDOW_BYTES + 1));
    expect(sent).toHaveLength(1);
    stream.onConsumed(1);
    expect(sent).toHaveLength(2);
  });

  it.each([
    ['many', 'v', MAX_HELD],
    ['long', LONG, 16],
  ])('are too %s to be held at some point', (_, text, most) => {
    const { stream, add } = setUp();
    while (stream.hasRoom) add(1, text);
    expect(add(most, text)).toBe(true);
    expect(add(1, text)).toBe(false);
  });
});

describe('a value that is announced', () => {
  it('leaves no room for another until it is added', async () => {
    const { stream, add } = setUp();
    stream.announce();
    expect(stream.hasRoom).toBe(false);
    const wait = stream.whenRoom();
    add(1);
    expect(stream.hasRoom).toBe(true);
    await wait;
  });

  it('takes the room of the last one', () => {
    const { sent, stream, add } = setUp();
    add(WINDOW - 1);
    stream.announce();
    add(1);
    expect([sent.length, stream.hasRoom]).toEqual([WINDOW, false]);
    stream.onConsumed(1);
    expect(stream.hasRoom).toBe(true);
  });

  it('is one of few, beside the one that is being made', () => {
    const { stream, add } = setUp();
    add(WINDOW + 10);
    const rest = Array.from({ length: MAX_UNMADE + 1 }, () => stream.announce());
    expect(rest.every(Boolean)).toBe(true);
    expect(stream.announce()).toBe(false);
  });

  it('is taken to be as long as those before it', () => {
    const { stream, add } = setUp();
    add(2, LONG);
    // 16 of these are as much as may be held.
    expect(Array.from({ length: 17 }, () => stream.announce()).every(Boolean)).toBe(true);
    expect(stream.announce()).toBe(false);
  });

  it('may be of any length if it is the only one', () => {
    const { sent, stream, add } = setUp();
    for (let i = 1; i <= 3; i++) {
      expect(stream.announce()).toBe(true);
      expect(add(1, LONG.repeat(20))).toBe(true);
      stream.onConsumed(i);
    }
    expect(sent).toHaveLength(3);
  });
});

describe('the end of a stream', () => {
  it('comes at once when nothing is held, else behind the last value', () => {
    const { sent, stream, add } = setUp();
    const ends: number[] = [];
    add(WINDOW + 1);
    stream.whenAllSent(() => ends.push(sent.length));
    expect(ends).toEqual([]);
    stream.onConsumed(1);
    stream.whenAllSent(() => ends.push(sent.length));
    expect(ends).toEqual([WINDOW + 1, WINDOW + 1]);
  });

  it('does not come when what is held is dropped', () => {
    const { sent, stream, add } = setUp();
    let isOver = false;
    add(WINDOW + 1);
    stream.whenAllSent(() => (isOver = true));
    stream.drop();
    stream.onConsumed(10);
    expect([isOver, sent.length]).toEqual([false, WINDOW]);
  });
});

describe('whoever waits for room', () => {
  it.each<[string, (stream: OutgoingStream) => void]>([
    ['the caller has consumed something', (stream) => stream.onConsumed(1)],
    ['it is woken', (stream) => stream.wake()],
    ['the stream is dropped', (stream) => stream.drop()],
  ])('goes on when %s', async (_, act) => {
    const { stream, add } = setUp();
    add(WINDOW);
    const waits = [stream.whenRoom(), stream.whenRoom()];
    act(stream);
    await Promise.all(waits);
  });
});

describe('the sizes of values', () => {
  it('are known for any number of them, at most a step too low', () => {
    const sizes = new SizeLog();
    const totals = [0];
    for (let i = 0; i < 5000; i++) {
      const length = (i * 7919) % 3000;
      sizes.add(length);
      totals.push(totals.at(-1)! + length);
    }
    expect(sizes.bytes).toBe(totals.at(-1));
    for (let count = 0; count <= 5000; count += 137) {
      const known = sizes.upTo(count);
      expect(known).toBeLessThanOrEqual(totals[count]!);
      expect(known).toBeGreaterThan(totals[count]! - 20_000);
    }
  });
});
