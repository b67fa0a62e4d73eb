import { describe, expect, it } from 'vitest';
import { CloudsExpiredError } from '../../../lib/common/errors.js';
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
    for (let i = 0; i < 3; i++) log.add('malformed', 10);
    log.add('too-large', 10);
    expect(log.counts()).toEqual({ malformed: 3, 'too-large': 1 });
  });

  it('is an event too, which is counted by the code of the reason', () => {
    const { lines, log } = setUp();
    for (let i = 0; i < 2; i++) log.addEvent(new CloudsExpiredError('it was too old.'), 'node.1');
    expect(log.counts()).toEqual({ CLOUDS_EXPIRED: 2 });
    expect(lines).toEqual([
      'dropped an event from node.1, CLOUDS_EXPIRED: it was too old. (1 so far)',
    ]);
  });

  it('is told at most once a minute of each kind, with the count so far', async () => {
    const { lines, log } = setUp();
    for (let i = 0; i < 1000; i++) log.add('malformed', 10);
    log.add('not-json', 20, 'node.1');
    expect(lines).toHaveLength(2);
    await pass(59_999);
    log.add('malformed', 10);
    expect(lines).toHaveLength(2);
    await pass(1);
    log.add('malformed', 30);
    expect(lines).toEqual([
      'dropped a message of 10 bytes from somebody who does not say that is malformed (1 so far)',
      'dropped a message of 20 bytes from node.1 that is not-json (1 so far)',
      'dropped a message of 30 bytes from somebody who does not say that is malformed (1002 so far)',
    ]);
  });
});
