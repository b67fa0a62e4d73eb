import type { Axis } from './svg.js';

const STEPS = [1, 2, 2.5, 5, 10];
const MOST_STEPS = 6;

/** From 0 to the first round number that is not below `max`. */
export function linearAxis(label: string, max: number): Axis {
  const step = stepFor(max);
  const end = Math.ceil(max / step) * step;
  const count = Math.round(end / step);
  const ticks = Array.from({ length: count + 1 }, (_, index) => tick(index * step));
  return { label, ticks, place: (value) => value / end };
}

/** A tick at each of these values, and the distance between them is that of their logarithms. */
export function logAxis(label: string, values: readonly number[]): Axis {
  const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  const place = (value: number) => (Math.log(value) - low) / (high - low);
  return { label, ticks: values.map(tick), place };
}

/** The powers of ten around these values. */
export function decades(values: readonly number[]): number[] {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
}

function stepFor(max: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(max / MOST_STEPS));
  const factor = STEPS.find((one) => one * magnitude * MOST_STEPS >= max)!;
  return factor * magnitude;
}

/** Grouped by hand: what `toLocaleString` gives depends on the machine. */
function tick(at: number): { at: number; text: string } {
  return { at, text: String(at).replace(/\B(?=(\d{3})+$)/g, ',') };
}
