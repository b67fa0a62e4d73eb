import { type ArgumentsHost, Catch, HttpException, HttpStatus } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { CloudsError, CloudsErrorCode } from 'nestjs-clouds';

const STATUS: Partial<Record<CloudsErrorCode, HttpStatus>> = {
  CLOUDS_TIMEOUT: HttpStatus.GATEWAY_TIMEOUT,
  CLOUDS_EXPIRED: HttpStatus.GATEWAY_TIMEOUT,
  CLOUDS_NODE_LOST: HttpStatus.BAD_GATEWAY,
  CLOUDS_CANCELLED: HttpStatus.BAD_GATEWAY,
  CLOUDS_NO_NODE: HttpStatus.SERVICE_UNAVAILABLE,
  CLOUDS_DISCONNECTED: HttpStatus.SERVICE_UNAVAILABLE,
  CLOUDS_CLOSED: HttpStatus.SERVICE_UNAVAILABLE,
  CLOUDS_OVERLOADED: HttpStatus.TOO_MANY_REQUESTS,
  CLOUDS_PAYLOAD_TOO_LARGE: HttpStatus.PAYLOAD_TOO_LARGE,
};

/** Answers with the code, which is stable, and not with the message, which names services and nodes. */
@Catch(CloudsError)
export class CloudsErrorFilter extends BaseExceptionFilter {
  override catch({ code, retryable }: CloudsError, host: ArgumentsHost): void {
    const statusCode = STATUS[code] ?? HttpStatus.INTERNAL_SERVER_ERROR;
    super.catch(new HttpException({ statusCode, code, retryable }, statusCode), host);
  }
}
