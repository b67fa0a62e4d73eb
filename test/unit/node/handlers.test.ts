import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { toRequestHandler } from '../../../lib/node/handlers.js';
import { IncomingRequest, type Responder } from '../../../lib/node/incoming-request.js';
import { Registration } from '../../../lib/node/registry.js';
import { NO_METADATA } from '../../../lib/protocol/frames.js';

/** What a handler says to its request, in order. */
class Conversation implements Responder {
  readonly said: unknown[][] = [];
  result = (_: IncomingRequest, value: unknown) => void this.said.push(['result', value]);
  announce = () => undefined;
  value = (_: IncomingRequest, value: unknown) => void this.said.push(['value', value]);
  end = () => void this.said.push(['end']);
  fail = (_: IncomingRequest, error: unknown) => void this.said.push(['fail', error]);
}

function request(data: unknown, responder: Responder): IncomingRequest {
  const registration = new Registration('sum', () => undefined, 1000, undefined);
  const origin = { from: 'caller.1', registration, ageMs: 0 };
  return new IncomingRequest(['id', 1000, 1, NO_METADATA, data], origin, responder);
}

async function saidBy(handler: (data: never, request: IncomingRequest) => unknown, data?: unknown) {
  const conversation = new Conversation();
  toRequestHandler(handler)(request(data, conversation));
  await turn();
  return conversation.said;
}

const error = new Error('no');
const thenable = { then: (resolve: (value: unknown) => void) => resolve(6) };

describe('a handler that returns', () => {
  it.each<[string, () => unknown, unknown[][]]>([
    ['a value', () => 6, [['result', 6]]],
    ['nothing', () => undefined, [['result', undefined]]],
    ['null', () => null, [['result', null]]],
    ['an array', () => [1, 2], [['result', [1, 2]]]],
    ['text, which is no stream of characters', () => 'ab', [['result', 'ab']]],
    ['a Map, which is no stream', () => new Map(), [['result', new Map()]]],
    ['a promise', () => Promise.resolve(6), [['result', 6]]],
    ['a thenable', () => thenable, [['result', 6]]],
    ['a promise that rejects', () => Promise.reject(error), [['fail', error]]],
    ['a promise that rejects with nothing', () => Promise.reject(), [['fail', undefined]]],
    [
      'a readable stream',
      () => Readable.from(['a', 'b']),
      [['value', 'a'], ['value', 'b'], ['end']],
    ],
    [
      'an async generator',
      async function* () {
        yield await Promise.resolve(1);
        yield 2;
      },
      [['value', 1], ['value', 2], ['end']],
    ],
    ['an async generator without values', async function* () {}, [['end']]],
    [
      'an async generator that throws',
      async function* () {
        yield await Promise.resolve(1);
        throw error;
      },
      [
        ['value', 1],
        ['fail', error],
      ],
    ],
    [
      'a promise of an async generator',
      () =>
        Promise.resolve(
          (async function* () {
            yield await Promise.resolve(1);
          })(),
        ),
      [['value', 1], ['end']],
    ],
  ])('%s answers with it', async (_, handler, said) => {
    expect(await saidBy(handler)).toEqual(said);
  });

  it('gets the data and the request', async () => {
    const said = await saidBy((data: number[], { id, service }) => [data, id, service], [1, 2]);
    expect(said).toEqual([['result', [[1, 2], 'id', 'sum']]]);
  });

  it.each([error, 'text', undefined, { a: 1 }])('fails with what it throws: %j', async (thrown) => {
    const said = await saidBy(() => {
      throw thrown as Error;
    });
    expect(said).toEqual([['fail', thrown]]);
  });

  it('a promise of another realm answers with its value', async () => {
    const said = await saidBy(() => vm.runInNewContext('Promise.resolve(6)') as unknown);
    expect(said).toEqual([['result', 6]]);
  });
});

describe('a stream that is cancelled', () => {
  it('is not ended as if it were whole, and its generator is left', async () => {
    const conversation = new Conversation();
    let isLeft = false;
    const incoming = request(undefined, conversation);
    toRequestHandler(async function* () {
      try {
        for (let i = 0; ; i++) {
          yield await Promise.resolve(i);
          if (i === 2) incoming.cancel(error);
        }
      } finally {
        isLeft = true;
      }
    })(incoming);
    await turn();
    expect(conversation.said).toEqual([
      ['value', 0],
      ['value', 1],
      ['value', 2],
      ['fail', error],
    ]);
    expect(isLeft).toBe(true);
  });
});
