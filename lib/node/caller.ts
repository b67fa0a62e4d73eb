import { jittered } from '../common/durations.js';
import {
  CloudsClosedError,
  CloudsDisconnectedError,
  type CloudsError,
  CloudsErrorCode,
  CloudsNodeLostError,
  CloudsNoNodeError,
  CloudsOverloadedError,
  CloudsTimeoutError,
} from '../common/errors.js';
import { guarded } from '../common/guarded.js';
import { messages } from '../common/messages.js';
import { type ReplyFrame, ReplyKind, type ReplyMessage } from '../protocol/frames.js';
import { nodeIdOf } from '../protocol/ids.js';
import { reviveError, reviveRefusal } from '../protocol/remote-error.js';
import type { Call, CallPath, NoTaker, Unplaced } from './call.js';
import { CallTable } from './call-table.js';
import type { CallListener } from './ports.js';
import { TimerWheel } from './timer-wheel.js';

const BACKOFF_MS = 50;
const BACKOFF_SHARE = 4;

/** What an attempt can end with although its handler ran, or still runs. */
const MAY_HAVE_RUN: ReadonlySet<CloudsErrorCode> = new Set([
  CloudsErrorCode.TIMEOUT,
  CloudsErrorCode.NODE_LOST,
  CloudsErrorCode.CANCELLED,
]);

export interface CallerSettings {
  readonly noNodeGraceMs: number;
}

/** What happens to calls that others may want to know. */
export interface CallerEvents {
  /** A call goes on to another node. */
  moved(call: Call, reason: CloudsError): void;
  timedOut(call: Call): void;
}

/**
 * Takes every call from its start to its one end: attempts, timeouts, grace, lost nodes, replies. It
 * decides; the paths carry.
 */
export class Caller implements CallListener {
  readonly #table = new CallTable();
  readonly #wheel = new TimerWheel<Call>((call) => this.#onDue(call));
  /** Services that this process has reached: one that has no node now may be restarting. */
  readonly #reached = new Set<string>();
  #oneWays = 0;
  readonly #oneWayListeners = new Set<() => void>();

  constructor(
    private readonly settings: CallerSettings,
    private readonly events: CallerEvents,
  ) {}

  get inFlight(): number {
    return this.#table.size;
  }

  /** Resolves when no one-way call is on its way. */
  async oneWaysSettled(): Promise<void> {
    if (this.#oneWays === 0) return;
    await new Promise<void>((resolve) => this.#oneWayListeners.add(resolve));
  }

  start(call: Call): void {
    if (call.isOneWay) this.#oneWays++;
    this.#table.add(call);
    this.#dispatch(call);
  }

  /** Nobody waits for the outcome any more. The node that has the call is told. */
  cancel(call: Call): void {
    if (!call.isSettled) this.#finish(call, call.place);
  }

  /** Ends every call with the error that `reason` makes for it, and the timer. */
  close(reason: (call: Call) => CloudsError = closedDuringCall): void {
    for (const call of this.#table.all()) this.#fail(call, reason(call));
    // Whoever is told may have made another call at once.
    if (this.#table.size === 0) this.#wheel.close();
  }

  // --- what the dispatch says ---

  onPlaced(call: Call, attempt: number, incarnation: string, isResent: boolean): void {
    this.#reached.add(call.service);
    if (call.isSettled || attempt !== call.attempt) return this.#onLatePlacement(call, incarnation);
    call.waitsFor = call.noNodeSince = undefined;
    if (call.isOneWay) return this.#answer(call, incarnation, () => call.sink.end());
    call.place = incarnation;
    call.placedAt = performance.now();
    if (isResent) call.path.ask(incarnation, call.id);
  }

  onUnplaced(call: Call, attempt: number, reason: Unplaced): void {
    if (call.isSettled || attempt !== call.attempt) return;
    if (reason === 'no-node') return this.#onNoNode(call);
    if (reason === 'only-tried') {
      call.mayRepeatNode = true;
      return this.#backOff(call);
    }
    this.#moveOrFail(call, this.#noTaker(call, CloudsErrorCode.OVERLOADED));
  }

  onRefused(call: Call, attempt: number, error: Error): void {
    if (call.isSettled || attempt !== call.attempt) return;
    const message = messages.redisRefused(call.service, error.message);
    // The driver's error carries the whole batch with everybody's data: only its text goes on.
    this.#fail(call, new CloudsDisconnectedError(message));
  }

  onForgotten(call: Call, attempt: number): void {
    if (call.isSettled || attempt !== call.attempt) return;
    this.#moveOrFail(call, nodeLost(call, 'unknown'));
  }

  // --- what comes back ---

  onReplies({ from, frames }: ReplyMessage): void {
    const nodeId = nodeIdOf(from);
    for (const frame of frames) {
      const call = this.#table.get(frame.id);
      if (call?.mayBeAnsweredBy(nodeId)) this.#onReply(call, nodeId, frame);
    }
  }

  // --- what the watch sees ---

  onPathOpened(path: CallPath): void {
    for (const call of this.#table.placed(path)) path.ask(call.place!, call.id);
  }

  onNodeLost(path: CallPath, incarnation: string): void {
    for (const call of this.#table.placed(path, incarnation)) {
      this.#moveOrFail(call, nodeLost(call, incarnation));
    }
  }

  onNodeFrozen(path: CallPath, incarnation: string): void {
    const now = performance.now();
    for (const call of this.#table.placed(path, incarnation)) {
      if (call.mayMove(now)) this.#move(call, nodeLost(call, incarnation));
    }
  }

  onNodeBack(path: CallPath, incarnation: string, successor: string): void {
    for (const call of this.#table.placed(path, incarnation)) {
      call.place = successor;
      path.ask(successor, call.id);
    }
  }

  waitedFor(path: CallPath, placedBefore: number): Map<string, number> {
    const incarnations = new Map<string, number>();
    for (const { place, placedAt } of this.#table.placed(path)) {
      if (placedAt > placedBefore) continue;
      incarnations.set(place!, Math.max(placedAt, incarnations.get(place!) ?? 0));
    }
    return incarnations;
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

  /** A pause before the next attempt; the attempt's own time begins after it. */
  #backOff(call: Call): void {
    this.#resumeLater(call);
    call.attemptBeganAt = call.resumeAt!;
    call.attemptEndsAt = Math.min(call.attemptBeganAt + call.timeoutMs, call.deadlineAt);
    this.#wheel.add(call, call.dueAt);
  }

  #onDue(call: Call): void {
    if (performance.now() < call.attemptEndsAt && call.resumeAt !== undefined)
      return this.#dispatch(call);
    const error = this.#timeIsUp(call);
    if (call.place === undefined) return this.#fail(call, error);
    this.events.timedOut(call);
    this.#moveOrFail(call, error);
  }

  #timeIsUp(call: Call): CloudsError {
    const { service, attempt } = call;
    const timeoutMs = Math.round(call.attemptEndsAt - call.attemptBeganAt);
    const isPlaced = call.place !== undefined;
    if (!isPlaced && call.waitsFor) return this.#noTaker(call, call.waitsFor);
    if (!isPlaced && !call.path.isOpen) {
      return new CloudsDisconnectedError(messages.disconnected(service, timeoutMs));
    }
    return new CloudsTimeoutError(messages.timeout(service, timeoutMs, attempt), {
      details: { service, attempt },
    });
  }

  /** An attempt that was lost may have run, whatever became of those after it. */
  #noTaker({ service, lostWith }: Call, reason: NoTaker): CloudsError {
    if (lostWith) return lostWith;
    return reason === CloudsErrorCode.OVERLOADED
      ? new CloudsOverloadedError(messages.overloaded(service))
      : new CloudsNoNodeError(messages.noNode(service));
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
    this.#fail(call, this.#noTaker(call, CloudsErrorCode.NO_NODE));
  }

  /** The answer for an attempt that is over: that node has the call too, and need not finish it. */
  #onLatePlacement(call: Call, incarnation: string): void {
    if (call.isOneWay || call.isAnswered) return;
    call.addTried(incarnation);
    call.path.cancel(incarnation, call.id);
  }

  #onReply(call: Call, nodeId: string, frame: ReplyFrame): void {
    const isPresent = isAt(call, nodeId);
    switch (frame.kind) {
      case ReplyKind.RESULT:
        return this.#answer(call, nodeId, () => call.sink.value(frame.value, true));
      case ReplyKind.VALUE:
        return isPresent ? this.#onValue(call, nodeId, frame) : undefined;
      case ReplyKind.END:
        return this.#onStreamEnd(call, nodeId, frame, () => call.sink.end());
      case ReplyKind.ERROR:
        return this.#onStreamEnd(call, nodeId, frame, () => call.sink.error(frame.value));
      case ReplyKind.EXCEPTION:
        return this.#onStreamEnd(call, nodeId, frame, () =>
          call.sink.error(reviveError(frame.value, nodeId)),
        );
      case ReplyKind.REFUSAL:
        return isPresent ? this.#onRefusal(call, reviveRefusal(frame.value, nodeId)) : undefined;
      case ReplyKind.UNKNOWN:
        return isPresent ? this.#moveOrFail(call, nodeLost(call, nodeId)) : undefined;
    }
  }

  /** An idle stream times out; one that keeps coming does not. */
  #onValue(call: Call, nodeId: string, frame: ReplyFrame): void {
    if (frame.count !== call.values) return this.#onGap(call, nodeId);
    call.streamsFrom = nodeId;
    call.values++;
    call.renew(performance.now());
    this.#wheel.add(call, call.dueAt);
    guarded(() => call.sink.value(frame.value, false));
  }

  /** A node that was left may still answer, but not with the end of a stream that it was told to stop. */
  #onStreamEnd(call: Call, nodeId: string, frame: ReplyFrame, deliver: () => void): void {
    if (frame.count === call.values) this.#answer(call, nodeId, deliver);
    else if (isAt(call, nodeId)) this.#onGap(call, nodeId);
  }

  #onGap(call: Call, nodeId: string): void {
    const { service } = call;
    const error = new CloudsNodeLostError(messages.streamBroken(service, nodeId), {
      details: { service },
    });
    this.#fail(call, error);
  }

  /** The handler has not run, or its node had to stop it. What is no fault of the data may be tried elsewhere. */
  #onRefusal(call: Call, error: CloudsError): void {
    if (error.code === CloudsErrorCode.NO_NODE) return this.#onNotServed(call);
    if (error.retryable || error.code === CloudsErrorCode.CANCELLED) this.#moveOrFail(call, error);
    else this.#answer(call, error.node ?? '', () => call.sink.error(error));
  }

  /** The node left after it was picked. That is no attempt: the handler has certainly not run. */
  #onNotServed(call: Call): void {
    if (call.place !== undefined) call.addTried(call.place);
    call.place = undefined;
    call.mayRepeatNode = true;
    call.waitsFor = CloudsErrorCode.NO_NODE;
    this.#resumeLater(call);
  }

  #answer(call: Call, nodeId: string, deliver: () => void): void {
    const isElsewhere = call.place !== undefined && nodeIdOf(call.place) !== nodeId;
    call.isAnswered = true;
    this.#finish(call, isElsewhere ? call.place : undefined);
    guarded(deliver);
  }

  #moveOrFail(call: Call, error: CloudsError): void {
    if (call.mayMove(performance.now())) this.#move(call, error);
    else this.#fail(call, error);
  }

  #move(call: Call, reason: CloudsError): void {
    const left = call.place;
    call.leave(performance.now());
    if (left !== undefined) call.path.cancel(left, call.id);
    if (MAY_HAVE_RUN.has(reason.code)) call.lostWith = reason;
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
    this.#finish(call, call.place);
    guarded(() => call.sink.error(error));
  }

  #onOneWaySettled(): void {
    if (--this.#oneWays > 0) return;
    for (const resolve of this.#oneWayListeners) resolve();
    this.#oneWayListeners.clear();
  }

  /** `toCancel`: a node that has the call and need not finish it. */
  #finish(call: Call, toCancel?: string): void {
    call.isSettled = true;
    if (call.isOneWay) this.#onOneWaySettled();
    this.#table.remove(call);
    this.#wheel.remove(call);
    if (call.place === undefined) call.path.withdraw(call);
    if (toCancel !== undefined) call.path.cancel(toCancel, call.id);
  }
}

/** Whether the present attempt is, or for all that is known may be, with this node. */
function isAt({ place }: Call, nodeId: string): boolean {
  return place === undefined || nodeIdOf(place) === nodeId;
}

function nodeLost(call: Call, incarnation: string): CloudsNodeLostError {
  const { service } = call;
  return new CloudsNodeLostError(messages.nodeLost(service, incarnation), { details: { service } });
}

function closedDuringCall({ service, place, lostWith }: Call): CloudsError {
  const mayHaveRun = place !== undefined || lostWith !== undefined;
  const message = mayHaveRun
    ? messages.closedDuringCall(service)
    : messages.closedBeforeSent(service);
  return new CloudsClosedError(message);
}
