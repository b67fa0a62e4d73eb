import type { CloudsSigningOptions, ResolvedOptions } from '../../lib/common/options.js';
import { parseOptions } from '../../lib/common/parse-options.js';
import { Call, type CallPlan, type ReplySink } from '../../lib/node/call.js';
import { Caller } from '../../lib/node/caller.js';
import { callBody, callPlan, NO_OPTIONS } from '../../lib/node/call-options.js';
import { Partition } from '../../lib/node/partition.js';
import { toRequestHandler } from '../../lib/node/handlers.js';
import { Registration } from '../../lib/node/registry.js';
import type { DropReason } from '../../lib/protocol/frames.js';
import { Signer } from '../../lib/protocol/signer.js';
import { DeafRedis } from './deaf-redis.js';

const CALLS = 10;
const SERVICES = ['sum', 'full', 'stream', '@/told.*'];
const PREFIX = 'f:';
const OPTIONS = { prefix: PREFIX, maxPayload: 8192, heartbeatInterval: 60_000 };

/** A node that serves and has calls out, all of it but the connection. What it is sent goes through everything. */
export class Target {
  readonly redis = new DeafRedis();
  readonly #options: ResolvedOptions;
  readonly #caller: Caller;
  readonly #partition: Partition;
  /** Every other call waits when its nodes are full. */
  readonly #plans: readonly [CallPlan, CallPlan];
  /** Signs what others send to the target; undefined if it has no key. */
  readonly signer: Signer | undefined;
  #calls: Call[] = [];
  /** Calls that were answered, by whatever it was. */
  ended = 0;
  readonly drops: Partial<Record<DropReason, number>> = {};

  /** `signing`: signatures are looked at, but not all messages need one. */
  constructor(signing?: CloudsSigningOptions) {
    this.#options = parseOptions({ ...OPTIONS, signing });
    const plan = { timeout: 60_000, attempts: 3 };
    this.#plans = [
      callPlan(false, plan, this.#options),
      callPlan(false, { ...plan, whenFull: 'wait' }, this.#options),
    ];
    this.signer = signing && new Signer(PREFIX, signing.keys[0]);
    this.#caller = new Caller(this.#options, { moved: () => {}, timedOut: () => {} });
    const dropped = (reason: DropReason) => {
      this.drops[reason] = (this.drops[reason] ?? 0) + 1;
    };
    const reporter = {
      dropped,
      eventDropped: () => {},
      refusedAsFull: () => {},
      error: () => {},
    };
    this.#partition = new Partition(
      'target',
      this.#options,
      this.redis,
      this.#caller,
      () => ({ pid: 1 }),
      reporter,
    );
  }

  get inbox(): string {
    return this.#partition.inbox;
  }

  get dropped(): number {
    return Object.values(this.drops).reduce((sum, count) => sum + count, 0);
  }

  get incarnation(): string {
    return this.#partition.incarnation;
  }

  get handled(): number {
    return this.#partition.handled;
  }

  get callIds(): string[] {
    return this.#calls.map(({ id }) => id);
  }

  async open(): Promise<void> {
    const { registry } = this.#partition;
    registry.add(
      new Registration(
        'sum',
        toRequestHandler((data: unknown) => data),
        1000,
        undefined,
      ),
    );
    registry.add(
      new Registration(
        'full',
        toRequestHandler(() => 1),
        1000,
        1,
      ),
    );
    registry.add(new Registration('stream', toRequestHandler(oneTwoThree), 1000, undefined));
    registry.add(
      new Registration(
        '@/told.*',
        toRequestHandler((_: unknown, { service }) => service),
        1000,
        undefined,
      ),
    );
    await this.#partition.open();
  }

  /** Must not throw, whatever it is. */
  receive(bytes: Buffer): void {
    this.#partition.onMessage(this.inbox, bytes);
  }

  /** Makes as many calls as it needs for the next replies to have something to do with. */
  refill(): void {
    this.#calls = this.#calls.filter(({ isSettled }) => !isSettled);
    while (this.#calls.length < CALLS) this.#calls.push(this.#call());
  }

  async close(): Promise<void> {
    this.#caller.close();
    await this.#partition.drain(0);
    await this.#partition.close();
  }

  #call(): Call {
    const body = callBody({ a: 1 }, NO_OPTIONS.headers, this.#options.maxPayloadBytes);
    const service = SERVICES[this.ended % SERVICES.length]!;
    const end = () => void this.ended++;
    const sink: ReplySink = { value: (_, isLast) => isLast && end(), end, error: end };
    const call = new Call(
      { service, body, plan: this.#plans[this.#calls.length % 2]! },
      this.#partition,
      sink,
      performance.now(),
    );
    this.#caller.start(call);
    return call;
  }
}

async function* oneTwoThree() {
  for (const value of [1, 2, 3]) yield await Promise.resolve(value);
}
