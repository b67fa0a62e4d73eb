import type { Payload } from './messages.js';

/** Of one record as JSON, with the comma behind it. */
const RECORD_BYTES = 64;

/** Data that takes about so many bytes as JSON: one plain string, or an array of small objects. */
export function payloadOf({ bytes, content = 'text' }: Payload): unknown {
  return content === 'text' ? 'x'.repeat(bytes) : recordsOf(bytes / RECORD_BYTES);
}

function recordsOf(count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => ({
    id: 100_000 + index,
    name: `item ${index % 10}`,
    price: 9.5,
    tags: ['new', 'blue'],
  }));
}
