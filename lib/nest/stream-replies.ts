import { AsyncResource } from 'node:async_hooks';
import { Observable, type Subscriber } from 'rxjs';
import { CloudsOverloadedError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { isAsyncIterable } from '../node/handlers.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import type { CloudsContext } from './clouds.context.js';
import { StreamTail } from './stream-tail.js';

/** What becomes of a stream. */
export interface StreamPorts {
  readonly log: { error(error: unknown): void };
  /** What the caller is shown of an error that an async iterable throws. */
  shown(request: IncomingRequest, error: unknown): Promise<unknown>;
  fail(request: IncomingRequest, error: unknown): void;
  /** All is done that the source does for this message. */
  onOver(context: CloudsContext): void;
}

/**
 * Sends the values of an Observable. The last one is held until the next tick: an Observable that
 * completes with it, as `of(value)` does, is then one reply instead of two.
 */
export class StreamReplies {
  #source: Subscriber<unknown> | undefined;
  #held: { value: unknown } | undefined;
  /** All from the first async iterable on, which is what an interceptor hands on of a generator. */
  #tail: StreamTail | undefined;
  #isOver = false;

  constructor(
    private readonly request: IncomingRequest,
    private readonly context: CloudsContext,
    private readonly ports: StreamPorts,
  ) {}

  /** Once. */
  follow(values$: Observable<unknown>): void {
    // A cancel arrives in the context of the inbox; the end hook belongs in the one of the message.
    const stop = AsyncResource.bind(() => void this.#stop());
    // One that emits without a pause is unsubscribed before `subscribe` returns.
    const stoppable$ = new Observable<unknown>((own) => {
      this.#source = own;
      this.request.onCancel(stop);
      // Cancelled while the handler made it: nothing is to begin that nobody waits for.
      if (!own.closed) values$.subscribe(own);
    });
    stoppable$.subscribe({
      next: (value) => this.#next(value),
      complete: () => this.#afterTail(() => this.#complete()),
      error: (error: unknown) => this.#afterTail(() => this.#error(error)),
    });
  }

  #afterTail(end: () => void): void {
    if (this.#tail) this.#tail.finish(end);
    else end();
  }

  #next(value: unknown): void {
    if (this.#tail) return this.#append(this.#tail, value);
    this.#flush();
    if (isAsyncIterable(value)) return this.#append((this.#tail = this.#newTail()), value);
    this.#held = { value };
    process.nextTick(() => this.#flush());
  }

  #newTail(): StreamTail {
    return new StreamTail(this.request, {
      onError: (error) =>
        void this.ports.shown(this.request, error).then((shown) => this.#error(shown)),
    });
  }

  #append(tail: StreamTail, value: unknown): void {
    if (tail.add(value)) return;
    this.#error(new CloudsOverloadedError(messages.streamOverrun(this.request.service)));
  }

  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const held = this.#held;
    if (held && this.request.values === 0) {
      this.#held = undefined;
      this.request.result(held.value);
    } else {
      this.#flush();
      this.request.end();
    }
    this.ports.onOver(this.context);
  }

  /** Of the source or of an iterable: the other one is left. */
  #error(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flush();
    this.#leaveSource();
    void this.#tail?.leave();
    this.ports.fail(this.request, error);
    this.ports.onOver(this.context);
  }

  async #stop(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leaveSource();
    await this.#tail?.leave();
    // Whoever has come back meanwhile must not take it for whole.
    this.request.fail(this.request.signal.reason);
    this.ports.onOver(this.context);
  }

  /** A teardown of the application that throws must not stop the cancelling of other requests. */
  #leaveSource(): void {
    try {
      this.#source!.unsubscribe();
    } catch (error) {
      this.ports.log.error(error);
    }
  }

  #flush(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held) this.request.value(held.value);
  }
}
