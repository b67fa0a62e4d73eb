import { describe, expect, it } from 'vitest';
import { duration, NOT_SHOWN } from '../../../lib/common/checks.js';
import { CloudsBadOptionsError, CloudsErrorCode } from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import type { CloudsOptions } from '../../../lib/common/options.js';
import { parseCapacity, parseOptions } from '../../../lib/common/parse-options.js';
import { thrown } from '../../support/thrown.js';

/** What `parseOptions` throws for options that its type does not allow. */
const refused = (options: unknown) =>
  thrown<CloudsBadOptionsError>(() => parseOptions(options as CloudsOptions));

const LONGEST = 2 ** 31 - 1;
const TOP =
  'redis prefix service baseScore capacity maxRunning heartbeatInterval drainTimeout maxPayload connectTimeout signing group';
const REDIS =
  'url host port path db prefix username password tls family sentinels name sentinelUsername ' +
  'sentinelPassword connectTimeout keepAlive connectionName';
const SERVICE = 'callbackTimeout attempts noNodeGrace cleanInterval maxWaiting whenFull';

describe('the defaults', () => {
  const defaults = {
    redis: {},
    prefix: 'clouds:',
    timeoutMs: 60_000,
    attempts: 1,
    noNodeGraceMs: 2000,
    cleanIntervalMs: 5000,
    maxWaiting: 50_000,
    whenFull: 'fail',
    baseScore: 1000,
    capacity: undefined,
    maxRunning: 100_000,
    heartbeatMs: 1000,
    drainMs: 10_000,
    maxPayloadBytes: 1_048_576,
    connectMs: 10_000,
    signing: undefined,
    group: '',
  };

  it.each([
    ['no options', undefined],
    ['empty options', {}],
    ['empty parts', { redis: {}, service: {} }],
    ['options that are undefined', { redis: undefined, prefix: undefined, baseScore: undefined }],
  ])('are those of the documentation for %s', (_, options) => {
    expect(parseOptions(options)).toEqual(defaults);
  });

  it('cannot be changed afterwards', () => {
    expect(Object.isFrozen(parseOptions())).toBe(true);
  });
});

describe('options that are given', () => {
  it('replace each default', () => {
    const options: Required<Omit<CloudsOptions, 'prefix' | 'capacity'>> = {
      redis: { host: 'a.example', port: 6380, db: 4, prefix: 'TEST:' },
      service: {
        callbackTimeout: 1,
        attempts: -1,
        noNodeGrace: 0,
        cleanInterval: 7,
        maxWaiting: 9,
        whenFull: 'wait',
      },
      baseScore: 1,
      maxRunning: 8,
      heartbeatInterval: 50,
      drainTimeout: 0,
      maxPayload: 16 * 1024 * 1024,
      connectTimeout: LONGEST,
      signing: { keys: ['k'.repeat(32)], required: false },
      group: 'mail',
    };
    expect(parseOptions(options)).toEqual({
      redis: { host: 'a.example', port: 6380, db: 4 },
      prefix: 'TEST:',
      timeoutMs: 1,
      attempts: -1,
      noNodeGraceMs: 0,
      cleanIntervalMs: 7,
      maxWaiting: 9,
      whenFull: 'wait',
      baseScore: 1,
      capacity: undefined,
      maxRunning: 8,
      heartbeatMs: 50,
      drainMs: 0,
      maxPayloadBytes: 16 * 1024 * 1024,
      connectMs: LONGEST,
      signing: { keys: ['k'.repeat(32)], isRequired: false },
      group: 'mail',
    });
    expect(parseOptions({ capacity: 2 ** 20 })).toMatchObject({
      capacity: 2 ** 20,
      maxRunning: 2 ** 20,
    });
  });

  it.each(['redis://127.0.0.1', 'rediss://user:secret@a.example:6380/4', 'redis://[::1]:6379/0'])(
    'can name Redis by the URL %s',
    (url) => {
      expect(parseOptions({ redis: url }).redis).toEqual({ url });
    },
  );

  it('can complete a URL', () => {
    const redis = { url: 'redis://a.example', db: 3, username: 'u', password: 'p' };
    expect(parseOptions({ redis }).redis).toEqual(redis);
  });

  it('can name Redis by a socket, or by sentinels with the name of the master', () => {
    const sentinels = [{ host: 's1', port: 26379 }, { host: 's2' }];
    expect(parseOptions({ redis: { path: '/run/redis' } }).redis).toEqual({ path: '/run/redis' });
    expect(parseOptions({ redis: { sentinels, name: 'm' } }).redis).toEqual({
      sentinels,
      name: 'm',
    });
  });

  it.each([
    ['beside redis', { prefix: 'A:' }],
    ['in redis', { redis: { prefix: 'A:' } }],
    ['twice alike', { prefix: 'A:', redis: { prefix: 'A:' } }],
  ])('can give the prefix %s', (_, options) => {
    expect(parseOptions(options)).toMatchObject({ prefix: 'A:', redis: {} });
  });

  it('can have no prefix', () => {
    expect(parseOptions({ prefix: '' }).prefix).toBe('');
  });
});

describe('an option that does not exist', () => {
  it.each([
    [{ conection: {} }, 'conection', TOP],
    [{ service: { timeout: 1 } }, 'service.timeout', SERVICE],
    [{ redis: { hots: 'x' } }, 'redis.hots', REDIS],
    [JSON.parse('{"__proto__":1}'), '__proto__', TOP],
  ])('is refused with its name and what is allowed: %j', (options, path, allowed) => {
    const error = refused(options);
    expect(error).toBeInstanceOf(CloudsBadOptionsError);
    expect(error.code).toBe(CloudsErrorCode.BAD_OPTIONS);
    expect(error.message).toBe(messages.unknownOption(path, allowed.split(' ')));
  });
});

describe('an option that the transport manages', () => {
  it.each([
    'keyPrefix',
    'protocol',
    'autoResubscribe',
    'autoResendUnfulfilledCommands',
    'maxRetriesPerRequest',
    'enableOfflineQueue',
    'retryStrategy',
  ])('is refused with what to do instead: %s', (name) => {
    const { message, code } = refused({ redis: { [name]: 1 } });
    expect(code).toBe(CloudsErrorCode.BAD_OPTIONS);
    expect(message).toContain(messages.managedOption(`redis.${name}`, ''));
    expect(message.length).toBeGreaterThan(messages.managedOption(`redis.${name}`, '').length + 20);
  });

  it.each(['keyPrefix=x', 'enableOfflineQueue=true', 'autoResubscribe=true'])(
    'is refused in the query of a URL too: %s',
    (query) => {
      expect(refused({ redis: `redis://127.0.0.1/?${query}` }).code).toBe('CLOUDS_BAD_OPTIONS');
    },
  );
});

describe('options that contradict each other', () => {
  const url = 'redis://a.example';
  const sentinels = [{ host: 's' }];

  it.each([
    [{ url, host: 'b' }, 'url', 'host'],
    [{ url, path: '/run/redis' }, 'url', 'path'],
    [{ url, sentinels, name: 'm' }, 'url', 'sentinels'],
    [{ path: '/run/redis', host: 'b' }, 'path', 'host'],
    [{ path: '/run/redis', sentinels, name: 'm' }, 'path', 'sentinels'],
    [{ sentinels, name: 'm', host: 'b' }, 'sentinels', 'host'],
    [{ url: 'redis://a.example/3', db: 4 }, 'url', 'db'],
    [{ url: 'redis://u@a.example', username: 'v' }, 'url', 'username'],
    [{ url: 'redis://:p@a.example', password: 'q' }, 'url', 'password'],
  ])('are refused with both names: %j', (redis, first, second) => {
    const error = refused({ redis });
    expect(error.message).toBe(
      messages.contradiction(`redis.${first}`, `redis.${second}`, 'give one of them'),
    );
    expect(error.details).toEqual({ option: `redis.${first}` });
  });

  it.each([
    ['url', { url }],
    ['path', { path: '/run/redis' }],
    ['sentinels', { sentinels, name: 'm' }],
  ])('are refused when a port goes with a %s', (key, redis) => {
    expect(refused({ redis: { ...redis, port: 6379 } }).message).toBe(
      messages.contradiction(`redis.${key}`, 'redis.port', 'a port goes with a host'),
    );
  });

  it('are refused when two prefixes differ', () => {
    expect(refused({ prefix: 'A:', redis: { prefix: 'B:' } }).message).toBe(
      messages.contradiction('prefix', 'redis.prefix', 'they are the same setting, give it once'),
    );
  });

  it('are refused when sentinels have no name', () => {
    expect(refused({ redis: { sentinels } }).message).toBe(
      messages.badOption(
        'redis.name',
        'the name of the master that the sentinels watch',
        undefined,
      ),
    );
  });
});

describe('options whose names are those of a prototype', () => {
  it.each(['constructor', 'toString', '__proto__x'])('are unknown: %s', (name) => {
    expect(refused({ redis: { [name]: 1 } }).message).toContain(`unknown option "redis.${name}"`);
  });
});

describe('a value that is not allowed', () => {
  const whole = (least: number, most: number) => `a whole number from ${least} to ${most}`;
  const ms = (least: number) => `a number of milliseconds from ${least} to ${LONGEST}`;
  const points = whole(1, 2 ** 20);
  const attempts = 'a whole number from 1, or -1 for no limit';
  const prefix = 'a string of up to 128 characters without control characters';
  const url = 'a URL that begins with redis:// or rediss://, like redis://127.0.0.1:6379/0';
  /** What is no URL is not shown: it may be a password. */
  const OTHER = NOT_SHOWN;

  it.each<[options: unknown, path: string, expected: string, actual: unknown]>([
    [null, 'options', 'an object', null],
    [[], 'options', 'an object', []],
    ['redis://127.0.0.1', 'options', 'an object', OTHER],
    [{ redis: { host: 5 } }, 'redis.host', 'a non-empty string', OTHER],
    [{ redis: { host: '' } }, 'redis.host', 'a non-empty string', OTHER],
    [{ redis: { password: 5 } }, 'redis.password', 'a non-empty string', OTHER],
    [{ redis: { tls: true } }, 'redis.tls', 'an object', true],
    [{ redis: { family: 5 } }, 'redis.family', '4, 6, or 0 for either', 5],
    [{ redis: { keepAlive: 'x' } }, 'redis.keepAlive', ms(0), 'x'],
    [{ redis: { sentinels: [] } }, 'redis.sentinels', 'a list of { host, port }', []],
    [{ redis: { sentinels: ['a'], name: 'm' } }, 'redis.sentinels[0]', 'an object', OTHER],
    [{ redis: { name: 'm' } }, 'redis.sentinels', 'the sentinels that watch the master', undefined],
    [{ redis: 'redis://h/abc' }, 'redis', url, OTHER],
    [{ service: 5 }, 'service', 'an object', 5],
    [{ service: null }, 'service', 'an object', null],
    [{ redis: [] }, 'redis', 'an object', []],
    [{ redis: null }, 'redis', 'an object', null],
    [{ redis: 'http://a.example' }, 'redis', url, OTHER],
    [{ redis: '' }, 'redis', url, ''],
    [{ redis: { url: 6379 } }, 'redis.url', url, OTHER],
    [{ redis: 'redis://' }, 'redis', url, OTHER],
    [{ redis: { port: 0 } }, 'redis.port', whole(1, 65_535), 0],
    [{ redis: { port: 65_536 } }, 'redis.port', whole(1, 65_535), 65_536],
    [{ redis: { port: '6379' } }, 'redis.port', whole(1, 65_535), '6379'],
    [{ redis: { db: -1 } }, 'redis.db', whole(0, 1_000_000), -1],
    [{ redis: { connectTimeout: 0 } }, 'redis.connectTimeout', ms(1), 0],
    [{ baseScore: 0 }, 'baseScore', points, 0],
    [{ baseScore: 2 ** 20 + 1 }, 'baseScore', points, 2 ** 20 + 1],
    [{ baseScore: 1.5 }, 'baseScore', points, 1.5],
    [{ capacity: 0 }, 'capacity', points, 0],
    [{ capacity: '5' }, 'capacity', points, '5'],
    [{ capacity: 2 ** 20 + 1 }, 'capacity', points, 2 ** 20 + 1],
    [{ maxRunning: 0 }, 'maxRunning', whole(1, 10_000_000), 0],
    [{ heartbeatInterval: 49 }, 'heartbeatInterval', ms(50), 49],
    [{ heartbeatInterval: Infinity }, 'heartbeatInterval', ms(50), Infinity],
    [{ drainTimeout: -1 }, 'drainTimeout', ms(0), -1],
    [{ connectTimeout: NaN }, 'connectTimeout', ms(1), NaN],
    [{ connectTimeout: LONGEST + 1 }, 'connectTimeout', ms(1), LONGEST + 1],
    [{ maxPayload: 0 }, 'maxPayload', whole(1, 2 ** 24), 0],
    [{ maxPayload: 2 ** 24 + 1 }, 'maxPayload', whole(1, 2 ** 24), 2 ** 24 + 1],
    [{ service: { callbackTimeout: 0 } }, 'service.callbackTimeout', ms(1), 0],
    [{ service: { callbackTimeout: '60' } }, 'service.callbackTimeout', ms(1), '60'],
    [{ service: { noNodeGrace: -1 } }, 'service.noNodeGrace', ms(0), -1],
    [{ service: { cleanInterval: 0 } }, 'service.cleanInterval', ms(1), 0],
    [{ service: { attempts: 0 } }, 'service.attempts', attempts, 0],
    [{ service: { attempts: -2 } }, 'service.attempts', attempts, -2],
    [{ service: { attempts: 1.5 } }, 'service.attempts', attempts, 1.5],
    [{ prefix: 7 }, 'prefix', prefix, 7],
    [{ prefix: 'a\nb' }, 'prefix', prefix, 'a\nb'],
    [{ redis: { prefix: 'x'.repeat(129) } }, 'redis.prefix', prefix, 'x'.repeat(129)],
  ])('is refused with what is expected and what it is: %j', (options, path, expected, actual) => {
    const error = refused(options);
    expect(error.message).toBe(messages.badOption(path, expected, actual));
    expect(error.code).toBe(CloudsErrorCode.BAD_OPTIONS);
    expect(error.details).toEqual({ option: path });
  });

  it.each([
    { redis: { url: 'redis://user:hunter2@a.example', host: 'b' } },
    { redis: { password: 'hunter2', hots: 'a' } },
    { redis: { password: 'hunter2', port: 0 } },
    { redis: 'http://user:hunter2@a.example' },
    { redis: 'redis://user:hunter2@a.example:99999' },
    { redis: { sentinels: [], sentinelPassword: 'hunter2' } },
  ])('is refused without showing a password: %j', (options) => {
    expect(refused(options).message).not.toContain('hunter2');
  });

  it.each([
    { redis: 'user:hunter2@a.example' },
    { redis: 'http://user:pass/hunter2@a.example' },
    { redis: 'http://user:pass@hunter2@a.example' },
    { redis: 'http://a.example/?password=hunter2' },
  ])('is refused without showing a password that is written badly: %j', (options) => {
    expect(refused(options).message).not.toContain('hunter2');
  });
});

describe('duration', () => {
  it.each([1, 0.5 + 1, LONGEST])('takes %d ms', (value) => {
    expect(duration('timeout', value)).toBe(value);
  });

  it.each([0, -1, NaN, LONGEST + 1, '5', null, undefined])('refuses %j', (value) => {
    expect(() => duration('timeout', value)).toThrow(CloudsBadOptionsError);
  });
});

describe('parseCapacity', () => {
  it('takes undefined for no limit, and whole numbers that a score can hold', () => {
    expect([undefined, 1, 2 ** 20].map((value) => parseCapacity(value))).toEqual([
      undefined,
      1,
      2 ** 20,
    ]);
  });

  it.each([0, -1, 0.5, NaN, null])('refuses %j', (value) => {
    expect(() => parseCapacity(value)).toThrow(CloudsBadOptionsError);
  });
});
