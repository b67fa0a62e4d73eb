import type { IncomingRequest } from './incoming-request.js';
import type { RequestHandler } from './registry.js';

/** For so long handlers may keep the process in one turn of the event loop before others have to wait for the next. */
const BUDGET_MS = 10;
/** Less than this is not worth to be forgotten at the end of the turn. */
const SMALL_CHANGE_MS = 1;
/** What may wait, as it takes memory: some 100 MiB at most. */
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Those that were started are cut off the list when it has so many. */
const MAX_STARTED = 10_000;

/** A request that is to be started. */
export interface Start {
  readonly request: IncomingRequest;
  readonly handler: RequestHandler;
  /** Until when it may wait, by `performance.now()`. */
  readonly startBy: number;
  /** About what it takes while it waits. */
  readonly bytes: number;
}

export interface PacerListener {
  /** Its time has come. */
  onTurn(start: Start): void;
  /** It has waited for too long. */
  onTooLate(start: Start): void;
}

/**
 * Starts requests as they come, until they have kept the process for long: the rest waits for the next turn
 * of the event loop. Node reads up to 2 MiB in one turn, and with handlers that work at once that could be
 * many seconds in which no heartbeat, no cancel and no timer gets through.
 */
export class Pacer {
  #waiting: Start[] = [];
  /** Those before it have been started. */
  #next = 0;
  #bytes = 0;
  #spentMs = 0;
  #isScheduled = false;

  constructor(private readonly listener: PacerListener) {}

  get isFull(): boolean {
    return this.#waiting.length - this.#next >= MAX_WAITING || this.#bytes >= MAX_WAITING_BYTES;
  }

  /** Starts a request now or later. */
  add(start: Start): void {
    if (this.#waiting.length === 0 && this.#spentMs < BUDGET_MS) return this.#run(start);
    this.#waiting.push(start);
    this.#bytes += start.bytes;
  }

  #run(start: Start): void {
    const began = performance.now();
    if (began < start.startBy) this.listener.onTurn(start);
    else this.listener.onTooLate(start);
    this.#spentMs += performance.now() - began;
    if (this.#spentMs > SMALL_CHANGE_MS) this.#schedule();
  }

  #onTurn(): void {
    this.#isScheduled = false;
    this.#spentMs = 0;
    while (this.#next < this.#waiting.length && this.#spentMs < BUDGET_MS) this.#runNext();
    if (this.#next < this.#waiting.length) this.#schedule();
    else this.#clear();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#onTurn());
  }

  #runNext(): void {
    const start = this.#waiting[this.#next++]!;
    this.#bytes -= start.bytes;
    if (!start.request.isSettled) this.#run(start);
    if (this.#next >= MAX_STARTED) this.#forgetStarted();
  }

  #forgetStarted(): void {
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }

  #clear(): void {
    this.#waiting = [];
    this.#next = 0;
  }
}
