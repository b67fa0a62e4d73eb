import {
  BaseRpcContext,
  type CustomTransportStrategy,
  Server,
  type WritePacket,
} from '@nestjs/microservices';
import { Observable, type Subscriber } from 'rxjs';
import { closedLoop } from '../programs/closed-loop.js';
import type { Load, LoadOf, LoadResult } from '../programs/messages.js';
import { payloadOf } from '../programs/payload.js';
import { Recorder } from '../programs/recorder.js';

/**
 * The server's half of "Nest alone": feeds the handlers from memory, by the path of Nest that all its
 * transports take. Requests of a turn are handled in the next, as if a socket had brought them.
 */
export class NullServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('null');
  #waiting: (() => void)[] = [];

  listen(callback: () => void): void {
    callback();
  }

  close(): void {}

  on(): void {}

  unwrap<T>(): T {
    throw new Error('There is no driver behind the null transport.');
  }

  async feed(load: Load): Promise<LoadResult> {
    if (load.kind === 'hold') return this.#hold(load.count);
    if (load.kind === 'arrivals') throw new Error('the null transport has no queue to measure');
    const recorder = new Recorder(load.kind !== 'soak');
    const values = await closedLoop({
      concurrency: load.concurrency,
      recorder,
      begin: this.#requestOf(load),
      isOver: endOf(load, recorder),
    });
    return recorder.result(load.kind === 'streams' ? values : undefined);
  }

  #requestOf(load: Exclude<Load, LoadOf<'hold' | 'arrivals'>>): () => Observable<unknown> {
    if (load.kind === 'streams') return () => this.#request('stream', load.values);
    const data = payloadOf(load);
    return load.kind === 'events' ? () => this.#event(data) : () => this.#request('echo', data);
  }

  #request(pattern: string, data: unknown): Observable<unknown> {
    return new Observable((observer) => {
      this.#nextTurn(() => this.#handle(pattern, data, (packet) => reply(packet, observer)));
    });
  }

  #event(data: unknown): Observable<unknown> {
    return new Observable((observer) => {
      this.#nextTurn(() => {
        const packet = { pattern: 'tick', data };
        void this.handleEvent('tick', packet, new BaseRpcContext(['tick'])).then(() =>
          observer.complete(),
        );
      });
    });
  }

  #handle(pattern: string, data: unknown, respond: (packet: WritePacket) => void): void {
    const context = new BaseRpcContext([pattern]);
    const handler = this.getHandlerByPattern(pattern)!;
    const produce = async () => this.transformToObservable(await handler(data, context));
    this.handleRequest(context, produce, respond);
  }

  #hold(count: number): LoadResult {
    const recorder = new Recorder(false);
    for (let held = 0; held < count; held++) this.#handle('hold', held, () => undefined);
    return recorder.result(count);
  }

  #nextTurn(task: () => void): void {
    if (this.#waiting.push(task) > 1) return;
    setImmediate(() => {
      const tasks = this.#waiting;
      this.#waiting = [];
      for (const one of tasks) one();
    });
  }
}

function reply({ response, isDisposed }: WritePacket, observer: Subscriber<unknown>): void {
  if (response !== undefined) observer.next(response);
  if (isDisposed) observer.complete();
}

function endOf(load: { ms: number } | { calls: number }, recorder: Recorder) {
  if ('calls' in load) return () => recorder.done >= load.calls;
  const end = performance.now() + load.ms;
  return (now: number) => now >= end;
}
