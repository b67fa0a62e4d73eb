import type { Batch } from './batch.js';
import type { Call } from './call.js';
import { FENCE_SLOTS } from './fence.js';

/** When a call that takes its time needs to know its node: to be cancelled there, or moved when that dies. */
const LATE_MS = 100;
/** How many batches with calls out are looked past for one that has none. */
const MAX_OPEN = 8;

/**
 * The batches that are out, each in its slot of the fence. Those that were sent quietly are forgotten when
 * their calls are answered, and else asked for in the end. Where Redis refuses to say, as when its memory is full, nodes may
 * be at work all the same: it is asked again as long as some call waits.
 */
export class Unanswered {
  readonly #batches = new Array<Batch | undefined>(FENCE_SLOTS).fill(undefined);
  /** No quiet batch has a lower number. */
  #oldestQuiet = 1;
  #isCutOff = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** Those that are to be asked for again. */
  #refused = new Set<Batch>();
  /** Calls that are to be cancelled where they are. */
  #sought = new Set<Call>();
  readonly #ask: (batch: Batch) => void;

  constructor(ask: (batch: Batch) => void) {
    this.#ask = ask;
  }

  /**
   * The next number under which a batch can be sent. Undefined if one is in its way, which is asked for. Those of which
   * Redis says nothing keep their slots: what comes in one makes the answer forgotten that was there.
   */
  numberAfter(sequence: number): number | undefined {
    let number = sequence + 1;
    for (let i = 1; i < FENCE_SLOTS && this.#batchAt(number)?.isRefused; i++) number++;
    const batch = this.#batchAt(number);
    if (batch?.isQuiet) this.#askOrForget(batch);
    return this.#batchAt(number) === undefined ? number : undefined;
  }

  /** Whether it is out: not after its answer, nor when all was cleared. */
  has(batch: Batch): boolean {
    return this.#batchAt(batch.sequence) === batch;
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

  /** Redis has refused to say what has become of it. */
  refuse(batch: Batch): void {
    if (!batch.isAwaited) return this.remove(batch);
    batch.isRefused = true;
    this.#refused.add(batch);
    this.#timer ??= setTimeout(() => this.#onTime(), LATE_MS);
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
    for (const batch of [...this.#quiet(), ...this.#refused]) {
      batch.isQuiet = false;
      batch.isLost = true;
    }
    this.#refused.clear();
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
    this.#refused.clear();
    this.#batches.fill(undefined);
  }

  #batchAt(sequence: number): Batch | undefined {
    return this.#batches[slotOf(sequence)];
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
    const refused = this.#refused;
    this.#refused = new Set();
    for (const batch of refused)
      if (batch.isAwaited) this.#ask(batch);
      else this.remove(batch);
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
