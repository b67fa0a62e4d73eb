import { clockMs } from './history.js';

const WATCH_MS = 20;
/** A timer that is so late says that the process did not run. */
const STALL_MS = 100;

/** Tells when the event loop of this process stood still, for whatever reason, and for how long. Returns how to end it. */
export function watchStalls(onStall: (at: number, ms: number) => void): () => void {
  let last = clockMs();
  const timer = setInterval(() => {
    const now = clockMs();
    const ms = now - last - WATCH_MS;
    if (ms > STALL_MS) onStall(now, ms);
    last = now;
  }, WATCH_MS).unref();
  return () => clearInterval(timer);
}
