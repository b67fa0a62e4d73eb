import { appendFileSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * What happened to calls, as the processes that took part saw it. Times are in ms of the machine's monotonic
 * clock, which all of its processes share.
 */
export type HistoryEvent =
  Sent | Dispatched | Told | Started | Ended | Replied | Joined | Stalled | Held | Struck | Killed;

/** A caller has made a call. */
export interface Sent {
  readonly what: 'sent';
  readonly at: number;
  readonly by: string;
  /** Names the call, and travels in its data. */
  readonly key: string;
  readonly kind: 'request' | 'stream' | 'event' | 'published' | 'broadcast';
  /** Whom it is for; of what is published the name of the event. */
  readonly service: string;
  /** How many attempts it has; -1 for no limit. */
  readonly attempts: number;
  /** What each attempt has. */
  readonly timeoutMs: number;
  /** What the whole call has. */
  readonly deadlineMs: number;
  /** When its caller leaves it, if it has not ended by then; left out: it waits for the end. */
  readonly leavesAfterMs?: number;
}

/** A caller has given an attempt to Redis. Its handler may run from now on. */
export interface Dispatched {
  readonly what: 'dispatched';
  readonly at: number;
  readonly by: string;
  readonly key: string;
  readonly id: string;
  readonly attempt: number;
}

/** A caller was told something of an attempt: where it is, or that it is nowhere. For people: no promise is about it. */
export interface Told {
  readonly what: 'told';
  readonly at: number;
  readonly by: string;
  readonly key: string;
  readonly id: string;
  readonly says: string;
  /** The node that has it, if that is what was told. */
  readonly nodeId?: string;
}

/** A handler has begun. */
export interface Started {
  readonly what: 'started';
  readonly at: number;
  readonly by: string;
  readonly key: string;
  readonly id: string;
  readonly attempt: number;
  /** Of an event that is published, to one node of each group or to all: the group that the handler stands for. */
  readonly group?: string;
}

/** A handler is done, with a value or an error. That of a stream is also done when it was made to end. */
export interface Ended {
  readonly what: 'ended';
  readonly at: number;
  readonly by: string;
  readonly key: string;
  readonly id: string;
  readonly attempt: number;
  readonly isError: boolean;
}

/** A call has ended for its caller. */
export interface Replied {
  readonly what: 'replied';
  readonly at: number;
  readonly by: string;
  readonly key: string;
  /** `ok`, `thrown` if the handler failed, `left` if the caller did not wait for more, or the code of an error. */
  readonly outcome: string;
  /** All that came back belongs to this call, and it is all; undefined if nothing comes back. */
  readonly isOwn?: boolean;
  /** Which process answered. */
  readonly from?: string;
}

/** A process is there, as this node. */
export interface Joined {
  readonly what: 'joined';
  readonly at: number;
  readonly by: string;
  readonly nodeId: string;
}

/** A process did not get to run its event loop: it was frozen, or busy, or the machine was. */
export interface Stalled {
  readonly what: 'stalled';
  readonly at: number;
  readonly by: string;
  readonly ms: number;
}

/** For so long messages may have been held up between processes: by a fault of the network or of Redis. */
export interface Held {
  readonly what: 'held';
  /** When that was over. */
  readonly at: number;
  /** What held them up. */
  readonly by: string;
  readonly ms: number;
}

/** A fault has struck for so long. */
export interface Struck {
  readonly what: 'struck';
  /** When it was over. */
  readonly at: number;
  /** Its name. */
  readonly by: string;
  readonly ms: number;
}

/** A process was killed; what it had begun may not have ended. */
export interface Killed {
  readonly what: 'killed';
  readonly at: number;
  readonly by: string;
}

export function clockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Writes each event to the file before it returns: what a process did last is there when it is killed. */
export class HistoryWriter {
  readonly #file: number | undefined;

  /** Without a path nothing is written. */
  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : openSync(path, 'a');
  }

  add(event: HistoryEvent): void {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(event)}\n`);
  }
}

export function appendEvent(path: string, event: HistoryEvent): void {
  appendFileSync(path, `${JSON.stringify(event)}\n`);
}

/** The events of a file, without a last one that was cut short by a kill. */
export function readHistory(path: string): HistoryEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  // What follows the last line feed is nothing, or half an event.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as HistoryEvent);
}
