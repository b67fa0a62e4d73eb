import type { ScenarioResult } from './scenario.js';

const MAX_SHOWN = 5;

/** All results together, for people. */
export function reportOf(results: readonly ScenarioResult[], seconds: number): string {
  const calls = sum(results, (one) => one.calls);
  const violations = sum(results, (one) => one.violations.length);
  const failures = sum(results, (one) => one.failures.length);
  const lines = [
    `seeds        ${results.map(({ seed }) => seed).join(' ')}`,
    `time         ${Math.round(seconds)} s`,
    `calls        ${calls}`,
    `moved        ${sum(results, (one) => one.moved)}`,
    `longest wait ${Math.round(Math.max(0, ...results.map((one) => one.longestMs)))} ms`,
    `violations   ${violations}`,
    `failures     ${failures}`,
    '',
    'Outcomes',
    ...table(total(results.map((one) => one.outcomes))),
    '',
    'Faults',
    ...table(total(results.map((one) => one.faults))),
  ];
  return [...lines, ...results.flatMap(wrongOf)].join('\n');
}

/** What went wrong, with all that is known. */
function wrongOf({ seed, violations, failures }: ScenarioResult): string[] {
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

export function total(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const [name, count] of counts.flatMap((one) => Object.entries(one)))
    all[name] = (all[name] ?? 0) + count;
  return all;
}

function table(counts: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, count]) => `  ${name.padEnd(width)}  ${String(count).padStart(8)}`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((so, item) => so + of(item), 0);
}
