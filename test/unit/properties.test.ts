import fc from 'fast-check';
import { describe, it, vi } from 'vitest';
import {
  CloudsBadNameError,
  CloudsBadOptionsError,
  CloudsPayloadTooLargeError,
  CloudsUnserializableError,
} from '../../lib/common/errors.js';
import { parseOptions } from '../../lib/common/parse-options.js';
import { callPlan } from '../../lib/node/call-options.js';
import { decodeMessage } from '../../lib/protocol/decode.js';
import {
  replyMessage,
  requestBody,
  requestHead,
  requestHeader,
  requestMessage,
  resultFrame,
} from '../../lib/protocol/encode.js';
import { isWildcard, matchesWildcard } from '../../lib/protocol/subscriptions.js';
import { RouteTable } from '../../lib/node/route-table.js';
import { checkServiceName } from '../../lib/protocol/names.js';
import { encodeData, MAX_DATA_DEPTH } from '../../lib/protocol/payload.js';

const MEBIBYTE = 1024 * 1024;
const RUNS = { numRuns: 1000 };

vi.setConfig({ testTimeout: 60_000 });

/** Whatever a caller without types could hand over: objects without a prototype, with odd keys, dates, maps. */
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
});

type ErrorClass = abstract new (...args: never[]) => Error;

/** What is thrown, if anything, is one of these, and can be shown. */
function throwsOnly(classes: readonly ErrorClass[], act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch (error) {
    return classes.some((one) => error instanceof one) && String(error).length > 0;
  }
}

const json = fc.jsonValue({ maxDepth: 8 });
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const service = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((name) => {
  return throwsOnly([], () => checkServiceName(name));
});
const metadata = fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined });

describe('whatever it is', () => {
  const keys = fc.constantFrom(
    'redis',
    'prefix',
    'service',
    'baseScore',
    'capacity',
    'maxPayload',
    '__proto__',
    'x',
  );

  it('options are taken or refused with CLOUDS_BAD_OPTIONS', () => {
    const options = fc.oneof(anything, fc.dictionary(keys, anything));
    fc.assert(
      fc.property(options, (value) =>
        throwsOnly([CloudsBadOptionsError], () => parseOptions(value as never)),
      ),
      RUNS,
    );
  });

  it('the options of a call are taken or refused with CLOUDS_BAD_OPTIONS', () => {
    const names = fc.constantFrom('timeout', 'attempts', 'deadline', 'headers', 'x');
    const defaults = parseOptions();
    const given = anything.filter((value) => value !== undefined);
    fc.assert(
      fc.property(fc.oneof(given, fc.dictionary(names, anything)), (value) =>
        throwsOnly([CloudsBadOptionsError], () => callPlan(false, value as never, defaults)),
      ),
      RUNS,
    );
  });

  it('the name of a service is taken or refused with CLOUDS_BAD_NAME', () => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.string({ unit: 'binary' })), (value) =>
        throwsOnly([CloudsBadNameError], () => checkServiceName(value)),
      ),
      RUNS,
    );
  });

  it('data is written or refused with a code', () => {
    fc.assert(
      fc.property(anything, (value) =>
        throwsOnly([CloudsUnserializableError, CloudsPayloadTooLargeError], () =>
          encodeData(value, 1000),
        ),
      ),
      RUNS,
    );
  });
});

describe('what is sent', () => {
  it('arrives as JSON would have it: requests', () => {
    const frame = fc.record({
      id,
      data: json,
      metadata,
      timeLeftMs: fc.nat(),
      attempt: fc.nat(100),
    });
    fc.assert(
      fc.property(service, fc.array(frame, { minLength: 1, maxLength: 5 }), (name, frames) => {
        const written = frames.map(
          (one) =>
            [
              requestHead(one.id, one.timeLeftMs, one.attempt),
              requestBody(one.metadata, encodeData(one.data, MEBIBYTE)),
            ] as const,
        );
        const text = requestMessage(1000, requestHeader('caller.1', name), written).toString();
        const message = decodeMessage(Buffer.from(text), MEBIBYTE) as unknown as {
          service: string;
          frames: unknown[][];
          malformed: number;
        };
        const read = message.frames.map(([, , , , data]) => JSON.stringify(data));
        return (
          message.service === name &&
          message.malformed === 0 &&
          read.every((data, index) => data === JSON.stringify(frames[index]!.data))
        );
      }),
      { numRuns: 500 },
    );
  });

  it('arrives as JSON would have it: replies', () => {
    fc.assert(
      fc.property(
        id,
        fc.oneof(json, fc.string({ unit: 'binary', maxLength: 20_000 })),
        (callId, data) => {
          const text = replyMessage('node.1', [
            resultFrame(callId, encodeData(data, MEBIBYTE)),
          ]).toString();
          const { frames } = decodeMessage(Buffer.from(text), MEBIBYTE) as unknown as {
            frames: unknown[][];
          };
          return (
            frames[0]![0] === callId &&
            JSON.stringify(frames[0]![3]) === JSON.stringify(JSON.parse(JSON.stringify(data)))
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is nested as deeply as it may, and no deeper', () => {
    const nested = (depth: number) => {
      let data: unknown = 0;
      for (let i = 0; i < depth; i++) data = i % 2 === 0 ? [data] : { a: data };
      return data;
    };
    fc.assert(
      fc.property(fc.nat(200), (depth) => {
        const isTaken = throwsOnly([], () => encodeData(nested(depth), MEBIBYTE));
        return isTaken === depth <= MAX_DATA_DEPTH;
      }),
    );
  });
});

describe('patterns of events', () => {
  const token = fc.constantFrom(
    '*',
    '>',
    '**',
    '',
    '(a+)+$',
    '[',
    '\\',
    '__proto__',
    'user',
    '%',
    '\0',
  );
  const name = fc.array(token, { maxLength: 200 }).map((tokens) => tokens.join('.'));

  /** What the documentation says, token by token. */
  function stands([first, ...others]: string[], [next, ...rest]: string[]): boolean {
    if (first === undefined || next === undefined) return first === next;
    if (first === '>' && others.length === 0) return true;
    return (first === '*' || first === next) && stands(others, rest);
  }

  it('are not expressions: `*` is one token, `>` all that are left, anything else itself', () => {
    fc.assert(
      fc.property(name, name, (pattern, event) => {
        const isTaken = isWildcard(pattern) ? matchesWildcard(pattern, event) : pattern === event;
        return isTaken === stands(pattern.split('.'), event.split('.'));
      }),
    );
  });

  it('find nothing in the table that nobody has put there', () => {
    fc.assert(
      fc.property(fc.array(name), name, (patterns, event) => {
        const services = patterns.map((pattern) => `@/${pattern}`);
        return new RouteTable(services)
          .routesOf(event)
          .every(({ service }) => services.includes(service));
      }),
    );
  });
});
