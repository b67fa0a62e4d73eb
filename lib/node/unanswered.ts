import type { Batch } from './batch.js';
import type { Call } from './call.js';

/** Batches that may be out without an answer. The script keeps as many answers, so none is forgotten. */
export const FENCE_SLOTS = 256;
/** When a call that takes its time needs to know its node: to be cancelled there, or moved when that dies. */
const LATE_MS = 100;
/** How many batches with calls out are looked past for one that has none. */
const MAX_OPEN = 8;

/**
 * The batches that are out, each in its slot of the fence. Those that were sent quietly are forgotten when
 * their calls are answered, and else asked for in the end.
 */
export class Unanswered {
  readonly #batches = new Array<Batch | undefined>(FENCE_SLOTS).fill(undefined);
  /** No quiet batch has a lower number. */
  #oldestQuiet = 1;
  #isCutOff = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** Calls that are to be cancelled where they are. */
  #sought = new Set<Call>();
  readonly #ask: (batch: Batch) => void;

  constructor(ask: (batch: Batch) => void) {
    this.#ask = ask;
  }

  /** Whether a batch of this number can be sent; if not, the one in its way is asked for. */
  hasRoomFor(sequence: number): boolean {
    const batch = this.#batches[slotOf(sequence)];
    if (batch?.isQuiet) this.#askOrForget(batch);
    return this.isFree(sequence);
  }

  /** Whether no batch is out in the slot of this one. */
  isFree(sequence: number): boolean {
    return this.#batches[slotOf(sequence)] === undefined;
  }

  add(batch: Batch): void {
    this.#batches[slotOf(batch.sequence)] = batch;
    if (!batch.isQuiet) return;
    this.#timer ??= setTimeout(() => this.#onTime(), LATE_MS);
    this.#forgetAnswered(batch.sequence);
  }

  remove(batch: Batch): void {
    this.#batches[slotOf(batch.sequence)] = undefined;
  }

  /** Asks for the batch of this call at the end of the turn; after a cut all are asked for anyway. */
  askSoon(call: Call): void {
    if (this.#isCutOff) return;
    this.#sought.add(call);
    this.#immediate ??= setImmediate(() => this.#askForSought());
  }

  /** Asks for all that were sent quietly. */
  askNow(): void {
    this.#stopSeeking();
    for (const batch of this.#quiet()) this.#askOrForget(batch);
  }

  /** The connection is gone: no answer is on its way. */
  cutOff(): void {
    this.#isCutOff = true;
    this.#stop();
    for (const batch of this.#quiet()) {
      batch.isQuiet = false;
      batch.isLost = true;
    }
  }

  resume(): void {
    this.#isCutOff = false;
  }

  /** Those whose answer went with the connection. */
  lost(): Batch[] {
    return this.#batches.filter((batch) => batch?.isLost) as Batch[];
  }

  clear(): void {
    this.#stop();
    this.#batches.fill(undefined);
  }

  #quiet(): Batch[] {
    return this.#batches.filter((batch) => batch?.isQuiet) as Batch[];
  }

  /** Early, so that the garbage collector finds their calls young. */
  #forgetAnswered(newest: number): void {
    let open = 0;
    for (let number = this.#oldestQuiet; number <= newest && open < MAX_OPEN; number++) {
      const slot = slotOf(number);
      const batch = this.#batches[slot];
      if (batch?.isQuiet && !batch.isOpen) this.#batches[slot] = undefined;
      if (this.#batches[slot] !== undefined) open++;
      else if (open === 0) this.#oldestQuiet = number + 1;
    }
  }

  #askForSought(): void {
    const sought = this.#sought;
    this.#stopSeeking();
    for (const batch of this.#quiet())
      if (batch.calls.some((call) => sought.has(call))) this.#askOrForget(batch);
  }

  #onTime(): void {
    this.#timer = undefined;
    const limit = performance.now() - LATE_MS;
    for (const batch of this.#quiet()) if (batch.sentAt <= limit) this.#askOrForget(batch);
    if (this.#quiet().length > 0) this.#timer = setTimeout(() => this.#onTime(), LATE_MS);
  }

  #askOrForget(batch: Batch): void {
    batch.isQuiet = false;
    if (batch.isOpen) this.#ask(batch);
    else this.remove(batch);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopSeeking();
  }

  #stopSeeking(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#sought = new Set();
  }
}

function slotOf(sequence: number): number {
  return sequence % FENCE_SLOTS;
}
