import { SECOND, watched, within } from '../common/durations.js';
import { CloudsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ResolvedOptions } from '../common/options.js';
import { type Message, MessageKind } from '../protocol/frames.js';
import { incarnationOf } from '../protocol/ids.js';
import { Keys } from '../protocol/keys.js';
import { Signer } from '../protocol/signer.js';
import { Verifier } from '../protocol/verifier.js';
import type { RedisPort } from '../redis/link.js';
import type { Call, CallPath } from './call.js';
import { Dispatcher } from './dispatcher.js';
import { Executor } from './executor.js';
import { ForsakenRequests } from './forsaken-requests.js';
import { FlowControl } from './flow-control.js';
import { Heartbeat, MISSED_BEATS } from './heartbeat.js';
import { type Identity, Membership } from './membership.js';
import { Outbox } from './outbox.js';
import type { CallListener, Reporter } from './ports.js';
import { Receiver } from './receiver.js';
import { RedisClock } from './redis-clock.js';
import { type Registration, Registry } from './registry.js';
import { ReplyKeeper } from './reply-keeper.js';
import { RequestHeads } from './request-heads.js';
import { Subscriptions } from './subscriptions.js';
import { Sweeper } from './sweeper.js';
import { Watch } from './watch.js';

/** Services whose members one beat looks through. */
const SWEEPS_PER_BEAT = 2;
const MAX_PREDECESSORS = 20;
const REOPEN_MS = SECOND / 2;
/** How long Redis has to take note that the node goes. */
const FAREWELL_MS = 1 * SECOND;

/** The parts of a node's description that its partitions do not know. */
export type Describe = () => Readonly<Record<string, unknown>>;

/**
 * Owns one inbox, one fence and the keys of the scripts, and all that happens there. Every service
 * belongs to one partition, and all messages about a call to it stay in that partition.
 * States: down, opening, open; closed for good. The node opens it when the link comes up.
 */
export class Partition implements CallPath, Identity {
  readonly registry = new Registry();
  readonly sweeper: Sweeper;
  readonly subscriptions: Subscriptions;
  readonly #keys: Keys;
  readonly #clock = new RedisClock();
  readonly #keeper = new ReplyKeeper();
  readonly #signer: Signer;
  readonly #receiver: Receiver;
  readonly #flow: FlowControl;
  readonly #outbox: Outbox;
  readonly #executor: Executor;
  readonly #forsaken: ForsakenRequests;
  readonly #dispatcher: Dispatcher;
  readonly #membership: Membership;
  readonly #heartbeat: Heartbeat;
  readonly #watch: Watch;
  #generation = 0;
  /** Incarnations that were to enter services, and that none after them is known to have taken out. */
  #predecessors: string[] = [];
  #sweepTurn = 0;
  #isOpen = false;
  #isClosing = false;
  #opening: Promise<void> = Promise.resolve();
  #openedAt = -Infinity;
  #reopenTimer: NodeJS.Timeout | undefined;

  constructor(
    readonly nodeId: string,
    private readonly options: ResolvedOptions,
    private readonly redis: RedisPort,
    private readonly calls: CallListener,
    private readonly describe: Describe,
    private readonly reporter: Reporter,
  ) {
    const entryTtlMs = MISSED_BEATS * options.heartbeatMs;
    const { prefix, signing, maxPayloadBytes: maxBytes } = options;
    this.#keys = new Keys(prefix);
    this.#signer = new Signer(prefix, signing?.keys[0]);
    const verifier = signing && new Verifier(prefix, signing.keys, signing.isRequired, this);
    this.sweeper = new Sweeper(redis, this.#keys);
    this.#flow = new FlowControl((incarnation) => {
      this.#dispatcher.onRoom(incarnation);
      this.#outbox.onRoom(incarnation);
    });
    this.#outbox = new Outbox(redis, this.#keys, this, this.#signer, this.#keeper, this.#flow, {
      onUnclaimed: (stream) => this.#executor.onUnclaimed(stream),
      onError: (error) => reporter.error(error),
    });
    this.#executor = new Executor(this.registry, this.#outbox, this.#clock, options, reporter);
    this.#forsaken = new ForsakenRequests(this.#executor, this.#outbox, redis, this.#keys);
    this.#receiver = new Receiver(maxBytes, verifier, this.#outbox, reporter, () =>
      calls.placed.onPathOpened(this),
    );
    this.#dispatcher = this.#createDispatcher();
    this.subscriptions = new Subscriptions(redis, this.#keys, this, calls, options.maxWaiting);
    this.#membership = new Membership(redis, this.#keys, this, this.#clock, entryTtlMs);
    const settings = { returnMs: options.noNodeGraceMs, silenceMs: options.heartbeatMs };
    this.#watch = new Watch(redis, this.#keys, this, calls.placed, settings, (error) =>
      reporter.error(new Error(messages.watchRefused(error.message))),
    );
    this.#heartbeat = this.#createHeartbeat(entryTtlMs);
  }

  #createDispatcher(): Dispatcher {
    const { redis, calls, options } = this;
    const heads = new RequestHeads(this, this.#signer);
    return new Dispatcher(redis, this.#keys, this, heads, calls, this.#flow, options.maxWaiting);
  }

  #createHeartbeat(entryTtlMs: number): Heartbeat {
    const { redis, reporter } = this;
    return new Heartbeat(
      redis,
      this.#keys,
      this,
      this.registry,
      this.#outbox,
      this.#clock,
      { intervalMs: this.options.heartbeatMs, entryTtlMs },
      {
        entry: () => this.#entry(),
        seal: (beat) => this.#signer.beat(this.incarnation, beat),
        onDeaf: () => redis.reset(),
        onBeat: () => this.#onBeat(),
        onError: (error) => reporter.error(error),
      },
    );
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isFull(): boolean {
    return !this.#isOpen && this.#dispatcher.isFull;
  }

  get openedAt(): number {
    return this.#openedAt;
  }

  get incarnation(): string {
    return incarnationOf(this.nodeId, this.#generation);
  }

  get predecessors(): readonly string[] {
    return this.#predecessors;
  }

  get inbox(): string {
    return this.#keys.inbox(this.incarnation);
  }

  get running(): number {
    return this.#executor.running;
  }

  get handled(): number {
    return this.#executor.handled;
  }

  // --- coming and going of the connection ---

  /** A connection is there: a new incarnation begins. Rejects if Redis does not let it. */
  open(): Promise<void> {
    this.#opening = this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    clearTimeout(this.#reopenTimer);
    this.#clock.reset();
    this.#generation++;
    const generation = this.#generation;
    await this.#answered(this.#prepare());
    // What settled since the last incarnation ended is not among what runs, and gives nothing back.
    for (const registration of this.registry.all()) registration.restartCount();
    this.#outbox.forgetPoints();
    await this.#answered(this.#enter());
    if (generation !== this.#generation || !this.redis.isUp || this.#isClosing) return;
    this.#isOpen = true;
    this.#openedAt = performance.now();
    this.#heartbeat.start();
    this.#dispatcher.resume();
    this.subscriptions.resume();
    this.calls.placed.onPathOpened(this);
    if (this.calls.inFlight > 0) this.#watch.start();
  }

  /** In one round trip. */
  async #prepare(): Promise<void> {
    await Promise.all([this.redis.subscribe(this.inbox), this.#dispatcher.openFence()]);
  }

  /** The heartbeat, which finds out that a connection is dead, begins when the partition is open. */
  #answered(step: Promise<void>): Promise<void> {
    return watched(step, MISSED_BEATS * this.options.heartbeatMs, () => this.redis.reset());
  }

  /** An entry whose answer is lost with the connection may have happened. */
  async #enter(): Promise<void> {
    const { incarnation } = this;
    const entering = this.#membership.enter(this.registry.present(), this.#entry());
    this.#predecessors = [...this.#predecessors, incarnation].slice(-MAX_PREDECESSORS);
    await entering;
    this.#predecessors = [incarnation];
  }

  /** The connection is gone, and the incarnation with it. */
  down(): void {
    this.#isOpen = false;
    this.#heartbeat.stop();
    this.#dispatcher.pause();
    this.#outbox.cutOff();
    this.#flow.clear();
  }

  /** Redis did not let the partition open on a connection that works: tries again, but not at once. */
  reopenLater(): void {
    clearTimeout(this.#reopenTimer);
    this.#reopenTimer = setTimeout(() => this.redis.reset(), REOPEN_MS);
  }

  /** Ends everything; calls that wait here are the caller's to end. Waits for Redis, but not for long. */
  async close(): Promise<void> {
    await this.#settleOpening();
    this.#isClosing = true;
    clearTimeout(this.#reopenTimer);
    this.#watch.stop();
    this.#heartbeat.stop();
    await within(FAREWELL_MS, this.#sayGoodbye());
    this.#isOpen = this.#isClosing = false;
    this.#dispatcher.close();
    this.#outbox.close();
    this.#flow.clear();
  }

  /** Who leaves while it enters must first be in, or its member would stay behind. */
  async #settleOpening(): Promise<void> {
    if (!this.#isOpen && this.redis.isUp) await within(FAREWELL_MS, this.#opening);
  }

  async #sayGoodbye(): Promise<void> {
    // Cancels can go out only when it is known where.
    if (this.#isOpen) await this.#dispatcher.allKnown();
    await this.#outbox.flushed();
    if (!this.#isOpen || !this.redis.isUp) return;
    const keys = [this.#keys.node(this.nodeId), this.#keys.fence(this.nodeId)];
    try {
      const deleted = this.redis.pipeline([['del', ...keys]]);
      await Promise.all([deleted, this.redis.unsubscribe(this.inbox)]);
    } catch {
      // The connection broke: both keys have a TTL, and the inbox went with the connection.
    }
  }

  // --- serving ---

  /** Rejects if Redis refuses; then nothing is registered. */
  async register(registration: Registration): Promise<void> {
    this.registry.add(registration);
    if (!this.#isOpen) return;
    registration.restartCount();
    try {
      await this.#membership.enter([registration], this.#entry());
    } catch (error) {
      // After a cut the next incarnation enters this service too.
      if (!(error instanceof CloudsError)) return;
      this.registry.remove(registration);
      throw error;
    }
  }

  /** Resolves when no more requests for these services can arrive; what arrived may still run. */
  async leave(registrations: readonly Registration[]): Promise<void> {
    for (const registration of registrations) registration.isLeaving = true;
    try {
      await this.#settleOpening();
      if (this.#isOpen) await this.#membership.leave(registrations);
    } catch (error) {
      // Redis refused. Who is sent here from now on is told that the service is not served.
      this.reporter.error(error as Error);
    }
    for (const registration of registrations) this.registry.remove(registration);
  }

  /** Waits until no handler runs, for so long; what runs then is cancelled. */
  async drain(limitMs: number): Promise<void> {
    const isIdle = await this.#executor.idle(limitMs);
    if (!isIdle) this.#executor.abandon();
    await this.#outbox.flushed();
  }

  // --- calling ---

  dispatch(call: Call): void {
    this.#dispatcher.add(call);
    this.#watch.start();
  }

  withdraw(call: Call): void {
    this.#dispatcher.remove(call);
  }

  cancel(incarnation: string, callId: string): void {
    this.#outbox.cancel(incarnation, callId);
  }

  ask(incarnation: string, callId: string): void {
    this.#outbox.ask(incarnation, callId);
  }

  /** A place in line is that of an incarnation, and ends with it. */
  leaveLine(service: string): void {
    if (this.#isOpen) this.#outbox.leaveLine(service);
  }

  consumed(incarnation: string, callId: string, count: number): void {
    this.#outbox.consumed(incarnation, callId, count);
  }

  // --- what arrives ---

  onMessage(channel: string, bytes: Buffer): void {
    if (channel !== this.inbox) return;
    const message = this.#receiver.read(bytes);
    if (message !== undefined) this.#route(message, bytes.length);
  }

  #route(message: Message, bytes: number): void {
    switch (message.kind) {
      case MessageKind.REQUESTS:
        return this.#executor.accept(message, bytes);
      case MessageKind.REPLIES:
        return this.calls.onReplies(message, bytes, this);
      case MessageKind.CANCEL:
        return this.#executor.onCancel(message.from, message.ids);
      case MessageKind.ASK:
        return this.#executor.onAsk(message.from, message.ids);
      case MessageKind.PROBE:
        return this.#heartbeat.onProbe(message);
      case MessageKind.RECEIVED:
        return this.#flow.onReceived(message.from, message.length);
      case MessageKind.WINDOW:
        return this.#executor.onConsumed(message.from, message.consumed);
      case MessageKind.ROOM:
        return this.calls.full.onTurn(message.service);
      case MessageKind.FAREWELL:
        return this.#membership.onFarewell(message.token);
    }
  }

  // --- the heartbeat ---

  #entry(): string {
    if (this.registry.size === 0 && this.#executor.running === 0) return '';
    return JSON.stringify({ incarnation: this.incarnation, ...this.describe() });
  }

  #onBeat(): void {
    this.#keeper.expire();
    this.#forsaken.look();
    const services = this.registry.present();
    for (let i = 0; i < Math.min(SWEEPS_PER_BEAT, services.length); i++) {
      const { service } = services[this.#sweepTurn++ % services.length]!;
      // Housekeeping that the next beat does again: a cut connection is the link's to report.
      this.sweeper.sample(service).catch(() => undefined);
    }
  }
}
