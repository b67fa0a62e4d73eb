import { describe, expect, it } from 'vitest';
import { addressOf, clientSettings, retryDelayMs } from '../../../lib/redis/client-settings.js';

describe('the delay before another connection attempt', () => {
  it.each([1, 2, 3, 4, 5, 10, 100, 5000, 2 ** 31])('of attempt %d is short', (attempt) => {
    const delays = Array.from({ length: 200 }, () => retryDelayMs(attempt));
    const least = Math.min(50 * 2 ** attempt, 500);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...delays)).toBeLessThanOrEqual(least + 100);
  });

  it('differs from process to process', () => {
    expect(new Set(Array.from({ length: 20 }, () => retryDelayMs(9))).size).toBeGreaterThan(10);
  });
});

describe('the settings of the client', () => {
  const MANAGED = {
    protocol: 3,
    replyMapping: 'legacy',
    lazyConnect: true,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
  };

  it('are what the protocol relies on, over what is asked for', () => {
    const asked = { host: 'a', autoResubscribe: true, protocol: 2, enableOfflineQueue: true };
    expect(clientSettings(asked)).toMatchObject({ host: 'a', ...MANAGED });
  });

  it('make the driver try again soon, however often it has tried', () => {
    expect(clientSettings({}).retryStrategy?.(100)).toBeLessThanOrEqual(600);
  });

  it('have defaults that can be changed', () => {
    expect(clientSettings({})).toMatchObject({
      host: '127.0.0.1',
      connectTimeout: 2000,
      keepAlive: 5000,
      connectionName: 'clouds',
    });
    const own = { connectTimeout: 1, keepAlive: 2, connectionName: 'mine' };
    expect(clientSettings(own)).toMatchObject(own);
  });

  it('keep their defaults where an option is undefined', () => {
    const options = { connectTimeout: undefined, keepAlive: undefined, connectionName: undefined };
    expect(clientSettings(options)).toMatchObject({ connectTimeout: 2000, keepAlive: 5000 });
  });

  it('carry address and credentials', () => {
    const options = { port: 1, db: 4, username: 'u', password: 'p', family: 6, tls: {} };
    expect(clientSettings(options)).toMatchObject(options);
  });

  it('do not name a URL, which the client takes apart itself', () => {
    expect(clientSettings({ url: 'redis://a' })).not.toHaveProperty('url');
    expect(clientSettings({ url: 'redis://a' })).not.toHaveProperty('host');
  });

  it('watch the sentinels for a failover', () => {
    const sentinels = [{ host: 's', port: 1 }];
    expect(clientSettings({ sentinels, name: 'm' })).toMatchObject({
      sentinels,
      name: 'm',
      failoverDetector: true,
    });
    expect(clientSettings({})).not.toHaveProperty('failoverDetector');
  });

  it.each([
    ["READONLY You can't write against a read only replica.", 1],
    ['ERR unknown command', false],
    ['LOADING Redis is loading', false],
  ])('reconnect on the error %j: %j', (message, answer) => {
    expect(clientSettings({}).reconnectOnError?.(new Error(message))).toBe(answer);
  });
});

describe('the address in messages', () => {
  it.each([
    [{}, '127.0.0.1:6379'],
    [{ host: 'a.example' }, 'a.example:6379'],
    [{ port: 6380, password: 'hunter2' }, '127.0.0.1:6380'],
    [{ path: '/run/redis.sock' }, '/run/redis.sock'],
    [{ url: 'redis://a.example:6380/4' }, 'redis://a.example:6380/4'],
    [{ url: 'redis://user:hunter2@a.example' }, 'redis://***@a.example'],
    [{ url: 'rediss://:hunter2@a.example/0' }, 'rediss://***@a.example/0'],
    [{ sentinels: [{ host: 's1' }, { host: 's2' }], name: 'm' }, 'master "m" of 2 sentinels'],
  ])('of %j is %s', (options, address) => {
    expect(addressOf(options)).toBe(address);
  });

  it.each(['redis://user:pass@hunter2@a.example', 'redis://a.example/?password=hunter2'])(
    'has no password: %s',
    (url) => {
      expect(addressOf({ url })).not.toContain('hunter2');
    },
  );
});
