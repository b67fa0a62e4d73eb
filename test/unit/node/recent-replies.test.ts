import { describe, expect, it } from 'vitest';
import { RecentReplies } from '../../../lib/node/recent-replies.js';
import { release, wrapText } from '../../../lib/protocol/text.js';

const MEBIBYTE = 1024 * 1024;
const MAX_REPLIES = 4096;

const having = (recent: RecentReplies, text: string) => [...recent.having(Buffer.from(text))];

/** Adds messages of one reply each, `<0>` and so on. */
function addMany(recent: RecentReplies, first: number, count: number): void {
  for (let i = first; i < first + count; i++) recent.add(`<${i}>`, 1);
}

describe('a reply message that was sent', () => {
  it('is kept by itself when it has more replies than are kept', () => {
    const recent = new RecentReplies();
    recent.add('before', 1);
    expect(recent.add('many', MAX_REPLIES + 1).text()).toBe('many');
    expect([having(recent, 'before'), having(recent, 'many')]).toEqual([[], ['many']]);
  });

  it('says what it said, and of how many replies', () => {
    const recent = new RecentReplies();
    const [one, two] = [recent.add('ä名😀', 1), recent.add('', 7)];
    expect([one.text(), one.replies]).toEqual(['ä名😀', 1]);
    expect([two.text(), two.replies]).toEqual(['', 7]);
  });

  it('says so when the memory of its text is used for others', () => {
    const recent = new RecentReplies();
    const text = wrapText('["', 'ä'.repeat(10_000), '"]');
    const message = recent.add(text, 1);
    release(text);
    wrapText('', 'other'.repeat(4000), '');
    expect(message.text()).toBe(`["${'ä'.repeat(10_000)}"]`);
  });

  it('says nothing any more after 8 MiB of others', () => {
    const recent = new RecentReplies();
    const [first, second] = [recent.add('first', 1), recent.add('second', 1)];
    recent.add('x'.repeat(8 * MEBIBYTE - 'firstsecond'.length), 1);
    expect([first.text(), second.text()]).toEqual(['first', 'second']);
    recent.add('third', 1);
    expect([first.text(), second.text()]).toEqual([undefined, 'second']);
  });

  it('is not mistaken for what was written over it', () => {
    const recent = new RecentReplies();
    const messages = [...'abcd'].map((x) => recent.add(x.repeat(3 * MEBIBYTE), 1));
    expect(messages.map((message) => message.text()?.[0])).toEqual([
      undefined,
      undefined,
      'c',
      'd',
    ]);
  });
});

describe('the messages that have some bytes', () => {
  it('are found newest first, and no others', () => {
    const recent = new RecentReplies();
    for (const text of ['["a",1]', '["b",1]', '[["b",2],["a",2]]', '["aa",3]']) recent.add(text, 1);
    expect(having(recent, '["a",')).toEqual(['[["b",2],["a",2]]', '["a",1]']);
    expect(having(recent, '["c",')).toEqual([]);
  });

  it('are none when nothing was sent', () => {
    expect(having(new RecentReplies(), 'x')).toEqual([]);
  });

  it('are not found across two messages', () => {
    const recent = new RecentReplies();
    recent.add('["a', 1);
    recent.add('",1]', 1);
    expect(having(recent, '["a",')).toEqual([]);
  });

  it('are found in UTF-8, and in texts in pieces', () => {
    const recent = new RecentReplies();
    const text = wrapText('["id",', `"${'名'.repeat(5000)}"`, ']');
    recent.add(text, 1);
    for (const part of ['["id",', '名"]']) expect(having(recent, part)).toEqual([String(text)]);
  });

  it('are those of the last 4,096 replies', () => {
    const recent = new RecentReplies();
    recent.add('<first>', 1);
    recent.add('<many>', MAX_REPLIES - 1);
    expect(having(recent, '<')).toEqual(['<many>', '<first>']);
    recent.add('<one more>', 1);
    expect(having(recent, '<')).toEqual(['<one more>', '<many>']);
    recent.add('<and one>', 1);
    expect(having(recent, '<')).toEqual(['<and one>', '<one more>']);
  });

  it('are those of the last 4,096 replies, however many were sent before', () => {
    const recent = new RecentReplies();
    for (let sent = 20_000; sent <= 140_000; sent += 20_000) {
      addMany(recent, sent - 20_000, 20_000);
      const kept = having(recent, '<');
      expect(kept).toHaveLength(Math.min(sent, MAX_REPLIES));
      expect([kept.at(0), kept.at(-1)]).toEqual([`<${sent - 1}>`, `<${sent - kept.length}>`]);
    }
  });

  it('are those of the last 8 MiB', () => {
    const recent = new RecentReplies();
    for (const x of 'abcde') recent.add(`<${x.repeat(3 * MEBIBYTE)}>`, 1);
    expect(having(recent, '<').map((text) => text[1])).toEqual(['e', 'd']);
    addMany(recent, 0, 10);
    expect(having(recent, '<').map((text) => text[1])).toEqual([...'9876543210', 'e']);
  });

  it('are found in one of 8 MiB, which is all then', () => {
    const recent = new RecentReplies();
    recent.add('small', 1);
    recent.add('x'.repeat(8 * MEBIBYTE), 1);
    expect(having(recent, 'small')).toEqual([]);
    expect(having(recent, 'x')).toHaveLength(1);
  });
});

describe('a message of more than 8 MiB', () => {
  const huge = 'x'.repeat(8 * MEBIBYTE + 1);

  it.each([
    ['a string', huge],
    ['a text in pieces', wrapText('', huge, '')],
  ])('is kept by whoever holds it, and pushes nothing out: %s', (_, text) => {
    const recent = new RecentReplies();
    const small = recent.add('small', 1);
    const message = recent.add(text, 3);
    expect(message.replies).toBe(3);
    expect(message.text() === huge).toBe(true);
    expect(having(recent, 'x')).toEqual([]);
    expect([small.text(), ...having(recent, 'small')]).toEqual(['small', 'small']);
  });
});
