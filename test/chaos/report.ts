import { compare } from './neighbours.js';
import type { ScenarioResult } from './scenario.js';
import { total } from './total.js';

const MAX_SHOWN = 5;

/** All results together, for people. */
export function reportOf(results: readonly ScenarioResult[], seconds: number): string {
  const calls = sum(results, (one) => one.calls);
  const violations = sum(results, (one) => one.violations.length);
  const failures = sum(results, (one) => one.failures.length);
  const lines = [
    `seeds        ${seedsOf(results)}`,
    `time         ${Math.round(seconds)} s`,
    `calls        ${calls}`,
    `moved        ${sum(results, (one) => one.moved)}`,
    `longest wait ${Math.round(Math.max(0, ...results.map((one) => one.longestMs)))} ms`,
    `violations   ${violations}`,
    `failures     ${failures}`,
    ...neighbourLines(results),
    '',
    'Outcomes',
    ...table(total(results.map((one) => one.outcomes))),
    '',
    'Faults',
    ...table(total(results.map((one) => one.faults))),
  ];
  return [...lines, ...results.flatMap(wrongOf)].join('\n');
}

/** They follow each other. */
function seedsOf(results: readonly ScenarioResult[]): string {
  const seeds = results.map(({ seed }) => seed);
  return `${seeds.length}, from ${Math.min(...seeds)} to ${Math.max(...seeds)}`;
}

/** What a flood of a frozen node costs the others, if one was seen often enough to say. */
export function isDisturbing(results: readonly ScenarioResult[]): boolean {
  return compare(results.map((one) => one.neighbours))?.isWrong ?? false;
}

function neighbourLines(results: readonly ScenarioResult[]): string[] {
  const compared = compare(results.map((one) => one.neighbours));
  if (!compared) return [];
  const { calmMs, floodedMs, isWrong } = compared;
  const times = `${floodedMs.toFixed(1)} ms beside a flooded node, ${calmMs.toFixed(1)} ms else`;
  return [`p99          ${times}${isWrong ? ': MORE THAN TWICE' : ''}`];
}

/** What went wrong, with all that is known. */
export function wrongOf({ seed, violations, failures }: ScenarioResult): string[] {
  const shown = violations.slice(0, MAX_SHOWN).flatMap(({ kind, key, events }) => {
    const began = events[0]!.at;
    const story = events.map(
      (event) => `    ${(event.at - began).toFixed(1)} ${JSON.stringify(event)}`,
    );
    return ['', `seed ${seed}, ${key}: ${kind}`, ...story];
  });
  const rest = violations.length - MAX_SHOWN;
  const more = rest > 0 ? [`seed ${seed}: ${rest} more violations`] : [];
  return [...shown, ...more, ...failures.map((failure) => `\nseed ${seed}: ${failure}`)];
}

function table(counts: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, count]) => `  ${name.padEnd(width)}  ${String(count).padStart(8)}`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((so, item) => so + of(item), 0);
}
