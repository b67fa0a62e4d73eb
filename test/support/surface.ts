import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** What a file exports, as lines `type Name` and `value Name`, sorted by name. */
export function exportsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const found: [name: string, kind: string][] = [];
  for (const statement of source.statements) found.push(...exportedBy(statement));
  return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, kind]) => `${kind} ${name}`);
}

function exportedBy(node: ts.Node): [name: string, kind: string][] {
  if (ts.isExportAssignment(node)) return [['default', 'value']];
  if (ts.isExportDeclaration(node)) return listed(node);
  const isExported =
    ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!isExported) return [];
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.map(({ name }) => [
      (name as ts.Identifier).text,
      'value',
    ]);
  }
  const { name } = node as ts.DeclarationStatement;
  const isType = ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node);
  return [[(name as ts.Identifier).text, isType ? 'type' : 'value']];
}

function listed({ exportClause, isTypeOnly }: ts.ExportDeclaration): [string, string][] {
  if (!exportClause || !ts.isNamedExports(exportClause))
    throw new Error('Only names are exported.');
  return exportClause.elements.map((element) => [
    element.name.text,
    isTypeOnly || element.isTypeOnly ? 'type' : 'value',
  ]);
}
