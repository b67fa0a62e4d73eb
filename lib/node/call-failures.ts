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
import { messages } from '../common/messages.js';
import type { Call, NoTaker } from './call.js';

/** What is to be said of a call whose time has ended, by what it was waiting for. */
export function timeIsUp(call: Call): CloudsError {
  const { service, attempt, isOut } = call;
  const timeoutMs = Math.round(call.attemptEndsAt - call.attemptBeganAt);
  if (!isOut && call.waitsFor) return noTaker(call, call.waitsFor);
  if (!isOut && !call.path.isOpen) {
    return new CloudsDisconnectedError(messages.disconnected(service, timeoutMs));
  }
  return new CloudsTimeoutError(messages.timeout(service, timeoutMs, attempt), {
    details: { service, attempt },
  });
}

/** Ends that say that no handler has run. */
const NOT_RUN: ReadonlySet<CloudsErrorCode> = new Set([
  CloudsErrorCode.NO_NODE,
  CloudsErrorCode.OVERLOADED,
  CloudsErrorCode.EXPIRED,
  CloudsErrorCode.DISCONNECTED,
]);

const MAY_HAVE_RUN: ReadonlySet<CloudsErrorCode> = new Set([
  CloudsErrorCode.TIMEOUT,
  CloudsErrorCode.NODE_LOST,
  CloudsErrorCode.CANCELLED,
]);

/** Whether an attempt can end with this although its handler ran, or still runs. */
export function mayHaveRun({ code }: CloudsError): boolean {
  return MAY_HAVE_RUN.has(code);
}

/** An attempt that was lost may have run, whatever became of those after it. */
export function truthOf({ lostWith }: Call, error: CloudsError): CloudsError {
  return lostWith !== undefined && NOT_RUN.has(error.code) ? lostWith : error;
}

export function noTaker({ service }: Call, reason: NoTaker): CloudsError {
  return reason === CloudsErrorCode.OVERLOADED
    ? new CloudsOverloadedError(messages.overloaded(service))
    : new CloudsNoNodeError(messages.noNode(service));
}

export function tooManyWaitForRoom({ service }: Call): CloudsOverloadedError {
  return new CloudsOverloadedError(messages.tooManyWaitForRoom(service));
}

export function tooManyWait({ service }: Call): CloudsDisconnectedError {
  return new CloudsDisconnectedError(messages.tooManyWait(service));
}

export function nodeLost({ service }: Call, incarnation: string): CloudsNodeLostError {
  return new CloudsNodeLostError(messages.nodeLost(service, incarnation), { details: { service } });
}

/** Of a call of which nobody can say where it is. */
export function placeLost({ service }: Call): CloudsNodeLostError {
  return new CloudsNodeLostError(messages.placeLost(service), { details: { service } });
}

export function streamBroken({ service }: Call, nodeId: string): CloudsNodeLostError {
  return new CloudsNodeLostError(messages.streamBroken(service, nodeId), { details: { service } });
}

export function closedDuringCall({ service, isOut, lostWith }: Call): CloudsError {
  const mayHaveRun = isOut || lostWith !== undefined;
  const message = mayHaveRun
    ? messages.closedDuringCall(service)
    : messages.closedBeforeSent(service);
  return new CloudsClosedError(message);
}
