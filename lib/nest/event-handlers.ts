import type { MessageHandler } from '@nestjs/microservices';
import { type IncomingRequest, type Responder } from '../node/incoming-request.js';
import type { CloudsContext } from './clouds.context.js';
import { type HandlerPorts, type MessageRunner, PatternHandler } from './pattern-handler.js';
import { standIn } from './stand-in.js';

/** Several handlers of one event: each runs as if it were alone, and the message is over when all are. */
export class EventHandlers implements MessageRunner {
  readonly #handlers: readonly PatternHandler[];

  constructor(
    handlers: readonly MessageHandler[],
    private readonly ports: HandlerPorts,
  ) {
    const part: HandlerPorts = { ...ports, onOver: () => undefined };
    this.#handlers = handlers.map((handler) => new PatternHandler(handler, part));
  }

  run(request: IncomingRequest, context: CloudsContext): Promise<unknown> {
    let running = this.#handlers.length;
    const onOver = () => {
      if (--running > 0) return;
      this.#answer(request, outcomes);
      this.ports.onOver(context);
    };
    const outcomes = this.#handlers.map(() => new Outcome(onOver));
    const { data, metadata } = request;
    const runs = this.#handlers.map((handler, i) =>
      handler.run(standIn({ request, data, metadata }, outcomes[i]!), context),
    );
    return Promise.all(runs);
  }

  /** A request gets what it gets with every transport of Nest: the last value of each; or the first failure. */
  #answer(request: IncomingRequest, outcomes: readonly Outcome[]): void {
    if (request.isOneWay) return request.end();
    let first: Outcome['failure'];
    for (const [i, { failure }] of outcomes.entries()) {
      if (first && failure) this.#handlers[i]!.report(failure.error);
      first ??= failure;
    }
    if (first) request.fail(first.error);
    else request.result(joined(outcomes.map(({ last }) => last)));
  }
}

/** What one of the handlers answers. */
class Outcome implements Responder {
  last: unknown;
  failure: { error: unknown } | undefined;

  constructor(private readonly onOver: () => void) {}

  result(part: IncomingRequest, value: unknown): void {
    this.last = value;
    this.end(part);
  }

  announce(): void {}

  value(part: IncomingRequest, value: unknown): void {
    part.values++;
    this.last = value;
  }

  end(part: IncomingRequest): void {
    if (part.isSettled) return;
    part.isSettled = true;
    this.onOver();
  }

  fail(part: IncomingRequest, error: unknown): void {
    this.failure ??= { error };
    this.end(part);
  }
}

/** As Nest links handlers: `{ current, next: { current, next } }`. */
function joined(values: readonly unknown[]): unknown {
  return values.reduceRight((next, current) => ({ current, next }));
}
