import { RpcException } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { CloudsError, CloudsServer, CloudsTimeoutError } from '../../../lib/index.js';
import { received, withNode } from '../../../lib/nest/coded-exceptions.js';

describe('a CloudsError', () => {
  it('is an RpcException that sends itself, once there is a server', () => {
    expect(CloudsServer).toBeDefined();
    const error = new CloudsTimeoutError('late', { details: { limit: 5 } });
    expect(error).toBeInstanceOf(RpcException);
    expect(error).toBeInstanceOf(CloudsError);
    expect(error).toBeInstanceOf(Error);
    expect((error as unknown as RpcException).getError()).toBe(error);
    expect(Object.keys(error)).not.toContain('getError');
  });
});

describe('what an RpcException sends', () => {
  it.each<[unknown, unknown]>([
    [
      { code: 'A', retryable: true },
      { code: 'A', retryable: true, node: 'n' },
    ],
    [
      { code: 'A', node: 'first' },
      { code: 'A', node: 'first' },
    ],
    [
      { status: 'error', message: 'no' },
      { status: 'error', message: 'no' },
    ],
    [
      { code: 7, message: 'of gRPC' },
      { code: 7, message: 'of gRPC', node: 'n' },
    ],
    [{ code: { of: 'an application' } }, { code: { of: 'an application' } }],
    ['text', 'text'],
    [null, null],
  ])('of %j is %j', (error, sent) => {
    expect(withNode(error, 'n')).toEqual(sent);
  });
});

describe('what an RpcException with a code has sent', () => {
  it('has all of it as properties, and as JSON, also a field named "error"', () => {
    const sent = { code: 'X', message: 'no', error: 'Bad Request', statusCode: 400 };
    const exception = received(sent) as Omit<RpcException, 'error'> & typeof sent;
    expect(exception).toBeInstanceOf(RpcException);
    expect(exception.error).toBe('Bad Request');
    expect(JSON.parse(JSON.stringify(exception))).toEqual(sent);
    expect(exception.getError()).toEqual(sent);
  });
});
