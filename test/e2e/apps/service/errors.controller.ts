import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CloudsExceptionFilter, CloudsOverloadedError } from 'nestjs-clouds';
import { mergeMap, type Observable, throwError } from 'rxjs';

const overloaded = () => new CloudsOverloadedError('come back later', { details: { queue: 7 } });

@Injectable()
class ThrowingGuard implements CanActivate {
  canActivate(): boolean {
    throw overloaded();
  }
}

@Injectable()
class ThrowingPipe implements PipeTransform {
  transform(): never {
    throw overloaded();
  }
}

@Injectable()
class ThrowingInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(mergeMap(() => throwError(overloaded)));
  }
}

class OutOfStock extends Error {
  override readonly name = 'OutOfStock';
  readonly code = 'OUT_OF_STOCK';
  readonly details = { sku: 'a1' };
}

@Controller()
export class ErrorsController {
  @MessagePattern('clouds error')
  cloudsError(): never {
    throw overloaded();
  }

  @UseGuards(ThrowingGuard)
  @MessagePattern('clouds error of a guard')
  guarded(): void {}

  @MessagePattern('clouds error of a pipe')
  piped(@Payload(ThrowingPipe) data: unknown): unknown {
    return data;
  }

  @UseInterceptors(ThrowingInterceptor)
  @MessagePattern('clouds error of an interceptor')
  intercepted(): string {
    return 'done';
  }

  @MessagePattern('rpc exception with a code')
  coded(): never {
    throw new RpcException({
      code: 'OUT_OF_STOCK',
      message: 'none left',
      details: { sku: 'a1' },
      retryable: false,
    });
  }

  @UseFilters(CloudsExceptionFilter)
  @MessagePattern('let through')
  letThrough(): never {
    throw new OutOfStock('none left');
  }

  @UseFilters(CloudsExceptionFilter)
  @MessagePattern('rpc exception, filtered')
  filtered(): never {
    throw new RpcException('no such user');
  }

  @EventPattern('failing event')
  event(@Payload() _order: unknown): void {
    throw overloaded();
  }

  @UseFilters(CloudsExceptionFilter)
  @EventPattern('failing event, let through')
  eventLetThrough(@Payload() _order: unknown): void {
    throw new OutOfStock('none left');
  }
}
