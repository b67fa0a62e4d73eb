import {
  type Case,
  type FigureName,
  FIGURES,
  type MeasurementResult,
  type Ratio,
  type Sample,
  type Series,
} from './results.js';
import { median, pairedRatio, spread } from './stats.js';

/** Shown only where there are some. */
const TROUBLES: readonly FigureName[] = ['failed', 'lost'];
const ABSENT = '-';

/** A measurement as text: a table of medians for each of its cases. */
export function reportOf({ title, cases }: MeasurementResult): string {
  return [`\n${title}`, ...cases.map((one) => `\n${one.title}\n${tableOf(one)}`)].join('\n');
}

function tableOf(one: Case): string {
  const figures = [...one.figures, ...troublesIn(one)];
  const header = ['', ...figures.flatMap((name) => headings(one, name))];
  const rows = one.series.map((series) => [
    series.label,
    ...figures.flatMap((name) => cells(one, series, name)),
  ]);
  return aligned([header, ...rows]);
}

/** The figure that is compared has its ratio and its spread beside it. */
function isCompared({ ratio, series }: Case, name: FigureName): boolean {
  return name === ratio.figure && series.length > 1;
}

function headings(one: Case, name: FigureName): string[] {
  const { heading } = FIGURES[name];
  return isCompared(one, name) ? [heading, one.ratio.heading, 'spread'] : [heading];
}

function cells(one: Case, series: Series, name: FigureName): string[] {
  const values = valuesOf(series.samples, name);
  const value = values.length === 0 ? ABSENT : median(values).toFixed(FIGURES[name].digits);
  return isCompared(one, name) ? [value, ...comparison(values, one)] : [value];
}

function comparison(values: readonly number[], { ratio, series }: Case): string[] {
  const base = series.find(({ label }) => label === ratio.base);
  if (!base || values.length === 0) return [ABSENT, ABSENT];
  const compared = compare(valuesOf(base.samples, ratio.figure), values, ratio.kind);
  return [compared.toFixed(2), values.length > 1 ? spread(values).toFixed(2) : ABSENT];
}

function troublesIn({ series }: Case): FigureName[] {
  const happened = (name: FigureName) =>
    series.some(({ samples }) => samples.some((sample) => (sample[name] ?? 0) > 0));
  return TROUBLES.filter(happened);
}

function compare(base: readonly number[], it: readonly number[], kind: Ratio['kind']): number {
  return kind === 'base / it' ? pairedRatio(base, it) : pairedRatio(it, base);
}

export function valuesOf(samples: readonly Sample[], name: FigureName): number[] {
  return samples.flatMap((sample) => sample[name] ?? []).filter((value) => Number.isFinite(value));
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
      )
      .join('  ');
  return rows.map(line).join('\n');
}
