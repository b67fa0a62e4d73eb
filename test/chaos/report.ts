import { compare, ENOUGH } from './neighbours.js';
import type { ScenarioResult } from './scenario.js';
import { total } from './total.js';

const MAX_SHOWN = 5;

/** All results together, for people. `revision`: of the sources, if that is known. */
export function reportOf(
  results: readonly ScenarioResult[],
  seconds: number,
  revision?: string,
): string {
  const calls = sum(results, (one) => one.calls);
  const violations = sum(results, (one) => one.violations.length);
  const failures = sum(results, (one) => one.failures.length);
  const lines = [
    ...(revision === undefined ? [] : [`revision     ${revision}`]),
    `seeds        ${seedsOf(results)}`,
    `time         ${Math.round(seconds)} s`,
    `calls        ${calls}`,
    `moved        ${sum(results, (one) => one.moved)}`,
    `longest wait ${Math.round(Math.max(0, ...results.map((one) => one.longestMs)))} ms`,
    `violations   ${violations}`,
    `failures     ${failures}`,
    neighbourLine(results),
    '',
    'Outcomes',
    ...table(total(results.map((one) => one.outcomes))),
    '',
    'Faults',
    ...table(total(results.map((one) => one.faults))),
    ...eachLines(results),
  ];
  return [...lines, ...results.flatMap(wrongOf)].join('\n');
}

/** They follow each other. */
function seedsOf(results: readonly ScenarioResult[]): string {
  const seeds = results.map(({ seed }) => seed);
  return `${new Set(seeds).size}, from ${Math.min(...seeds)} to ${Math.max(...seeds)}`;
}

/** What a flood of a frozen node costs the others, if one was seen often enough to say. */
export function isDisturbing(results: readonly ScenarioResult[]): boolean {
  return compare(results.map((one) => one.neighbours))?.isWrong ?? false;
}

function neighbourLine(results: readonly ScenarioResult[]): string {
  const all = results.map(({ neighbours }) => neighbours);
  const compared = compare(all);
  if (!compared) {
    const [calm, flooded] = [
      sum(all, (one) => one.calm.length),
      sum(all, (one) => one.flooded.length),
    ];
    return `p99          not judged: ${flooded} calls beside a flooded node, ${calm} else, not ${ENOUGH} of each`;
  }
  const { calmMs, floodedMs, isWrong } = compared;
  const times = `${floodedMs.toFixed(1)} ms beside a flooded node, ${calmMs.toFixed(1)} ms else`;
  return `p99          ${times}${isWrong ? ': MORE THAN TWICE' : ''}`;
}

/** What came of each fault that was alone. */
function eachLines(results: readonly ScenarioResult[]): string[] {
  const faults = new Set(results.flatMap(({ fault }) => (fault === undefined ? [] : [fault])));
  if (faults.size === 0) return [];
  const lines = [...faults].map((name) => {
    const alone = results.filter(({ fault }) => fault === name);
    return `  ${name}: ${eachLine(alone)}`;
  });
  return ['', 'Each fault', ...lines];
}

function eachLine(results: readonly ScenarioResult[]): string {
  const strikes = sum(results, ({ faults }) => sum(Object.values(faults), (count) => count));
  const outcomes = Object.entries(total(results.map((one) => one.outcomes)));
  return [
    `${strikes} times`,
    `${sum(results, ({ calls }) => calls)} calls`,
    `${sum(results, countOfWrong)} wrong`,
    ...outcomes.map(([name, count]) => `${count} ${name}`),
  ].join(', ');
}

/** How much of it is not as promised. */
export function countOfWrong({ violations, failures }: ScenarioResult): number {
  return violations.length + failures.length;
}

/** What went wrong, with all that is known. */
export function wrongOf({ seed: number, fault, violations, failures }: ScenarioResult): string[] {
  const seed = fault === undefined ? number : `${number} of ${fault}`;
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
