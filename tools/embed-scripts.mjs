/**
 * Writes lib/scripts/generated.ts from lib/scripts/*.lua, with every `--@include name` replaced by
 * lib/scripts/include/name.lua. Bundlers lose files that are read at run time, so the scripts are
 * strings. `--check` writes nothing and fails if the file is not current.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'lib', 'scripts');
const target = join(folder, 'generated.ts');

const read = (name) => readFileSync(join(folder, name), 'utf8');

const include = (text) =>
  text.replace(/^--@include (\w+)$/gm, (_, name) => read(join('include', `${name}.lua`)).trimEnd());

/** `dispatch-3.lua` is the script `dispatch`: the number is how many keys it has. */
const scriptName = (file) => basename(file, '.lua').replace(/-\d+$/, '');

const entry = (file) => `  ${scriptName(file)}: ${JSON.stringify(include(read(file)))},\n`;
const typeEntry = (file) => `  readonly ${scriptName(file)}: string;\n`;

const files = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .sort();
// The type is written out: else the declarations would have the scripts once more, as literal types.
const output = `// Made by \`npm run embed\` from the .lua files beside it. Do not edit.
export const SCRIPTS: {
${files.map(typeEntry).join('')}} = {
${files.map(entry).join('')}};
`;

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== output) {
    console.error('lib/scripts/generated.ts is not current: run `npm run embed`.');
    process.exit(1);
  }
} else {
  writeFileSync(target, output);
}
