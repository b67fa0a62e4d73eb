import { describe, expect, it } from 'vitest';
import { messages } from '../../../lib/common/messages.js';
import { Registration } from '../../../lib/node/registry.js';
import { RoomNotices } from '../../../lib/node/room-notices.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only } from '../fakes/redis.js';

useFakeClock();

function setUp() {
  const redis = new FakeRedis();
  const errors: string[] = [];
  const notices = new RoomNotices(redis, new Keys('t:'), { incarnation: 'node.2' }, (error) =>
    errors.push(error.message),
  );
  const points = new Registration('sum', () => undefined, 1000, 2);
  points.waitMarks = 3;
  const sent = () => only(redis.takeScripts('room'));
  return { notices, points, errors, sent };
}

describe('a node that gives points back', () => {
  it('has as many told as it gave back', async () => {
    const { notices, points, sent } = setUp();
    void notices.onFreed(points, 2);
    const { keys, args, answer } = sent();
    expect(keys).toEqual(['t:S:sum', 't:W:sum']);
    expect(args).toEqual(['t:P:', '[1,"o","node.2","sum"]', '', 2]);
    answer(1);
    await turn();
    expect(points.waitMarks).toBe(3);
  });

  it('stops when nobody waits', async () => {
    const { notices, points, sent } = setUp();
    void notices.onFreed(points, 1);
    sent().answer(0);
    await turn();
    expect(points.waitMarks).toBe(0);
  });

  it('goes on when it has heard meanwhile that somebody waits', async () => {
    const { notices, points, sent } = setUp();
    void notices.onFreed(points, 1);
    points.waitMarks++;
    sent().answer(0);
    await turn();
    expect(points.waitMarks).toBe(4);
  });

  it('says so when Redis refuses, and not when the connection breaks', async () => {
    const { notices, points, errors, sent } = setUp();
    void notices.onFreed(points, 1);
    sent().cut();
    await turn();
    expect(errors).toEqual([]);
    void notices.onFreed(points, 1);
    sent().refuse('NOPERM no');
    await turn();
    expect(errors).toEqual([messages.roomRefused('NOPERM no')]);
    expect(points.waitMarks).toBe(3);
  });
});

describe('a caller that does not wait any more', () => {
  it('leaves the line, and has the next told', () => {
    const { notices, sent } = setUp();
    void notices.leave('sum');
    expect(sent().args.slice(2)).toEqual(['node.2', 1]);
  });
});
