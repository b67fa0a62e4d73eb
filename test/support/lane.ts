import type net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What a slow or odd network does to what it carries. */
export interface Shape {
  /** How long each chunk is under way, in ms; asked for each. Chunks do not overtake each other. */
  readonly latencyMs?: () => number;
  readonly bytesPerSecond?: number;
  /** Whether bytes arrive one by one; of a long chunk the first. */
  readonly isSliced?: boolean;
}

const SLICED_BYTES = 2000;

interface Parcel {
  readonly chunk: Buffer;
  readonly dueAt: number;
}

/** One direction of a connection. Without a shape it forwards at once. */
export class Lane {
  #shape: Shape = {};
  #parcels: Parcel[] = [];
  #isBusy = false;

  constructor(private readonly target: net.Socket) {}

  shape(shape: Shape): void {
    this.#shape = shape;
  }

  push(chunk: Buffer): void {
    const { latencyMs, bytesPerSecond, isSliced } = this.#shape;
    const isPlain = !latencyMs && !bytesPerSecond && !isSliced;
    if (isPlain && !this.#isBusy) return void this.target.write(chunk);
    this.#parcels.push({ chunk, dueAt: performance.now() + (latencyMs?.() ?? 0) });
    if (!this.#isBusy) void this.#carry();
  }

  async #carry(): Promise<void> {
    this.#isBusy = true;
    for (let parcel = this.#parcels.shift(); parcel; parcel = this.#parcels.shift()) {
      const { chunk, dueAt } = parcel;
      const { bytesPerSecond, isSliced } = this.#shape;
      const sendingMs = bytesPerSecond ? (1000 * chunk.length) / bytesPerSecond : 0;
      const waitMs = dueAt - performance.now() + sendingMs;
      // Nobody waits for what cannot be delivered any more.
      if (waitMs >= 1) await delay(waitMs, undefined, { ref: false });
      if (this.target.destroyed) break;
      if (isSliced) this.#writeSliced(chunk);
      else this.target.write(chunk);
    }
    this.#parcels = [];
    this.#isBusy = false;
  }

  #writeSliced(chunk: Buffer): void {
    const sliced = Math.min(chunk.length, SLICED_BYTES);
    for (let i = 0; i < sliced; i++) this.target.write(chunk.subarray(i, i + 1));
    this.target.write(chunk.subarray(sliced));
  }
}
