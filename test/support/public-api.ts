import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const index = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'lib', 'index.ts');

/** A public function or method that answers later. */
export interface AsyncCall {
  /** `train`, `Policy.load`, `Policy#infer`. */
  name: string;
  /** Whether one of its arguments is an object that may have a `signal`. */
  takesSignal: boolean;
}

/**
 * Every function and method that can be reached from lib/index.ts and returns a promise or an
 * asynchronous iterator, as the type checker sees them. What is `private`, or marked `@internal`,
 * is not public.
 */
export function publicAsyncCalls(): AsyncCall[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    types: ['node'],
    skipLibCheck: true,
  };
  const program = ts.createProgram([index], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(index);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`there is no module ${index}`);

  const calls: AsyncCall[] = [];
  const look = (name: string, type: ts.Type) => {
    const later = type.getCallSignatures().filter((signature) => answersLater(signature, checker));
    if (later.length === 0) return;
    // An overload without it is one that a caller cannot stop.
    const takesSignal = later.every((signature) => hasSignal(signature, checker));
    calls.push({ name, takesSignal });
  };
  const lookInto = (prefix: string, type: ts.Type) => {
    for (const member of type.getProperties()) {
      if (isHidden(member)) continue;
      look(`${prefix}${member.name}`, checker.getNonNullableType(checker.getTypeOfSymbol(member)));
    }
  };
  for (const exported of checker.getExportsOfModule(module)) {
    const aliased = exported.flags & ts.SymbolFlags.Alias;
    const symbol = aliased ? checker.getAliasedSymbol(exported) : exported;
    if (symbol.flags & ts.SymbolFlags.Value) {
      const value = checker.getTypeOfSymbol(symbol);
      look(exported.name, value);
      if (symbol.flags & ts.SymbolFlags.Class) lookInto(`${exported.name}.`, value);
    }
    if (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) {
      lookInto(`${exported.name}#`, checker.getDeclaredTypeOfSymbol(symbol));
    }
  }
  return calls;
}

function isHidden(member: ts.Symbol): boolean {
  const { valueDeclaration: declared } = member;
  if (declared !== undefined) {
    const { name } = declared as ts.NamedDeclaration;
    if (name !== undefined && ts.isPrivateIdentifier(name)) return true;
    const hidden = ts.ModifierFlags.NonPublicAccessibilityModifier;
    if (ts.getCombinedModifierFlags(declared) & hidden) return true;
  }
  return member.getJsDocTags().some(({ name }) => name === 'internal');
}

/** A promise is among what it returns; `void | Promise<void>` counts. */
function answersLater(signature: ts.Signature, checker: ts.TypeChecker): boolean {
  const returned = checker.getReturnTypeOfSignature(signature);
  const parts = returned.isUnion() ? returned.types : [returned];
  return parts.some((part) => /^(Promise|AsyncGenerator|AsyncIterable)$/.test(nameOf(part)));
}

function nameOf(type: ts.Type): string {
  return type.getSymbol()?.name ?? '';
}

function hasSignal(signature: ts.Signature, checker: ts.TypeChecker): boolean {
  return signature.getParameters().some((parameter) => {
    const type = checker.getNonNullableType(checker.getTypeOfSymbol(parameter));
    return type.getProperty('signal') !== undefined;
  });
}
