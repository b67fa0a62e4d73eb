import { describe, expect, it } from 'vitest';
import { decodeMessage, DroppedMessage } from '../../../lib/protocol/decode.js';
import {
  errorFrame,
  farewellMessage,
  idsMessage,
  replyMessage,
  requestBody,
  requestHeader,
  resultFrame,
} from '../../../lib/protocol/encode.js';
import type { DropReason, RequestMessage } from '../../../lib/protocol/frames.js';
import { Random, seedOfRun } from '../../support/random.js';
import { thrown } from '../../support/thrown.js';
import type { Text } from '../../../lib/protocol/text.js';
import { requestFrame, requestMessage } from '../fakes/messages.js';

const LIMIT = 100_000;
const decode = (text: string, limit: number) => decodeMessage(Buffer.from(text), limit);
const dropped = (text: string, limit = LIMIT) => thrown<DroppedMessage>(() => decode(text, limit));

const frame = (id: string, body: Text = '0') => requestFrame(id, 100, 1, body);
const requests = (...frames: string[]) =>
  requestMessage(1000, requestHeader('caller.1', 'sum'), frames.join(','));
const replies = (...frames: Text[]) => replyMessage('node.1', frames).toString();
const tooDeep = `0,${'['.repeat(100)}${']'.repeat(100)}`;

describe('a message that cannot be read', () => {
  it.each<[DropReason, string]>([
    ['not-json', ''],
    ['not-json', 'hello'],
    ['not-json', '[1,"q"'],
    ['not-json', '\u0000'],
    ['not-json', '['.repeat(60)],
    ['malformed', 'null'],
    ['malformed', '{}'],
    ['malformed', '"[1]"'],
    ['malformed', '{"0":1,"1":"q"}'],
    ['malformed', '[1]'],
    ['malformed', '[1,"x"]'],
    ['malformed', '[1,0]'],
    ['malformed', '[1,["q"]]'],
    ['malformed', '[1,"constructor"]'],
    ['unknown-version', '[]'],
    ['unknown-version', '[2,"q"]'],
    ['unknown-version', '["1","q"]'],
    ['unknown-version', '[null]'],
    ['malformed', '[1,"q"]'],
    ['malformed', '[1,"q",1,"caller.1","sum"]'],
    ['malformed', '[1,"q",1,"caller.1","sum",{}]'],
    ['malformed', '[1,"q","1","caller.1","sum",[]]'],
    ['malformed', '[1,"q",1,"caller","sum",[]]'],
    ['malformed', '[1,"q",1,"caller.1:*","sum",[]]'],
    ['malformed', '[1,"q",1,5,"sum",[]]'],
    ['malformed', '[1,"q",1,"caller.1",5,[]]'],
    ['malformed', '[1,"r"]'],
    ['malformed', '[1,"r","node",[]]'],
    ['malformed', '[1,"r","node.1",null]'],
    ['malformed', '[1,"r","node.1",{"length":1}]'],
    ['malformed', '[1,"c","node.1"]'],
    ['malformed', '[1,"c",null,[]]'],
    ['malformed', '[1,"a","node.1","id"]'],
    ['malformed', '[1,"p",1,1]'],
    ['malformed', '[1,"p","1",1,[]]'],
    ['malformed', '[1,"p",1,null,[]]'],
    ['malformed', '[1,"p",1,1,["1000"]]'],
    ['malformed', '[1,"p",1,1,[null]]'],
    ['malformed', '[1,"f"]'],
    ['malformed', '[1,"f",5]'],
    ['too-deep', `${'['.repeat(100)}${']'.repeat(100)}`],
    ['too-deep', '{"a":'.repeat(100_000 / 5)],
    ['too-large', 'x'.repeat(LIMIT + 1)],
  ])('is dropped as %s: %.60s', (reason, text) => {
    const error = dropped(text);
    expect(error).toBeInstanceOf(DroppedMessage);
    expect(error).toMatchObject({ reason, from: undefined, id: undefined });
  });

  it('may be as long as the limit', () => {
    const text = requests(frame('a', '0,"名"'));
    expect(decode(text, Buffer.byteLength(text))).toMatchObject({
      frames: [['a', 100, 1, 0, '名']],
    });
    expect(dropped(text, text.length - 1).reason).toBe('too-large');
  });

  it('may be as deep as data and the message around it', () => {
    const deep = (depth: number) =>
      requests(frame('a', `0,${'['.repeat(depth)}${']'.repeat(depth)}`));
    expect(decode(deep(64), LIMIT)).toMatchObject({ malformed: 0 });
    expect(dropped(deep(65)).reason).toBe('too-deep');
  });
});

describe('whom to tell', () => {
  it.each([
    ['too-large', requests(frame('first', `0,"${'x'.repeat(LIMIT)}"`), frame('second'))],
    ['too-deep', requests(frame('first', tooDeep))],
    ['unknown-version', requests(frame('first')).replace('[1', '[2')],
    ['unknown-version', '[17,"q",1,"caller.1","服\\"务\\\\",[["first","something","new"]]]'],
  ])('is known of a request that is %s', (reason, text) => {
    expect(dropped(text)).toMatchObject({ reason, from: 'caller.1', id: 'first' });
  });

  it.each([
    ['the address is none', requestMessage(1, '"caller","sum",[', frame('a', tooDeep))],
    ['the address is a pattern', requestMessage(1, '"*.1","sum",[', frame('a', tooDeep))],
    ['the id is none', requests(frame('a b', tooDeep))],
    ['it is no request', replies(errorFrame('a', 0, 0, LIMIT), tooDeep)],
    ['it has no frame', '[2,"q",1,"caller.1","sum",[]]'],
    ['the name never ends', `[2,"q",1,"caller.1","${'\\"'.repeat(5000)}`],
  ])('is not known when %s', (_, text) => {
    expect(dropped(text)).toMatchObject({ from: undefined, id: undefined });
  });
});

describe('frames of a batch that cannot be read', () => {
  const good = ['good', 100, 1, 0, 'data'];

  const badRequests: unknown[] = [
    null,
    5,
    'frame',
    {},
    [],
    ['id'],
    ['', 1, 1, 0],
    ['a b', 1, 1, 0],
    ['x'.repeat(65), 1, 1, 0],
    [5, 1, 1, 0],
    ['id', '1', 1, 0],
    ['id', null, 1, 0],
    ['id', 1, -1, 0],
    ['id', 1, 1.5, 0],
    ['id', 1, '1', 0],
    ['id', 1, 1],
    ['id', 1, 1, null],
    ['id', 1, 1, 1],
    ['id', 1, 1, 'text'],
    ['id', 1, 1, []],
    ['id', 1, 1, { a: 1 }],
    ['id', 1, 1, { a: null }],
  ];

  it.each(badRequests.map((bad) => ({ bad })))(
    'are left out and counted: the request $bad',
    ({ bad }) => {
      const text = JSON.stringify([1, 'q', 1, 'caller.1', 'sum', [bad, good, bad]]);
      expect(decode(text, LIMIT)).toMatchObject({ frames: [good], malformed: 2 });
    },
  );

  it('are named where they have an id', () => {
    const frames = [['bad', '1'], good, ['a b', 1], {}, ['worse', 1, 1, null]];
    const text = JSON.stringify([1, 'q', 1, 'caller.1', 'sum', frames]);
    expect(decode(text, LIMIT)).toMatchObject({
      malformed: 4,
      malformedIds: ['bad', 'worse'],
    });
  });

  const badReplies: unknown[] = [
    null,
    'frame',
    {},
    [],
    [5, 0, 0],
    [null, 0, 0],
    ['id', 8, 0],
    ['id', -1, 0],
    ['id', '0', 0],
    ['id', 1.5, 0],
    ['id', 0],
    ['id', 0, -1],
    ['id', 0, 1e300],
    ['id', 0, '0'],
  ];

  it.each(badReplies.map((bad) => ({ bad })))(
    'are left out and counted: the reply $bad',
    ({ bad }) => {
      const reply = ['good', 0, 0, 1];
      const text = JSON.stringify([1, 'r', 'node.1', [reply, bad]]);
      expect(decode(text, LIMIT)).toMatchObject({ frames: [reply], malformed: 1 });
    },
  );

  it.each(['', 'a b', 'x'.repeat(65), '名', '__proto__'])(
    'are not those of a reply whose id no call has: %j',
    (id) => {
      const text = JSON.stringify([1, 'r', 'node.1', [[id, 0, 0, 1]]]);
      expect(decode(text, LIMIT)).toMatchObject({ frames: [[id, 0, 0, 1]], malformed: 0 });
    },
  );

  it('are left out: ids that are none', () => {
    const ids = ['good', 5, null, 'a b', ''];
    expect(decode(JSON.stringify([1, 'c', 'node.1', ids]), LIMIT)).toMatchObject({
      ids: ['good'],
    });
  });
});

describe('a name that every object has', () => {
  it('is harmless as a key of data or metadata', () => {
    const metadata = '{"__proto__":"x","constructor":"y"}';
    const data = '{"__proto__":{"admin":true}}';
    const message = decode(requests(frame('a', `${metadata},${data}`)), LIMIT);
    const [, , , readMetadata, readData] = (message as RequestMessage).frames[0]!;
    expect(Object.entries(readMetadata)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect((readData as { admin?: unknown }).admin).toBeUndefined();
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });
});

describe('random damage', () => {
  const MUTATIONS = 20_000;
  const PIECES = [
    ...'[]{}",:\\0919eE.-_ \u0000名\ud800',
    'null',
    'true',
    '1e999',
    '"__proto__"',
    '[[[[',
    '"caller.1"',
    '\\u0000',
  ];
  const originals = [
    requests(frame('first', requestBody({ a: 'b' }, '{"x":[1,2,{"y":"z"}]}')), frame('second')),
    replies(resultFrame('a', '[6]'), errorFrame('b', 1, new Error('no'), LIMIT)),
    idsMessage('c', 'node.1', ['a', 'b']),
    idsMessage('a', 'node.1', ['a', 'b']),
    farewellMessage('token'),
    '[1,"p",1700000000000,12,[1000,-3]]',
  ];

  function damaged(random: Random): string {
    let text = random.pick(originals);
    for (let i = 0; i <= random.below(4); i++) {
      const at = random.below(text.length + 1);
      const kept = text.slice(at + random.below(3) * random.below(8));
      text = text.slice(0, at) + (random.below(2) ? random.pick(PIECES) : '') + kept;
    }
    return text;
  }

  it('is read or dropped, and nothing else is thrown', () => {
    const random = new Random(seedOfRun());
    const outcomes = { read: 0, dropped: 0 };
    for (let i = 0; i < MUTATIONS; i++) {
      const text = damaged(random);
      try {
        decode(text, 500);
        outcomes.read++;
      } catch (error) {
        expect(error, `seed ${random.seed}: ${text}`).toBeInstanceOf(DroppedMessage);
        outcomes.dropped++;
      }
    }
    // The damage is of both kinds: what still can be read, and what cannot.
    expect(Math.min(outcomes.read, outcomes.dropped)).toBeGreaterThan(MUTATIONS / 50);
  });
});
