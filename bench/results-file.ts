import type { RunResult } from './results.js';

const DIGITS = 6;

/** With the samples of a line of a table on one line, and no more digits than mean something. */
export function jsonOf(result: RunResult): string {
  const lines: string[] = [];
  const text = JSON.stringify(
    result,
    (key, value: unknown) =>
      key === 'samples' ? `@${lines.push(JSON.stringify(value, rounded)) - 1}` : value,
    1,
  );
  return `${text.replace(/"@(\d+)"/g, (_, index: string) => lines[Number(index)]!)}\n`;
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value;
}
