import { CloudsErrorCode } from '../common/errors.js';
import { incarnationOfMember } from '../protocol/ids.js';
import { LONG } from '../protocol/text.js';
import { type Attempt, isCurrent, isVoid } from './attempt.js';
import type { Call, CallPlan, Unplaced } from './call.js';

/** Answers are asked for up to 200 ms later. */
const MIN_QUIET_MS = 300;

/** Requests that follow each other in a batch and fared alike. */
export interface Run {
  readonly first: number;
  /** The one after the last. */
  readonly end: number;
  /** The member of the set that has them, and its incarnation. */
  readonly member: string;
  readonly incarnation: string;
  readonly unplaced: Unplaced | undefined;
}

export interface BatchAnswer {
  readonly redisMs: number;
  readonly runs: readonly Run[];
  /** Set if the batch did not run, as the fence has this epoch, and not that of the batch. */
  readonly epoch: string | undefined;
}

const ANSWER = /^(\d+)\|(?:@(.+)|(.*))$/;

/** What stands in an answer instead of a member. */
const UNPLACED: Readonly<Record<string, Unplaced>> = {
  '0': 'no-node',
  '-1': 'overloaded',
  '-2': 'only-tried',
};

/** The requests of one run of the dispatch script, in the order that it wants. */
export class Batch {
  readonly calls: readonly Call[];
  readonly #attempts: readonly number[];
  readonly #dispatches: readonly number[];
  /** How many requests travel with the batch. */
  readonly small: number;
  /** How many come after these that only need a node. */
  readonly large: number;
  /** Whether the connection broke before the answer came. */
  isLost = false;
  /** Whether an answer was lost, and asked for again. */
  isResent = false;
  /** Whether Redis has not been asked for the answer so far. */
  isQuiet = false;
  /** Whether only its answer was sent for the last time: what Redis says to that says nothing of the requests. */
  isAskedFor = false;
  /** Whether Redis has refused to give its answer. */
  isRefused = false;

  constructor(
    readonly service: string,
    readonly sequence: number,
    readonly sentAt: number,
    calls: readonly Call[],
    /** That of the fence when it was sent. */
    readonly epoch: string,
    /** The server that it was sent to. */
    readonly serverId?: string,
  ) {
    const plain = calls.filter((call) => !call.isRuled);
    const small = plain.filter((call) => !isLarge(call));
    this.small = small.length;
    this.large = plain.length - small.length;
    this.calls = small.length === calls.length ? small : inOrder(small, calls);
    this.#attempts = this.calls.map(({ attempt }) => attempt);
    this.#dispatches = this.calls.map(({ dispatch }) => dispatch);
  }

  /** Whether its answer can wait: no call of it goes on to another node, or ends when a node has it. */
  get canBeQuiet(): boolean {
    return this.small === this.calls.length && this.calls.every(({ plan }) => mayWait(plan));
  }

  /**
   * How many calls wait for room, or will if they find none, where some did `before`. All of the batch count if any
   * does, as the script does not know which of them it gives room to.
   */
  waitingWith(before: number): number {
    let mayWait = before > 0;
    let known = 0;
    for (const { plan, waitsFor } of this.calls) {
      if (!plan.waitsWhenFull) continue;
      mayWait = true;
      if (waitsFor === CloudsErrorCode.OVERLOADED) known++;
    }
    return mayWait ? before + this.calls.length - known : 0;
  }

  /** Whether some call has had no reply. One that has timed out is still to be cancelled at its node. */
  get isOpen(): boolean {
    return this.calls.some(({ isAnswered }, index) => !isAnswered && !this.isVoid(index));
  }

  /** Whether some call still waits for it. */
  get isAwaited(): boolean {
    return this.calls.some((_, index) => this.isCurrent(index));
  }

  /** What the batch was made for. */
  attemptAt(index: number): Attempt {
    return {
      call: this.calls[index]!,
      attempt: this.#attempts[index]!,
      dispatch: this.#dispatches[index]!,
    };
  }

  isCurrent(index: number): boolean {
    return isCurrent(this.attemptAt(index));
  }

  isVoid(index: number): boolean {
    return isVoid(this.attemptAt(index));
  }

  /** The calls, with the attempts that they were made for, that are not void. */
  forEach(act: (call: Call, attempt: number) => void): void {
    this.calls.forEach((call, index) => {
      if (!this.isVoid(index)) act(call, this.#attempts[index]!);
    });
  }

  /** Requests with a rule. */
  get ruled(): readonly Call[] {
    return this.calls.slice(this.small + this.large);
  }

  /** Reads `ms|member*2,0*1`. Undefined if that cannot be an answer to this batch. */
  readAnswer(answer: string): BatchAnswer | undefined {
    const [, ms, epoch, list = ''] = ANSWER.exec(answer) ?? [];
    if (ms === undefined) return undefined;
    const runs: Run[] = [];
    let first = 0;
    for (const text of list === '' ? [] : list.split(',')) {
      const star = text.lastIndexOf('*');
      const member = text.slice(0, star);
      const end = first + Number(text.slice(star + 1));
      const incarnation = incarnationOfMember(member);
      runs.push({ first, end, member, incarnation, unplaced: UNPLACED[member] });
      first = end;
    }
    const isWhole = first === this.calls.length || runs.length === 0;
    return isWhole ? { redisMs: Number(ms), runs, epoch } : undefined;
  }
}

/** One that ends before its answer is asked for could not say whether a node had it. */
function mayWait({ attempts, isOneWay, timeoutMs, deadlineMs }: CallPlan): boolean {
  return attempts === 1 && !isOneWay && Math.min(timeoutMs, deadlineMs) >= MIN_QUIET_MS;
}

/**
 * A large frame does not pass through Lua, which would hash every byte of it three times. But the script alone knows
 * all nodes that a broadcast goes to.
 */
export function isLarge({ body, plan }: Call): boolean {
  return body.length > LONG && !plan.isBroadcast;
}

function inOrder(small: readonly Call[], calls: readonly Call[]): Call[] {
  const large = calls.filter((call) => !call.isRuled && isLarge(call));
  const ruled = calls.filter((call) => call.isRuled);
  return [...small, ...large, ...ruled];
}
