import { bad, known, NOT_SHOWN, object } from './checks.js';
import type { CloudsSigningOptions, ResolvedSigning } from './options.js';

/** RFC 2104, section 3: a key shorter than the hash makes it weaker. In characters, of which each is a byte or more. */
const MIN_KEY_LENGTH = 32;

/** @throws CloudsBadOptionsError that names the option, and shows no key. */
export function parseSigning(
  signing: CloudsSigningOptions | undefined,
): ResolvedSigning | undefined {
  if (signing === undefined) return undefined;
  object('signing', signing);
  known('signing.', signing, ['keys', 'required']);
  return { keys: parseKeys(signing.keys), isRequired: parseRequired(signing.required ?? true) };
}

function parseKeys(keys: unknown): readonly string[] {
  const isKey = (key: unknown) => typeof key === 'string' && key.length >= MIN_KEY_LENGTH;
  if (Array.isArray(keys) && keys.length > 0 && keys.every(isKey)) return [...(keys as string[])];
  const expected = `a list of one or more strings of at least ${MIN_KEY_LENGTH} characters`;
  throw bad('signing.keys', expected, keys === undefined ? keys : NOT_SHOWN);
}

function parseRequired(required: unknown): boolean {
  if (typeof required === 'boolean') return required;
  throw bad(
    'signing.required',
    'true or false',
    typeof required === 'string' ? NOT_SHOWN : required,
  );
}
