import { setImmediate as turn } from 'node:timers/promises';
import type { CloudsSigningOptions } from '../../lib/common/options.js';
import { Dice } from '../chaos/dice.js';
import { corpusFor } from './corpus.js';
import { mutate } from './mutate.js';
import { Target } from './target.js';

/** So many messages arrive in one turn of the event loop. */
const PER_TURN = 500;
const ESCAPES_SHOWN = 5;

export interface FuzzResult {
  readonly messages: number;
  /** What the target did with them. */
  readonly handled: number;
  readonly ended: number;
  readonly dropped: number;
  /** Messages that made it throw, with what it threw. */
  readonly escapes: readonly { readonly text: string; readonly error: unknown }[];
  /** MiB in use, with buffers, after a tenth of the messages, and at the end; only with --expose-gc. */
  readonly memoryMiB: readonly [number, number];
}

/** Sends a node messages that were right before they were changed; with `signing` also such as are signed. */
export async function fuzz(
  count: number,
  seed: number,
  onProgress: (sent: number) => void = () => {},
  signing?: CloudsSigningOptions,
): Promise<FuzzResult> {
  const target = new Target(signing);
  await target.open();
  const escapes: FuzzResult['escapes'][number][] = [];
  let early = 0;
  for (let sent = 0; sent < count; sent += PER_TURN) {
    const dice = new Dice(seed, sent);
    target.refill();
    const corpus = corpusFor(target.callIds, target.incarnation, target.signer);
    for (let i = 0; i < PER_TURN; i++) {
      // Now and then one that is right, so that there is something to do for those that are not.
      const bytes = dice.pick(corpus);
      const message = dice.chance(0.1) ? bytes : mutate(bytes, dice, corpus);
      try {
        target.receive(message);
      } catch (error) {
        if (escapes.length < ESCAPES_SHOWN) escapes.push({ text: message.toString(), error });
      }
    }
    await turn();
    if (early === 0 && sent >= count / 10) early = memoryMiB();
    onProgress(sent + PER_TURN);
  }
  const { handled, ended, dropped } = target;
  const result = { messages: count, handled, ended, dropped, escapes };
  await target.close();
  return { ...result, memoryMiB: [early, memoryMiB()] };
}

function memoryMiB(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
