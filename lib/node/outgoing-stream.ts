import type { Text } from '../protocol/text.js';
import { SizeLog, WINDOW, WINDOW_BYTES } from './stream-window.js';

/** What may be held of one stream, whose source does not wait for room. */
export const MAX_HELD = 100_000;
/** Of those that are still being made, each of which is work that is not done yet. */
export const MAX_UNMADE = 10_000;
export const MAX_HELD_LENGTH = 16 * 1024 * 1024;

/**
 * The values that this node sends of one stream: as many as its caller has room for. Those of a source that
 * goes on regardless are held until the caller has consumed others, within bounds.
 */
export class OutgoingStream {
  #sent = 0;
  #consumed = 0;
  #consumedBytes = 0;
  readonly #sizes = new SizeLog();
  #held: Text[] = [];
  /** Those before it have been sent. */
  #next = 0;
  #heldLength = 0;
  /** Values that are being made, and will be added. */
  #announced = 0;
  #onAllSent: (() => void) | undefined;
  /** When the caller was first found away, since it was last heard of. */
  #awaySince: number | undefined;
  /** When the caller was first reminded, since it was last heard of. */
  #remindedSince: number | undefined;
  #room: Promise<void> | undefined;
  #onRoom: (() => void) | undefined;

  constructor(private readonly send: (frame: Text) => void) {}

  get sent(): number {
    return this.#sent;
  }

  /** Whether another value would be sent at once. */
  get hasRoom(): boolean {
    return this.#announced === 0 && !this.#holds && this.#maySend;
  }

  /** A value is being made, and will be added: it is held as well. Returns false if more is held than may be. */
  announce(): boolean {
    this.#announced++;
    return this.#isWithinBounds;
  }

  /** Sends a value, announced or not, or holds it. Returns false if more is held than may be. */
  add(frame: Text): boolean {
    const wasAnnounced = this.#announced > 0;
    if (wasAnnounced) this.#announced--;
    if (this.#holds || !this.#maySend) {
      this.#held.push(frame);
      this.#heldLength += frame.length;
      return this.#isWithinBounds;
    }
    this.#send(frame);
    if (wasAnnounced && this.hasRoom) this.wake();
    return true;
  }

  /** The caller was heard of. */
  onHeard(): void {
    this.#awaySince = this.#remindedSince = undefined;
  }

  /** The caller is reminded of the stream, and will say so. Returns for how long it has not, in ms. */
  onReminded(): number {
    const now = performance.now();
    this.#remindedSince ??= now;
    return now - this.#remindedSince;
  }

  /** The caller was not there to be told something. Returns for how long it has been away, in ms. */
  onAway(): number {
    const now = performance.now();
    this.#awaySince ??= now;
    return now - this.#awaySince;
  }

  /** The caller has consumed so many values in all: others may follow. */
  onConsumed(count: number): void {
    this.onHeard();
    // Whoever says that it has what was not sent yet gets no room for it.
    if (count <= this.#consumed || count > this.#sent) return;
    this.#consumed = count;
    this.#consumedBytes = this.#sizes.upTo(count);
    while (this.#holds && this.#maySend) this.#sendNext();
    if (this.#holds) return;
    this.#forgetHeld();
    this.#allSent();
    if (this.hasRoom) this.wake();
  }

  /** Calls back once, when nothing is held. */
  whenAllSent(callback: () => void): void {
    this.#onAllSent = callback;
    if (!this.#holds) this.#allSent();
  }

  /** Resolves when there is room, or with `wake()`. */
  whenRoom(): Promise<void> {
    this.#room ??= new Promise((resolve) => (this.#onRoom = resolve));
    return this.#room;
  }

  /** Nobody is to wait for room any more. */
  wake(): void {
    this.#onRoom?.();
    this.#room = this.#onRoom = undefined;
  }

  /** What is held is not wanted any more. */
  drop(): void {
    this.#forgetHeld();
    this.#onAllSent = undefined;
    this.wake();
  }

  get #holds(): boolean {
    return this.#next < this.#held.length;
  }

  get #isWithinBounds(): boolean {
    const held = this.#held.length - this.#next;
    // The one that is being made was pulled when there was room for it; how long the others will be can only be guessed.
    const behind = Math.max(0, this.#announced - 1);
    if (held > MAX_HELD || behind > MAX_UNMADE) return false;
    return this.#heldLength + behind * this.#meanLength(held) <= MAX_HELD_LENGTH;
  }

  #meanLength(held: number): number {
    return (this.#sizes.bytes + this.#heldLength) / Math.max(1, this.#sent + held);
  }

  get #maySend(): boolean {
    if (this.#sent === this.#consumed) return true;
    if (this.#sent - this.#consumed >= WINDOW) return false;
    return this.#sizes.bytes - this.#consumedBytes < WINDOW_BYTES;
  }

  #send(frame: Text): void {
    this.#sent++;
    this.#sizes.add(frame.length);
    this.send(frame);
  }

  #sendNext(): void {
    const frame = this.#held[this.#next++]!;
    this.#heldLength -= frame.length;
    this.#send(frame);
    if (this.#next >= WINDOW) this.#forgetSent();
  }

  #forgetSent(): void {
    this.#held = this.#held.slice(this.#next);
    this.#next = 0;
  }

  #forgetHeld(): void {
    this.#held = [];
    this.#next = 0;
    this.#heldLength = 0;
  }

  #allSent(): void {
    const callback = this.#onAllSent;
    this.#onAllSent = undefined;
    callback?.();
  }
}
