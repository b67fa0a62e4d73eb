import { ForbiddenException, Logger } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { expect, it } from 'vitest';
import { CloudsExceptionFilter } from '../../../lib/index.js';

Logger.overrideLogger(false);

/** What is answered over HTTP when this is thrown, by a filter that was made by hand. */
function answerTo(exception: unknown): unknown[] {
  const answer: unknown[] = [];
  const response = {
    headersSent: false,
    status: (code: number) => (answer.push(code), response),
    send: (body: unknown) => void answer.push(body),
  };
  const host = new ExecutionContextHost([{}, response]);
  host.setType('http');
  new CloudsExceptionFilter().catch(exception, host);
  return answer;
}

it('what is thrown over HTTP is left to Nest', () => {
  const masked = { statusCode: 500, message: 'Internal server error' };
  expect(answerTo(new Error('secret'))).toEqual([500, masked]);
  const forbidden = { statusCode: 403, message: 'Forbidden' };
  expect(answerTo(new ForbiddenException())).toEqual([403, forbidden]);
});
