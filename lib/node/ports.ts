import type { CloudsError } from '../common/errors.js';
import type { DropReason, ReplyMessage } from '../protocol/frames.js';
import type { Call, CallPath, Unplaced } from './call.js';

/** Calls that wait until a node of their service has room. */
export interface RoomListener {
  /** How many wait for this service. */
  sizeOf(service: string): number;
  /** The service has room, and it is the turn of this process. */
  onTurn(service: string): void;
}

/** What a dispatcher tells about the calls it was given. `attempt` is the one that was dispatched. */
export interface DispatchListener {
  readonly full: RoomListener;
  /** Calls that are out. */
  readonly inFlight: number;
  /** `isResent`: whether the node has the call, and the right return address, is not certain. */
  onPlaced(call: Call, attempt: number, incarnation: string, isResent: boolean): void;
  /** A one-way call has done what it is for. */
  onSent(call: Call): void;
  onUnplaced(call: Call, attempt: number, reason: Unplaced): void;
  /** Redis refused the dispatch; nothing was sent. */
  onRefused(call: Call, attempt: number, error: Error): void;
  /** Whether the call was sent can no longer be found out. */
  onForgotten(call: Call, attempt: number): void;
}

/** What becomes of the nodes that have calls, and of the inbox that waits for their replies. */
export interface WatchListener {
  /** Calls that are out, whether a node has them or not. */
  readonly inFlight: number;
  /** The path is open again, with a new inbox. */
  onPathOpened(path: CallPath): void;
  onNodeLost(path: CallPath, incarnation: string): void;
  /** The node's process is there but has stopped its heartbeat. */
  onNodeFrozen(path: CallPath, incarnation: string): void;
  /** The node has a new inbox. */
  onNodeBack(path: CallPath, incarnation: string, successor: string): void;
  /**
   * The incarnations that calls on this path have waited for since before `placedBefore`, and for each
   * when the last of these calls was placed there.
   */
  waitedFor(path: CallPath, placedBefore: number): Map<string, number>;
}

/** What comes in for calls that are out. */
export interface CallListener extends DispatchListener {
  /** Those that a node has. */
  readonly placed: WatchListener;
  /** `bytes`: how long the message was; `path`: where it came in. */
  onReplies(message: ReplyMessage, bytes: number, path: CallPath): void;
}

/** What happens to calls that others may want to know. */
export interface CallerEvents {
  /** A call goes on to another node. */
  moved(call: Call, reason: CloudsError): void;
  timedOut(call: Call): void;
}

/** What the parts report for people to see. */
export interface Reporter {
  /** A message was dropped; `from` is the incarnation that sent it, if it says so. */
  dropped(reason: DropReason, bytes: number, from?: string): void;
  /** A one-way request of the caller `from` was not run, for this reason: nobody waits for an answer that could say so. */
  eventDropped(reason: CloudsError, from: string): void;
  /** A request was refused, as the node has as many as it may. */
  refusedAsFull(reason: CloudsError): void;
  /** Something failed that the transport goes on without. */
  error(error: Error): void;
}
