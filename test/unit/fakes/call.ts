import {
  Call,
  type CallPath,
  type CallPlan,
  type CallSettings,
  type ReplySink,
} from '../../../lib/node/call.js';

/** Notes what a call is told. */
export class RecordingSink implements ReplySink {
  readonly values: unknown[] = [];
  /** How the call ended, once for each time that it did. */
  readonly ends: ({ by: 'value' | 'end' } | { by: 'error'; error: unknown })[] = [];

  value(value: unknown, isLast: boolean): void {
    this.values.push(value);
    if (isLast) this.ends.push({ by: 'value' });
  }

  end(): void {
    this.ends.push({ by: 'end' });
  }

  error(error: unknown): void {
    this.ends.push({ by: 'error', error });
  }

  /** The code of the error that ended the call, or how else it ended; undefined while it goes on. */
  get outcome(): string | undefined {
    if (this.ends.length > 1) throw new Error(`the call ended ${this.ends.length} times`);
    const [end] = this.ends;
    return end?.by === 'error' ? (this.failure.code ?? this.failure.message) : end?.by;
  }

  get failure(): Error & { code?: string } {
    const [end] = this.ends;
    if (end?.by !== 'error') throw new Error('the call has not failed');
    return end.error as Error;
  }
}

/** Notes what the caller asks of it. */
export class FakePath implements CallPath {
  isOpen = true;
  openedAt = -Infinity;
  isFull = false;
  readonly dispatched: Call[] = [];
  readonly withdrawn: Call[] = [];
  /** Incarnations, each with the id of a call. */
  readonly cancelled: [incarnation: string, callId: string][] = [];
  readonly asked: [incarnation: string, callId: string][] = [];
  /** Services. */
  readonly linesLeft: string[] = [];
  readonly reported: [incarnation: string, callId: string, count: number][] = [];

  dispatch(call: Call): void {
    this.dispatched.push(call);
  }

  withdraw(call: Call): void {
    this.withdrawn.push(call);
  }

  cancel(incarnation: string, callId: string): void {
    this.cancelled.push([incarnation, callId]);
  }

  ask(incarnation: string, callId: string): void {
    this.asked.push([incarnation, callId]);
  }

  leaveLine(service: string): void {
    this.linesLeft.push(service);
  }

  consumed(incarnation: string, callId: string, count: number): void {
    this.reported.push([incarnation, callId, count]);
  }
}

/** What a call is made of, its plan spread out. */
export type FlatSettings = Partial<Omit<CallSettings, 'plan'> & CallPlan>;

export function fakeCall(
  { service = 'sum', body = '0,[1,2,3]', ...some }: FlatSettings = {},
  path: CallPath = new FakePath(),
  sink: ReplySink = new RecordingSink(),
): Call {
  const { timeoutMs = 1000, attempts = 1 } = some;
  const plan: CallPlan = {
    isOneWay: false,
    timeoutMs,
    deadlineMs: timeoutMs * Math.max(1, attempts),
    mayOutlastDeadline: false,
    attempts,
    isBroadcast: false,
    waitsWhenFull: false,
    ...some,
  };
  return new Call({ service, body, plan }, path, sink, performance.now());
}
