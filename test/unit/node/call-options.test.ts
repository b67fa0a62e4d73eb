import { describe, expect, it } from 'vitest';
import { CloudsErrorCode } from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { parseOptions } from '../../../lib/common/parse-options.js';
import { type CallOptions, callSettings } from '../../../lib/node/call-options.js';
import { thrown } from '../../support/thrown.js';

const MINUTE = 60_000;
const defaults = parseOptions({
  maxPayload: 1000,
  service: { callbackTimeout: 5000, attempts: 2 },
});
const settings = (options: CallOptions = {}, data: unknown = [1]) =>
  callSettings('sum', data, false, options, defaults);
const refused = (options: unknown) => thrown(() => settings(options as CallOptions));

describe('the settings of a call', () => {
  it('come from the node by default', () => {
    expect(settings()).toEqual({
      service: 'sum',
      body: '0,[1]',
      isOneWay: false,
      timeoutMs: 5000,
      attempts: 2,
      deadlineMs: 10_000,
      mayOutlastDeadline: true,
    });
  });

  it('come from the call where it has some', () => {
    const options = { timeout: 100, attempts: 3, deadline: 250, headers: { a: 'b' } };
    expect(settings(options)).toMatchObject({
      body: '{"a":"b"},[1]',
      timeoutMs: 100,
      attempts: 3,
      deadlineMs: 250,
      mayOutlastDeadline: false,
    });
  });

  it.each([
    [{ timeout: 100, attempts: 1 }, 100],
    [{ timeout: 100, attempts: 7 }, 700],
    [{ timeout: 100, attempts: -1 }, 10 * MINUTE],
    [{ timeout: 20 * MINUTE, attempts: -1 }, 20 * MINUTE],
  ])('have a deadline: %j', (options, deadlineMs) => {
    expect(settings(options).deadlineMs).toBe(deadlineMs);
  });

  it.each([
    [undefined, undefined, '0'],
    [undefined, { a: 'b' }, '{"a":"b"}'],
    [null, undefined, '0,null'],
  ])('write the data %j with the headers %j as %s', (data, headers, body) => {
    expect(callSettings('sum', data, false, { headers }, defaults).body).toBe(body);
  });
});

describe('a call that cannot be made', () => {
  it.each<[unknown, string]>([
    [
      { timout: 1 },
      messages.unknownOption('timout', ['timeout', 'attempts', 'deadline', 'headers']),
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
    [{ headers: { a: 1 } }, messages.badOption('headers.a', 'a string', 1)],
  ])('is one with the options %j', (options, message) => {
    expect(refused(options)).toMatchObject({ code: CloudsErrorCode.BAD_OPTIONS, message });
  });

  it('is one to a bad name, or with data that cannot be sent', () => {
    const to = (service: string, data: unknown) =>
      thrown(() => callSettings(service, data, false, {}, defaults)).code;
    expect(to('', 1)).toBe(CloudsErrorCode.BAD_NAME);
    expect(to('sum', 1n)).toBe(CloudsErrorCode.UNSERIALIZABLE);
    expect(to('sum', 'x'.repeat(1000))).toBe(CloudsErrorCode.PAYLOAD_TOO_LARGE);
  });

  it('is one whose headers exceed the limit', () => {
    expect(refused({ headers: { a: 'x'.repeat(2000) } }).code).toBe('CLOUDS_PAYLOAD_TOO_LARGE');
  });

  it.each([null, 'text', ['a']])('is one whose headers are %j', (headers) => {
    expect(refused({ headers }).code).toBe(CloudsErrorCode.BAD_OPTIONS);
  });
});
