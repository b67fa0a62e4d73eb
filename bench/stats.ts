/** The value below which the share `q` of the sorted values lies. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

/** At index q the value below which q percent of the sorted values lie; the last is the largest. */
export function percentiles(sorted: ArrayLike<number>): number[] {
  if (sorted.length === 0) return [];
  return Array.from({ length: 101 }, (_, percent) => quantile(sorted, percent / 100));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How far the values lie apart, as a share of their median: (largest - smallest) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** The median of the ratios round by round: what disturbs the machine disturbs both sides of a round. */
export function pairedRatio(of: readonly number[], to: readonly number[]): number {
  const pairs = Math.min(of.length, to.length);
  return median(Array.from({ length: pairs }, (_, round) => of[round]! / to[round]!));
}
