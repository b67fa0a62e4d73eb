import { describe, expect, it } from 'vitest';
import { CloudsBadOptionsError } from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { canSkipAnswers, checkServerVersion, serverIdOf } from '../../../lib/redis/server-info.js';
import { thrown } from '../../support/thrown.js';

const info = (...lines: string[]) => ['# Server', ...lines, 'os:Linux', ''].join('\r\n');

describe('checkServerVersion', () => {
  it.each([
    ['redis_version:7.0.0'],
    ['redis_version:7.0.15'],
    ['redis_version:7.4.1'],
    ['redis_version:8.2.0'],
    ['redis_version:10.0.0'],
    ['redis_version:255.255.255'],
    ['redis_version:7.2.4', 'server_name:valkey', 'valkey_version:7.2.5'],
    ['redis_version:7.2.4', 'valkey_version:8.0.1'],
    ['redis_version:7.2.4', 'valkey_version:10.0.0'],
    ['redis_version:unstable'],
    [],
  ])('takes %s %s %s', (...lines) => {
    expect(() => checkServerVersion(info(...lines), 'a:1')).not.toThrow();
  });

  it.each([
    ['Redis 6.2.14', 'redis_version:6.2.14'],
    ['Redis 6.9.240', 'redis_version:6.9.240'],
    ['Redis 2.8', 'redis_version:2.8'],
    ['Valkey 7.1.9', 'redis_version:7.2.4', 'valkey_version:7.1.9'],
    ['Valkey 6.0.0', 'valkey_version:6.0.0', 'redis_version:7.2.4'],
  ])('refuses %s', (version, ...lines) => {
    const error = thrown(() => checkServerVersion(info(...lines), 'a.example:6379'));
    expect(error).toBeInstanceOf(CloudsBadOptionsError);
    expect(error.message).toBe(messages.serverTooOld('a.example:6379', version));
  });
});

describe('answers can be skipped', () => {
  it.each([
    ['redis_version:7.0.9', false],
    ['redis_version:7.0.10', true],
    ['redis_version:7.0.15', true],
    ['redis_version:7.2.0', true],
    ['redis_version:8.0.1', true],
    ['redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0', true],
    ['nothing', false],
  ])('by a server that says %j: %j', (info, can) => {
    expect(canSkipAnswers(info)).toBe(can);
  });
});

describe('the id of a server', () => {
  const idOf = (run: string, replication: string) =>
    serverIdOf(info(`run_id:${run}`, `master_replid:${replication}`, 'master_replid2:0'));

  it('stays as long as it runs and is the master', () => {
    expect(idOf('a', 'b')).toBe(idOf('a', 'b'));
  });

  it('is another one after a restart, and when it was a replica in between', () => {
    expect(new Set([idOf('a', 'b'), idOf('c', 'b'), idOf('a', 'd')]).size).toBe(3);
  });

  it('is not known of one that does not say', () => {
    expect(serverIdOf(info())).toBeUndefined();
  });
});
