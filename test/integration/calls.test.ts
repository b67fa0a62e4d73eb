import { describe, expect, it } from 'vitest';
import type { CloudsNode, IncomingRequest } from '../../lib/index.js';
import { useCloud } from '../support/cloud.js';
import { gate, outcome, rejection, tally, timeOf, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();
const MEBIBYTE = 1024 * 1024;

type Handler = (data: never, request: IncomingRequest) => unknown;

/** A node that serves, and one that calls. */
async function pair(
  handler: Handler,
  options = {},
): Promise<{ node: CloudsNode; caller: CloudsNode }> {
  const [node, caller] = await Promise.all([cloud.connected(options), cloud.connected(options)]);
  await node.register('work', handler);
  return { node, caller };
}

/** Everything that a call says, in order. */
function collect(caller: CloudsNode, data?: unknown): Promise<unknown[]> {
  const said: unknown[] = [];
  return new Promise((resolve) => {
    caller.request(
      'work',
      data,
      {},
      {
        value: (value, isLast) => (said.push(value), isLast && resolve([...said, 'last'])),
        end: () => resolve([...said, 'end']),
        error: (error) => resolve([...said, error]),
      },
    );
  });
}

describe('an answer', () => {
  const values: unknown[] = [
    0,
    '',
    false,
    'text with "quotes", \u2028 and 中文 \u0000',
    [1, [2, [3]]],
    { a: { b: null } },
    null,
    1e300,
    JSON.parse('{"constructor":1,"__proto__":{"a":2}}'),
  ];

  it.each(values.map((value) => ({ value })))(
    'that is $value arrives as it was',
    async ({ value }) => {
      const { caller } = await pair((data) => data);
      expect(await caller.send('work', value)).toEqual(value);
    },
  );

  it('that is undefined arrives as undefined', async () => {
    const { caller } = await pair(() => undefined);
    expect(await caller.send('work')).toBeUndefined();
    expect(await collect(caller)).toEqual(['end']);
  });

  it('that is null is a value, not the end', async () => {
    const { caller } = await pair(() => null);
    expect(await collect(caller)).toEqual([null, 'last']);
  });

  it('may be promised', async () => {
    const { caller } = await pair((data: number) => Promise.resolve(data + 1));
    expect(await caller.send('work', 1)).toBe(2);
  });

  it('has lost what JSON loses, and nothing else', async () => {
    const { caller } = await pair(() => ({
      at: new Date(0),
      gone: undefined,
      list: [undefined, NaN],
    }));
    expect(await caller.send('work')).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      list: [null, null],
    });
  });

  it('comes to the call that it belongs to, 2,000 at once', async () => {
    const { node, caller } = await pair(async (n: number) => {
      if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      return n * 2;
    });
    const numbers = [...Array(2000).keys()];

    const answers = await Promise.all(numbers.map((n) => caller.send('work', n)));

    expect(answers).toEqual(numbers.map((n) => n * 2));
    await cloud.silence('work', [node]);
  });
});

describe('what a handler throws', () => {
  it('arrives as an Error with its name, message and own properties, without its stack', async () => {
    const { node, caller } = await pair(() => {
      throw Object.assign(new TypeError('not a number'), { code: 'E_NAN', at: { row: 3 } });
    });

    const error = await rejection(caller.send('work'));

    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'TypeError',
      message: 'not a number',
      code: 'E_NAN',
      at: { row: 3 },
    });
    expect(error.stack).not.toContain('calls.test');
    await cloud.silence('work', [node]);
  });

  it.each(['text', 42, null, { status: 404 }, { list: [1] }])(
    'may be the plain value %j',
    async (value) => {
      const { caller } = await pair(() => Promise.reject(value));
      expect(await rejection<unknown>(caller.send('work'))).toEqual(value);
    },
  );

  it('cannot make itself what it is not', async () => {
    const { caller } = await pair(() => {
      const error = Object.assign(new Error('x'), { constructor: 1, stack: 'forged' });
      throw Object.defineProperty(error, '__proto__', { value: { admin: true }, enumerable: true });
    });

    const error = await rejection(caller.send('work'));

    expect(error).toBeInstanceOf(Error);
    expect(error.stack).not.toBe('forged');
    expect((error as { admin?: boolean }).admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('keeps its code and class if it is an error of the transport', async () => {
    const { caller } = await pair((_: never, request) => {
      void request;
      return caller.send('work', 1n);
    });
    const error = await rejection(caller.send('work', 'outer'));
    expect(error).toMatchObject({
      code: 'CLOUDS_UNSERIALIZABLE',
      name: 'CloudsUnserializableError',
    });
  });

  it('arrives by its text alone when it cannot be written', async () => {
    const { caller } = await pair(() => {
      const error = new Error('round') as Error & { self?: unknown };
      error.self = error;
      throw error;
    });
    expect(await rejection(caller.send('work'))).toMatchObject({ message: 'round' });
  });

  it('arrives, and does not harm other answers, when more hangs on it than may be nested', async () => {
    let deep: unknown = 'bottom';
    for (let i = 0; i < 100; i++) deep = { deep };
    const { caller } = await pair((fails: boolean) => {
      if (fails) throw Object.assign(new Error('too deep'), { deep });
      return 'fine';
    });

    const options = { timeout: 1000 };
    const calls = [caller.send('work', true, options), caller.send('work', false, options)];

    const [bad, good] = await Promise.all(calls.map(outcome));
    expect(good).toBe('ok');
    expect(bad).not.toBe('CLOUDS_TIMEOUT');
  });

  it('arrives, and does not harm other answers, when more hangs on it than maxPayload', async () => {
    const { caller } = await pair((fails: boolean) => {
      if (fails) throw Object.assign(new Error('too large'), { body: 'x'.repeat(9 * MEBIBYTE) });
      return 'fine';
    });

    const options = { timeout: 1000 };
    const calls = [caller.send('work', true, options), caller.send('work', false, options)];

    const [bad, good] = await Promise.all(calls.map(outcome));
    expect(good).toBe('ok');
    expect(bad).not.toBe('CLOUDS_TIMEOUT');
  });
});

describe('a stream', () => {
  async function* count(n: number) {
    for (let i = 0; i < n; i++) yield await Promise.resolve(i);
  }

  it.each([0, 1, 3, 2000])('of %i values arrives whole and in order', async (n) => {
    const { node, caller } = await pair(count);
    expect(await collect(caller, n)).toEqual([...Array(n).keys(), 'end']);
    await cloud.silence('work', [node]);
  });

  it('resolves a send to its last value', async () => {
    const { caller } = await pair(count);
    expect(await caller.send('work', 5)).toBe(4);
    expect(await caller.send('work', 0)).toBeUndefined();
  });

  it('that fails gives its values first, then the error', async () => {
    const { caller } = await pair(async function* () {
      yield 1;
      yield await Promise.resolve(2);
      throw new RangeError('enough');
    });
    expect(await collect(caller)).toMatchObject([1, 2, { name: 'RangeError', message: 'enough' }]);
  });

  it('is not over at its timeout as long as values come', async () => {
    const { caller } = await pair(async function* () {
      for (let i = 0; i < 8; i++) {
        await new Promise((resolve) => setTimeout(resolve, 60));
        yield i;
      }
    });
    expect(await caller.send('work', 1, { timeout: 250, deadline: 5000 })).toBe(7);
  });

  it('that goes silent times out', async () => {
    const { caller } = await pair(async function* (_: never, request: IncomingRequest) {
      yield 1;
      await untilCancelled(request);
    });
    expect(await outcome(caller.pemit(3, 'work', 1, { timeout: 100 }))).toBe('CLOUDS_TIMEOUT');
  });

  it('has large values', async () => {
    const { caller } = await pair(async function* () {
      for (const letter of 'abc') yield await Promise.resolve(letter.repeat(700_000));
    });
    const values = await collect(caller);
    expect(values.map((value) => String(value).length)).toEqual([700_000, 700_000, 700_000, 3]);
  });

  it('with a value that is too large fails with CLOUDS_PAYLOAD_TOO_LARGE', async () => {
    const { node, caller } = await pair(async function* () {
      yield await Promise.resolve('small');
      yield 'x'.repeat(MEBIBYTE);
      yield 'never';
    });
    expect(await collect(caller)).toMatchObject(['small', { code: 'CLOUDS_PAYLOAD_TOO_LARGE' }]);
    await cloud.silence('work', [node]);
  });
});

describe('a request', () => {
  it('tells the handler who asks, what, and for how long', async () => {
    const requests: IncomingRequest[] = [];
    const { caller } = await pair((_: never, request) => void requests.push(request));
    const headers = { 'x-request-id': 'a1', 中文: '值' };
    const now = Date.now();

    await caller.send('work', { n: 1 }, { headers, timeout: 5000 });
    await caller.send('work');

    const [first, second] = requests;
    expect(first).toMatchObject({
      service: 'work',
      data: { n: 1 },
      metadata: headers,
      attempt: 1,
      isOneWay: false,
      callerId: caller.id,
    });
    expect(first!.deadline - now).toBeGreaterThan(3500);
    expect(first!.deadline - now).toBeLessThan(6000);
    expect(second).toMatchObject({ data: undefined, metadata: undefined });
    expect(first!.id).toMatch(/^[\w-]{16}$/);
    expect(first!.id).not.toBe(second!.id);
  });

  it('that is one-way resolves to nothing, when a node has it', async () => {
    const held = gate();
    const requests: IncomingRequest[] = [];
    const { node, caller } = await pair((_: never, request) => {
      requests.push(request);
      return held.opened;
    });

    expect(await caller.emit('work', 'data')).toBeUndefined();

    await until('it runs', () => requests.length === 1);
    expect(requests[0]).toMatchObject({ data: 'data', isOneWay: true, attempt: 1 });
    expect(caller.stats.inFlight).toBe(0);
    held.open();
    await cloud.silence('work', [node]);
  });

  it('is cancelled by its caller: the signal fires, and nothing is said any more', async () => {
    const reasons: unknown[] = [];
    const { node, caller } = await pair((_: never, request) =>
      untilCancelled(request).catch((reason) => void reasons.push(reason)),
    );
    const said: unknown[] = [];
    const say = (word: unknown) => void said.push(word);
    const cancel = caller.request('work', 1, {}, { value: say, end: () => say('end'), error: say });
    await until('it runs', () => node.stats.running === 1);

    cancel();
    cancel();

    await until('the handler heard it', () => reasons.length === 1);
    expect(reasons).toMatchObject([{ code: 'CLOUDS_CANCELLED' }]);
    await cloud.silence('work', [node]);
    expect(said).toEqual([]);
    expect(caller.stats.inFlight).toBe(0);
  });

  it('that times out fires the signal, too', async () => {
    let isAborted = false;
    const { node, caller } = await pair((_: never, { signal }) => {
      signal.addEventListener('abort', () => (isAborted = true));
      return untilCancelled({ signal });
    });

    expect(await outcome(caller.send('work', 1, { timeout: 60 }))).toBe('CLOUDS_TIMEOUT');

    await until('the signal fired', () => isAborted);
    await cloud.silence('work', [node]);
  });

  it('does not time out early', async () => {
    const { caller } = await pair((_: never, request) => untilCancelled(request));
    const call = caller.send('work', 1, { timeout: 200 });
    expect(await timeOf(call)).toBeGreaterThan(195);
  });

  it('may be made before connect(), which it then does by itself', async () => {
    const { node } = await pair(() => 'here');
    const caller = cloud.node();
    expect(await caller.send('work')).toBe('here');
    expect(caller.isConnected).toBe(true);
    await cloud.silence('work', [node]);
  });

  it('goes to its own service when several are called in one turn', async () => {
    const { node, caller } = await pair((data) => ['work', data]);
    await node.register('other', (data) => ['other', data]);
    const calls = [...Array(20).keys()].map((i) => caller.send(i % 2 ? 'work' : 'other', i));
    expect(await Promise.all(calls)).toEqual(
      [...Array(20).keys()].map((i) => [i % 2 ? 'work' : 'other', i]),
    );
  });
});

describe('data', () => {
  it.each([10 * 1024, 100 * 1024, MEBIBYTE - 2])(
    'of %i bytes goes there and back',
    async (bytes) => {
      const { node, caller } = await pair((data: string) => data);
      const data = 'x'.repeat(bytes);
      expect(await caller.send('work', data)).toBe(data);
      await cloud.silence('work', [node]);
    },
  );

  it('large and small travel together', async () => {
    const { node, caller } = await pair((data: string) => data.length);
    const sizes = [...Array(60).keys()].map((i) => (i % 3 === 0 ? 50_000 + i : 10 + i));
    const answers = await Promise.all(sizes.map((size) => caller.send('work', 'x'.repeat(size))));
    expect(answers).toEqual(sizes);
    await cloud.silence('work', [node]);
  });

  it('one byte over the limit fails with CLOUDS_PAYLOAD_TOO_LARGE before anything is sent', async () => {
    const { node, caller } = await pair((data: string) => data.length);
    const call = rejection(caller.send('work', 'x'.repeat(MEBIBYTE - 1)));
    expect(caller.stats.inFlight).toBe(0);
    const others = [...Array(20).keys()].map((i) => caller.send('work', 'y'.repeat(i)));

    expect(await call).toMatchObject({
      code: 'CLOUDS_PAYLOAD_TOO_LARGE',
      details: { bytes: MEBIBYTE + 1, maxBytes: MEBIBYTE },
    });
    expect(await Promise.all(others)).toEqual([...Array(20).keys()]);
    expect(node.stats.handled).toBe(20);
  });

  it('is measured in bytes, not in characters', async () => {
    const { caller } = await pair((data: string) => data.length, { maxPayload: 302 });
    expect(await caller.send('work', '中'.repeat(100))).toBe(100);
    expect(await outcome(caller.send('work', '中'.repeat(101)))).toBe('CLOUDS_PAYLOAD_TOO_LARGE');
    expect(await outcome(caller.emit('work', '中'.repeat(101)))).toBe('CLOUDS_PAYLOAD_TOO_LARGE');
  });

  it('that a handler answers has the same limit, and other answers are not affected', async () => {
    const { node, caller } = await pair((bytes: number) => 'x'.repeat(bytes));
    const calls = [MEBIBYTE - 1, 10, MEBIBYTE - 2].map((bytes) => caller.pemit(3, 'work', bytes));

    expect(await rejection(calls[0]!)).toMatchObject({
      code: 'CLOUDS_PAYLOAD_TOO_LARGE',
      node: node.id,
    });
    expect(await tally(calls)).toEqual({ ok: 2, CLOUDS_PAYLOAD_TOO_LARGE: 1 });
    expect(node.stats.handled).toBe(3);
    await cloud.silence('work', [node]);
  });

  it('counts headers, too', async () => {
    const { caller } = await pair(() => 1);
    const headers = { large: 'x'.repeat(2 * MEBIBYTE) };
    expect(await outcome(caller.send('work', 1, { headers }))).toBe('CLOUDS_PAYLOAD_TOO_LARGE');
  });

  const circle: Record<string, unknown> = {};
  circle.itself = circle;
  let deep: unknown = 1;
  for (let i = 0; i < 65; i++) deep = [deep];

  it.each([
    ['a circle', circle],
    ['a BigInt', { n: 1n }],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['65 levels', deep],
    [
      'what throws when it is written',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ],
  ])('that is %s fails with CLOUDS_UNSERIALIZABLE on either side', async (_, data) => {
    const { caller } = await pair(() => data);
    expect(await outcome(caller.send('work', data))).toBe('CLOUDS_UNSERIALIZABLE');
    expect(await outcome(caller.emit('work', data))).toBe('CLOUDS_UNSERIALIZABLE');
    expect(await outcome(caller.send('work', 'answer with it'))).toBe('CLOUDS_UNSERIALIZABLE');
  });
});

describe('a service name', () => {
  it.each([
    'constructor',
    '__proto__',
    'toString',
    '中文服务',
    'a b:c/d"e\\f',
    '{"cmd":"sum"}',
    '💡',
  ])('may be %j', async (name) => {
    const { node, caller } = await pair(() => 'work');
    expect(await outcome(caller.send(name, 1, { timeout: 100 }))).toBe('CLOUDS_NO_NODE');
    await node.register(name, (data) => data);
    expect(await caller.send(name, name)).toBe(name);
    await node.unregister(name);
  });

  it('that is not served gives no access to what objects have', async () => {
    const { caller } = await pair(() => 1);
    const calls = ['hasOwnProperty', 'valueOf'].map((name) =>
      caller.send(name, 1, { timeout: 50 }),
    );
    expect(await tally(calls)).toEqual({ CLOUDS_NO_NODE: 2 });
  });

  it.each(['', 'a\nb', 'x'.repeat(257), '\ud800', 42, null])('may not be %j', async (name) => {
    const { node, caller } = await pair(() => 1);
    expect(await outcome(caller.send(name as string))).toBe('CLOUDS_BAD_NAME');
    expect(await outcome(caller.emit(name as string))).toBe('CLOUDS_BAD_NAME');
    expect(await outcome(node.register(name as string, () => 1))).toBe('CLOUDS_BAD_NAME');
  });
});

describe('call options', () => {
  it.each([
    { timeout: 0 },
    { timeout: -1 },
    { timeout: 2 ** 31 },
    { timeout: '5' },
    { timeout: NaN },
    { deadline: 0 },
    { attempts: 0 },
    { attempts: 1.5 },
    { attempts: -2 },
    { headers: { n: 1 } },
    { unknown: true },
  ])('%j are refused with CLOUDS_BAD_OPTIONS', async (options) => {
    const { node, caller } = await pair(() => 1);
    expect(await outcome(caller.send('work', 1, options as never))).toBe('CLOUDS_BAD_OPTIONS');
    expect(node.stats.handled).toBe(0);
  });

  it('deadline ends a call before its timeout', async () => {
    const { caller } = await pair((_: never, request) => untilCancelled(request));
    const call = caller.send('work', 1, { timeout: 10_000, deadline: 100 });
    const ms = await timeOf(call);
    expect(await outcome(call)).toBe('CLOUDS_TIMEOUT');
    expect(ms).toBeLessThan(1100);
  });
});

describe('many large messages at once', () => {
  const MANY = 60;

  it('reach their node, which Redis would drop if they came together', async () => {
    const { caller } = await pair((data: string) => data.length);
    const data = 'x'.repeat(MEBIBYTE - 10);
    const lengths = await Promise.all(
      Array.from({ length: MANY }, () => caller.send('work', data)),
    );
    expect(lengths).toEqual(Array<number>(MANY).fill(MEBIBYTE - 10));
  });

  it('reach their caller', async () => {
    const { caller } = await pair((length: number) => 'x'.repeat(length));
    const replies = await Promise.all(
      Array.from({ length: MANY }, () => caller.send<string>('work', MEBIBYTE - 10)),
    );
    expect(replies.map(({ length }) => length)).toEqual(Array<number>(MANY).fill(MEBIBYTE - 10));
  });
});
