import type { CloudsNode } from '../../../lib/index.js';
import { isForGroups, isOneWay } from '../course.js';
import type { Sent } from '../history.js';
import { EVENT, type WorkerPlan, type Work } from './messages.js';

const LONGEST_WORK_MS = 30;
const LARGEST_TEXT = 100_000;
export const LONGEST_SHORT_STREAM = 40;
/** More than may be under way. */
const LONGEST_STREAM = 3000;
/** It would go on for longer than a minute. */
const ENDLESS_STREAM = 1_000_000;

/** How many calls their caller leaves, of those that it may leave. */
const LEFT_SHARE = 0.05;
const LEFT_SHARE_OF_LONG = 0.5;
const LATEST_LEAVE_MS = 40;
const LATEST_LEAVE_OF_LONG_MS = 400;

/** Of calls that are patient: how many times as long their timeouts are, and for how long a stream may go on. */
const PATIENCE = 4;
const PATIENT_DEADLINE_MS = 60_000;

type Options = Parameters<CloudsNode['request']>[2] &
  Readonly<Record<'attempts' | 'timeout' | 'deadline', number>>;

/** One call that is to be made. */
export interface CallPlan {
  readonly kind: Sent['kind'];
  readonly service: string;
  readonly work: Work;
  readonly options: Options;
  /** Left out: its caller waits for the end. */
  readonly leavesAfterMs?: number;
}

/** Makes up calls of every kind. */
export class Calls {
  constructor(
    private readonly plan: WorkerPlan,
    private readonly random: () => number,
  ) {}

  next(key: string): CallPlan {
    const kind = this.#kind();
    const options = this.#options(kind);
    const service = isForGroups({ kind }) ? EVENT : this.#target();
    return this.#withLeave({ kind, service, options, work: this.#work(key, kind) });
  }

  #kind(): Sent['kind'] {
    if (this.plan.cost !== undefined) return 'request';
    return this.#pick([
      ['request', 0.84],
      ['stream', 0.06],
      ['event', 0.05],
      ['published', 0.04],
      ['broadcast', 0.01],
    ]);
  }

  /** What is left after a while may have no end else. */
  #withLeave(call: CallPlan): CallPlan {
    const { work } = call;
    const isLong = work.values > LONGEST_SHORT_STREAM;
    const share = isLong ? LEFT_SHARE_OF_LONG : LEFT_SHARE;
    if (!this.plan.leaves || isOneWay(call) || this.random() >= share) return call;
    const latestMs = isLong ? LATEST_LEAVE_OF_LONG_MS : LATEST_LEAVE_MS;
    const values = isLong ? ENDLESS_STREAM : work.values;
    return { ...call, work: { ...work, values }, leavesAfterMs: latestMs * this.random() };
  }

  #target(): string {
    const { targets } = this.plan;
    return targets[Math.floor(this.random() * targets.length)]!;
  }

  #options(kind: Sent['kind']): Options {
    if (this.plan.cost !== undefined) return { attempts: 1, timeout: 1000, deadline: 1000 };
    const attempts = isOneWay({ kind })
      ? 1
      : this.#pick([
          [1, 0.5],
          [3, 0.4],
          [-1, 0.1],
        ]);
    const timeout = this.#timeout();
    const whenFull = this.random() < 0.3 || this.plan.isPatient ? 'wait' : 'fail';
    const ownDeadline = attempts === 1 ? timeout : 3 * timeout;
    const deadline = this.plan.isPatient ? PATIENT_DEADLINE_MS : ownDeadline;
    return { attempts, timeout, deadline, whenFull };
  }

  #timeout(): number {
    const timeout = this.plan.timeoutMs ?? 500 + Math.floor(1000 * this.random());
    return this.plan.isPatient ? PATIENCE * timeout : timeout;
  }

  #work(key: string, kind: Sent['kind']): Work {
    const { random, plan } = this;
    const free = { key, ms: 0, busyMs: 0, pooledMs: 0, fails: false, values: 0, text: '' };
    if (plan.cost !== undefined) return { ...free, ...plan.cost };
    const isLarge = random() < 0.03;
    const isLong = kind === 'stream' && random() < 0.15;
    const mostValues = isLong ? LONGEST_STREAM : LONGEST_SHORT_STREAM;
    return {
      ...free,
      ms: random() < 0.5 ? 0 : Math.floor(LONGEST_WORK_MS * random()),
      fails: kind === 'request' && random() < 0.05,
      values: kind === 'stream' ? 1 + Math.floor(mostValues * random()) : 0,
      text: isLong ? '' : 'é'.repeat(Math.floor((isLarge ? LARGEST_TEXT : 200) * random())),
    };
  }

  /** One of some choices by their shares, which add up to 1. */
  #pick<T>(choices: readonly (readonly [T, number])[]): T {
    let left = this.random();
    for (const [choice, share] of choices) {
      left -= share;
      if (left < 0) return choice;
    }
    return choices.at(-1)![0];
  }
}
