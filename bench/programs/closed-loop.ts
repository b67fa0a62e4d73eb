import type { Observable } from 'rxjs';
import type { Recorder } from './recorder.js';

interface LoopSettings {
  readonly concurrency: number;
  readonly recorder: Recorder;
  /** Whether no further call is made at this time, by `performance.now()`. */
  isOver(now: number): boolean;
  begin(): Observable<unknown>;
  /** Runs the next call of a lane; default: at once. */
  schedule?(next: () => void): void;
}

/**
 * Keeps `concurrency` calls out until it is over: whoever is answered makes the next call. Resolves to the
 * number of values that came. One observer per lane for all of its calls, and no promises: the harness is
 * paid for by all peers alike, and what it costs hides what the transports cost.
 */
export function closedLoop(settings: LoopSettings): Promise<number> {
  return new Promise((resolve) => {
    const { concurrency } = settings;
    let running = concurrency;
    const lanes = Array.from({ length: concurrency }, () => new Lane(settings, onEnd));
    function onEnd(): void {
      if (--running === 0) resolve(lanes.reduce((sum, { values }) => sum + values, 0));
    }
    for (const lane of lanes) lane.start();
  });
}

class Lane {
  readonly #settings: LoopSettings;
  readonly #onEnd: () => void;
  readonly #next: () => void;
  #began = 0;
  values = 0;

  constructor(settings: LoopSettings, onEnd: () => void) {
    this.#settings = settings;
    this.#onEnd = onEnd;
    this.#next = () => this.start();
  }

  start(now = performance.now()): void {
    if (this.#settings.isOver(now)) return this.#onEnd();
    this.#began = now;
    this.#settings.begin().subscribe(this);
  }

  next(): void {
    this.values++;
  }

  complete(): void {
    const now = performance.now();
    this.#settings.recorder.add(now - this.#began);
    if (this.#settings.schedule) this.#settings.schedule(this.#next);
    else this.start(now);
  }

  /** Not at once: a call that fails at once would keep the loop from ever ending its turn. */
  error(): void {
    this.#settings.recorder.failed++;
    setImmediate(this.#next);
  }
}
