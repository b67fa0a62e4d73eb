import { BaseRpcContext } from '@nestjs/microservices';
import type { Room } from '../node/handlers.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import type { Metadata } from '../protocol/frames.js';

/** What a handler can learn about the message it handles: `@Ctx() context: CloudsContext`. */
export class CloudsContext extends BaseRpcContext<[pattern: string]> {
  constructor(
    private readonly request: IncomingRequest,
    private readonly nodeId: string,
  ) {
    super([request.service]);
  }

  /** The pattern, which is the name of the service. */
  getPattern(): string {
    return this.request.service;
  }

  /** The same as `getPattern()`, so that handlers written for `RedisContext` keep working. */
  getChannel(): string {
    return this.request.service;
  }

  /** The headers that the caller set on the record, and what its instrumentation attached. */
  getMetadata(): Metadata | undefined {
    return this.request.metadata;
  }

  /** The same as `getMetadata()`. */
  getHeaders(): Metadata | undefined {
    return this.request.metadata;
  }

  /** Id of the node that runs the handler. */
  getNodeId(): string {
    return this.nodeId;
  }

  /** Id of the node that made the call. */
  getCallerId(): string {
    return this.request.callerId;
  }

  /** Id of the call; the same in every attempt, so a handler can tell that it has seen the call before. */
  getCallId(): string {
    return this.request.id;
  }

  /** Which attempt this is, from 1. */
  getAttempt(): number {
    return this.request.attempt;
  }

  /** When the caller stops waiting, in ms since the epoch on this machine's clock. */
  getDeadline(): number {
    return this.request.deadline;
  }

  /** Whether nobody waits for an answer. */
  isEvent(): boolean {
    return this.request.isOneWay;
  }

  /** Fires when the caller no longer waits, or when this node has to stop. */
  get signal(): AbortSignal {
    return this.request.signal;
  }

  /** @internal Whether the caller has room for another value of a stream. */
  get room(): Room {
    return this.request;
  }
}
