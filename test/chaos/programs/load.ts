import { clearInterval, setInterval } from 'node:timers';
import type { CloudsNode } from '../../../lib/index.js';
import { clockMs, type HistoryWriter, type Replied, type Sent } from '../history.js';
import { isOneWay } from '../course.js';
import { type CallPlan, Calls, LONGEST_SHORT_STREAM } from './calls.js';
import type { WorkerPlan } from './messages.js';
import { Received } from './received.js';
import { type Counts, Tally } from './tally.js';

const TICK_MS = 10;
/** What a process that stood still does not catch up with. */
const LONGEST_TICK_MS = 250;
/** An open loop would grow without end while nobody answers. */
const MAX_OUT = 2000;
const LEFT = 'left';

type End = Pick<Replied, 'outcome' | 'isOwn' | 'from'>;
type OnEnd = (end: End) => void;
type Leave = () => void;

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
  readonly #calls: Calls;
  #onDone: (() => void) | undefined;

  constructor(
    private readonly node: CloudsNode,
    private readonly plan: WorkerPlan,
    random: () => number,
    private readonly history: HistoryWriter,
  ) {
    this.#rate = plan.callsPerSecond;
    this.#calls = new Calls(plan, random);
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
    const call = this.#calls.next(key);
    const at = clockMs();
    this.history.add({ what: 'sent', at, by: this.plan.name, key, ...termsOf(call) });
    this.#tally.made(++this.#out);
    const end: OnEnd = (how) => this.#end(key, at, how);
    if (isOneWay(call)) this.#emit(call, end);
    else this.#requestAndLeave(call, end);
  }

  #emit({ kind, service, work, options }: CallPlan, end: OnEnd): void {
    const { node } = this;
    const { timeout, whenFull } = options;
    const sent =
      kind === 'event'
        ? node.emit(service, work, { timeout, whenFull })
        : node.publish(service, work, { timeout, whenFull, broadcast: kind === 'broadcast' });
    sent.then(
      () => end({ outcome: 'ok' }),
      (error: unknown) => end({ outcome: this.#outcomeOf(error, work.key) }),
    );
  }

  #requestAndLeave(call: CallPlan, onEnd: OnEnd): void {
    let timer: NodeJS.Timeout | undefined;
    let leave: Leave = () => {};
    // Before it is made: it may have ended by the time that the function returns which makes it.
    if (call.leavesAfterMs !== undefined) timer = setTimeout(() => leave(), call.leavesAfterMs);
    leave = this.#request(call, (how) => {
      clearTimeout(timer);
      onEnd(how);
    });
  }

  /** Returns what leaves it. An end that comes after that is for the checker to find. */
  #request(call: CallPlan, end: OnEnd): Leave {
    const { service, work, options } = call;
    const received = new Received(work);
    const succeed = () => end({ outcome: 'ok', ...received.whole() });
    const fail = (error: unknown) =>
      end({ outcome: this.#outcomeOf(error, work.key), ...received.part() });
    const leave =
      work.values > LONGEST_SHORT_STREAM
        ? takeAll(this.node.stream(service, work, options), received, succeed, fail)
        : this.#listen(call, received, succeed, fail);
    return () => {
      leave();
      end({ outcome: LEFT, ...received.part() });
    };
  }

  #listen(
    { service, work, options }: CallPlan,
    received: Received,
    succeed: () => void,
    fail: (error: unknown) => void,
  ): Leave {
    return this.node.request(service, work, options, {
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
}

function termsOf({
  kind,
  service,
  options,
  leavesAfterMs,
}: CallPlan): Omit<Sent, 'what' | 'at' | 'by' | 'key'> {
  const { attempts, timeout, deadline } = options;
  return { kind, service, attempts, timeoutMs: timeout, deadlineMs: deadline, leavesAfterMs };
}

/** Takes the values of a stream in a loop, until it ends or is left. */
function takeAll(
  stream: AsyncIterableIterator<unknown>,
  received: Received,
  succeed: () => void,
  fail: (error: unknown) => void,
): Leave {
  let hasLeft = false;
  const take = async () => {
    for await (const value of stream) received.add(value);
  };
  take().then(() => hasLeft || succeed(), fail);
  return () => {
    hasLeft = true;
    void stream.return!();
  };
}

/** What the handler throws belongs to the call that it names. */
function outcomeOf(error: unknown, key: string): string {
  const { code, message } = error as { code?: string; message: string };
  if (code !== undefined) return code;
  return message === `thrown:${key}` ? 'thrown' : `unknown: ${message}`;
}
