import { Controller } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { concat, EMPTY, from, interval, map, type Observable, of, take, throwError } from 'rxjs';

const total = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);

/** Every way to answer that Nest knows. */
@Controller()
export class ResultsController {
  @MessagePattern('sum')
  sum(@Payload() numbers: number[]): number {
    return total(numbers);
  }

  @MessagePattern({ service: 'math', cmd: 'sum' })
  sumByObject(@Payload() numbers: number[]): number {
    return total(numbers);
  }

  @MessagePattern(['sum.first', { cmd: 'sum.second' }])
  sumByEither(@Payload() numbers: number[]): number {
    return total(numbers);
  }

  @MessagePattern('promise')
  promise(@Payload() numbers: number[]): Promise<number> {
    return Promise.resolve(total(numbers));
  }

  @MessagePattern('of')
  one(@Payload() numbers: number[]): Observable<number> {
    return of(total(numbers));
  }

  @MessagePattern('promise of observable')
  later(@Payload() numbers: number[]): Promise<Observable<number>> {
    return Promise.resolve(from(numbers));
  }

  @MessagePattern('values')
  values(@Payload() numbers: number[]): Observable<number> {
    return from(numbers);
  }

  @MessagePattern('values over time')
  valuesOverTime(@Payload() numbers: number[]): Observable<number> {
    return interval(5).pipe(
      map((index) => numbers[index]!),
      take(numbers.length),
    );
  }

  @MessagePattern('empty')
  empty(): Observable<never> {
    return EMPTY;
  }

  @MessagePattern('undefined')
  nothing(): void {}

  @MessagePattern('a null')
  null(): null {
    return null;
  }

  @MessagePattern('a false')
  false(): boolean {
    return false;
  }

  @MessagePattern('rpc exception of a string')
  rpcString(): never {
    throw new RpcException('no such user');
  }

  @MessagePattern('rpc exception of an object')
  rpcObject(): never {
    throw new RpcException({ status: 'error', message: 'no such user', reason: { id: 7 } });
  }

  @MessagePattern('plain error')
  plain(): never {
    throw new Error('the password is wrong');
  }

  @MessagePattern('rejected promise')
  rejected(): Promise<never> {
    return Promise.reject(new RpcException('rejected'));
  }

  @MessagePattern('observable that fails')
  failsAtOnce(): Observable<never> {
    return throwError(() => new RpcException('failed'));
  }

  @MessagePattern('values, then an error')
  failsLater(): Observable<number> {
    return concat(
      of(1, 2),
      throwError(() => new RpcException('broke off')),
    );
  }
}
