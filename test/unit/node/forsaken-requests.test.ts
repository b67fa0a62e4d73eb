import { describe, expect, it } from 'vitest';
import { ForsakenRequests } from '../../../lib/node/forsaken-requests.js';
import { IncomingRequest } from '../../../lib/node/incoming-request.js';
import { OutgoingStream } from '../../../lib/node/outgoing-stream.js';
import { Registration } from '../../../lib/node/registry.js';
import { WINDOW } from '../../../lib/node/stream-window.js';
import { NO_METADATA, ONE_WAY } from '../../../lib/protocol/frames.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis } from '../fakes/redis.js';

const BEAT_MS = 1000;
const CALLER = 'caller.1';
const responder = { result() {}, announce() {}, value() {}, end() {}, fail() {} };

/** A node with requests; `absent`: the callers that have no inbox. */
function setUp() {
  const requests: IncomingRequest[] = [];
  const forsaken: string[] = [];
  const reminded: string[] = [];
  const absent = new Set<string>();
  const asked: string[][] = [];
  const redis = new FakeRedis();
  redis.pipeline = (commands) => {
    const [[, , ...inboxes]] = commands as [[string, string, ...string[]]];
    asked.push(inboxes);
    const value = inboxes.flatMap((inbox) => [inbox, absent.has(inbox.slice(2)) ? 0 : 1]);
    return Promise.resolve([{ value, error: null }]);
  };
  const forsake = (request: IncomingRequest) => {
    forsaken.push(request.id);
    request.cancel(new Error('forsaken'));
  };
  const look = new ForsakenRequests(
    { requests, forsake },
    { reply: (_to, frame) => void reminded.push(String(frame)) },
    redis,
    new Keys(''),
  );
  const add = (id: string, { timeLeftMs = 60_000, attempt = 1, from = CALLER } = {}) => {
    const registration = new Registration('sum', () => undefined, 1000, undefined);
    const request = new IncomingRequest(
      [id, timeLeftMs, attempt, NO_METADATA, undefined],
      { from, registration, ageMs: 0 },
      responder,
    );
    requests.push(request);
    return request;
  };
  const addStream = (id: string, values: number) => {
    const request = add(id);
    request.stream = new OutgoingStream(() => undefined);
    request.values = values;
    for (let value = 0; value < values; value++) request.stream.add('1');
    return request;
  };
  const beat = async (count = 1) => {
    for (let i = 0; i < count; i++) {
      look.look();
      await turn();
      await pass(BEAT_MS);
    }
  };
  return { redis, absent, asked, forsaken, reminded, requests, add, addStream, beat };
}

useFakeClock();

describe('a request', () => {
  it('is left alone while its caller has time and is there', async () => {
    const { forsaken, asked, add, beat } = setUp();
    add('a');
    await beat(30);
    expect(forsaken).toEqual([]);
    expect(asked[0]).toEqual([`P:${CALLER}`]);
  });

  it('is forsaken a second after its time: the cancel was lost', async () => {
    const { forsaken, add, beat } = setUp();
    add('a', { timeLeftMs: 1500 });
    await beat(3);
    expect(forsaken).toEqual([]);
    await beat(1);
    expect(forsaken).toEqual(['a']);
    await beat(30);
    expect(forsaken).toEqual(['a']);
  });

  it('has nobody asked about its caller while it is young', async () => {
    const { asked, add, beat } = setUp();
    add('a');
    await beat(3);
    expect(asked).toEqual([]);
    await beat(1);
    expect(asked).toHaveLength(1);
  });

  it('is forsaken when its caller was absent for ten seconds', async () => {
    const { absent, forsaken, add, beat } = setUp();
    add('a');
    add('b', { from: 'other.1' });
    absent.add(CALLER);
    await beat(13);
    expect(forsaken).toEqual([]);
    await beat(1);
    expect(forsaken).toEqual(['a']);
  });

  it('is not when its caller comes back in time, as itself or with another inbox', async () => {
    const { absent, forsaken, add, beat } = setUp();
    const request = add('a');
    add('b', { from: 'other.1' });
    absent.add(CALLER).add('other.1');
    await beat(10);
    request.from = 'caller.2';
    absent.delete('other.1');
    await beat(2);
    absent.add('other.1');
    await beat(5);
    expect(forsaken).toEqual([]);
  });

  it('is not while Redis cannot be asked, or refuses to say', async () => {
    const { redis, forsaken, add, beat } = setUp();
    add('a');
    redis.pipeline = () => Promise.reject(new Error('cut'));
    await beat(30);
    redis.pipeline = () => Promise.resolve([{ value: undefined, error: new Error('NOPERM') }]);
    await beat(30);
    expect(forsaken).toEqual([]);
  });

  it('is never, if it is one-way', async () => {
    const { absent, forsaken, asked, add, beat } = setUp();
    add('a', { timeLeftMs: 100, attempt: ONE_WAY });
    absent.add(CALLER);
    await beat(30);
    expect([forsaken, asked]).toEqual([[], []]);
  });
});

describe('a stream', () => {
  it('that waits for room has its caller reminded with every beat, and is forsaken when that is silent for ten seconds', async () => {
    const { forsaken, reminded, addStream, beat } = setUp();
    const silent = addStream('silent', WINDOW + 1);
    const alive = addStream('alive', WINDOW + 1);
    for (let second = 0; second < 10; second++) {
      await beat();
      alive.stream!.onHeard();
    }
    expect(reminded).toHaveLength(20);
    expect(silent.isCancelled).toBe(false);
    await beat();
    expect(forsaken).toEqual(['silent']);
  });

  it('that has room has its caller reminded with every tenth beat: one that does not know it cancels it', async () => {
    const { forsaken, reminded, addStream, beat } = setUp();
    const stream = addStream('a', 3);
    await beat(9);
    expect(reminded).toEqual([]);
    await beat();
    expect(reminded).toEqual([`["a",7,3]`]);
    stream.stream!.onHeard();
    await beat(10);
    expect([reminded.length, forsaken]).toEqual([2, []]);
    await beat(10);
    expect(forsaken).toEqual(['a']);
  });

  it('that has room is forsaken when its caller was absent for ten seconds', async () => {
    const { absent, forsaken, addStream, beat } = setUp();
    addStream('a', 3);
    absent.add(CALLER);
    await beat(13);
    expect(forsaken).toEqual([]);
    await beat(1);
    expect(forsaken).toEqual(['a']);
  });

  it('that has begun goes on after the time of its request', async () => {
    const { forsaken, addStream, requests, beat } = setUp();
    const stream = addStream('a', 1);
    await beat(5);
    stream.stream!.onHeard();
    expect(requests[0]!.timeLeftMs).toBe(Infinity);
    expect(forsaken).toEqual([]);
  });
});
