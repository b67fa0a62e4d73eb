import { describe, expect, it } from 'vitest';
import { CloudsExpiredError } from '../../../lib/common/errors.js';
import { decodeMessage, ownReplyFrames } from '../../../lib/protocol/decode.js';
import {
  endFrame,
  errorFrame,
  farewellMessage,
  idsMessage,
  joinFrames,
  progressFrame,
  refusalFrame,
  replyMessage,
  requestBody,
  requestHeader,
  resultFrame,
  unknownFrame,
  valueFrame,
  windowMessage,
} from '../../../lib/protocol/encode.js';
import {
  MessageKind,
  ONE_WAY,
  type ReplyMessage,
  ReplyKind,
} from '../../../lib/protocol/frames.js';
import { encodeData } from '../../../lib/protocol/payload.js';
import type { Text } from '../../../lib/protocol/text.js';
import { requestFrame, requestMessage } from '../fakes/messages.js';

const LIMIT = 1024 * 1024;
const FROM = 'node-A_1.3';
const ID = 'call-Id_1';

const decode = (text: Text) => decodeMessage(Buffer.from(text.toString()), LIMIT);

/** The frame of what a handler threw. */
const failure = (id: string, count: number, error: unknown) =>
  errorFrame(id, count, error, LIMIT).toString();

/** What one request frame is after the wire, as the script or the caller puts it into a message. */
function request(data: unknown, metadata?: Record<string, string>) {
  const frame = requestFrame(ID, 500, 2, requestBody(metadata, encodeData(data, LIMIT)));
  return decode(requestMessage(1_700_000_000_000, requestHeader(FROM, 'sum'), frame));
}

function reply(...frames: Text[]): ReplyMessage {
  return decode(replyMessage(FROM, frames)) as ReplyMessage;
}

describe('a request', () => {
  const head = [ID, 500, 2];
  const message = {
    kind: 'q',
    redisMs: 1_700_000_000_000,
    from: FROM,
    service: 'sum',
    someWait: false,
    malformed: 0,
    malformedIds: [],
    unsealable: [],
  };

  const VALUES: { data: unknown }[] = [
    { data: null },
    { data: 0 },
    { data: false },
    { data: '' },
    { data: '文字 "\\ \n' },
    { data: [1, 2, 3] },
    { data: { a: { b: ['c'] } } },
    { data: [] },
    { data: { constructor: 1 } },
  ];

  it.each(VALUES)('arrives with $data', ({ data }) => {
    expect(request(data)).toEqual({ ...message, frames: [[...head, 0, data]] });
  });

  it('arrives without data', () => {
    expect(request(undefined)).toEqual({ ...message, frames: [[...head, 0]] });
  });

  it.each<Record<string, string>>([{}, { 'x-request-id': 'a1', 名: '"值"' }])(
    'arrives with the metadata %j',
    (metadata) => {
      expect(request([1], metadata)).toEqual({ ...message, frames: [[...head, metadata, [1]]] });
      expect(request(undefined, metadata)).toMatchObject({ frames: [[...head, metadata]] });
    },
  );

  it.each(['服务名', '{"cmd":"sum"}', 'a"b\\c', '\\'])('arrives at the service %j', (service) => {
    const text = requestMessage(1, requestHeader(FROM, service), requestFrame(ID, 1, 1, '0'));
    expect(decode(text)).toMatchObject({ service, from: FROM });
  });

  it('wants no reply when its attempt is 0', () => {
    const text = requestMessage(1, requestHeader(FROM, 's'), requestFrame(ID, 1, ONE_WAY, '0'));
    expect(decode(text)).toMatchObject({ frames: [[ID, 1, ONE_WAY, 0]] });
  });

  it('keeps its place among the others of its batch', () => {
    const ids = ['a', 'b', 'c'];
    const frames = joinFrames(ids.map((id) => requestFrame(id, 1, 1, '0,1')));
    expect(decode(requestMessage(1, requestHeader(FROM, 's'), frames))).toMatchObject({
      frames: ids.map((id) => [id, 1, 1, 0, 1]),
    });
  });

  it('has no line feed, whatever it says: one shows where a frame ends', () => {
    const text = '\n,\n\r\u2028"';
    const body = requestBody({ [text]: text }, encodeData({ [text]: [text] }, LIMIT));
    const frame = requestFrame(ID, 1, 1, body);
    expect(frame).not.toContain('\n');
    expect(joinFrames([frame, frame]).split('\n')).toEqual([`${frame},`, frame]);
  });
});

describe('a reply', () => {
  const refusal = new CloudsExpiredError('late', { details: { lateMs: 5 } });

  it.each([
    ['a result', resultFrame(ID, '[6]'), ReplyKind.RESULT, 0, [6]],
    ['a result of null', resultFrame(ID, 'null'), ReplyKind.RESULT, 0, null],
    ['no result', resultFrame(ID, ''), ReplyKind.END, 0, undefined],
    ['a value of a stream', valueFrame(ID, 7, '{"a":1}'), ReplyKind.VALUE, 7, { a: 1 }],
    ['an undefined value of a stream', valueFrame(ID, 0, ''), ReplyKind.VALUE, 0, null],
    ['the end of a stream', endFrame(ID, 8), ReplyKind.END, 8, undefined],
    ['a thrown object', failure(ID, 0, { status: 4 }), ReplyKind.ERROR, 0, { status: 4 }],
    ['a thrown string', failure(ID, 2, 'no'), ReplyKind.ERROR, 2, 'no'],
    ['a thrown undefined', failure(ID, 0, undefined), ReplyKind.ERROR, 0, null],
    [
      'a thrown Error',
      failure(ID, 1, new TypeError('bad')),
      ReplyKind.EXCEPTION,
      1,
      { name: 'TypeError', message: 'bad' },
    ],
    [
      'a refusal',
      refusalFrame(ID, 0, refusal),
      ReplyKind.REFUSAL,
      0,
      { code: 'CLOUDS_EXPIRED', message: 'late', details: { lateMs: 5 } },
    ],
    ['an unknown call', unknownFrame(ID), ReplyKind.UNKNOWN, 0, undefined],
    ['the progress of a stream', progressFrame(ID, 9), ReplyKind.PROGRESS, 9, undefined],
  ])('carries %s', (_, frame, kind, count, value) => {
    const head = [ID, kind, count];
    expect(reply(frame)).toEqual({
      kind: MessageKind.REPLIES,
      from: FROM,
      frames: [value === undefined ? head : [...head, value]],
      malformed: 0,
    });
  });

  it('is read by its own sender as by everybody', () => {
    const frames = [resultFrame('a', '[6]'), failure('b', 1, '名'), endFrame('c', 2)];
    expect(ownReplyFrames(replyMessage(FROM, frames).toString())).toEqual(reply(...frames).frames);
  });

  it('keeps its place among the others of its batch', () => {
    const frames = reply(valueFrame('a', 0, '1'), valueFrame('a', 1, '2'), endFrame('a', 2)).frames;
    expect(frames).toEqual([
      ['a', ReplyKind.VALUE, 0, 1],
      ['a', ReplyKind.VALUE, 1, 2],
      ['a', ReplyKind.END, 2],
    ]);
  });
});

function unwritable(): never {
  throw new Error('a getter that throws');
}

describe('an Error on the wire', () => {
  const valuesOf = (...frames: string[]) => reply(...frames).frames.map(([, , , value]) => value);

  it('keeps its own properties and loses its stack', () => {
    const error = Object.assign(new RangeError('no'), { status: 409, info: { a: [1] } });
    expect(valuesOf(failure(ID, 0, error))[0]).toEqual({
      name: 'RangeError',
      message: 'no',
      status: 409,
      info: { a: [1] },
    });
  });

  it('loses a stack that is its own enumerable property', () => {
    const error = new Error('no');
    Object.defineProperty(error, 'stack', { value: 'secret place', enumerable: true });
    expect(failure(ID, 0, error)).not.toContain('secret place');
  });

  it('arrives as what it is when what hangs on it cannot be written', () => {
    const error = Object.assign(new TypeError('no'), { code: 'A', retryable: true, big: 1n });
    expect(valuesOf(failure(ID, 0, error))).toEqual([
      { name: 'TypeError', message: 'no', code: 'A', retryable: true },
    ]);
    const circle: Record<string, unknown> = { message: 'round', code: 5, status: {} };
    circle.self = circle;
    expect(valuesOf(failure(ID, 0, circle))).toEqual([{ message: 'round', code: 5 }]);
    const trap = { message: 'x'.repeat(LIMIT), code: NaN };
    Object.defineProperty(trap, 'status', { enumerable: true, get: () => unwritable() });
    expect(valuesOf(failure(ID, 0, trap))).toEqual([{ message: 'x'.repeat(1000) }]);
    expect(valuesOf(failure(ID, 0, 10n))).toEqual(['10']);
  });

  it('does not take the other replies of its message down when it is too deep', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i++) deep = { deep };
    const frames = [
      resultFrame('other', '1'),
      failure(ID, 0, Object.assign(new Error('no'), { deep })),
    ];
    expect(reply(...frames).frames.map(([id]) => id)).toEqual(['other', ID]);
  });

  it('arrives even if its text cannot be written', () => {
    expect(reply(failure(ID, 0, { message: 1n })).frames.map(([id]) => id)).toEqual([ID]);
  });
});

describe('ids', () => {
  it.each([MessageKind.CANCEL, MessageKind.ASK])('of calls arrive in a %s message', (kind) => {
    const ids = ['a', 'b-2', 'c_3'];
    expect(decode(idsMessage(kind, FROM, ids))).toEqual({ kind, from: FROM, ids });
    expect(decode(idsMessage(kind, FROM, []))).toEqual({ kind, from: FROM, ids: [] });
  });
});

describe('a window', () => {
  const consumed = [
    ['a', 0],
    ['b', 512],
  ] as const;

  it('is what was consumed of streams', () => {
    const message = decode(windowMessage(FROM, consumed));
    expect(message).toEqual({ kind: MessageKind.WINDOW, from: FROM, consumed });
  });

  it.each([
    ['no list', 7],
    ['a count below 0', ['a', -1]],
    ['half a value', ['a', 1.5]],
    ['a count that is no number', ['a', '1']],
    ['no count', ['a']],
    ['an id that is none', ['a b', 1]],
  ])('is read without what is wrong in it: %s', (_, wrong) => {
    const text = JSON.stringify([1, 'w', FROM, [wrong, ['b', 512]]]);
    expect(decode(text)).toMatchObject({ consumed: [['b', 512]] });
  });

  it.each([[[1, 'w', 'nobody', []]], [[1, 'w', FROM, 7]], [[1, 'w', FROM]]])(
    'is dropped when it is %j',
    (message) => {
      expect(() => decode(JSON.stringify(message))).toThrow('malformed');
    },
  );
});

describe('what a node sends to itself', () => {
  it('is a farewell with its token', () => {
    expect(decode(farewellMessage('token_1'))).toEqual({ kind: 'f', token: 'token_1' });
  });

  it('is a probe as the script writes it', () => {
    expect(decode('[1,"p",1700000000000,12,[1000,-3]]')).toEqual({
      kind: 'p',
      redisMs: 1_700_000_000_000,
      beat: 12,
      scores: [1000, -3],
    });
  });
});
