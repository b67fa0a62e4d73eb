import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../../..');
const SCRIPTS = path.join(ROOT, 'lib/scripts');
const run = promisify(execFile);
const files = readdirSync(SCRIPTS).filter((file) => file.endsWith('.lua'));
const highest = (matches: Iterable<RegExpMatchArray>) =>
  Math.max(...[...matches].map(([, index]) => Number(index)));

describe('the embedded scripts', () => {
  it('are those of the .lua files', async () => {
    const tool = path.join(ROOT, 'tools/embed-scripts.mjs');
    await expect(run(process.execPath, [tool, '--check'])).resolves.toBeDefined();
  });
});

describe.each(files)('%s', (file) => {
  const text = readFileSync(path.join(SCRIPTS, file), 'utf8');
  const header = /^--\[\[$([^]*?)^\]\]$/m.exec(text)?.[1] ?? '';
  const code = text.slice(text.indexOf(']]') + 2);

  it('begins with #!lua, so that Redis refuses it as a whole or not at all', () => {
    expect(text).toMatch(/^#!lua( flags=allow-oom)?\n/);
  });

  it.each(['Purpose', 'KEYS', 'ARGV', 'Output'])('says its %s in the header', (word) => {
    expect(header).toMatch(new RegExp(`^${word}\\b.*\\S`, 'm'));
  });

  it('has the number of its keys in its name, unless any number may follow', () => {
    const inName = /-(\d+)\.lua$/.exec(file)?.[1];
    if (inName === undefined) return expect(header).toMatch(/^KEYS\[\d+\.\.\]/m);
    expect(highest(code.matchAll(/KEYS\[(\d+)\]/g))).toBe(Number(inName));
    expect(highest(header.matchAll(/^KEYS\[(\d+)\]/gm))).toBe(Number(inName));
  });
});
