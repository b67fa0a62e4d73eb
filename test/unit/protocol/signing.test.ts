import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeMessage, type DroppedMessage } from '../../../lib/protocol/decode.js';
import {
  farewellMessage,
  idsMessage,
  joinFrames,
  receivedMessage,
  replyMessage,
  requestBody,
  requestHeader,
  requestMessage,
  resultFrame,
} from '../../../lib/protocol/encode.js';
import type { Message, RequestMessage } from '../../../lib/protocol/frames.js';
import { encodeData } from '../../../lib/protocol/payload.js';
import { Signer } from '../../../lib/protocol/signer.js';
import type { Text } from '../../../lib/protocol/text.js';
import { MAX_AGE_MS, MAX_AHEAD_MS, Verifier } from '../../../lib/protocol/verifier.js';
import { pass, useFakeClock } from '../fakes/clock.js';

useFakeClock();

const [KEY, OTHER_KEY] = ['k'.repeat(32), 'o'.repeat(32)];
const PREFIX = 't:';
const [CALLER, NODE] = ['caller.1', 'node.7'];
const LIMIT = 2 ** 24;
const TIME_LEFT_MS = 60_000;

let signer: Signer;
let verifier: Verifier;

beforeEach(() => {
  signer = new Signer(PREFIX, KEY);
  verifier = verifierOf({});
});

function verifierOf({ keys = [KEY], isRequired = true, to = NODE, prefix = PREFIX }): Verifier {
  return new Verifier(prefix, keys, isRequired, { incarnation: to });
}

function requestOf(data: unknown, metadata?: Record<string, string>, by = signer): Text {
  const body = requestBody(metadata, encodeData(data, LIMIT));
  const head = by.requestHead(CALLER, 'sum', ['id', TIME_LEFT_MS, 1], body);
  return requestMessage(0, requestHeader(CALLER, 'sum'), [[head, body]]);
}

function replyOf(data: unknown, by = signer): Text {
  const frame = resultFrame('id', encodeData(data, LIMIT));
  return by.message(NODE, replyMessage(CALLER, [frame]));
}

function probeOf(beat: number, by = signer): string {
  return `[1,"p",12,${by.beat(NODE, beat)},[1000]]`;
}

function read(text: Text, by = verifier): Message {
  return decodeMessage(Buffer.from(String(text)), LIMIT, by);
}

function readWithoutKey(text: Text): Message {
  return decodeMessage(Buffer.from(String(text)), LIMIT);
}

/** Why a message, or its only request, is not taken; nothing if it is. */
function refusal(text: Text, by = verifier): string | undefined {
  try {
    const message = read(text, by);
    return message.kind === 'q' ? message.unsealable[0] : undefined;
  } catch (error) {
    return (error as DroppedMessage).reason;
  }
}

const MESSAGES: [what: string, make: (by?: Signer) => Text][] = [
  ['a request', (by = signer) => requestOf({ a: 1 }, { h: 'x' }, by)],
  ['a long request', (by = signer) => requestOf('é'.repeat(10_000), undefined, by)],
  ['replies', (by = signer) => replyOf([1], by)],
  ['long replies', (by = signer) => replyOf('x'.repeat(10_000), by)],
  ['a cancel', (by = signer) => by.message(NODE, idsMessage('c', CALLER, ['id']))],
  ['an ask', (by = signer) => by.message(NODE, idsMessage('a', CALLER, ['id']))],
  ['what was received', (by = signer) => by.message(NODE, receivedMessage(CALLER, 70_000))],
  ['a probe', (by = signer) => probeOf(5, by)],
];

describe.each(MESSAGES)('%s', (_, make) => {
  it('that is signed is read as if it were not, with and without a key', () => {
    const plain = readWithoutKey(make(new Signer(PREFIX)));
    expect(read(make())).toEqual(plain);
    expect(readWithoutKey(make())).toEqual(plain);
  });

  it('that is not signed is dropped, unless that is allowed', () => {
    const text = make(new Signer(PREFIX));
    expect(refusal(text)).toBe('unsigned');
    expect(refusal(text, verifierOf({ isRequired: false }))).toBeUndefined();
  });

  it('that is signed with another key is dropped, also where unsigned ones are taken', () => {
    const text = make(new Signer(PREFIX, OTHER_KEY));
    expect(refusal(text)).toBe('tampered');
    expect(refusal(text, verifierOf({ isRequired: false }))).toBe('tampered');
  });

  it('that is of another cloud is dropped', () => {
    expect(refusal(make(), verifierOf({ prefix: 'u:' }))).toBe('tampered');
  });

  it('that comes again is dropped', () => {
    const text = make();
    expect([refusal(text), refusal(text)]).toEqual([undefined, 'replayed']);
  });

  it('that is made again in the same millisecond is another', () => {
    expect([refusal(make()), refusal(make())]).toEqual([undefined, undefined]);
  });

  it('that comes again late is still known, or too old', async () => {
    const text = make();
    const reasons = [];
    for (let second = 0; second < 120; second++) {
      reasons.push(refusal(text));
      await pass(1000);
    }
    expect(reasons.slice(0, 2)).toEqual([undefined, 'replayed']);
    expect(new Set(reasons.slice(1))).toEqual(new Set(['replayed', 'stale']));
  });

  it('that was signed too long ago is dropped', async () => {
    const [young, old] = [make(), make()];
    await pass(MAX_AGE_MS - 1);
    expect(refusal(young)).toBeUndefined();
    await pass(2);
    expect(refusal(old)).toBe('stale');
  });

  it('that was signed by a clock that is ahead is taken up to a limit, and is known for all its time', async () => {
    const now = Date.now();
    await pass(MAX_AHEAD_MS);
    const text = make();
    await pass(1);
    const tooFar = make();
    // Back to the clock of the receiver: its monotonic one does not go back.
    const ahead = Date.now() - now;
    Date.now = (
      (real) => () =>
        real() - ahead
    )(Date.now.bind(Date));
    expect(refusal(tooFar)).toBe('stale');
    expect(refusal(text)).toBeUndefined();
    await pass(MAX_AGE_MS + MAX_AHEAD_MS - 2);
    expect(refusal(text)).toBe('replayed');
  });

  it('that was signed after the clock of the sender was set back is taken', () => {
    const right = Date.now();
    vi.setSystemTime(right + 3_600_000);
    make();
    vi.setSystemTime(right);
    expect(refusal(make())).toBeUndefined();
  });

  it('that comes again is known as that, or too old, although the clock of the receiver was set back', async () => {
    const text = make();
    expect(refusal(text)).toBeUndefined();
    for (let i = 0; i < 4; i++) {
      await pass(30_000);
      refusal(make());
    }
    vi.setSystemTime(Date.now() - 110_000);
    expect(['stale', 'replayed']).toContain(refusal(text));
  });

  it('is taken under each key, while keys are changed', () => {
    const changing = verifierOf({ keys: [OTHER_KEY, KEY] });
    expect(refusal(make(), changing)).toBeUndefined();
    expect(refusal(make(new Signer(PREFIX, OTHER_KEY)), changing)).toBeUndefined();
  });
});

describe('a request', () => {
  const replaced = (from: string, to: string) =>
    String(requestOf([1], { h: 'x' })).replace(from, to);

  it.each([
    ['caller', CALLER, 'caller.2'],
    ['service', '"sum"', '"sub"'],
    ['id', '"id"', '"di"'],
    ['time left', '[60000,', '[60001,'],
    ['attempt', '],1,', '],2,'],
    ['header', '"x"', '"y"'],
    ['data', '[1]]', '[2]]'],
  ])('with another %s is dropped', (_, from, to) => {
    expect(replaced(from, to)).not.toBe(replaced(from, from));
    expect(refusal(replaced(from, to))).toBe('tampered');
  });

  it.each([
    ['null', 'Infinity', '1e999'],
    ['0', 'minus zero', '-0'],
    ['0', 'another 0', '0.0'],
    ['0', 'a space and 0', ' 0'],
  ])('with %s that is made %s, which is written in the same way, is dropped', (data, _, other) => {
    const text = String(requestOf({ a: JSON.parse(data) as unknown }));
    const changed = text.replace(`{"a":${data}}`, `{"a":${other}}`);
    expect(changed).not.toBe(text);
    expect(refusal(changed)).toBe('tampered');
  });

  it('that is hidden in another, so that it is read in its place, is not run', () => {
    const genuine = signer.requestHead(CALLER, 'sum', ['id', TIME_LEFT_MS, 1], '0,1') + '0,1]';
    const forged = '["forged",60000,1,0,2]';
    const head = `[1,"q",0,${requestHeader(CALLER, 'sum')}`;
    const { frames } = read(
      `${head}${['[0', genuine, `0],${forged},2`].join(',\n')}]]`,
    ) as RequestMessage;
    expect(frames.map(([id]) => id)).toEqual(['id']);
  });

  it('in a text that is written in another way is dropped', () => {
    const text = String(requestOf(1));
    expect(refusal(text.replace('[1,"q"', '[1, "q"'))).toBe('unsigned');
    expect(refusal(text.replace(/$/, ' '))).toBe('unsigned');
  });

  it('that was dispatched anew after its time is not run', async () => {
    const body = requestBody(undefined, '1');
    const head = signer.requestHead(CALLER, 'sum', ['id', 500, 1], body);
    await pass(500 + MAX_AHEAD_MS + 1);
    const text = requestMessage(Date.now(), requestHeader(CALLER, 'sum'), [[head, body]]);
    expect(refusal(text)).toBe('stale');
  });

  it('of many does not take the others with it', () => {
    const frames = ['a', 'b', 'c'].map((id, index) => {
      const by = index === 1 ? new Signer(PREFIX) : signer;
      return `${by.requestHead(CALLER, 'sum', [id, 500, 1], '0,1')}0,1]`;
    });
    const text = `[1,"q",0,${requestHeader(CALLER, 'sum')}${joinFrames(frames)}]]`;
    const message = read(text) as RequestMessage;
    expect(message.frames.map(([id]) => id)).toEqual(['a', 'c']);
    expect(message).toMatchObject({ unsealable: ['unsigned'], malformed: 0 });
  });
});

describe('a message', () => {
  it('to another node is dropped', () => {
    expect(refusal(replyOf(1), verifierOf({ to: 'node.8' }))).toBe('tampered');
    expect(refusal(probeOf(5), verifierOf({ to: 'node.8' }))).toBe('tampered');
  });

  it('is not taken with the seal of another', () => {
    const seal = /,\[\d+,"[^"]+"\]\]$/.exec(String(replyOf(1)))![0];
    expect(refusal(String(replyOf(2)).replace(/,\[\d+,"[^"]+"\]\]$/, seal))).toBe('tampered');
    expect(refusal(idsMessage('c', CALLER, ['id']).slice(0, -1) + seal)).toBe('tampered');
  });

  it('a farewell, needs no seal: it has a token that nobody else knows', () => {
    expect(read(farewellMessage('secret'))).toEqual({ kind: 'f', token: 'secret' });
  });

  it.each([
    '[1,"r","caller.1",[],5]',
    '[1,"r","caller.1",[],[]]',
    '[1,"r","caller.1",[],[1]]',
    '[1,"r","caller.1",[],["1","2"]]',
    '[1,"r","caller.1",[],[1,"short"]]',
    '[1,"r","caller.1",[],{}]',
    '[1,"p",12,[],[1000]]',
    '[1,"p",12,[5,1,"x"],[1000]]',
    '[1,"q",0,"caller.1","sum",[["id",[],1,0],["id",[1,2],1,0],["id",[1,2,"x"],1,0],5,{}]]',
  ])('with a seal that is none, %s, is dropped', (text) => {
    expect(['unsigned', 'tampered']).toContain(refusal(text));
    if (text.startsWith('[1,"q"')) expect((read(text) as RequestMessage).frames).toEqual([]);
  });
});

describe('whatever the data is', () => {
  const data = fc.anything({ withNullPrototype: true, withObjectString: true, maxDepth: 4 });
  const headers = fc.option(
    fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
    {
      nil: undefined,
    },
  );
  const text = fc.string({ unit: 'binary', maxLength: 50 });

  it('its signature is right', () => {
    fc.assert(
      fc.property(fc.oneof(data, text, fc.double(), fc.json()), headers, (value, metadata) => {
        let request: Text;
        try {
          request = requestOf(value, metadata);
        } catch {
          fc.pre(false);
          return;
        }
        expect(refusal(request)).toBeUndefined();
        expect(refusal(replyOf(value))).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });
});
