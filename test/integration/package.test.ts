import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { publint } from 'publint';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { exportsOf } from '../support/surface.js';

const ROOT = path.join(import.meta.dirname, '../..');
const DIST = path.join(ROOT, 'dist');
const SURFACE = path.join(ROOT, 'test/public-surface');
const PEERS = ['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'ioredis', 'rxjs'];

const read = (...parts: string[]) => readFileSync(path.join(ROOT, ...parts), 'utf8');
const filesOf = (folder: string) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).sort();
const built = filesOf('dist');

describe('the public surface', () => {
  it.each(['index', 'clouds'])('of %s is the list of test/public-surface', async (name) => {
    const names = exportsOf(path.join(ROOT, 'lib', `${name}.ts`));
    await expect(`${names.join('\n')}\n`).toMatchFileSnapshot(path.join(SURFACE, `${name}.txt`));
    const values = names.filter((line) => line.startsWith('value ')).map((line) => line.slice(6));
    const module = (await import(path.join(DIST, `${name}.js`))) as object;
    expect(Object.keys(module).sort()).toEqual(values.sort());
  });
});

describe('dist', () => {
  const sources = filesOf('lib').filter((file) => file.endsWith('.ts'));
  const names = sources.map((file) => file.slice(0, -'.ts'.length));

  it('is laid out as lib', () => {
    const expected = names.flatMap((name) => [`${name}.d.ts`, `${name}.js`, `${name}.js.map`]);
    const files = built.filter((file) => /\.(ts|js|map)$/.test(file));
    expect(files).toEqual(expected.sort());
  });

  it('has source maps with the sources in them, so that lib need not be shipped', () => {
    for (const name of names) {
      const map = JSON.parse(read('dist', `${name}.js.map`)) as {
        sources: string[];
        sourcesContent: string[];
      };
      const source = path.relative(
        path.dirname(path.join(DIST, name)),
        path.join(ROOT, 'lib', `${name}.ts`),
      );
      expect([map.sources, map.sourcesContent]).toEqual([[source], [read('lib', `${name}.ts`)]]);
    }
  });

  it('has doc comments in the declarations, and no comments in the JavaScript', () => {
    expect(read('dist', 'nest/clouds.client.d.ts')).toContain('  /** ');
    const commented = names.filter((name) =>
      /^\s*(\/\*|\/\/(?!#))/m.test(read('dist', `${name}.js`)),
    );
    expect(commented).toEqual([]);
  });

  it('has declarations that import only required peers', () => {
    const declarations = built.filter((file) => file.endsWith('.d.ts'));
    const imported = declarations.flatMap((file) => {
      const { importedFiles, typeReferenceDirectives } = ts.preProcessFile(read('dist', file));
      return [...importedFiles, ...typeReferenceDirectives].map(({ fileName }) => fileName);
    });
    const packages = new Set(imported.filter((name) => !/^(\.|node:)/.test(name)));
    expect([...packages].filter((name) => !PEERS.includes(name))).toEqual([]);
  });
});

describe('package.json', () => {
  it('is as publint wants it', async () => {
    const { messages } = await publint({ pkgDir: ROOT, strict: true });
    expect(messages).toEqual([]);
  });
});
