import type { Deserializer } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { ClientPackets } from '../../../lib/nest/client-packets.js';
import type { ReplySink } from '../../../lib/node/call.js';

type Caller = 'a loop' | 'an Observable';
const CALLERS: Caller[] = ['a loop', 'an Observable'];

/** A call that the test answers. When it is over an Observable cancels, and a loop does not. */
function setUp(caller: Caller, deserialize: Deserializer['deserialize']) {
  const seen = { cancelled: 0, values: [] as unknown[], ended: 0, errors: [] as unknown[] };
  let replies!: ReplySink;
  const over = (isLast: boolean) => isLast && caller === 'an Observable' && opened.cancel();
  const opened = ClientPackets.of({ deserializer: { deserialize } })!.request(
    { pattern: 'p', data: 1 },
    (_, sink) => {
      replies = sink;
      return { consumed: () => undefined, cancel: () => seen.cancelled++ };
    },
    {
      value: (value, isLast) => over(seen.values.push(value) > 0 && isLast),
      end: () => over(++seen.ended > 0),
      error: (error) => over(seen.errors.push(error) > 0),
    },
  );
  return { seen, replies };
}

interface Reply {
  response?: unknown;
}
const changed = (change: (packet: Reply) => unknown) => (packet: Reply) =>
  packet.response === 2 ? change(packet) : packet;

describe.each(CALLERS)('a call whose caller is %s, and whose deserializer', (caller) => {
  it.each<[string, (packet: Reply) => unknown, object]>([
    ['makes an error', () => ({ err: 'no' }), { values: [1], errors: ['no'] }],
    ['says that it is over', () => ({ isDisposed: true }), { values: [1], ended: 1 }],
    ['makes a value the last', (packet) => ({ ...packet, isDisposed: true }), { values: [1, 2] }],
  ])('%s before its end is cancelled, once', (_, change, outcome) => {
    const { seen, replies } = setUp(caller, changed(change));
    for (const value of [1, 2]) replies.value(value, false);
    expect(seen).toMatchObject({ ...outcome, cancelled: 1 });
    replies.value(3, false);
    replies.value(2, false);
    replies.end();
    expect(seen).toMatchObject({ ...outcome, cancelled: 1 });
  });

  it('fails is cancelled, once', () => {
    const { seen, replies } = setUp(
      caller,
      changed(() => {
        throw new Error('unreadable');
      }),
    );
    for (const value of [1, 2, 2, 3]) replies.value(value, false);
    expect(seen).toMatchObject({ values: [1], cancelled: 1 });
    expect(seen.errors).toMatchObject([{ code: 'CLOUDS_UNSERIALIZABLE' }]);
  });
});
