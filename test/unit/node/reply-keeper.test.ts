import { describe, expect, it } from 'vitest';
import { cloudsError, CloudsErrorCode } from '../../../lib/common/errors.js';
import { heldMessage } from '../../../lib/node/recent-replies.js';
import { ReplyKeeper } from '../../../lib/node/reply-keeper.js';
import {
  endFrame,
  errorFrame,
  refusalFrame,
  replyMessage,
  resultFrame,
  progressFrame,
  unknownFrame,
  valueFrame,
} from '../../../lib/protocol/encode.js';
import { release, type Text, wrapText } from '../../../lib/protocol/text.js';
import { pass, useFakeClock } from '../fakes/clock.js';

const MEBIBYTE = 1024 * 1024;
const MAX_BYTES = 1000;
/** So many replies that were sent are kept. */
const MAX_REPLIES = 4096;

const message = (...frames: Text[]) => replyMessage('node.1', frames);
const sent = (...frames: Text[]) => heldMessage(message(...frames).toString(), frames.length);
const keepRecent = (keeper: ReplyKeeper, ...frames: Text[]) =>
  keeper.keepRecent(message(...frames), frames);
const result = (id: string, data: unknown = 6) => resultFrame(id, JSON.stringify(data));
const refusal = (id: string, code: CloudsErrorCode) => refusalFrame(id, 0, cloudsError(code, 'no'));

const NOT_RUN: readonly CloudsErrorCode[] = [
  CloudsErrorCode.NO_NODE,
  CloudsErrorCode.OVERLOADED,
  CloudsErrorCode.EXPIRED,
];
const OTHER_CODES = Object.values(CloudsErrorCode).filter((code) => !NOT_RUN.includes(code));

/** The two ways in which a reply is kept. */
const WAYS: [string, (keeper: ReplyKeeper, ...frames: Text[]) => void][] = [
  ['was sent', keepRecent],
  ['reached nobody', (keeper, ...frames) => void keeper.keepUnclaimed(sent(...frames))],
];

/** Keeps what was sent in messages of so many replies each. */
function sendMany(keeper: ReplyKeeper, ids: readonly string[], perMessage: number): void {
  for (let first = 0; first < ids.length; first += perMessage) {
    const frames = ids.slice(first, first + perMessage).map((id) => result(id));
    keepRecent(keeper, ...frames);
  }
}

const idsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => `id-${first + i}`);

useFakeClock();

describe.each(WAYS)('a reply that %s', (_, keep) => {
  it.each([
    ['a result', result('id', { a: [1, 'ä\n'], b: null })],
    ['an end', endFrame('id', 0)],
    ['the end of a stream', endFrame('id', 7)],
    ['what a handler threw', errorFrame('id', 2, { status: 409 }, MAX_BYTES)],
    ['an Error', errorFrame('id', 0, new TypeError('no'), MAX_BYTES)],
  ])('is found, as it is, when it is %s', (_, frame) => {
    const keeper = new ReplyKeeper();
    keep(keeper, result('before'), frame, result('behind'));
    expect(keeper.find('id')).toBe(frame);
  });

  it.each(OTHER_CODES)('is found when it is the refusal %s', (code) => {
    const keeper = new ReplyKeeper();
    keep(keeper, refusal('id', code));
    expect(keeper.find('id')).toBe(refusal('id', code));
  });

  it.each(NOT_RUN)('is no answer when it says that the handler has not run: %s', (code) => {
    const keeper = new ReplyKeeper();
    keep(keeper, refusal('id', code), result('other'));
    expect(keeper.find('id')).toBeUndefined();
    expect(keeper.find('other')).toBe(result('other'));
  });

  it('is no answer when it is the value of a stream, or knows nothing of the call', () => {
    const keeper = new ReplyKeeper();
    keep(keeper, valueFrame('id', 0, '1'), progressFrame('id', 1), unknownFrame('id'));
    expect(keeper.find('id')).toBeUndefined();
  });

  it.each([
    ['the values before it', [valueFrame('id', 0, '1'), valueFrame('id', 1, '2')], []],
    ['a refusal from before', [refusal('id', CloudsErrorCode.OVERLOADED)], []],
    ['what was said of the call later', [], [unknownFrame('id')]],
  ])('is found past %s', (_, before, after) => {
    for (const isTogether of [true, false]) {
      const keeper = new ReplyKeeper();
      const frames = [...before, endFrame('id', 2), ...after];
      if (isTogether) keep(keeper, ...frames);
      else for (const frame of frames) keep(keeper, frame);
      expect(keeper.find('id')).toBe(endFrame('id', 2));
    }
  });

  it('is not mistaken for another, whatever that says', () => {
    const keeper = new ReplyKeeper();
    keep(keeper, result('other', [['id', 0, 0, 'forged']]), result('id-1'), result('an-id'));
    expect(keeper.find('id')).toBeUndefined();
  });

  it('is not found under the id of another call', () => {
    expect(new ReplyKeeper().find('id')).toBeUndefined();
  });
});

describe('a reply that was sent', () => {
  it('is found until 4,096 others were sent', () => {
    const keeper = new ReplyKeeper();
    sendMany(keeper, ['first', ...idsFrom(0, MAX_REPLIES - 1)], 1);
    expect(keeper.find('first')).toBe(result('first'));
    sendMany(keeper, ['one-more'], 1);
    expect(keeper.find('first')).toBeUndefined();
    expect(keeper.find('id-0')).toBe(result('id-0'));
    expect(keeper.find('one-more')).toBe(result('one-more'));
  });

  it('is forgotten with the others of its message', () => {
    const keeper = new ReplyKeeper();
    sendMany(keeper, idsFrom(0, MAX_REPLIES), 64);
    expect(keeper.find('id-0')).toBe(result('id-0'));
    sendMany(keeper, ['one-more'], 1);
    const found = idsFrom(0, 128).map((id) => keeper.find(id) !== undefined);
    expect(found).toEqual(found.map((_, i) => i >= 64));
  });

  it('is found however many were sent before', () => {
    const keeper = new ReplyKeeper();
    for (let sent = 0; sent < 120_000; sent += 10_000) {
      sendMany(keeper, idsFrom(sent, 10_000), 1);
      const newest = sent + 9999;
      const oldest = newest - (MAX_REPLIES - 1);
      expect(keeper.find(`id-${newest}`)).toBe(result(`id-${newest}`));
      if (oldest < 1) continue;
      expect(keeper.find(`id-${oldest}`)).toBe(result(`id-${oldest}`));
      expect(keeper.find(`id-${oldest - 1}`)).toBeUndefined();
    }
  });

  it('pushes the oldest out when all together take more than 8 MiB', () => {
    const keeper = new ReplyKeeper();
    const large = 'x'.repeat(3 * MEBIBYTE);
    for (const id of ['a', 'b', 'c']) keepRecent(keeper, result(id, large));
    expect(['a', 'b', 'c'].map((id) => keeper.find(id) !== undefined)).toEqual([false, true, true]);
  });

  it('is not kept when it alone takes more than that, and the others stay', () => {
    const keeper = new ReplyKeeper();
    keepRecent(keeper, result('before'));
    keepRecent(keeper, result('huge', 'x'.repeat(9 * MEBIBYTE)));
    keepRecent(keeper, result('behind'));
    expect(['before', 'huge', 'behind'].map((id) => keeper.find(id))).toEqual([
      result('before'),
      undefined,
      result('behind'),
    ]);
  });

  it('is found when its text was released', () => {
    const keeper = new ReplyKeeper();
    const frame = result('id', 'ä'.repeat(10_000));
    const text = message(frame);
    keeper.keepRecent(text, [frame]);
    release(text);
    wrapText('', 'other'.repeat(4000), '');
    expect(keeper.find('id')).toBe(String(result('id', 'ä'.repeat(10_000))));
  });

  it('is not pushed out by what is no answer, however much of that is sent', () => {
    const keeper = new ReplyKeeper();
    keepRecent(keeper, result('id'));
    const value = valueFrame('stream', 0, `"${'x'.repeat(MEBIBYTE)}"`);
    const refused = refusal('refused', CloudsErrorCode.OVERLOADED);
    for (let i = 0; i < 9; i++) keepRecent(keeper, value, value);
    for (let i = 0; i < 9; i++) keepRecent(keeper, value, endFrame(`end-${i}`, 1));
    for (let i = 0; i < MAX_REPLIES; i++) keepRecent(keeper, refused, unknownFrame('unknown'));
    expect(keeper.find('id')).toBe(result('id'));
  });

  it('does not run out with time', async () => {
    const keeper = new ReplyKeeper();
    keepRecent(keeper, result('id'));
    await pass(60_000);
    keeper.expire();
    expect(keeper.find('id')).toBe(result('id'));
  });
});

describe('a reply that reached nobody', () => {
  it('names its call when it is the value of a stream, and only then', () => {
    const streams = sent(
      valueFrame('stream', 0, '1'),
      result('result'),
      endFrame('end', 3),
      refusal('refused', CloudsErrorCode.OVERLOADED),
      unknownFrame('unknown'),
      valueFrame('other-stream', 5, '1'),
    );
    expect(new ReplyKeeper().keepUnclaimed(streams)).toEqual([
      { id: 'stream', hasLost: true },
      { id: 'other-stream', hasLost: true },
    ]);
  });

  it('cannot be kept when what it said was pushed out', () => {
    const keeper = new ReplyKeeper();
    const large = 'x'.repeat(5 * MEBIBYTE);
    const [lost, kept] = ['a', 'b'].map((id) => keepRecent(keeper, result(id, large)));
    expect(keeper.keepUnclaimed(lost!)).toEqual([]);
    expect(keeper.find('a')).toBeUndefined();
    expect(keeper.keepUnclaimed(kept!)).toEqual([]);
    expect(keeper.find('b')).toBe(String(result('b', large)));
  });

  it('is found when others have pushed it out of those that were sent', () => {
    const keeper = new ReplyKeeper();
    keeper.keepUnclaimed(keepRecent(keeper, result('id')));
    keepRecent(keeper, result('large', 'x'.repeat(8 * MEBIBYTE - 100)));
    keepRecent(keeper, result('one-more'));
    expect(keeper.find('id')).toBe(result('id'));
  });

  it('is kept for ten seconds, however long it is', async () => {
    const keeper = new ReplyKeeper();
    const frame = result('id', 'x'.repeat(100_000));
    keeper.keepUnclaimed(sent(frame));
    await pass(9_999);
    keeper.expire();
    expect(keeper.find('id')).toBe(frame.toString());
    await pass(1);
    keeper.expire();
    expect(keeper.find('id')).toBeUndefined();
  });

  it('is kept ten seconds from the last time that it reached nobody', async () => {
    const keeper = new ReplyKeeper();
    keeper.keepUnclaimed(sent(result('id', 1), result('other')));
    await pass(6000);
    keeper.keepUnclaimed(sent(result('id', 2)));
    await pass(6000);
    keeper.expire();
    expect([keeper.find('id'), keeper.find('other')]).toEqual([result('id', 2), undefined]);
  });

  it('goes before the newest when there are more than 10,000', () => {
    const keeper = new ReplyKeeper();
    keeper.keepUnclaimed(sent(...idsFrom(0, 10_001).map((id) => result(id))));
    expect(['id-0', 'id-1', 'id-10000'].map((id) => keeper.find(id))).toEqual([
      undefined,
      result('id-1'),
      result('id-10000'),
    ]);
  });

  it('goes before the newest when they take more than 16 Mi characters', () => {
    const keeper = new ReplyKeeper();
    // 16 of them take less than that, 17 more.
    const large = 'x'.repeat(1_000_000);
    for (const id of idsFrom(0, 17)) keeper.keepUnclaimed(sent(result(id, large)));
    expect(keeper.find('id-0')).toBeUndefined();
    expect(keeper.find('id-1')).toBe(result('id-1', large).toString());
    for (let i = 0; i < 50; i++) keeper.keepUnclaimed(sent(result('id-16', large)));
    expect(keeper.find('id-1')).toBe(result('id-1', large).toString());
  });
});
