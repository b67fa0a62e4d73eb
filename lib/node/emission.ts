import { CloudsError, CloudsErrorCode } from '../common/errors.js';
import type { ReplySink } from './call.js';
import type { Route } from './route-table.js';

/** Sends an event to one node of a service, or to every one. Calls exactly one method of the sink. */
export type SendTo = (route: Route, sink: ReplySink) => void;

/**
 * One event on its way to all who take it. It is over when each of them has it, and it is known that there are no
 * others; it has failed if one could not be reached, but for a service that has no node any more while another has.
 */
export class Emission {
  readonly #sentTo = new Set<string>();
  #pending = 1;
  #isTaken = false;
  #error: unknown;
  readonly #deserted: { readonly service: string; readonly error: unknown }[] = [];

  constructor(
    private readonly sendTo: SendTo,
    private readonly sink: ReplySink,
    /** Told of each service that had no node. */
    private readonly onDeserted: (service: string) => void,
  ) {}

  get hasTargets(): boolean {
    return this.#sentTo.size > 0;
  }

  /** To those that it was not sent to before. */
  send(routes: readonly Route[]): void {
    for (const route of routes) {
      if (this.#sentTo.has(route.service)) continue;
      this.#sentTo.add(route.service);
      this.#pending++;
      this.sendTo(route, this.#sinkFor(route));
    }
  }

  /** There are no others. */
  close(): void {
    this.#settleOne();
  }

  /** Whether there are others could not be found out. */
  fail(error: unknown): void {
    this.#error = error;
    this.#settleOne();
  }

  #sinkFor({ service }: Route): ReplySink {
    const taken = () => {
      this.#isTaken = true;
      this.#settleOne();
    };
    const error = (reason: unknown) => {
      if (isNoNode(reason)) this.#deserted.push({ service, error: reason });
      else this.#error ??= reason;
      this.#settleOne();
    };
    return { value: taken, end: taken, error };
  }

  #settleOne(): void {
    if (--this.#pending > 0) return;
    for (const { service } of this.#deserted) this.onDeserted(service);
    const error = this.#error ?? (this.#isTaken ? undefined : this.#deserted[0]?.error);
    if (error === undefined) this.sink.end();
    else this.sink.error(error);
  }
}

function isNoNode(error: unknown): boolean {
  return error instanceof CloudsError && error.code === CloudsErrorCode.NO_NODE;
}
