import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  type ExceptionFilter,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import { map, type Observable, throwError } from 'rxjs';

@Injectable()
class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const rpc = context.switchToRpc();
    const isOurContext = rpc.getContext<unknown>() instanceof CloudsContext;
    return isOurContext && rpc.getData<{ role: string }>().role === 'admin';
  }
}

class CreateUser {
  constructor(readonly name: string) {}
}

/** What a ValidationPipe does: plain data to an instance, or an error. */
@Injectable()
class UserPipe implements PipeTransform<{ name?: unknown }, CreateUser> {
  transform({ name }: { name?: unknown }): CreateUser {
    if (typeof name === 'string') return new CreateUser(name);
    throw new RpcException({ status: 'error', message: ['name must be a string'] });
  }
}

@Injectable()
class EnvelopeInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

class OutOfStock extends Error {}

@Catch(OutOfStock)
class OutOfStockFilter implements ExceptionFilter<OutOfStock> {
  catch(exception: OutOfStock, host: ArgumentsHost): Observable<never> {
    const pattern = host.switchToRpc().getContext<CloudsContext>().getPattern();
    return throwError(() => ({ status: 'error', message: exception.message, pattern }));
  }
}

@Controller()
export class EnhancersController {
  @UseGuards(AdminGuard)
  @MessagePattern('guarded')
  guarded(): string {
    return 'welcome';
  }

  @MessagePattern('piped')
  piped(@Payload(UserPipe) user: CreateUser): string {
    return `${user.constructor.name} ${user.name}`;
  }

  @UseInterceptors(EnvelopeInterceptor)
  @MessagePattern('intercepted')
  intercepted(@Payload() data: unknown): unknown {
    return data;
  }

  @UseFilters(OutOfStockFilter)
  @MessagePattern('filtered')
  filtered(): never {
    throw new OutOfStock('none left');
  }
}
