import { CloudsBadNameError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { readSubscription } from './subscriptions.js';

const MAX_NAME_BYTES = 256;
const MAX_KNOWN_GOOD = 1000;

/** A process calls few services often: the check of a name takes longer than to find it here. */
const knownGood = new Set<unknown>();

/**
 * Checks the name of a service.
 * @throws CloudsBadNameError unless it is a non-empty string of at most 256 bytes without control characters
 * that does not look like `@group/pattern`.
 */
export function checkServiceName(name: unknown): asserts name is string {
  if (knownGood.has(name)) return;
  const fault = nameFault(name);
  if (fault !== undefined) throw new CloudsBadNameError(messages.badName(name, fault));
  if (knownGood.size === MAX_KNOWN_GOOD) knownGood.clear();
  knownGood.add(name);
}

function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return `it is of type ${typeof name}`;
  if (name === '') return 'it is empty';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it has ${Buffer.byteLength(name)} bytes`;
  if (/\p{Cc}/u.test(name)) return 'it has control characters';
  if (readSubscription(name))
    return 'names like "@group/pattern" are those of subscriptions to events';
  if (!name.isWellFormed()) return 'it is not well-formed Unicode';
  return undefined;
}
