import type { CloudsError } from '../common/errors.js';

/** Events of a node. */
export interface CloudsNodeEvents {
  /** The connection to Redis is there and the node is in its services, for the first time or again. */
  connected: [];
  /** The connection to Redis is gone; the node makes a new one by itself. */
  reconnecting: [];
  /** The node is closed. */
  disconnected: [];
  /** A call goes on to another node. */
  moved: [event: { service: string; callId: string; attempt: number; reason: CloudsError }];
  /** Something was dropped or went wrong that does not stop the node; for logs. */
  warning: [message: string];
}

/** What a node is doing at this moment; `handled` and `dropped` count from its making. */
export interface CloudsNodeStats {
  /** That of the node. */
  readonly id: string;
  /** Whether there is a connection. */
  readonly isConnected: boolean;
  /** Whether the node has left its services, and finishes what it has. */
  readonly isDraining: boolean;
  /** Calls that this node made and that are not answered yet. */
  readonly inFlight: number;
  /** Requests that handlers of this node are working on. */
  readonly running: number;
  /** Requests that handlers of this node have settled. */
  readonly handled: number;
  /** Messages that were dropped, by reason, and events that were not run, by the code of the reason. */
  readonly dropped: Readonly<Record<string, number>>;
}
