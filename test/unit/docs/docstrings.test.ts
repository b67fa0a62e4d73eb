import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const LIB = path.join(import.meta.dirname, '../../../lib');
const ENTRIES = ['index.ts', 'clouds.ts'].map((file) => path.join(LIB, file));
const program = ts.createProgram(ENTRIES, { strict: true, skipLibCheck: true, types: ['node'] });
const checker = program.getTypeChecker();

/** The declarations of a symbol that are in this package. */
function ownDeclarations(symbol: ts.Symbol): ts.Declaration[] {
  return (symbol.declarations ?? []).filter((one) => one.getSourceFile().fileName.startsWith(LIB));
}

function isHidden(declaration: ts.Declaration): boolean {
  const flags = ts.getCombinedModifierFlags(declaration);
  const isInternal = ts
    .getJSDocTags(declaration)
    .some(({ tagName }) => tagName.text === 'internal');
  return isInternal || (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
}

function hasDoc(symbol: ts.Symbol): boolean {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== '';
}

/** Whether it is for users, and not only for the package itself. */
function isPublic(member: ts.Symbol): boolean {
  const [declaration] = ownDeclarations(member);
  if (declaration === undefined || isHidden(declaration)) return false;
  const name = ts.getNameOfDeclaration(declaration);
  if (name === undefined || ts.isPrivateIdentifier(name)) return false;
  return !ts.isTypeParameterDeclaration(declaration);
}

/** What users see of an export: itself, and its members. */
function undocumented(symbol: ts.Symbol): string[] {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  if (ownDeclarations(target).length === 0) return [];
  const members = [...(target.members?.values() ?? []), ...(target.exports?.values() ?? [])];
  const missing = members.filter((member) => isPublic(member) && !hasDoc(member));
  return [
    ...(hasDoc(target) ? [] : [symbol.name]),
    ...missing.map((member) => `${symbol.name}.${member.name}`),
  ];
}

describe('what the package exports', () => {
  it.each(ENTRIES)('says what it is: %s', (entry) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    const exported = checker.getExportsOfModule(module);
    expect(exported.length).toBeGreaterThan(5);
    expect(exported.flatMap(undocumented)).toEqual([]);
  });
});
