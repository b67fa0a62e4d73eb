import { CloudsBadNameError } from '../common/errors.js';
import { messages } from '../common/messages.js';

const MAX_NAME_BYTES = 256;

/**
 * Checks the name of a service.
 * @throws CloudsBadNameError unless it is a non-empty string of at most 256 bytes without control characters.
 */
export function checkServiceName(name: unknown): asserts name is string {
  const fault = nameFault(name);
  if (fault !== undefined) throw new CloudsBadNameError(messages.badName(name, fault));
}

function nameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return `it is of type ${typeof name}`;
  if (name === '') return 'it is empty';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it has ${Buffer.byteLength(name)} bytes`;
  if (/\p{Cc}/u.test(name)) return 'it has control characters';
  if (!name.isWellFormed()) return 'it is not well-formed Unicode';
  return undefined;
}
