import { describe, expect, it } from 'vitest';
import { DropLog } from '../../../lib/node/drop-log.js';
import { pass, useFakeClock } from '../fakes/clock.js';

useFakeClock();

function setUp() {
  const lines: string[] = [];
  return { lines, log: new DropLog((line) => lines.push(line)) };
}

describe('what is dropped', () => {
  it('is counted by its kind', () => {
    const { log } = setUp();
    expect(log.counts()).toEqual({});
    for (let i = 0; i < 3; i++) log.add('malformed', 'x');
    log.add('too-large', 'x');
    expect(log.counts()).toEqual({ malformed: 3, 'too-large': 1 });
  });

  it('is told at most once a minute of each kind, with the count so far', async () => {
    const { lines, log } = setUp();
    for (let i = 0; i < 1000; i++) log.add('malformed', 'x');
    log.add('not-json', 'y');
    expect(lines).toHaveLength(2);
    await pass(59_999);
    log.add('malformed', 'x');
    expect(lines).toHaveLength(2);
    await pass(1);
    log.add('malformed', 'z');
    expect(lines).toEqual([
      'dropped a message that is malformed (1 so far): "x"',
      'dropped a message that is not-json (1 so far): "y"',
      'dropped a message that is malformed (1002 so far): "z"',
    ]);
  });

  it.each(['a\nERROR forged line', '\u001b[2J\u0000', '"quoted" \\', '\u2028'.repeat(3)])(
    'cannot forge a line of the log: %j',
    (text) => {
      const { lines, log } = setUp();
      log.add('malformed', text);
      expect(lines.join()).not.toMatch(/\p{Cc}/u);
      expect(lines.join()).toContain(JSON.stringify(text));
    },
  );

  it('is cut', () => {
    const { lines, log } = setUp();
    log.add('too-large', 'x'.repeat(10_000_000));
    expect(lines.join().length).toBeLessThan(300);
  });
});
