// Test cases that a kernel prints: TAP 14 and KTAP (Linux, Documentation/dev-tools/ktap.rst) as Linux's KUnit has them, and "name... [ok]" as runners
// of `custom_test_frameworks` do.

export interface PrintedCase {
  readonly name: string;
  readonly outcome: "ok" | "failed" | "ignored";
  /** What was printed between its beginning and its result. */
  readonly output: string;
}

/** The cases of a console's text, in their order. One that has begun and has no result, when the text ends there, has failed. */
export function printedCases(text: string): PrintedCase[] {
  const lines = text.split(/\r*\n/).map((line) => line.replace(LOG_PREFIX, ""));
  const cases = lines.some((line) => TAP_SIGN.test(line)) ? tap(lines) : [];
  return cases.length > 0 ? cases : dots(lines);
}

/** What Linux puts in front of a line. */
const LOG_PREFIX = /^(?:<\d+>)?\[ *\d+\.\d+\] ?/;

// --- TAP

const TAP_SIGN = /^ *(?:K?TAP version \d+|1\.\.\d+)\s*$/;
const TAP_RESULT = /^( *)(not )?ok\b(?: +(\d+))?(?: +-)?(?: +((?:[^#\\]|\\.)*?))?(?:\s*#\s*(\w+).*)?\s*$/i;

/** Results at one depth: a case, or those of a whole subtest. */
interface Item {
  readonly indent: number;
  readonly cases: readonly PrintedCase[];
}

function tap(lines: readonly string[]): PrintedCase[] {
  const items: Item[] = [];
  let said: string[] = [];
  for (const line of lines) {
    const [, spaces, not, number, text = "", directive = ""] = TAP_RESULT.exec(line) ?? [];
    if (spaces === undefined) {
      if (/^ *Bail out!/.test(line)) items.push({ indent: 0, cases: [{ name: "bail out", outcome: "failed", output: line.trim() }] });
      else if (!TAP_SIGN.test(line) && !/^ *# Subtest:/.test(line) && line.trim() !== "") said.push(line.trim());
      continue;
    }
    const indent = spaces.length, name = text.replace(/\\(.)/g, "$1").trim() || `case ${number ?? items.length + 1}`;
    const inner: PrintedCase[] = [];
    // The result of a subtest comes behind those that it consists of.
    while (items.length > 0 && items.at(-1)!.indent > indent) inner.unshift(...items.pop()!.cases);
    // A case that is known to fail (TODO) has not failed.
    const outcome = /^skip/i.test(directive) ? "ignored" : not && !/^(todo|xfail)/i.test(directive) ? "failed" : "ok";
    const own: PrintedCase = { name, outcome, output: said.join("\n") };
    const alone = inner.length === 0 || (outcome === "failed" && !inner.some((c) => c.outcome === "failed"));
    items.push({ indent, cases: [...inner.map((c) => ({ ...c, name: `${name}::${c.name}` })), ...alone ? [own] : []] });
    said = [];
  }
  return items.flatMap((item) => item.cases);
}

// --- name... [ok]

/** A name, which is one word, and what follows on its line. Without brackets around the result it must be a path or follow "test". */
const BEGUN = /^(test )?([A-Za-z_<]\S*?)(?: - should panic)?(?:\s*\.{3})\s*(.*)$/;
const RESULT = /(?:^|\s)(\[)?(ok|pass(?:ed)?|fail(?:ed)?|ignored|skipped)\]?\s*$/i;

function dots(lines: readonly string[]): PrintedCase[] {
  const out: PrintedCase[] = [];
  let open: { readonly name: string; readonly sure: boolean; readonly said: string[] } | undefined;
  for (const line of lines) {
    const [, test, name, rest] = BEGUN.exec(line) ?? [];
    if (name !== undefined) open = { name: test ? name : pathOf(name), sure: test !== undefined || name.includes("::"), said: [] };
    if (!open) continue;
    const said = name === undefined ? line : rest, result = RESULT.exec(said);
    if (!result || !(open.sure || result[1])) {
      if (said !== "") open.said.push(said);
      continue;
    }
    const first = result[2][0].toLowerCase();
    const before = said.slice(0, result.index).trim(), output = [...open.said, ...before ? [before] : []].join("\n");
    out.push({ name: open.name, outcome: first === "f" ? "failed" : first === "i" || first === "s" ? "ignored" : "ok", output });
    open = undefined;
  }
  if (open?.sure) out.push({ name: open.name, outcome: "failed", output: open.said.join("\n").trim() });
  return out;
}

/** As libtest names it, which leaves out the crate. */
const pathOf = (name: string) => name.includes("::") ? name.slice(name.indexOf("::") + 2) : name;
