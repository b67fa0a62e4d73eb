import { clearInterval, setInterval } from 'node:timers';
import type { CloudsNode } from '../../../lib/index.js';
import { clockMs, type HistoryWriter, type Replied, type Sent } from '../history.js';
import { EVENT, type WorkerPlan, type Work } from './messages.js';
import { Received } from './received.js';
import { type Counts, Tally } from './tally.js';

const TICK_MS = 10;
/** What a process that stood still does not catch up with. */
const LONGEST_TICK_MS = 250;
/** An open loop would grow without end while nobody answers. */
const MAX_OUT = 2000;
const LONGEST_WORK_MS = 30;
const LARGEST_TEXT = 100_000;
const LONGEST_SHORT_STREAM = 40;
/** More than may be under way. */
const LONGEST_STREAM = 3000;

/** Of calls that are patient: how many times as long their timeouts are, and for how long a stream may go on. */
const PATIENCE = 4;
const PATIENT_DEADLINE_MS = 60_000;

type End = Pick<Replied, 'outcome' | 'isOwn' | 'from'>;
type OnEnd = (end: End) => void;
type Options = Parameters<CloudsNode['request']>[2] &
  Readonly<Record<'attempts' | 'timeout' | 'deadline', number>>;

/** One call that is to be made. */
interface Plan {
  readonly service: string;
  readonly work: Work;
  readonly options: Options;
}

/** Makes calls of every kind at a steady rate, and notes how they end. */
export class Load {
  #timer: NodeJS.Timeout | undefined;
  #made = 0;
  #out = 0;
  #debt = 0;
  #rate: number;
  #mostOut = MAX_OUT;
  #tickedAt = clockMs();
  readonly #tally = new Tally();
  #onDone: (() => void) | undefined;

  constructor(
    private readonly node: CloudsNode,
    private readonly plan: WorkerPlan,
    private readonly random: () => number,
    private readonly history: HistoryWriter,
  ) {
    this.#rate = plan.callsPerSecond;
  }

  start(): void {
    this.#tickedAt = clockMs();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  setRate(callsPerSecond: number, mostOut = MAX_OUT): void {
    this.#rate = callsPerSecond;
    this.#mostOut = mostOut;
  }

  /** What became of calls since this was last asked. */
  takeCounts(): Counts {
    return this.#tally.take(this.#out);
  }

  /** Makes no more; resolves when all have ended. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#out > 0) await new Promise<void>((resolve) => (this.#onDone = resolve));
  }

  #tick(): void {
    const now = clockMs();
    // By the clock: on a busy machine ticks are late, and the rate would be less than was asked for.
    this.#debt += (this.#rate * Math.min(now - this.#tickedAt, LONGEST_TICK_MS)) / 1000;
    this.#tickedAt = now;
    for (; this.#debt >= 1; this.#debt--)
      if (this.#out < this.#mostOut) this.#call();
      else this.#tally.skipped();
  }

  #call(): void {
    const key = `${this.plan.name}:${++this.#made}`;
    const kind = this.#kind();
    const options = this.#options(kind);
    const service = kind === 'published' ? EVENT : this.#target();
    const call: Plan = { service, work: this.#work(key, kind), options };
    const at = clockMs();
    this.history.add({
      what: 'sent',
      at,
      key,
      kind,
      service,
      by: this.plan.name,
      ...timesOf(call),
    });
    this.#tally.made(++this.#out);
    const end: OnEnd = (how) => this.#end(key, at, how);
    if (isOneWay(kind)) this.#emit(kind, call, end);
    else this.#request(call, end);
  }

  #kind(): Sent['kind'] {
    if (this.plan.busyMs !== undefined) return 'request';
    return this.#pick([
      ['request', 0.84],
      ['stream', 0.06],
      ['event', 0.05],
      ['published', 0.05],
    ]);
  }

  #emit(kind: Sent['kind'], { service, work, options }: Plan, end: OnEnd): void {
    const { node } = this;
    const { timeout, whenFull } = options;
    const sent =
      kind === 'published'
        ? node.publish(service, work, { timeout, whenFull })
        : node.emit(service, work, { timeout, whenFull });
    sent.then(
      () => end({ outcome: 'ok' }),
      (error: unknown) => end({ outcome: this.#outcomeOf(error, work.key) }),
    );
  }

  #request({ service, work, options }: Plan, end: OnEnd): void {
    const received = new Received(work);
    const succeed = () => end({ outcome: 'ok', ...received.whole() });
    const fail = (error: unknown) =>
      end({ outcome: this.#outcomeOf(error, work.key), ...received.part() });
    if (work.values > LONGEST_SHORT_STREAM) {
      const take = async () => {
        for await (const value of this.node.stream(service, work, options)) received.add(value);
      };
      take().then(succeed, fail);
      return;
    }
    this.node.request(service, work, options, {
      value: (value, isLast) => {
        received.add(value, isLast);
        if (isLast) succeed();
      },
      end: succeed,
      error: fail,
    });
  }

  #end(key: string, sentAt: number, end: End): void {
    const at = clockMs();
    this.history.add({ what: 'replied', at, by: this.plan.name, key, ...end });
    this.#tally.ended(end.outcome, at - sentAt);
    if (--this.#out === 0) this.#onDone?.();
  }

  #outcomeOf(error: unknown, key: string): string {
    this.#tally.failed(error);
    return outcomeOf(error, key);
  }

  #target(): string {
    const { targets } = this.plan;
    return targets[Math.floor(this.random() * targets.length)]!;
  }

  #options(kind: Sent['kind']): Options {
    if (this.plan.busyMs !== undefined) return { attempts: 1, timeout: 1000, deadline: 1000 };
    const attempts = isOneWay(kind)
      ? 1
      : this.#pick([
          [1, 0.5],
          [3, 0.4],
          [-1, 0.1],
        ]);
    const timeout = this.#timeout();
    const whenFull = this.random() < 0.3 ? 'wait' : 'fail';
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
    const { busyMs } = plan;
    if (busyMs !== undefined) return { key, ms: 0, busyMs, fails: false, values: 0, text: '' };
    const isLarge = random() < 0.03;
    const isLong = kind === 'stream' && random() < 0.15;
    const mostValues = isLong ? LONGEST_STREAM : LONGEST_SHORT_STREAM;
    return {
      key,
      busyMs: 0,
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

function timesOf({ options }: Plan): Pick<Sent, 'attempts' | 'timeoutMs' | 'deadlineMs'> {
  const { attempts, timeout, deadline } = options;
  return { attempts, timeoutMs: timeout, deadlineMs: deadline };
}

function isOneWay(kind: Sent['kind']): boolean {
  return kind === 'event' || kind === 'published';
}

/** What the handler throws belongs to the call that it names. */
function outcomeOf(error: unknown, key: string): string {
  const { code, message } = error as { code?: string; message: string };
  if (code !== undefined) return code;
  return message === `thrown:${key}` ? 'thrown' : `unknown: ${message}`;
}
