import { jittered } from '../common/durations.js';
import { CloudsDisconnectedError, type CloudsError, CloudsErrorCode } from '../common/errors.js';
import { guarded } from '../common/guarded.js';
import { messages } from '../common/messages.js';
import type { ReplyMessage } from '../protocol/frames.js';
import type { Call, CallPath, Sender, Unplaced } from './call.js';
import {
  closedDuringCall,
  mayHaveRun,
  noTaker,
  placeLost,
  timeIsUp,
  tooManyWait,
  tooManyWaitForRoom,
  truthOf,
} from './call-failures.js';
import { CallReplies } from './call-replies.js';
import { CallTable } from './call-table.js';
import { FullServices } from './full-services.js';
import { cancelEarlier, onLatePlacement } from './late-placements.js';
import { OneWays } from './one-ways.js';
import { PlacedCalls } from './placed-calls.js';
import type { CallerEvents, CallListener } from './ports.js';
import { release } from '../protocol/text.js';
import { TimerWheel } from './timer-wheel.js';

const BACKOFF_MS = 50;
const BACKOFF_SHARE = 4;

export interface CallerSettings {
  readonly noNodeGraceMs: number;
  /** How many calls may wait until a node has room. */
  readonly maxWaiting: number;
}

/**
 * Takes every call from its start to its one end: attempts, timeouts, grace, lost nodes, refusals. It
 * decides; the paths carry.
 */
export class Caller implements CallListener {
  readonly #table = new CallTable();
  readonly #wheel = new TimerWheel<Call>((call) => this.#onDue(call));
  /** Services that this process has reached: one that has no node now may be restarting. */
  readonly #reached = new Set<string>();
  readonly #oneWays = new OneWays();
  /** Calls that wait for a node that has room. */
  readonly full = new FullServices((call) => this.#dispatchAgain(call));
  readonly #replies = new CallReplies(this.#table, {
    answer: (call, sender, deliver) => this.#answer(call, sender, deliver),
    refuse: (call, sender, error) => this.#onRefusal(call, sender, error),
    moveOrFail: (call, error) => this.#moveOrFail(call, error),
    fail: (call, error) => this.#fail(call, error),
    renew: (call) => this.#renew(call),
  });
  readonly placed = new PlacedCalls(this.#table, {
    move: (call, reason) => this.#move(call, reason),
    moveOrFail: (call, error) => this.#moveOrFail(call, error),
    ask: (call, incarnation) => this.#replies.ask(call, incarnation),
  });

  constructor(
    private readonly settings: CallerSettings,
    private readonly events: CallerEvents,
  ) {}

  get inFlight(): number {
    return this.#table.size;
  }

  /** Resolves when no one-way call is on its way. */
  oneWaysSettled(): Promise<void> {
    return this.#oneWays.settled();
  }

  start(call: Call): void {
    if (call.isOneWay) this.#oneWays.add();
    this.#table.add(call);
    if (call.path.isFull) this.#fail(call, tooManyWait(call));
    // Not before those that wait already.
    else if (call.plan.waitsWhenFull && this.full.has(call.service)) this.#waitForRoom(call);
    else this.#dispatch(call);
  }

  /** A service that somebody has reached, so that it may be restarting if it has no node. */
  expect(service: string): void {
    this.#reached.add(service);
  }

  /** Nobody waits for the outcome any more. The node that has the call is told. */
  cancel(call: Call): void {
    if (!call.isSettled) this.#finish(call, placeOf(call));
  }

  /** The same, and whoever waits is told why. */
  abort(call: Call, reason: CloudsError): void {
    this.#fail(call, reason);
  }

  /** Ends every call with the error that `reason` makes for it, and the timer. */
  close(reason: (call: Call) => CloudsError = closedDuringCall): void {
    for (const call of this.#table.all()) this.#fail(call, reason(call));
    // Whoever is told may have made another call at once.
    if (this.#table.size === 0) this.#wheel.close();
  }

  /** The consumer of a call whose sink is pulled has taken a value. */
  consumed(call: Call): void {
    this.#replies.consumed(call);
  }

  // --- what the dispatch says ---

  onPlaced(call: Call, attempt: number, incarnation: string, isResent: boolean): void {
    this.#reached.add(call.service);
    if (call.isSettled || attempt !== call.attempt) return onLatePlacement(call, incarnation);
    call.waitsFor = call.noNodeSince = undefined;
    if (call.isOneWay) return this.onSent(call);
    call.place = incarnation;
    call.placedAt = Math.ceil(performance.now());
    cancelEarlier(call);
    const refusal = call.takeRefusal();
    if (refusal) return this.#onRefusal(call, refusal.sender, refusal.error);
    if (this.full.size > 0) this.full.onPlaced(call);
    if (isResent) this.#replies.ask(call, call.place);
  }

  onUnplaced(call: Call, attempt: number, reason: Unplaced): void {
    if (call.isSettled || attempt !== call.attempt) return;
    call.isSent = false;
    cancelEarlier(call);
    if (call.place !== undefined) return;
    if (reason === 'no-node') return this.#onNoNode(call);
    if (reason === 'only-tried') {
      call.mayRepeatNode = true;
      return this.#backOff(call);
    }
    this.#onFull(call, noTaker(call, CloudsErrorCode.OVERLOADED));
  }

  onRefused(call: Call, attempt: number, error: Error): void {
    if (call.isSettled || attempt !== call.attempt) return;
    const message = messages.redisRefused(call.service, error.message);
    // The driver's error carries the whole batch with everybody's data: only its text goes on.
    this.#fail(call, new CloudsDisconnectedError(message));
  }

  onForgotten(call: Call, attempt: number): void {
    if (call.isSettled || attempt !== call.attempt) return;
    // Its values say where it is.
    if (call.stream) this.onPlaced(call, attempt, call.stream.place, true);
    else this.#moveOrFail(call, placeLost(call));
  }

  // --- what comes back ---

  onReplies(message: ReplyMessage, bytes: number, path: CallPath): void {
    this.#replies.onReplies(message, bytes, path);
  }

  // --- the course of one call ---

  #dispatch(call: Call): void {
    call.resumeAt = undefined;
    this.#wheel.add(call, call.dueAt);
    call.path.dispatch(call);
  }

  #resumeLater(call: Call): void {
    call.resumeAt = performance.now() + jittered(BACKOFF_MS, BACKOFF_SHARE);
    this.#wheel.add(call, call.dueAt);
  }

  /** What is told by Redis or by the node itself: the handler has not run. */
  #onFull(call: Call, error: CloudsError): void {
    if (call.plan.waitsWhenFull) this.#waitForRoom(call);
    else this.#moveOrFail(call, error);
  }

  #waitForRoom(call: Call, isRefused = false): void {
    if (!this.full.holds(call) && this.full.size >= this.settings.maxWaiting)
      return this.#fail(call, tooManyWaitForRoom(call));
    call.waitForRoom();
    this.#wheel.add(call, call.dueAt);
    if (isRefused) this.full.addRefused(call);
    else this.full.add(call);
  }

  #dispatchAgain(call: Call): void {
    call.beginAttempt(performance.now());
    this.#dispatch(call);
  }

  /** A pause before the next attempt; the attempt's own time begins after it. */
  #backOff(call: Call): void {
    this.#resumeLater(call);
    call.beginAttempt(call.resumeAt!);
    this.#wheel.add(call, call.dueAt);
  }

  #onDue(call: Call): void {
    if (performance.now() < call.attemptEndsAt && call.resumeAt !== undefined)
      return this.#dispatch(call);
    if (call.mayWaitForConsumer(performance.now())) return this.#renew(call);
    if (call.mayBeginAgain(performance.now())) return this.#dispatchAgain(call);
    const error = timeIsUp(call);
    if (!call.isOut) return this.#fail(call, error);
    this.events.timedOut(call);
    this.#moveOrFail(call, error);
  }

  /** Zero receivers is no proof of death: nodes reconnect after a cut, and restart in a rollout. */
  #onNoNode(call: Call): void {
    const now = performance.now();
    call.noNodeSince ??= now;
    const graceMs = this.settings.noNodeGraceMs;
    const isKnown = this.#reached.has(call.service) || now - call.path.openedAt < graceMs;
    if (isKnown && now - call.noNodeSince < graceMs) {
      call.waitsFor = CloudsErrorCode.NO_NODE;
      return this.#resumeLater(call);
    }
    this.#fail(call, noTaker(call, CloudsErrorCode.NO_NODE));
  }

  #renew(call: Call): void {
    call.renew(performance.now());
    this.#wheel.add(call, call.dueAt);
  }

  /** The handler has not run, or its node had to stop it. What is no fault of the data may be tried elsewhere. */
  #onRefusal(call: Call, sender: Sender, error: CloudsError): void {
    if (call.isRefusalInDoubt) return call.keepRefusal({ sender, error });
    if (error.code === CloudsErrorCode.NO_NODE) return this.#onNotServed(call, sender);
    if (error.code === CloudsErrorCode.OVERLOADED && call.plan.waitsWhenFull)
      return this.#waitForRoom(call, true);
    if (call.place === undefined) call.passOver(sender.incarnation);
    if (error.retryable || error.code === CloudsErrorCode.CANCELLED) this.#moveOrFail(call, error);
    else this.#answer(call, sender, () => call.sink.error(error));
  }

  /** The node left after it was picked. That is no attempt: the handler has certainly not run. */
  #onNotServed(call: Call, { incarnation }: Sender): void {
    call.passOver(incarnation);
    call.mayRepeatNode = true;
    call.waitsFor = CloudsErrorCode.NO_NODE;
    this.#resumeLater(call);
  }

  #answer(call: Call, sender: Sender, deliver: () => void): void {
    call.isAnswered = true;
    this.#finish(call, call.mayBeAt(sender) ? undefined : call.place);
    if (this.full.size > 0) this.full.onAnswered(call);
    guarded(deliver);
  }

  /** A one-way call is over when a node has it. */
  onSent(call: Call): void {
    if (call.isSettled) return;
    call.isAnswered = true;
    if (this.full.size > 0) this.full.onPlaced(call);
    this.#finish(call);
    guarded(() => call.sink.end());
  }

  #moveOrFail(call: Call, error: CloudsError): void {
    if (call.mayMove(performance.now())) this.#move(call, error);
    else this.#fail(call, error);
  }

  #move(call: Call, reason: CloudsError): void {
    const left = call.place;
    call.leave(performance.now());
    if (left !== undefined) call.path.cancel(left, call.id);
    if (mayHaveRun(reason)) call.lostWith = reason;
    this.events.moved(call, reason);
    if (reason.code === CloudsErrorCode.OVERLOADED) {
      call.waitsFor = CloudsErrorCode.OVERLOADED;
      call.mayRepeatNode = true;
      return this.#backOff(call);
    }
    call.mayRepeatNode = false;
    this.#dispatch(call);
  }

  #fail(call: Call, error: CloudsError): void {
    if (call.isSettled) return;
    this.#finish(call, placeOf(call));
    guarded(() => call.sink.error(truthOf(call, error)));
  }

  /** `toCancel`: a node that has the call and need not finish it. */
  #finish(call: Call, toCancel?: string): void {
    call.isSettled = true;
    release(call.body);
    if (call.isOneWay) this.#oneWays.settle();
    if (this.full.size > 0) this.full.remove(call);
    this.#table.remove(call);
    this.#wheel.remove(call);
    const isDone = call.place !== undefined || (call.isSent && call.isAnswered);
    if (!isDone) call.path.withdraw(call);
    if (toCancel !== undefined) call.path.cancel(toCancel, call.id);
    if (!call.isAnswered) cancelEarlier(call);
  }
}

/** Where it is; the values of a stream say so too, before the dispatch does. */
function placeOf({ place, stream }: Call): string | undefined {
  return place ?? stream?.place;
}
