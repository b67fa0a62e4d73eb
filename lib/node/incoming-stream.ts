import { REPORT_AFTER, REPORT_AFTER_BYTES, SizeLog } from './stream-window.js';

/** A message that brings values. */
export interface Arrival {
  /** The incarnation that sent it. */
  readonly incarnation: string;
  readonly bytes: number;
}

/** What has arrived of one stream that this process has called for, and what was consumed of it. */
export class IncomingStream {
  /** Where its node is to be told what was consumed. */
  place = '';
  #arrived = 0;
  #consumed = 0;
  #reported = 0;
  #reportedBytes = 0;
  readonly #sizes = new SizeLog();
  #last: Arrival | undefined;

  /** Whether values that have arrived are not consumed yet. */
  get isBehind(): boolean {
    return this.#consumed < this.#arrived;
  }

  /** One more value has arrived, with others or alone. */
  arrive(arrival: Arrival): void {
    this.#arrived++;
    // Of a message only the whole length is known: never too little, or the node would wait for a report in vain.
    this.#sizes.add(arrival === this.#last ? 0 : arrival.bytes);
    this.#last = arrival;
    this.place = arrival.incarnation;
  }

  /** One more value was consumed. Returns whether it is time to report it. */
  consume(): boolean {
    this.#consumed++;
    if (this.#consumed - this.#reported >= REPORT_AFTER) return true;
    // What has arrived in all is known at once; what was consumed of it is looked for only then.
    if (this.#sizes.bytes - this.#reportedBytes < REPORT_AFTER_BYTES) return false;
    return this.#sizes.upTo(this.#consumed) - this.#reportedBytes >= REPORT_AFTER_BYTES;
  }

  /** How many were consumed, which is being reported. */
  report(): number {
    this.#reported = this.#consumed;
    this.#reportedBytes = this.#sizes.upTo(this.#consumed);
    return this.#consumed;
  }
}
