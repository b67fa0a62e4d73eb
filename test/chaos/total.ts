/** Adds up counts by their names. */
export function total(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const [name, count] of counts.flatMap((one) => Object.entries(one)))
    all[name] = (all[name] ?? 0) + count;
  return all;
}
