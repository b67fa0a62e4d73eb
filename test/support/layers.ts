/** What each file imports: paths of our own files as they stand in the map, packages by name. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** From the lowest up. A file imports from its own layer and from lower ones. */
const LAYERS = [
  'common',
  'protocol',
  'scripts',
  'redis',
  'node',
  'clouds.ts',
  'nest',
  'clouds.module.ts',
  'index.ts',
];

const PACKAGES: readonly { name: RegExp; layers: readonly string[] }[] = [
  { name: /^(@nestjs\/|rxjs(\/|$))/, layers: ['nest', 'clouds.module.ts'] },
  { name: /^ioredis(\/|$)/, layers: ['redis'] },
  { name: /^node:(crypto|tls|util)$/, layers: LAYERS },
  { name: /^node:/, layers: LAYERS.filter((layer) => !['common', 'protocol'].includes(layer)) },
];

/** Every breach of the layers, one sentence each. */
export function layerBreaches(imports: Imports): string[] {
  const breaches: string[] = [];
  for (const [file, targets] of imports) {
    for (const target of targets) {
      const breach = imports.has(target) ? ownBreach(file, target) : packageBreach(file, target);
      if (breach !== undefined) breaches.push(`${file} imports ${target}: ${breach}`);
    }
  }
  return breaches;
}

function ownBreach(file: string, target: string): string | undefined {
  const [from, to] = [file, target].map((one) => LAYERS.indexOf(layerOf(one))) as [number, number];
  if (from === -1 || to === -1) return 'one of them is in no layer';
  return to > from ? 'it is in a higher layer' : undefined;
}

function packageBreach(file: string, name: string): string | undefined {
  if (name.startsWith('.')) return 'there is no such file';
  const rule = PACKAGES.find((one) => one.name.test(name));
  if (rule === undefined) return 'this package is not one of ours';
  return rule.layers.includes(layerOf(file)) ? undefined : 'this layer must not know it';
}

function layerOf(file: string): string {
  return file.split('/', 1)[0]!;
}

/** The circles between files, each as the files it goes through. */
export function circles(imports: Imports): string[][] {
  const found: string[][] = [];
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file);
    if (start !== -1) return void found.push(path.slice(start));
    if (finished.has(file)) return;
    for (const target of imports.get(file) ?? []) {
      if (imports.has(target)) visit(target, [...path, file]);
    }
    finished.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}
