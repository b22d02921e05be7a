// `bringup merge REPORT...`: the reports of all parts of a divided run as one: JUnit XML, JSON, HTML, coverage.
import { parseXml, type XmlElement, type XmlNode } from "npm:@rgrove/parse-xml@5.0.0";
import { ConfigError } from "../../core/errors.ts";
import { readFile } from "../../scenario/host.ts";
import type { CommandLine } from "../options.ts";
import { openFile, writeAll, writeText } from "../output.ts";
import { htmlOf, isPage, readHtml } from "./html.ts";
import { jsonOf, readJson } from "./json.ts";
import { junitOf } from "./junit.ts";
import { addLcov, type Coverage, isLcov, lcovOf } from "./lcov.ts";
import { closing } from "./report_text.ts";
import { paint } from "./reporters.ts";
import { counts, type Shard, succeeded, type Summary } from "./results.ts";
import { element, escapeXml, type Node } from "../xml.ts";

/** Missing parts that are named: a report may claim to be of any number. */
const MOST_MISSING = 20;

/** What is in the reports. */
interface Reports {
  readonly suites: { readonly suite: XmlElement; readonly file: string }[];
  readonly summaries: Summary[];
  readonly coverage: Coverage;
  /** Parts of which a report tells. */
  readonly parts: Shard[];
  /** Reports of each kind. */
  readonly files: Record<"junit" | "results" | "lcov", string[]>;
}

/** Joins reports. 0 when all parts are there and no test failed, else 1. @throws {ConfigError} */
export function merge({ positional, values }: CommandLine): number {
  if (positional.length === 0) throw new ConfigError("which reports? usage: bringup merge REPORT... [--junit FILE] [--html FILE] ...");
  const reports: Reports = { suites: [], summaries: [], coverage: new Map(), parts: [], files: { junit: [], results: [], lcov: [] } };
  const outputs = new Set(
    ["junit", "html", "json", "lcov"].flatMap((name) => values[name] === undefined ? [] : [real(values[name] as string)]),
  );
  // What an earlier merge wrote into the same folder is none of the parts.
  for (const path of positional.flatMap((p) => filesIn(p).filter((f) => f === p || !outputs.has(real(f))))) {
    read(path, positional.includes(path), reports);
  }
  if (Object.values(reports.files).every((f) => f.length === 0)) {
    throw new ConfigError("no reports in this folder", { file: positional.join(", ") });
  }
  const { files } = reports, summary = summaryOf(reports.summaries), missing = missingParts(reports.parts);
  const none = (option: string, kinds: string) => new ConfigError(`--${option}: none of the reports is ${kinds}`);
  const made: Readonly<Record<string, () => string>> = {
    junit: () => {
      if (files.junit.length) return mergeJUnit(reports.suites);
      if (!summary) throw none("junit", "JUnit XML, JSON or HTML");
      return junitOf(summary);
    },
    html: () => {
      if (!summary) throw none("html", "JSON or HTML");
      return htmlOf(summary, values.html as string);
    },
    json: () => {
      if (!summary) throw none("json", "JSON or HTML");
      return jsonOf(summary);
    },
    lcov: () => {
      if (!files.lcov.length) throw none("lcov", "an lcov trace file");
      return lcovOf(reports.coverage);
    },
  };
  const wanted = Object.entries(made).filter(([name]) => values[name] !== undefined).map(([name, make]) => [name, make()] as const);
  for (const [name, text] of wanted) {
    using file = openFile(values[name] as string, `--${name}`, true);
    writeAll(file, new TextEncoder().encode(text), values[name] as string);
  }
  if (summary) writeText(Deno.stdout, closing(summary, paint({ colours: Deno.stdout.isTerminal() && !Deno.noColor })));
  const { tests, failed } = summary ? { tests: summary.results.length, failed: counts(summary.results).failed } : totals(reports.suites);
  if (!summary && files.junit.length) writeText(Deno.stdout, `${tests} tests, ${failed} failed\n`);
  for (const m of missing) writeText(Deno.stderr, `bringup: ${m}\n`);
  return failed > 0 || missing.length > 0 || summary && !succeeded(summary) ? 1 : 0;
}

/** A file, or what may be a report in a folder and below. */
function filesIn(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    readFile(path);
    throw new ConfigError("cannot be read", { file: path });
  }
  if (!info.isDirectory) return [path];
  const entries = [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap((e) => {
    const below = `${path.replace(/\/+$/, "")}/${e.name}`;
    // A pipe in it would wait for somebody who writes.
    return e.isDirectory ? filesIn(below) : (e.isFile || e.isSymlink) && /\.(xml|json|html|info|lcov)$/.test(e.name) ? [below] : [];
  });
}

const real = (path: string): string => {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
};

/** Takes up a report by what is in it. @throws {ConfigError} it is none, and somebody named it. */
function read(path: string, named: boolean, reports: Reports): void {
  const text = new TextDecoder().decode(readFile(path)).replace(/^\ufeff/, "");
  if (isPage(text) || /^\s*\{\s*"bringup":/.test(text)) {
    const summary = isPage(text) ? readHtml(text, path) : readJson(text, path);
    reports.files.results.push(path);
    if (summary.shard) reports.parts.push(summary.shard);
    // One run may have written both.
    const same = (s: Summary) =>
      s.started.getTime() === summary.started.getTime() && s.ms === summary.ms && s.shard?.index === summary.shard?.index;
    if (!reports.summaries.some(same)) reports.summaries.push(summary);
  } else if (isLcov(text)) {
    reports.files.lcov.push(path);
    addLcov(reports.coverage, text, path);
  } else if (/^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*<testsuites?[\s>/]/.test(text)) {
    reports.files.junit.push(path);
    for (const suite of suitesIn(text, path)) {
      reports.suites.push({ suite, file: path });
      for (const [name, value] of propertiesOf(suite)) {
        const [, index, total] = name === "shard" ? /^(\d+)\/(\d+)$/.exec(value) ?? [] : [];
        if (total) reports.parts.push({ index: Number(index), total: Number(total) });
      }
    }
  } else if (named) {
    throw new ConfigError("no report: expected JUnit XML, JSON or HTML of `bringup test`, or an lcov trace file", { file: path });
  }
}

function suitesIn(text: string, file: string): XmlElement[] {
  let root: XmlElement | null;
  try {
    ({ root } = parseXml(text));
  } catch (e) {
    const { message, line } = e as Error & { line?: number };
    throw new ConfigError(`no XML: ${message.split("\n")[0]}`, { file, ...(line !== undefined && { line }) });
  }
  return root!.name === "testsuites" ? elements(root!).filter((e) => e.name === "testsuite") : [root!];
}

const elements = (of: XmlElement): XmlElement[] => of.children.filter((c): c is XmlElement => c.type === "element");
const propertiesOf = (suite: XmlElement): (readonly [string, string])[] =>
  elements(suite).filter((e) => e.name === "properties").flatMap(elements).map(({ attributes: a }) =>
    [a.name ?? "", a.value ?? ""] as const
  );

/** As it was read. */
function markup(node: XmlNode): Node {
  if (node.type === "text" || node.type === "cdata") return escapeXml((node as unknown as { text: string }).text);
  if (node.type !== "element") return "";
  const { name, attributes, children } = node as XmlElement, open = element(name, attributes);
  return children.length === 0 ? open : `${open.slice(0, -2)}>${children.map(markup).join("")}</${name}>`;
}

const SUMS = ["tests", "failures", "errors", "skipped", "disabled", "assertions", "time"];

/** Suites of one name, such as those of a file whose tests were in two parts, become one. */
function mergeJUnit(read: Reports["suites"]): string {
  const nodes = [...Map.groupBy(read, ({ suite }) => suite.attributes.name ?? "")].map(([name, same], id) => {
    const suites = same.map((s) => s.suite), attributes: Record<string, string | number> = { ...suites[0].attributes, name, id };
    for (const key of SUMS) {
      const values = suites.map((s) => Number(s.attributes[key])).filter((n) => !isNaN(n)), sum = values.reduce((a, b) => a + b, 0);
      if (values.length) attributes[key] = key === "time" ? sum.toFixed(3) : sum;
    }
    const stamps = suites.map((s) => s.attributes.timestamp).filter((t) => t !== undefined).sort();
    if (stamps.length) attributes.timestamp = stamps[0];
    const properties = [...new Set(suites.flatMap(propertiesOf).map(([name, value]) => element("property", { name, value })))];
    const all = suites.flatMap(elements),
      said = (name: string) => all.filter((e) => e.name === name).map((e) => e.text).filter(Boolean).join("\n");
    return element("testsuite", attributes, [
      element("properties", {}, properties),
      ...all.filter((e) => !["properties", "system-out", "system-err"].includes(e.name)).map(markup),
      element("system-out", {}, said("system-out")),
      element("system-err", {}, said("system-err")),
    ]);
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("testsuites", {}, nodes)}\n`;
}

function totals(read: Reports["suites"]): { readonly tests: number; readonly failed: number } {
  const sum = (keys: string[]) =>
    read.reduce((n, { suite }) => n + keys.reduce((m, key) => m + (Number(suite.attributes[key]) || 0), 0), 0);
  return { tests: sum(["tests"]), failed: sum(["failures", "errors"]) };
}

/** Runs side by side as one; undefined when there is none. */
function summaryOf(summaries: readonly Summary[]): Summary | undefined {
  if (summaries.length === 0) return undefined;
  const sorted = summaries.toSorted((a, b) => (a.shard?.index ?? 0) - (b.shard?.index ?? 0));
  return {
    // Of one file the tests stay in the order of the parts, which is theirs.
    results: sorted.flatMap((s) => s.results).sort((a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : 0),
    notes: [...new Set(sorted.flatMap((s) => s.notes))],
    only: sorted.some((s) => s.only),
    ...(sorted.some((s) => s.interrupted) && { interrupted: true }),
    ms: Math.max(...sorted.map((s) => s.ms)),
    started: new Date(Math.min(...sorted.map((s) => s.started.getTime()))),
  };
}

/** Sentences about parts that no report tells of. @throws {ConfigError} reports are of runs that were divided differently. */
function missingParts(parts: readonly Shard[]): string[] {
  const totals = [...new Set(parts.map((p) => p.total))];
  if (totals.length > 1) {
    throw new ConfigError(`the reports are of different runs: one was divided into ${totals.join(" parts, another into ")}`);
  }
  const there = new Set(parts.map((p) => p.index)), [total = 0] = totals, told: string[] = [];
  for (let i = 1; i <= total && told.length < MOST_MISSING; i++) if (!there.has(i)) told.push(`no report tells of part ${i} of ${total}`);
  const more = total - there.size - told.length;
  return more > 0 ? [...told, `no report tells of ${more} other parts`] : told;
}
