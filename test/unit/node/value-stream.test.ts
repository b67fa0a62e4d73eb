import { describe, expect, it } from 'vitest';
import type { ReplySink } from '../../../lib/node/call.js';
import { ValueStream } from '../../../lib/node/value-stream.js';
import { rejection } from '../../support/wait.js';

/** A stream whose call the test answers. */
function setUp() {
  const seen = { opened: 0, consumed: 0, cancelled: 0 };
  let sink!: ReplySink;
  const stream = new ValueStream<number>((given) => {
    sink = given;
    seen.opened++;
    return { consumed: () => seen.consumed++, cancel: () => seen.cancelled++ };
  });
  return { seen, stream, sink: () => sink };
}

const DONE = { done: true, value: undefined };
const value = (one: number) => ({ done: false, value: one });

describe('the values of a stream for a loop', () => {
  it('are called for once, when the first is asked for', () => {
    const { seen, stream } = setUp();
    expect(seen.opened).toBe(0);
    void stream.next();
    void stream.next();
    expect(seen.opened).toBe(1);
  });

  it('count as consumed when they are taken', async () => {
    const { seen, stream, sink } = setUp();
    const first = stream.next();
    for (const one of [1, 2, 3]) sink().value(one, false);
    expect(seen.consumed).toBe(1);
    expect([await first, await stream.next()]).toEqual([value(1), value(2)]);
    expect(seen.consumed).toBe(2);
  });

  it('go to whoever has asked first', async () => {
    const { stream, sink } = setUp();
    const asked = [stream.next(), stream.next(), stream.next()];
    sink().value(1, false);
    sink().value(2, true);
    expect(await Promise.all(asked)).toEqual([value(1), value(2), DONE]);
  });

  it('come before the end, and before an error, which comes once', async () => {
    const { stream, sink } = setUp();
    const first = stream.next();
    for (const one of [1, 2]) sink().value(one, false);
    sink().error(new Error('no'));
    expect([await first, await stream.next()]).toEqual([value(1), value(2)]);
    expect(await rejection(stream.next())).toMatchObject({ message: 'no' });
    expect(await stream.next()).toEqual(DONE);
  });

  it('are dropped when the loop is left: what was asked for ends, and the call is cancelled', async () => {
    const { seen, stream, sink } = setUp();
    const first = stream.next();
    for (const one of [1, 2]) sink().value(one, false);
    expect(await stream.return()).toEqual(DONE);
    sink().value(3, false);
    sink().error(new Error('late'));
    expect([await first, await stream.next()]).toEqual([value(1), DONE]);
    expect(seen).toEqual({ opened: 1, consumed: 1, cancelled: 1 });
  });

  it('fail in the loop when the call cannot be made', async () => {
    const stream = new ValueStream(() => {
      throw new Error('bad name');
    });
    expect(await rejection(stream.next())).toMatchObject({ message: 'bad name' });
    expect(await stream.next()).toEqual(DONE);
  });
});
