// Faults to plant: those that the syntax of a file offers, and those of `listed.toml`.
import { parse } from "@std/toml";
import { join } from "@std/path";
import ts from "typescript";

/** A fault: `with` in place of the characters `from`..`to` of a file. */
export interface Fault {
  readonly file: string;
  readonly kind: string;
  /** The text of the line, without its indentation. With `n`, which counts faults of one kind on equal lines, it names the fault. */
  readonly text: string;
  readonly n: number;
  readonly line: number;
  readonly from: number;
  readonly to: number;
  readonly with: string;
}

/** Operators, each with those that it is mistaken for. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<="],
  "<=": ["<"],
  ">": [">="],
  ">=": [">"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["+"],
  "&": ["|"],
  "|": ["&"],
  "^": ["|"],
  "<<": [">>"],
  ">>": [">>>", "<<"],
  ">>>": [">>"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["="],
  "-=": ["="],
  "|=": ["=", "&="],
  "&=": ["=", "|="],
  "++": ["--"],
  "--": ["++"],
};

/** Every fault of a file that its syntax offers. */
export function faultsOf(file: string, source: string): Fault[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true), found: Fault[] = [], seen = new Map<string, number>();
  const lines = source.split("\n").map((text) => text.trim());
  const plant = (kind: string, from: number, to: number, text: string) => {
    const line = tree.getLineAndCharacterOfPosition(from).line, name = `${lines[line]} ${kind}`, n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    found.push({ file, kind, text: lines[line], n, line: line + 1, from, to, with: text });
  };
  const replace = (kind: string, node: ts.Node, text: string) => plant(kind, node.getStart(tree), node.getEnd(), text);
  const visit = (node: ts.Node): void => {
    // Types, imports and texts for people are no semantics.
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isThrowStatement(node)) return;
    if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken.getText(tree);
      for (const other of OPERATORS[operator] ?? []) replace(`'${operator}' is '${other}'`, node.operatorToken, other);
    } else if (ts.isNumericLiteral(node) && !ts.isEnumMember(node.parent)) {
      const value = Number(node.text.replaceAll("_", "")), hex = /^0x/i.test(node.getText(tree));
      if (Number.isSafeInteger(value)) replace("number + 1", node, hex ? `0x${(value + 1).toString(16)}` : String(value + 1));
      if (value > 1 && hex) replace("mask without its lowest bit", node, `0x${(BigInt(value) & BigInt(value) - 1n).toString(16)}`);
    } else if (ts.isIfStatement(node) || ts.isConditionalExpression(node)) {
      const condition = ts.isIfStatement(node) ? node.expression : node.condition;
      replace("condition always false", condition, "(false as boolean)");
      replace("condition always true", condition, "(true as boolean)");
    } else if (ts.isExpressionStatement(node) && !ts.isStringLiteral(node.expression)) {
      const { expression: e } = node, calls = ts.isCallExpression(e) && e.expression.kind !== ts.SyntaxKind.SuperKeyword;
      const assigns = ts.isBinaryExpression(e) && e.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
        e.operatorToken.kind <= ts.SyntaxKind.LastAssignment;
      // A field's first value in a constructor only makes the program fail at once.
      const inConstructor = ts.isBlock(node.parent) && ts.isConstructorDeclaration(node.parent.parent);
      if ((calls || assigns) && !inConstructor) replace("left out", node, ";");
    } else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      replace("without '!'", node, `!!(${node.operand.getText(tree)})`);
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) replace("false", node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) replace("true", node, "true");
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Faults written by hand, `with` for `text`, which stands in the file once. Whoever changes such a line changes the list, too. */
export function listedFaults(root: string): Fault[] {
  const { fault } = parse(Deno.readTextFileSync(join(import.meta.dirname!, "listed.toml"))) as {
    fault: { file: string; text: string; with: string; kind: string }[];
  };
  return fault.map(({ file, text, with: other, kind }) => {
    const source = Deno.readTextFileSync(join(root, file)), from = source.indexOf(text);
    if (from < 0 || source.indexOf(text, from + 1) >= 0) throw new Error(`listed.toml: ${file} should have this text once: ${text}`);
    return { file, kind, text, n: 1, line: source.slice(0, from).split("\n").length, from, to: from + text.length, with: other };
  });
}

type Named = Pick<Fault, "file" | "kind" | "text"> & { readonly n?: number };
const nameOf = ({ file, kind, text, n }: Named): string => JSON.stringify([file, kind, text, n ?? 1]);

/** Whether nobody can observe a fault: `equivalent.toml` names such ones, each with its reason. */
export function equivalents(): (fault: Fault) => boolean {
  const { mutant = [] } = parse(Deno.readTextFileSync(join(import.meta.dirname!, "equivalent.toml"))) as { mutant?: Named[] };
  const names = new Set(mutant.map(nameOf));
  return (fault) => names.has(nameOf(fault));
}
