/** What a seal looks like; only a process without a key takes it for one. */
const SIGNED_US = 1_800_000_000_000_000;
const MAC = 'AAAAAAAAAAAAAAAAAAAAAA';

/** One message of each kind, as its sender writes it, for a target that has these calls out. */
export function corpusFor(callIds: readonly string[], incarnation: string): Buffer[] {
  const [a, b, c, d] = callIds as [string, string, string, string];
  const request = (service: string, frames: readonly unknown[]) => [
    1,
    'q',
    1000,
    'caller.1',
    service,
    frames,
  ];
  const replies = (...frames: readonly unknown[]) => [1, 'r', 'node.1', frames];
  const error = { code: 'CLOUDS_OVERLOADED', message: 'no', details: { a: 1 } };
  const messages: unknown[] = [
    request('sum', [['id-1', 60_000, 1, 0, { a: [1, 'x', null] }]]),
    request('sum', [
      ['id-2', 60_000, 0, { h: 'v' }],
      ['id-3', 60_000, 2, 0, 'text'],
    ]),
    request('full', [
      ['id-4', 60_000, 1, 0, 1],
      ['id-5', 60_000, 1, 0, 1],
    ]),
    request('stream', [['id-6', 60_000, 1, 0]]),
    request('@/told.*', [['id-10', 60_000, 0, 0, { a: 1 }, 'told.one']]),
    request('nowhere', [['id-7', 60_000, 1, 0]]),
    replies([a, 0, 0, { b: 1 }]),
    replies([a, 1, 0, 1], [a, 1, 1, 2], [a, 2, 2]),
    replies([b, 3, 0, 'thrown'], [c, 4, 0, { name: 'TypeError', message: 'm', stack: 's' }]),
    replies([d, 5, 0, error], [b, 6, 0]),
    [1, 'c', 'caller.1', ['id-1', 'id-6']],
    [1, 'a', 'caller.2', ['id-1', 'unknown']],
    [1, 'p', 1000, 1, [1000, 1, 1000]],
    [1, 'k', 'node.1', 100_000],
    [
      1,
      'w',
      'caller.1',
      [
        ['id-6', 3],
        ['id-1', 0],
      ],
    ],
    replies([a, 1, 0, 1], [a, 7, 1]),
    [1, 'f', 'token'],
    [2, 'q', 1000, incarnation, 'sum', [['id-8', 60_000, 1, 0]]],
    request('sum', [['id-9', [60_000, SIGNED_US, MAC], 1, 0, 1]]),
    [...replies([a, 0, 0, 1]), [SIGNED_US, MAC]],
    [1, 'c', 'caller.1', ['id-1'], [SIGNED_US, MAC]],
    [1, 'w', 'caller.1', [['id-6', 3]], [SIGNED_US, MAC]],
    [1, 'p', 1000, [1, SIGNED_US, MAC], [1000, 1, 1000]],
  ];
  return messages.map((message) => Buffer.from(JSON.stringify(message)));
}
