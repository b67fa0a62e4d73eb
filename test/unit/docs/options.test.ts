import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CloudsBadOptionsError } from '../../../lib/common/errors.js';
import type { CloudsOptions } from '../../../lib/common/options.js';
import { parseOptions } from '../../../lib/common/parse-options.js';
import { checkCallOptions } from '../../../lib/node/call-options.js';
import { clientSettings } from '../../../lib/redis/client-settings.js';
import { codesIn, readDocument, tableRows } from '../../support/markdown.js';

const LIB = path.join(import.meta.dirname, '../../../lib');
const document = readDocument('docs/options.md');

/** The members of an interface or class, as its source has them. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(path.join(LIB, file), 'utf8');
  const { statements } = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  for (const statement of statements)
    if (ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement)) {
      if (statement.name?.text !== name) continue;
      const members: readonly ts.NamedDeclaration[] = [...statement.members];
      return members.flatMap((one) => (one.name && ts.isIdentifier(one.name) ? one.name.text : []));
    }
  throw new Error(`${file} has no ${name}`);
}

const sorted = (names: Iterable<string>) => [...new Set(names)].sort();
const optionsBelow = (heading: string) =>
  sorted(tableRows(document, heading).flatMap((row) => codesIn(row.option!)));
const below = (parent: string, names: string[]) => names.map((name) => `${parent}.${name}`);
const options = (name: string) => membersOf('common/options.ts', name);

describe('docs/options.md has a row for each option, and none for what is no option', () => {
  it.each([
    ['Of a node', options('CloudsOptions')],
    ['Redis', below('redis', options('CloudsRedisOptions'))],
    ['Calls of a node', below('service', options('CloudsServiceOptions'))],
    ['Signing', below('signing', options('CloudsSigningOptions'))],
    ['Serializers', membersOf('nest/packets.ts', 'CloudsPacketOptions')],
    ['One call', membersOf('node/call-options.ts', 'CallOptions')],
  ])('%s', (heading, names) => {
    expect(optionsBelow(heading)).toEqual(sorted(names));
  });

  it('register and subscribe', () => {
    const rows = tableRows(document, 'register and subscribe');
    const of = (method: string) =>
      sorted(
        rows
          .filter((row) => codesIn(row.of!).includes(method))
          .flatMap((row) => codesIn(row.option!)),
      );
    expect(of('register')).toEqual(sorted(membersOf('node/node.ts', 'RegisterOptions')));
    expect(of('subscribe')).toEqual(sorted(membersOf('node/node.ts', 'SubscribeOptions')));
  });

  it('One handler', () => {
    const server = readFileSync(path.join(LIB, 'nest/clouds.server.ts'), 'utf8');
    const read = [...server.matchAll(/extras\?\.(\w+)/g)].map((match) => match[1]!);
    expect(read).not.toEqual([]);
    expect(optionsBelow('One handler')).toEqual(sorted(read));
  });

  it('CloudsModule', () => {
    const module = readFileSync(path.join(LIB, 'clouds.module.ts'), 'utf8');
    const [, extras = ''] = /\.setExtras\(\{([^}]*)\}/.exec(module) ?? [];
    expect(optionsBelow('CloudsModule')).toEqual(
      [...extras.matchAll(/(\w+):/g)].map((match) => match[1]),
    );
  });

  it('setters of a record', () => {
    const setters = membersOf('nest/clouds.record.ts', 'CloudsRecordBuilder').filter((name) =>
      name.startsWith('set'),
    );
    const rows = tableRows(document, 'One call');
    const told = rows.flatMap((row) => codesIn(row.setter!));
    expect(sorted([...told, 'setData'])).toEqual(sorted(setters));
    for (const row of rows) {
      const name = codesIn(row.option!)[0]!;
      expect(row.setter).toBe(`\`set${name[0]!.toUpperCase()}${name.slice(1)}\``);
    }
  });
});

/** Options of a node by their paths, and what becomes of them. */
const rows = ['Of a node', 'Redis', 'Calls of a node', 'Signing'].flatMap((heading) =>
  tableRows(document, heading).map((row) => ({ ...row, path: codesIn(row.option!)[0]! })),
) as (Record<'default' | 'allowed', string> & { path: string })[];

const resolved = parseOptions();
/** The driver fills in what the settings leave out. It does not connect before it is told to. */
const driver = new Redis(clientSettings(resolved.redis)).options as Record<string, unknown>;
const signed = parseOptions({ signing: { keys: ['k'.repeat(32)] } }).signing!;

const DEFAULTS: Readonly<Record<string, unknown>> = {
  redis: `redis://${driver.host as string}:${driver.port as number}`,
  prefix: resolved.prefix,
  baseScore: resolved.baseScore,
  capacity: resolved.capacity,
  maxRunning: resolved.maxRunning,
  heartbeatInterval: resolved.heartbeatMs,
  drainTimeout: resolved.drainMs,
  maxPayload: resolved.maxPayloadBytes,
  connectTimeout: resolved.connectMs,
  group: resolved.group || undefined,
  signing: resolved.signing,
  service: undefined,
  'service.callbackTimeout': resolved.timeoutMs,
  'service.attempts': resolved.attempts,
  'service.noNodeGrace': resolved.noNodeGraceMs,
  'service.cleanInterval': resolved.cleanIntervalMs,
  'service.maxWaiting': resolved.maxWaiting,
  'service.whenFull': resolved.whenFull,
  'signing.keys': undefined,
  'signing.required': signed.isRequired,
  ...Object.fromEntries(
    options('CloudsRedisOptions').map((key) => [`redis.${key}`, driver[key] ?? undefined]),
  ),
  'redis.prefix': resolved.prefix,
};

/** What a cell says: the value, in backticks or not, or none. */
function valueOf(cell: string): unknown {
  if (cell === 'none') return undefined;
  const [text = cell] = codesIn(cell);
  return /^(\d+|true|false)$/.test(text) ? JSON.parse(text) : text;
}

describe('the defaults in docs/options.md are those of the code', () => {
  it.each(rows)('$path', ({ path, default: cell }) => {
    expect(Object.hasOwn(DEFAULTS, path)).toBe(true);
    expect(valueOf(cell)).toBe(DEFAULTS[path]);
  });

  it.each(tableRows(readDocument('README.md'), 'Options'))('$option in the README', (row) => {
    const [path = ''] = codesIn(row.option!);
    expect(Object.hasOwn(DEFAULTS, path)).toBe(true);
    expect(valueOf(row.default!)).toBe(DEFAULTS[path]);
  });
});

describe('the bounds in docs/options.md are those of the code', () => {
  const BOUNDS = /^`(\d+)` to `(\d+)`$/;
  const given = (path: string, value: number): CloudsOptions => {
    const [parent, key] = path.split('.') as [string, string?];
    return key === undefined ? { [parent]: value } : { [parent]: { [key]: value } };
  };

  it.each(rows.filter(({ allowed }) => BOUNDS.test(allowed)))('$path', ({ path, allowed }) => {
    const [, least, most] = BOUNDS.exec(allowed)!.map(Number) as [number, number, number];
    for (const value of [least, most]) parseOptions(given(path, value));
    for (const value of [least - 1, most + 1])
      expect(() => parseOptions(given(path, value))).toThrow(CloudsBadOptionsError);
  });

  const calls = tableRows(document, 'One call').filter((row) => BOUNDS.test(row.allowed!));
  it.each(calls)('$option of one call', (row) => {
    const [, least, most] = BOUNDS.exec(row.allowed!)!.map(Number) as [number, number, number];
    const [key = ''] = codesIn(row.option!);
    for (const value of [least, most]) checkCallOptions({ [key]: value });
    for (const value of [least - 1, most + 1])
      expect(() => checkCallOptions({ [key]: value })).toThrow(CloudsBadOptionsError);
  });
});
