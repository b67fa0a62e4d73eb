import { readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../..');

/** A file of the documentation, by its path from the root of the repository. */
export function readDocument(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

export interface CodeBlock {
  /** Where its first line is, from 1. */
  readonly line: number;
  readonly code: string;
}

const FENCE = /^( *)```(\w*)[^\n]*\n(.*?)^\1```$/gms;

/** The fenced blocks of one language, in a list or not. */
export function codeBlocks(markdown: string, language: string): CodeBlock[] {
  return [...markdown.matchAll(FENCE)]
    .filter((match) => match[2] === language)
    .map((match) => ({
      line: markdown.slice(0, match.index).split('\n').length + 1,
      code: match[3]!,
    }));
}

/** The rows of the tables below a heading, as far as the next one: cells by the titles of their columns. */
export function tableRows(markdown: string, heading: string): Record<string, string>[] {
  const section = markdown.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`there is no heading "${heading}"`);
  const [titles = [], , ...rows] = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(cellsOf);
  return rows.map((cells) => Object.fromEntries(titles.map((title, i) => [title, cells[i]!])));
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** What stands between backticks, one by one. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}
