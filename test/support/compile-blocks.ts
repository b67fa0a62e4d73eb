import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { type CodeBlock, codeBlocks } from './markdown.js';

const ROOT = path.join(import.meta.dirname, '../..');
const NAMES = path.join(import.meta.dirname, 'names-in-docs.ts');
/** No such folder is there: the host of the compiler answers for it. */
const FOLDER = path.join(ROOT, 'test/.blocks');

/**
 * Compiles the TypeScript blocks of documents, each as a module of its own. A name that a block leaves out comes from
 * `names-in-docs.ts`. Returns what the compiler has to say, as `README.md:12: ...`.
 */
export function compileBlocks(documents: Readonly<Record<string, string>>): string[] {
  const sources = new Map<string, Source>();
  for (const [document, markdown] of Object.entries(documents))
    for (const block of codeBlocks(markdown, 'ts')) {
      const file = path.join(FOLDER, `${document.replaceAll('/', '-')}-${block.line}.ts`);
      sources.set(file, { document, block, text: withImports(block.code) });
    }
  const program = createProgram(sources);
  return [...sources].flatMap(([file, source]) => {
    const parsed = program.getSourceFile(file)!;
    return [
      ...program.getSyntacticDiagnostics(parsed),
      ...program.getSemanticDiagnostics(parsed),
    ].map((diagnostic) => told(source, parsed, diagnostic));
  });
}

interface Source {
  readonly document: string;
  readonly block: CodeBlock;
  readonly text: string;
}

function createProgram(sources: ReadonlyMap<string, Source>): ts.Program {
  const options = compilerOptions();
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  const exists = host.fileExists.bind(host);
  host.readFile = (file) => sources.get(path.normalize(file))?.text ?? read(file);
  host.fileExists = (file) => sources.has(path.normalize(file)) || exists(file);
  host.getSourceFile = (file, languageVersion) => {
    const text = host.readFile(file);
    return text === undefined ? undefined : ts.createSourceFile(file, text, languageVersion, true);
  };
  return ts.createProgram({ rootNames: [...sources.keys()], options, host });
}

function compilerOptions(): ts.CompilerOptions {
  const file = path.join(ROOT, 'tsconfig.check.json');
  const config = ts.getParsedCommandLineOfConfigFile(
    file,
    { noUnusedLocals: false, noUnusedParameters: false },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined },
  );
  return config!.options;
}

/** On one line before the first, so that lines are easily found again. */
function withImports(code: string): string {
  const block = ts.createSourceFile('block.ts', code, ts.ScriptTarget.Latest, true);
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) used.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(block);
  const declared = declaredIn(block);
  const missing = knownNames().filter((name) => used.has(name) && !declared.has(name));
  return `import { ${missing.join(', ')} } from '../support/names-in-docs.js';\n${code}`;
}

function declaredIn(block: ts.SourceFile): ReadonlySet<string> {
  const names = block.statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) => namesOf(name));
    if (ts.isImportDeclaration(statement)) return importedBy(statement);
    const { name } = statement as ts.Statement & { name?: ts.Identifier };
    return name ? [name.text] : [];
  });
  return new Set(names);
}

function namesOf(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((one) => (ts.isOmittedExpression(one) ? [] : namesOf(one.name)));
}

function importedBy({ importClause }: ts.ImportDeclaration): string[] {
  const bindings = importClause?.namedBindings;
  const named = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
  return [importClause?.name, ...named.map(({ name }) => name)].flatMap((name) => name?.text ?? []);
}

/** What `names-in-docs.ts` exports. */
function knownNames(): string[] {
  const file = ts.createSourceFile(NAMES, readFileSync(NAMES, 'utf8'), ts.ScriptTarget.Latest);
  return file.statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      return clause && ts.isNamedExports(clause)
        ? clause.elements.map(({ name }) => name.text)
        : [];
    }
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) => namesOf(name));
    const { name } = statement as ts.Statement & { name?: ts.Identifier };
    return name ? [name.text] : [];
  });
}

function told(source: Source, parsed: ts.SourceFile, diagnostic: ts.Diagnostic): string {
  const { line } = parsed.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
  const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
  return `${source.document}:${source.block.line + line - 1}: ${text}`;
}
