import { joinFrames, requestHeader } from '../../lib/protocol/encode.js';
import { MessageKind } from '../../lib/protocol/frames.js';
import type { Signer } from '../../lib/protocol/signer.js';

/** What a seal looks like; only a process without a key takes it for one. */
const SIGNED_US = 1_800_000_000_000_000;
const MAC = 'AAAAAAAAAAAAAAAAAAAAAA';

type Frame = readonly [id: string, timeLeftMs: number, attempt: number, ...body: unknown[]];

/** What the signer's message stands for: those with a seal of their own, and of kinds that have none, stay as they are. */
const SEALED_AS_A_WHOLE: readonly unknown[] = [
  MessageKind.REPLIES,
  MessageKind.CANCEL,
  MessageKind.ASK,
  MessageKind.RECEIVED,
  MessageKind.WINDOW,
];

/**
 * One message of each kind, as its sender writes it, for a target that has these calls out. With a signer each that
 * can be signed is there once more, signed.
 */
export function corpusFor(
  callIds: readonly string[],
  incarnation: string,
  signer?: Signer,
): Buffer[] {
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
    [...request('full', [['id-11', 60_000, 1, 0, 1]]), 1],
    [...request('sum', [['id-12', 60_000, 1, 0, 1]]), 1],
    ...['sum', 'full', 'stream', '@/told.*', 'nowhere'].map((name) => [1, 'o', 'node.1', name]),
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
  const plain = messages.map((message) => JSON.stringify(message));
  const signed = signer
    ? messages.flatMap((message) => signedText(message, incarnation, signer))
    : [];
  return [...plain, ...signed].map((text) => Buffer.from(text));
}

/** Nothing for what has a seal already, or needs none. */
function signedText(message: unknown, to: string, signer: Signer): string | [] {
  const [version, kind, redisMs, from, service, frames, ...waiting] = message as [
    number,
    string,
    number,
    string,
    string,
    Frame[],
    ...unknown[],
  ];
  if (kind === MessageKind.PROBE && typeof from === 'number')
    return `[1,"p",1000,${signer.beat(to, from)},[1000,1,1000]]`;
  if (SEALED_AS_A_WHOLE.includes(kind) && (message as unknown[]).length === 4)
    return String(signer.message(to, JSON.stringify(message)));
  if (kind !== MessageKind.REQUESTS || version !== 1) return [];
  if (frames.some(([, timeLeftMs]) => typeof timeLeftMs !== 'number')) return [];
  const texts = frames.map(([id, timeLeftMs, attempt, ...rest]) => {
    const body = JSON.stringify(rest).slice(1, -1);
    return `${signer.requestHead(from, service, [id, timeLeftMs, attempt], body)}${body}]`;
  });
  const end = waiting.length > 0 ? '],1]' : ']]';
  return `[1,"q",${redisMs},${requestHeader(from, service)}${joinFrames(texts)}${end}`;
}
