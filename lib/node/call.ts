import { type CloudsError, CloudsErrorCode } from '../common/errors.js';
import { UNLIMITED_ATTEMPTS } from '../common/options.js';
import { nodeIdOf, randomId } from '../protocol/ids.js';
import type { Text } from '../protocol/text.js';
import type { IncomingStream } from './incoming-stream.js';
import { WheelEntry } from './timer-wheel.js';

const NONE: readonly string[] = [];

/** The codes of errors that say that no node took a call. */
export type NoTaker = typeof CloudsErrorCode.NO_NODE | typeof CloudsErrorCode.OVERLOADED;

/** Why the dispatch gave a call to no node. */
export type Unplaced = 'no-node' | 'overloaded' | 'only-tried';

/** How a call gets to the nodes of its service; a partition is one. */
export interface CallPath {
  readonly isOpen: boolean;
  /** When the path was opened last, on the clock of `performance.now()`. */
  readonly openedAt: number;
  /** Whether it is closed, and has as many calls waiting as it may. */
  readonly isFull: boolean;
  dispatch(call: Call): void;
  /** Takes a call back that has not been sent yet, or finds out where it was sent. */
  withdraw(call: Call): void;
  /** Tells a node that nobody waits for a call any more. */
  cancel(incarnation: string, callId: string): void;
  /** Asks a node about a call: it sends a reply that was lost again, or says that it never saw the call. */
  ask(incarnation: string, callId: string): void;
  /** No call waits for room in this service any more. */
  leaveLine(service: string): void;
  /** Tells a node how many values of a stream were consumed so far. */
  consumed(incarnation: string, callId: string, count: number): void;
}

/** Where the outcome of a call goes. Exactly one of `end`, `error`, or `value` with `isLast` ends it. */
export interface ReplySink {
  /** @internal Whether values count as consumed when the sink says so, and not when `value` returns. */
  readonly isPulled?: boolean;
  /** One value has arrived. `isLast`: it is the only one, or the last, and `end` is not called. */
  value(value: unknown, isLast: boolean): void;
  /** The call has ended without another value. */
  end(): void;
  /** The call has failed, with a CloudsError or with what the handler threw. Nothing comes after it. */
  error(error: unknown): void;
}

/** Who sent a reply. */
export interface Sender {
  readonly incarnation: string;
  readonly nodeId: string;
}

/** What a node says that does not run a call. */
export interface Refusal {
  readonly sender: Sender;
  readonly error: CloudsError;
}

/** How a call goes; shared by all that go alike. */
export interface CallPlan {
  readonly isOneWay: boolean;
  readonly timeoutMs: number;
  /** For the whole call, all attempts together; in ms from its start. */
  readonly deadlineMs: number;
  /** Whether a stream may go on after the deadline, because nobody has set one. */
  readonly mayOutlastDeadline: boolean;
  readonly attempts: number;
  /** Whether it goes to every node of the service; only if it is one-way. */
  readonly isBroadcast: boolean;
  /** Whether it waits until a node has room, and that is no attempt. */
  readonly waitsWhenFull: boolean;
}

export interface CallSettings {
  readonly service: string;
  /** Metadata and data as they stand in the frame. */
  readonly body: Text;
  readonly plan: CallPlan;
}

/**
 * A request on its way. States: waiting (no `place`), placed (a node has it), settled. Only the Caller
 * changes it; `isSent` also the Dispatcher.
 */
export class Call extends WheelEntry {
  readonly id = randomId();
  readonly path: CallPath;
  readonly service: string;
  readonly body: Text;
  readonly plan: CallPlan;
  readonly deadlineAt: number;
  readonly sink: ReplySink;

  attempt = 1;
  /** Rises when a dispatch is void: what is still said about it does not count. */
  dispatch = 1;
  attemptBeganAt: number;
  attemptEndsAt: number;
  isSettled = false;
  /** Settled by a reply, as against a timeout, a cancel or a lost node. */
  isAnswered = false;
  /** Whether the present attempt was sent, and it is not known to which node, if to any. */
  isSent = false;
  /** The incarnation that has the present attempt. */
  place: string | undefined;
  placedAt = 0;
  /** Ids of the nodes that had earlier attempts. */
  tried: string[] | undefined;
  /** Whether the next attempt may go to a node that was tried already. */
  mayRepeatNode = false;
  /** When to dispatch again; undefined while there is nothing to wait for. */
  resumeAt: number | undefined;
  /** When this call was first told that there is no node. */
  noNodeSince: number | undefined;
  /** What the call is waiting for, as the code that tells the truth if its time ends meanwhile. */
  waitsFor: NoTaker | undefined;
  /** Whether its node tells those that wait when it has room again. */
  isWaitedBehind = false;
  /** How the last attempt ended that may have run. */
  lostWith: CloudsError | undefined;
  /** Refusals that came before it was known which node has the present dispatch. */
  #earlyRefusals: Refusal[] | undefined;
  /** Nodes that turned out to have earlier attempts, while it is not known which has the present one. */
  #earlierPlaces: string[] | undefined;
  /** How many values of a stream have arrived. */
  values = 0;
  /** From the first value of a stream on. */
  stream: IncomingStream | undefined;
  /** The node that the stream comes from. */
  streamsFrom: string | undefined;

  constructor(settings: CallSettings, path: CallPath, sink: ReplySink, now: number) {
    super();
    this.path = path;
    this.service = settings.service;
    this.body = settings.body;
    this.plan = settings.plan;
    // Whole numbers: to a fraction V8 would give an object of its own.
    const began = Math.ceil(now);
    this.deadlineAt = began + this.plan.deadlineMs;
    this.attemptBeganAt = began;
    this.attemptEndsAt = Math.min(began + this.plan.timeoutMs, this.deadlineAt);
    this.sink = sink;
  }

  get isOneWay(): boolean {
    return this.plan.isOneWay;
  }

  /** Whether the dispatch has to obey a rule: to pass over nodes, or to reach all. */
  get isRuled(): boolean {
    return this.tried !== undefined || this.plan.isBroadcast;
  }

  /** When something has to be done about this call if nothing happens. */
  get dueAt(): number {
    return this.resumeAt === undefined
      ? this.attemptEndsAt
      : Math.min(this.resumeAt, this.attemptEndsAt);
  }

  /** Whether the time of the present attempt has passed. */
  isOver(now: number): boolean {
    return now >= this.attemptEndsAt;
  }

  /** Whether a node may run the present attempt. */
  get isOut(): boolean {
    return this.place !== undefined || this.isSent;
  }

  timeLeftMs(now: number): number {
    return Math.max(0, Math.floor(this.attemptEndsAt - now));
  }

  /** Whether another node may be tried. A stream that has begun is never started again. */
  mayMove(now: number): boolean {
    const { attempts } = this.plan;
    const hasAttempts = attempts === UNLIMITED_ATTEMPTS || this.attempt < attempts;
    return hasAttempts && !this.isOneWay && this.values === 0 && now < this.deadlineAt;
  }

  /** Whether only this process, which stood still, has kept the present attempt from being sent. */
  mayBeginAgain(now: number): boolean {
    return !this.isOut && this.path.isOpen && this.waitsFor === undefined && this.mayMove(now);
  }

  /** Goes on to the next attempt, away from where it is. */
  leave(now: number): void {
    if (this.place !== undefined) this.addTried(this.place);
    for (const earlier of this.#earlierPlaces ?? NONE) this.addTried(earlier);
    this.voidDispatch();
    this.attempt++;
    this.beginAttempt(now);
  }

  /** The node that has it, or is to have it, will not run it. */
  voidDispatch(): void {
    this.place = undefined;
    this.isSent = false;
    this.dispatch++;
    this.#earlyRefusals = undefined;
  }

  /** This node will not run it, and is not to be picked again while there are others. */
  passOver(incarnation: string): void {
    this.addTried(incarnation);
    this.voidDispatch();
  }

  /** Whether a refusal may be that of an earlier dispatch, for all that is known. */
  get isRefusalInDoubt(): boolean {
    return this.place === undefined && this.dispatch > 1;
  }

  /** Whether any node may have the present attempt. */
  get isPlaceInDoubt(): boolean {
    return !this.isSettled && this.isSent && this.place === undefined;
  }

  keepEarlierPlace(incarnation: string): void {
    (this.#earlierPlaces ??= []).push(incarnation);
  }

  takeEarlierPlaces(): readonly string[] {
    const places = this.#earlierPlaces ?? NONE;
    this.#earlierPlaces = undefined;
    return places;
  }

  /** To be looked at when it is known which node has the call, which is found out now. */
  keepRefusal(refusal: Refusal): void {
    if (!this.isSent) return;
    (this.#earlyRefusals ??= []).push(refusal);
    this.path.withdraw(this);
  }

  /** Whether a refusal says that it is of another attempt. */
  isOfAnotherAttempt(refusal: unknown): boolean {
    const { attempt } = (refusal ?? {}) as { attempt?: unknown };
    return attempt !== undefined && attempt !== this.attempt;
  }

  /** What the node that has the call has said before that was known. */
  takeRefusal(): Refusal | undefined {
    const refusal = this.#earlyRefusals?.find(({ sender }) => this.mayBeAt(sender));
    this.#earlyRefusals = undefined;
    return refusal;
  }

  /** No node has taken it: the time of the attempt is not counted until it is sent again. */
  waitForRoom(): void {
    this.voidDispatch();
    this.mayRepeatNode = true;
    this.resumeAt = undefined;
    this.waitsFor = CloudsErrorCode.OVERLOADED;
    this.attemptEndsAt = this.deadlineAt;
  }

  /** The time of the present attempt begins. */
  beginAttempt(now: number): void {
    this.attemptBeganAt = Math.ceil(now);
    this.attemptEndsAt = Math.min(this.attemptBeganAt + this.plan.timeoutMs, this.deadlineAt);
  }

  /** A value of a stream has arrived: the time for the next one begins. */
  renew(now: number): void {
    const { timeoutMs, mayOutlastDeadline } = this.plan;
    this.attemptBeganAt = Math.ceil(now);
    const idleAt = this.attemptBeganAt + timeoutMs;
    this.attemptEndsAt = mayOutlastDeadline ? idleAt : Math.min(idleAt, this.deadlineAt);
  }

  /** Tells the node of its stream, if it has one, how much of it was consumed. */
  reportConsumed(): void {
    const { stream } = this;
    if (stream) this.path.consumed(stream.place, this.id, stream.report());
  }

  /** Whether the time between two values stands still, as those that have arrived are not consumed yet. */
  mayWaitForConsumer(now: number): boolean {
    const isInTime = this.plan.mayOutlastDeadline || now < this.deadlineAt;
    return isInTime && this.stream !== undefined && this.stream.isBehind;
  }

  addTried(incarnation: string): void {
    const nodeId = nodeIdOf(incarnation);
    if (this.tried === undefined) this.tried = [nodeId];
    else if (!this.tried.includes(nodeId)) this.tried.push(nodeId);
  }

  /** Whether a reply from this node can be meant for this call; not yet known before it is placed. */
  mayBeAnsweredBy(sender: Sender): boolean {
    if (this.streamsFrom !== undefined) return this.streamsFrom === sender.nodeId;
    return this.mayBeAt(sender) || (this.tried?.includes(sender.nodeId) ?? false);
  }

  /** Whether the present attempt is, or for all that is known may be, with this node. */
  mayBeAt({ incarnation, nodeId }: Sender): boolean {
    const { place } = this;
    if (place === undefined) return this.mayRepeatNode || !this.tried?.includes(nodeId);
    return place === incarnation || nodeIdOf(place) === nodeId;
  }
}
