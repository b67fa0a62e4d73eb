import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { circles, type Imports, layerBreaches } from '../support/layers.js';

const LIB = path.join(import.meta.dirname, '../../lib');
const MAX_LINES = 400;

const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const read = (file: string) => readFileSync(path.join(LIB, file), 'utf8');

/** Own files as paths from lib, with the ending they have on disk; packages by name. */
function importsOf(file: string): string[] {
  return ts
    .preProcessFile(read(file), true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.')
        ? path.join(path.dirname(file), fileName).replace(/\.js$/, '.ts')
        : fileName,
    );
}

describe('the files of lib', () => {
  const imports: Imports = new Map(files.map((file) => [file, importsOf(file)]));

  it('are found, with their imports, type imports too', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.get('node/ports.ts')).toContain('node/call.ts');
    expect(imports.get('redis/link.ts')).toContain('ioredis');
  });

  it('import only from their own layer and from lower ones', () => {
    expect(layerBreaches(imports)).toEqual([]);
  });

  it('do not import each other in a circle', () => {
    expect(circles(imports)).toEqual([]);
  });

  it(`have at most ${MAX_LINES} lines`, () => {
    const long = files.filter((file) => read(file).split('\n').length - 1 > MAX_LINES);
    expect(long).toEqual([]);
  });
});

describe('the check of the layers', () => {
  const tree = (...edges: [file: string, ...imports: string[]][]): Imports =>
    new Map(edges.map(([file, ...targets]) => [file, targets]));

  it.each([
    ['a higher layer', tree(['protocol/keys.ts', 'node/call.ts'], ['node/call.ts'])],
    ['the public surface', tree(['nest/clouds.client.ts', 'index.ts'], ['index.ts'])],
    ['Nest in the engine', tree(['node/node.ts', '@nestjs/common'])],
    ['RxJS in the API of the seed', tree(['clouds.ts', 'rxjs'])],
    ['ioredis outside of redis', tree(['node/node.ts', 'ioredis'])],
    ['a part of ioredis outside of redis', tree(['nest/clouds.server.ts', 'ioredis/built/Redis'])],
    ['sockets in the protocol', tree(['protocol/decode.ts', 'node:net'])],
    ['files in common', tree(['common/options.ts', 'node:fs'])],
    ['a package that is no dependency', tree(['node/node.ts', 'lodash'])],
    ['a file in no layer', tree(['node/node.ts', 'utils/all.ts'], ['utils/all.ts'])],
    ['a file that is not there', tree(['node/node.ts', './gone.ts'])],
  ])('finds %s', (_, imports) => {
    expect(layerBreaches(imports)).toHaveLength(1);
  });

  it('lets pass what is allowed', () => {
    const imports = tree(
      ['index.ts', 'clouds.module.ts', 'nest/clouds.client.ts', 'common/errors.ts'],
      ['clouds.module.ts', '@nestjs/common'],
      ['nest/clouds.client.ts', 'rxjs', '@nestjs/microservices', 'node/node.ts'],
      ['node/node.ts', 'node:os', 'redis/link.ts', 'protocol/ids.ts'],
      ['redis/link.ts', 'ioredis', 'node:events'],
      ['protocol/ids.ts', 'node:crypto', 'common/errors.ts'],
      ['common/errors.ts', 'node:tls'],
    );
    expect(layerBreaches(imports)).toEqual([]);
    expect(circles(imports)).toEqual([]);
  });

  it('finds a circle, also one that not every file on the way belongs to', () => {
    const imports = tree(
      ['node/a.ts', 'node/b.ts'],
      ['node/b.ts', 'node/c.ts'],
      ['node/c.ts', 'node/d.ts', 'node/b.ts'],
      ['node/d.ts'],
    );
    expect(circles(imports)).toEqual([['node/b.ts', 'node/c.ts']]);
  });

  it('finds a file that imports itself', () => {
    expect(circles(tree(['node/a.ts', 'node/a.ts']))).toEqual([['node/a.ts']]);
  });
});
