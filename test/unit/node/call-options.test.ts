import { describe, expect, it } from 'vitest';
import { CloudsErrorCode } from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { parseOptions } from '../../../lib/common/parse-options.js';
import {
  callBody,
  type CallOptions,
  callPlan,
  NO_OPTIONS,
} from '../../../lib/node/call-options.js';
import { CloudsNode } from '../../../lib/node/node.js';
import type { Metadata } from '../../../lib/protocol/frames.js';
import { thrown } from '../../support/thrown.js';

const MINUTE = 60_000;
const defaults = parseOptions({
  maxPayload: 1000,
  service: { callbackTimeout: 5000, attempts: 2 },
});
const plan = (options: CallOptions) => callPlan(false, options, defaults);
const body = (data: unknown, headers?: Metadata) =>
  callBody(data, headers, defaults.maxPayloadBytes);
const refused = (options: unknown) => thrown(() => plan(options as CallOptions));

describe('the plan of a call', () => {
  it.each([{}, NO_OPTIONS])('comes from the node by default', (options) => {
    expect(plan(options)).toEqual({
      isOneWay: false,
      timeoutMs: 5000,
      attempts: 2,
      deadlineMs: 10_000,
      mayOutlastDeadline: true,
      isBroadcast: false,
      waitsWhenFull: false,
    });
  });

  it('comes from the call where it has options', () => {
    expect(plan({ timeout: 100, attempts: 3, deadline: 250 })).toEqual({
      isOneWay: false,
      timeoutMs: 100,
      attempts: 3,
      deadlineMs: 250,
      mayOutlastDeadline: false,
      isBroadcast: false,
      waitsWhenFull: false,
    });
  });

  it.each([
    [{ timeout: 100, attempts: 1 }, 100],
    [{ timeout: 100, attempts: 7 }, 700],
    [{ timeout: 100, attempts: -1 }, 10 * MINUTE],
    [{ timeout: 20 * MINUTE, attempts: -1 }, 20 * MINUTE],
  ])('has a deadline: %j', (options, deadlineMs) => {
    expect(plan(options).deadlineMs).toBe(deadlineMs);
  });

  it.each([true, false])('says whether a reply is wanted: %j', (isOneWay) => {
    expect(callPlan(isOneWay, NO_OPTIONS, defaults).isOneWay).toBe(isOneWay);
  });
});

describe('the body of a call', () => {
  it.each([
    [undefined, undefined, '0'],
    [undefined, { a: 'b' }, '{"a":"b"}'],
    [null, undefined, '0,null'],
    [[1], { a: 'b' }, '{"a":"b"},[1]'],
  ])('is, with the data %j and the headers %j, %s', (data, headers, text) => {
    expect(body(data, headers)).toBe(text);
  });
});

describe('a call that cannot be made', () => {
  it.each<[unknown, string]>([
    [
      { timout: 1 },
      messages.unknownOption('timout', [
        'timeout',
        'attempts',
        'deadline',
        'headers',
        'broadcast',
        'detached',
        'whenFull',
      ]),
    ],
    [
      { attempts: 0 },
      messages.badOption('attempts', 'a whole number from 1, or -1 for no limit', 0),
    ],
    [
      { timeout: 0 },
      messages.badOption('timeout', 'a number of milliseconds from 1 to 2147483647', 0),
    ],
    [
      { deadline: '5' },
      messages.badOption('deadline', 'a number of milliseconds from 1 to 2147483647', '5'),
    ],
    [{ whenFull: 'queue' }, messages.badOption('whenFull', '"fail" or "wait"', 'queue')],
    [{ detached: 1 }, messages.badOption('detached', 'true or false', 1)],
    [{ headers: { a: 1 } }, messages.badHeaders('headers.a', 'a string', 1)],
  ])('is one with the options %j', (options, message) => {
    expect(refused(options)).toMatchObject({ code: CloudsErrorCode.BAD_OPTIONS, message });
  });

  it('is one to a bad name', async () => {
    const node = new CloudsNode();
    for (const made of [node.send('', 1), node.emit('', 1)])
      await expect(made).rejects.toMatchObject({ code: CloudsErrorCode.BAD_NAME });
  });

  it('is one with data that cannot be sent', () => {
    expect(thrown(() => body(1n)).code).toBe(CloudsErrorCode.UNSERIALIZABLE);
    expect(thrown(() => body('x'.repeat(1000))).code).toBe(CloudsErrorCode.PAYLOAD_TOO_LARGE);
  });

  it.each([
    ['exceed the limit', 1, 'x'.repeat(2000)],
    ['exceed it together with the data', 'x'.repeat(600), 'x'.repeat(600)],
  ])('is one whose headers %s', (_, data, a) => {
    expect(thrown(() => body(data, { a })).code).toBe(CloudsErrorCode.PAYLOAD_TOO_LARGE);
  });

  it.each([null, 'text', ['a']])('is one whose headers are %j', (headers) => {
    expect(refused({ headers }).code).toBe(CloudsErrorCode.BAD_OPTIONS);
  });
});
