import { describe, expect, it } from 'vitest';
import { PROMISED } from '../../chaos/promised.js';
import { SENTINEL_FAULTS } from '../../chaos/sentinel-faults.js';
import { SINGLE_FAULTS } from '../../chaos/single-faults.js';
import { codesIn, readDocument, tableRows } from '../../support/markdown.js';

const TABLE = tableRows(readDocument('docs/reliability.md'), 'Faults: what the caller sees');
const names = [...new Set([...SINGLE_FAULTS, ...SENTINEL_FAULTS].map(({ name }) => name))];

/** The codes that the lines have which begin so. */
function codesOf(row: string): string[] {
  const [line, ...more] = TABLE.filter(({ fault }) => fault!.startsWith(row));
  if (line === undefined || more.length > 0) throw new Error(`no line, or several, for "${row}"`);
  return Object.values(line).flatMap(codesIn);
}

describe('the table of faults', () => {
  it.each(names)('has "%s", with the codes that the chaos allows when it strikes alone', (name) => {
    const { rows, ends } = PROMISED[name]!;
    const codes = rows.flatMap(codesOf);
    expect(rows).not.toEqual([]);
    for (const end of ends) expect(codes).toContain(end);
  });

  it('has nothing that the chaos does not know any more', () => {
    expect(Object.keys(PROMISED).toSorted()).toEqual(names.toSorted());
  });
});
