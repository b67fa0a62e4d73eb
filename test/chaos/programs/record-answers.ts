import { Caller } from '../../../lib/node/caller.js';
import { ReplyKind } from '../../../lib/protocol/frames.js';
import { nodeIdOf } from '../../../lib/protocol/ids.js';
import { clockMs, type HistoryWriter } from '../history.js';

/** What refuses an attempt, or knows nothing of it. */
const NOTED: ReadonlySet<number> = new Set([ReplyKind.REFUSAL, ReplyKind.UNKNOWN]);

/** Notes what a caller is told of its attempts: without that nobody could say why one was made again. */
export function recordAnswers(
  by: string,
  history: HistoryWriter,
  keys: ReadonlyMap<string, string>,
): void {
  const note = (id: string, says: string, nodeId?: string) => {
    const key = keys.get(id);
    if (key !== undefined) history.add({ what: 'told', at: clockMs(), by, key, id, says, nodeId });
  };
  const { onPlaced, onUnplaced, onForgotten, onReplies } = Caller.prototype;
  Caller.prototype.onPlaced = function (call, attempt, incarnation, isResent) {
    const says = `${attempt} is at ${incarnation}${isResent ? ', or was' : ''}`;
    note(call.id, says, nodeIdOf(incarnation));
    onPlaced.call(this, call, attempt, incarnation, isResent);
  };
  Caller.prototype.onUnplaced = function (call, attempt, reason) {
    note(call.id, `${attempt} is nowhere: ${reason}`);
    onUnplaced.call(this, call, attempt, reason);
  };
  Caller.prototype.onForgotten = function (call, attempt) {
    note(call.id, `nobody knows where ${attempt} is`);
    onForgotten.call(this, call, attempt);
  };
  Caller.prototype.onReplies = function (message, bytes, path) {
    for (const [id, kind, , value] of message.frames)
      if (NOTED.has(kind)) note(id, `by ${message.from}: ${kind} ${JSON.stringify(value)}`);
    onReplies.call(this, message, bytes, path);
  };
}
