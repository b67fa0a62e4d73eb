import { IncomingRequest, type Responder } from '../node/incoming-request.js';
import { type Metadata, NO_METADATA, ONE_WAY } from '../protocol/frames.js';

/** What a handler is to see of a request. */
export interface Seen {
  readonly request: IncomingRequest;
  readonly data: unknown;
  readonly metadata: Metadata | undefined;
}

/** A request that stands for another one, and is cancelled with it. What is answered to it goes to `responder`. */
export function standIn({ request, data, metadata }: Seen, responder: Responder): IncomingRequest {
  const { id, from, count, attempt, isOneWay, deadline, service } = request;
  const timeLeftMs = deadline - Date.now();
  const given = new IncomingRequest(
    [id, timeLeftMs, isOneWay ? ONE_WAY : attempt, metadata ?? NO_METADATA, data, service],
    { from, registration: count, ageMs: 0 },
    responder,
  );
  request.onCancel(() => given.cancel(request.signal.reason as Error));
  // Whoever has cancelled it, and has come back for its answer, is to have it.
  given.isRepeated = request.isRepeated;
  return given;
}
