import { requestHead, requestMessage as messageOf } from '../../../lib/protocol/encode.js';
import type { Text } from '../../../lib/protocol/text.js';

/** A request frame as the script is given it. */
export function requestFrame(id: string, timeLeftMs: number, attempt: number, body: Text): string {
  return `${requestHead(id, timeLeftMs, attempt)}${body.toString()}]`;
}

/** A message with these frames, as the script makes it. */
export function requestMessage(redisMs: number, header: string, frames: string): string {
  const empty = messageOf(redisMs, header, []).toString();
  return empty.slice(0, -']]'.length) + frames + ']]';
}
