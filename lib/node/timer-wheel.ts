const TICK_MS = 10;
const SLOTS = 1024;
/** A tick so late means that the process was held up: what came in meanwhile is read first. */
const LATE_MS = 100;
const ABOUT_TO_BE_TOLD = -1;

/** Something that waits for a time. It is in at most one wheel at once. */
export abstract class WheelEntry {
  /** @internal */ dueTick = 0;
  /** @internal */ previous: WheelEntry | undefined;
  /** @internal */ next: WheelEntry | undefined;
}

class SlotHead extends WheelEntry {
  constructor() {
    super();
    this.previous = this.next = this;
  }
}

/**
 * One timer for any number of waiting entries; adding and removing one costs a few assignments.
 * (A hashed timing wheel: Varghese and Lauck, 1987.) An entry is told up to one tick late, never early.
 */
export class TimerWheel<T extends WheelEntry> {
  readonly #slots = Array.from({ length: SLOTS }, () => new SlotHead());
  readonly #onDue: (entry: T) => void;
  #size = 0;
  #lastTick = 0;
  #isTurning = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(onDue: (entry: T) => void) {
    this.#onDue = onDue;
  }

  /** Waits until `performance.now()` has reached `dueMs`. An entry that waits already is moved. */
  add(entry: T, dueMs: number): void {
    this.remove(entry);
    if (!this.#isTurning) this.#start();
    entry.dueTick = Math.max(Math.ceil(dueMs / TICK_MS), this.#lastTick + 1);
    const head = this.#slots[entry.dueTick % SLOTS]!;
    const last = head.previous!;
    entry.previous = last;
    entry.next = head;
    last.next = entry;
    head.previous = entry;
    this.#size++;
  }

  remove(entry: T): void {
    entry.dueTick = 0;
    if (entry.next !== undefined) this.#unlink(entry);
  }

  /** Stops the timer; what waits is forgotten. */
  close(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = this.#immediate = undefined;
    this.#isTurning = false;
  }

  #start(): void {
    this.#isTurning = true;
    this.#lastTick = Math.floor(performance.now() / TICK_MS);
    this.#schedule();
  }

  #schedule(): void {
    const delayMs = Math.max(1, (this.#lastTick + 1) * TICK_MS - performance.now());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onTimer(), delayMs);
  }

  #onTimer(): void {
    this.#timer = undefined;
    const lateMs = performance.now() - (this.#lastTick + 1) * TICK_MS;
    if (lateMs < LATE_MS) return this.#advance();
    // Timers run before sockets are read: without this, replies that are here would count as missing.
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#advance();
    });
  }

  #advance(): void {
    const now = Math.floor(performance.now() / TICK_MS);
    const first = Math.max(this.#lastTick + 1, now - SLOTS + 1);
    this.#lastTick = now;
    for (let tick = first; tick <= now; tick++) this.#expire(this.#slots[tick % SLOTS]!, now);
    if (!this.#isTurning) return;
    if (this.#size > 0) this.#schedule();
    else this.#isTurning = false;
  }

  #expire(head: SlotHead, now: number): void {
    const due: WheelEntry[] = [];
    let entry = head.next!;
    while (entry !== head) {
      const following = entry.next!;
      if (entry.dueTick <= now) {
        this.#unlink(entry);
        entry.dueTick = ABOUT_TO_BE_TOLD;
        due.push(entry);
      }
      entry = following;
    }
    for (const one of due) this.#tell(one as T);
  }

  /** Being told about one entry may have removed another, or added it anew. */
  #tell(entry: T): void {
    if (entry.dueTick !== ABOUT_TO_BE_TOLD) return;
    entry.dueTick = 0;
    this.#onDue(entry);
  }

  #unlink(entry: WheelEntry): void {
    entry.previous!.next = entry.next;
    entry.next!.previous = entry.previous;
    entry.previous = entry.next = undefined;
    this.#size--;
  }
}
