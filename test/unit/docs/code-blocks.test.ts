import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileBlocks } from '../../support/compile-blocks.js';
import { readDocument } from '../../support/markdown.js';

const DOCS = path.join(import.meta.dirname, '../../../docs');
const files = [
  'README.md',
  ...readdirSync(DOCS)
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];
const documents = Object.fromEntries(files.map((file) => [file, readDocument(file)]));
/** So that a check that has stopped finding anything is noticed. */
const WRONG = ['A wrong one:', '', '```ts', "const n: number = 'text';", '```'].join('\n');

describe('the TypeScript blocks of the documentation', () => {
  it('compile', { timeout: 60_000 }, () => {
    const faults = compileBlocks({ ...documents, 'wrong.md': WRONG });
    expect(faults).toEqual(["wrong.md:4: Type 'string' is not assignable to type 'number'."]);
  });
});
