import { describe, expect, it } from 'vitest';
import { CloudsBadNameError, CloudsErrorCode } from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { checkServiceName } from '../../../lib/protocol/names.js';
import { thrown } from '../../support/thrown.js';

describe('checkServiceName', () => {
  it.each([
    'sum',
    '服务名',
    '{"cmd":"sum"}',
    'user.created/*',
    'constructor',
    ' ',
    '🦊',
    'a'.repeat(256),
    `${'é'.repeat(127)}ab`,
    '名'.repeat(85),
  ])('takes %j', (name) => {
    expect(() => checkServiceName(name)).not.toThrow();
  });

  it.each<[name: unknown, why: string]>([
    ['', 'it is empty'],
    [Object.create(null), 'it is of type object'],
    ['a'.repeat(257), 'it has 257 bytes'],
    [`${'é'.repeat(127)}abc`, 'it has 257 bytes'],
    ['名'.repeat(86), 'it has 258 bytes'],
    ['a\nb', 'it has control characters'],
    ['a\u0000', 'it has control characters'],
    ['\u007f', 'it has control characters'],
    ['\u0085', 'it has control characters'],
    ['a\ud800', 'it is not well-formed Unicode'],
    ['\udc00b', 'it is not well-formed Unicode'],
    [undefined, 'it is of type undefined'],
    [null, 'it is of type object'],
    [5, 'it is of type number'],
    [{ cmd: 'sum' }, 'it is of type object'],
  ])('refuses %j', (name, why) => {
    const error = thrown(() => checkServiceName(name));
    expect(error).toBeInstanceOf(CloudsBadNameError);
    expect(error.code).toBe(CloudsErrorCode.BAD_NAME);
    expect(error.message).toBe(messages.badName(name, why));
  });

  it('remembers names that are good, not those that are not, however many there are', () => {
    for (let i = 0; i < 2500; i++) {
      expect(() => checkServiceName(`name-${i % 1500}`)).not.toThrow();
      expect(() => checkServiceName(`name\n${i % 1500}`)).toThrow(CloudsBadNameError);
    }
  });
});
