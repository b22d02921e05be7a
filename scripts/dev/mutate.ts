// How much do the tests notice? Plants small faults in src, one at a time, runs the tests of the area, and prints the share that was noticed by
// folder. An hour by night, not part of the gate.
// Run: deno task mutate [--folder src/x86]... [--count N] [--seed S] [--jobs N] [--list] [--only ID] [--timeout SECONDS]
//
// A fault is a change of one place in the syntax tree: an operator, a number, a condition, a statement left out. They are drawn at random, the
// same ones for the same seed. `mutants.toml` beside this file names those that change nothing that anybody can observe, each with its reason.
import { parseArgs } from "@std/cli";
import { parse } from "@std/toml";
import { dirname, join } from "@std/path";
import ts from "typescript";
import { Random } from "../../tests/fuzz/random.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

/** A fault: `with` in place of the characters `from`..`to` of a file. */
export interface Fault {
  /** Path below the root, line, kind and a count where a line has several: the same in every run while the line stays where it is. */
  readonly id: string;
  readonly file: string;
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
  const plant = (kind: string, from: number, to: number, text: string) => {
    const line = tree.getLineAndCharacterOfPosition(from).line + 1, name = `${file}:${line} ${kind}`, n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    found.push({ id: n > 1 ? `${name} #${n}` : name, file, from, to, with: text });
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

/** Tests beside those in the folder itself that a folder's faults ought to be seen by, the quick ones first. */
const AREAS: readonly (readonly [folder: string, tests: readonly string[]])[] = [
  ["src/engine", ["src/ir", "tests/exact_test.ts", "tests/riscv_fuzz_test.ts", "tests/x86_rows_test.ts", "tests/guests"]],
  ["src/ir", ["src/engine", "tests/exact_test.ts", "tests/riscv_fuzz_test.ts", "tests/guests"]],
  ["src/riscv", ["src/machine", "tests/riscv_fuzz_test.ts", "tests/exact_test.ts", "tests/guests/guests_test.ts"]],
  ["src/x86", ["tests/x86", "tests/x86_rows_test.ts", "src/machine", "tests/exact_test.ts", "tests/guests/x86_test.ts"]],
  ["src/devices", ["tests/hostile_test.ts", "tests/disk_test.ts", "tests/pc_test.ts", "tests/guests", "tests/exact_test.ts"]],
  ["src/firmware", ["src/machine", "tests/guests", "tests/pc_test.ts", "tests/seabios_test.ts"]],
  ["src/machine", ["tests/scenario_test.ts", "tests/microvm_test.ts", "tests/disk_test.ts", "tests/guests", "tests/cli_test.ts"]],
  ["src/scenario", ["tests/scenario_test.ts", "tests/pc_test.ts", "tests/scripts_test.ts", "tests/cli_test.ts"]],
  ["src/debug", ["tests/gdb_test.ts"]],
  ["src/cli", ["tests/cli_test.ts"]],
  ["src/core", ["src/devices", "src/machine", "tests/scenario_test.ts", "tests/cli_test.ts", "tests/exact_test.ts"]],
];

const testsOf = (file: string): string[] => {
  const own = dirname(file), area = AREAS.find(([folder]) => file.startsWith(folder + "/"));
  const has = [...Deno.readDirSync(join(ROOT, own))].some((e) => e.name.endsWith("_test.ts"));
  return [...has ? [own] : [], ...area?.[1] ?? ["tests"]];
};

function* sources(folder: string): Generator<string> {
  for (const e of [...Deno.readDirSync(join(ROOT, folder))].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${e.name}`;
    if (e.isDirectory) { if (!["testing", "loads", "std"].includes(e.name)) yield* sources(path); }
    else if (/\.ts$/.test(path) && !/_test\.ts$/.test(path)) yield path;
  }
}

/** Faults that nobody can observe, by id, with the reason. */
function equivalents(): ReadonlyMap<string, string> {
  const { mutant = [] } = parse(Deno.readTextFileSync(join(import.meta.dirname!, "mutants.toml"))) as {
    mutant?: { id: string; reason: string }[];
  };
  return new Map(mutant.map(({ id, reason }) => [id, reason]));
}

type Verdict = "noticed" | "not noticed" | "equivalent";

/** Runs the area's tests in a copy of the tree with the fault planted. A run that does not end notices it, too. */
async function verdictOf(fault: Fault, copy: string, timeoutMs: number): Promise<Verdict> {
  const path = join(copy, fault.file), source = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, source.slice(0, fault.from) + fault.with + source.slice(fault.to));
  try {
    return await passes(testsOf(fault.file), copy, timeoutMs) === undefined ? "not noticed" : "noticed";
  } finally {
    Deno.writeTextFileSync(path, source);
  }
}

/** The first of these tests that fails; undefined when all pass. */
async function passes(tests: readonly string[], copy: string, timeoutMs: number): Promise<string | undefined> {
  for (const each of tests) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--quiet", "--no-check", "--fail-fast", "--parallel", each],
      cwd: copy,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!(await child.output()).success) return each;
  }
  return undefined;
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["folder", "count", "seed", "jobs", "only", "timeout"],
    boolean: ["list"],
    collect: ["folder"],
  }) as unknown as Record<string, string | undefined> & { folder: string[]; list: boolean };
  const folders = args.folder.length ? args.folder : AREAS.map(([folder]) => folder), count = Number(args.count ?? 30);
  const random = new Random(Number(args.seed ?? 1)), known = equivalents(), chosen: Fault[] = [];
  for (const folder of folders) {
    const all = [...sources(folder)].flatMap((file) => faultsOf(file, Deno.readTextFileSync(join(ROOT, file))));
    const wanted = args.only === undefined ? all : all.filter((f) => f.id === args.only);
    for (let n = args.only === undefined ? count : wanted.length; n > 0 && wanted.length; n--) {
      chosen.push(...wanted.splice(random.below(wanted.length), 1));
    }
  }
  if (args.list) {
    for (const { id, with: text } of chosen) console.log(`${id}: ${text}`);
    return;
  }
  const jobs = Number(args.jobs ?? 1), copies = Array.from({ length: jobs }, () => Deno.makeTempDirSync({ prefix: "mutate_" }));
  const timeoutMs = 1000 * Number(args.timeout ?? 300);
  const score = new Map<string, Record<Verdict, number>>(), queue = [...chosen];
  try {
    await Promise.all(copies.map(async (copy) => {
      await new Deno.Command("cp", {
        args: [
          "-r",
          ...["src", "tests", "machines", "scripts", "mod.ts", "deno.json", "deno.lock", "README.md"].map((n) => join(ROOT, n)),
          copy,
        ],
      })
        .output();
      if (Deno.statSync(join(ROOT, "cache")).isDirectory) Deno.symlinkSync(Deno.realPathSync(join(ROOT, "cache")), join(copy, "cache"));
      // What fails without a fault notices nothing.
      const broken = copy === copies[0] ? await passes([...new Set(chosen.flatMap((f) => testsOf(f.file)))], copy, timeoutMs) : undefined;
      if (broken !== undefined) throw new Error(`${broken} fails as it is, in a copy of the tree`);
      for (let fault = queue.shift(); fault; fault = queue.shift()) {
        const verdict = known.has(fault.id) ? "equivalent" : await verdictOf(fault, copy, timeoutMs);
        const folder = folders.find((f) => fault!.file.startsWith(f + "/"))!;
        const row = score.get(folder) ?? { noticed: 0, "not noticed": 0, equivalent: 0 };
        row[verdict]++;
        score.set(folder, row);
        console.log(`${verdict.padEnd(11)}  ${fault.id}`);
      }
    }));
  } finally {
    for (const copy of copies) Deno.removeSync(copy, { recursive: true });
  }
  for (const [folder, row] of score) {
    const planted = row.noticed + row["not noticed"];
    console.log(
      `${folder}: ${row.noticed} of ${planted} noticed (${Math.round(100 * row.noticed / planted)} %), ${row.equivalent} equivalent`,
    );
  }
}

if (import.meta.main) await main();
