import type { CloudsError } from '../common/errors.js';
import { guarded } from '../common/guarded.js';
import { type ReplyFrame, ReplyKind, type ReplyMessage } from '../protocol/frames.js';
import { nodeIdOf } from '../protocol/ids.js';
import { reviveError, reviveRefusal } from '../protocol/remote-error.js';
import type { Call, CallPath, Sender } from './call.js';
import { nodeLost, streamBroken } from './call-failures.js';
import type { CallTable } from './call-table.js';
import { type Arrival, IncomingStream } from './incoming-stream.js';

/** Where a reply comes from. */
type Origin = Sender & Arrival;

/** What can become of a call for which something has come. */
export interface ReplyCourse {
  /** It has its answer, which `deliver` gives to its sink. */
  answer(call: Call, sender: Sender, deliver: () => void): void;
  /** The handler has not run, or its node had to stop it. */
  refuse(call: Call, sender: Sender, error: CloudsError): void;
  moveOrFail(call: Call, error: CloudsError): void;
  fail(call: Call, error: CloudsError): void;
  /** Something has come of it: its time begins anew. */
  renew(call: Call): void;
}

/** Reads what comes back for calls: answers, values of streams, and what nodes say of calls that they do not have. */
export class CallReplies {
  constructor(
    private readonly table: CallTable,
    private readonly course: ReplyCourse,
  ) {}

  onReplies({ from, frames }: ReplyMessage, bytes: number, path: CallPath): void {
    const sender = { incarnation: from, nodeId: nodeIdOf(from), bytes };
    for (const frame of frames) {
      const call = this.table.get(frame[0]);
      if (call?.mayBeAnsweredBy(sender)) this.#onReply(call, sender, frame);
      // A stream that waits for a call which is over: its cancel was lost.
      else if (frame[1] === ReplyKind.PROGRESS) path.cancel(from, frame[0]);
    }
  }

  /** Asks for what may be lost: the answer, and what was said of the stream. */
  ask(call: Call, incarnation: string): void {
    call.path.ask(incarnation, call.id);
    if (call.stream) call.stream.place = incarnation;
    call.reportConsumed();
  }

  /** The consumer of a call whose sink is pulled has taken a value. */
  consumed(call: Call): void {
    if (call.isSettled || call.stream === undefined) return;
    consume(call, call.stream);
    if (!call.stream.isBehind) this.course.renew(call);
  }

  #onReply(call: Call, sender: Origin, frame: ReplyFrame): void {
    const [, kind, , value] = frame;
    switch (kind) {
      case ReplyKind.RESULT:
        return this.course.answer(call, sender, () => call.sink.value(value, true));
      case ReplyKind.END:
        return this.#onEnd(call, sender, frame, () => call.sink.end());
      case ReplyKind.ERROR:
        return this.#onEnd(call, sender, frame, () => call.sink.error(value));
      case ReplyKind.EXCEPTION:
        return this.#onEnd(call, sender, frame, () =>
          call.sink.error(reviveError(value, sender.nodeId)),
        );
      default:
        if (call.mayBeAt(sender)) this.#onPresentReply(call, sender, frame);
    }
  }

  /** What only the node of the present attempt can say. */
  #onPresentReply(call: Call, sender: Origin, frame: ReplyFrame): void {
    const [, kind, , value] = frame;
    switch (kind) {
      case ReplyKind.VALUE:
        return this.#onValue(call, sender, frame);
      case ReplyKind.REFUSAL:
        if (call.isOfAnotherAttempt(value)) return;
        return this.course.refuse(call, sender, reviveRefusal(value, sender.nodeId));
      case ReplyKind.UNKNOWN:
        // Nobody was asked about what is nowhere yet.
        if (call.place === undefined) return;
        return this.course.moveOrFail(call, nodeLost(call, sender.nodeId));
      case ReplyKind.PROGRESS:
        if (frame[2] !== call.values) this.#onGap(call, sender);
        else call.reportConsumed();
    }
  }

  /** An idle stream times out; one that keeps coming does not. */
  #onValue(call: Call, sender: Origin, [, , count, value]: ReplyFrame): void {
    if (count !== call.values) return this.#onGap(call, sender);
    call.streamsFrom = sender.nodeId;
    call.values++;
    const stream = (call.stream ??= new IncomingStream());
    stream.arrive(sender);
    this.course.renew(call);
    guarded(() => call.sink.value(value, false));
    if (!call.sink.isPulled && !call.isSettled) consume(call, stream);
  }

  /** A node that was left may still answer, but not with the end of a stream that it was told to stop. */
  #onEnd(call: Call, sender: Sender, [, , count]: ReplyFrame, deliver: () => void): void {
    if (count === call.values) this.course.answer(call, sender, deliver);
    else if (call.mayBeAt(sender)) this.#onGap(call, sender);
  }

  #onGap(call: Call, { nodeId }: Sender): void {
    this.course.fail(call, streamBroken(call, nodeId));
  }
}

function consume(call: Call, stream: IncomingStream): void {
  if (stream.consume()) call.reportConsumed();
}
