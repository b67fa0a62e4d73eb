import { aftermathMs } from './faults.js';
import type {
  Dispatched,
  Ended,
  Held,
  HistoryEvent,
  Replied,
  Sent,
  Stalled,
  Started,
  Struck,
  Told,
} from './history.js';
import { RESTART } from './rollout.js';

/** For so long a process does not stand still where the machine has time for it; heartbeats are missed by then. */
const LONG_STALL_MS = 1000;

export type CallEvent = Sent | Dispatched | Told | Started | Ended | Replied;

/** What the processes have seen of one call. */
export class Course {
  readonly events: CallEvent[] = [];

  /** Those of one kind, in the order of time. */
  of<W extends CallEvent['what']>(what: W): Extract<CallEvent, { what: W }>[] {
    const found = this.events.filter((event) => event.what === what);
    return (found as Extract<CallEvent, { what: W }>[]).sort(inTime);
  }
}

/** What calls cannot be blamed for. */
export class Circumstances {
  readonly #stalls: Stalled[] = [];
  readonly #holds: Held[] = [];
  readonly #strikes: Struck[] = [];
  readonly #killed = new Set<string>();

  add(event: Stalled | Held | Struck | Extract<HistoryEvent, { what: 'killed' }>): void {
    if (event.what === 'stalled') this.#stalls.push(event);
    else if (event.what === 'held') this.#holds.push(event);
    else if (event.what === 'struck') this.#strikes.push(event);
    else this.#killed.add(event.by);
  }

  isKilled(by: string): boolean {
    return this.#killed.has(by);
  }

  /** How long a process did not run between two moments. */
  stalledMs(by: string, from: number, to: number): number {
    let total = 0;
    for (const stall of this.#stalls) {
      if (stall.by !== by) continue;
      total += Math.max(0, Math.min(to, stall.at) - Math.max(from, stall.at - stall.ms));
    }
    return total;
  }

  /**
   * Whether a message that was under way between two moments may have been held up. TCP tries again at intervals that
   * grow: what has been held up comes up to as long again after that.
   */
  wasHeld(from: number, to: number): boolean {
    return this.#holds.some(({ at, ms }) => at - ms <= to && from <= at + ms);
  }

  /** Whether something was wrong between two moments, or so short a time before that it still had consequences. */
  wasDisturbed(from: number, to: number): boolean {
    const stalls = [...this.#stalls, ...this.#holds].filter(({ ms }) => ms >= LONG_STALL_MS);
    return [...this.#strikes, ...stalls].some((one) => hasConsequences(one, from, to));
  }

  /** Whether a node may have ended before its handlers. */
  wasRestarted(from: number, to: number): boolean {
    return this.#strikes.some((one) => one.by === RESTART && hasConsequences(one, from, to));
  }
}

function hasConsequences(
  { at, ms, by }: Struck | Stalled | Held,
  from: number,
  to: number,
): boolean {
  return at - ms <= to && from <= at + aftermathMs(by);
}

export function inTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}

/** It has no attempts, and nothing comes back. */
export function isOneWay({ kind }: Pick<Sent, 'kind'>): boolean {
  return kind === 'event' || isForGroups({ kind });
}

/** It is for all groups, and not for one node. */
export function isForGroups({ kind }: Pick<Sent, 'kind'>): boolean {
  return kind === 'published' || kind === 'broadcast';
}

/** A handler sees a one-way request as a first attempt; in the frame it has none. */
export function attemptOf({ attempt }: Dispatched): number {
  return Math.max(1, attempt);
}
