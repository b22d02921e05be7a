// A death report for browsers: a fragment that brings its own style, to be put into any page, and a page of its own. Nothing is loaded.
import { frameLines } from "../backtrace.ts";
import { type CpuFacts, type DeathReport, hex, type TrapFact } from "./facts.ts";
import { walkLines, whereLines } from "./text.ts";

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]!);

const STYLE =
  `.bringup-death{font:14px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;padding:1em;border:1px solid #d0d7de;border-radius:6px}
.bringup-death h2{margin:0 0 .4em;font-size:1.2em}.bringup-death h3{margin:1em 0 .3em;font-size:1em}
.bringup-death .cause{background:#fff1f0;border-left:4px solid #cf222e;padding:.4em .8em;margin:.3em 0}
.bringup-death pre,.bringup-death code,.bringup-death td{font:12px/1.5 ui-monospace,monospace}
.bringup-death pre{margin:.2em 0;overflow-x:auto}.bringup-death td{padding:0 1em 0 0;vertical-align:top}
.bringup-death mark{background:#fff8c5}.bringup-death ol{margin:.2em 0 .2em 1.5em;padding:0}
@media (prefers-color-scheme:dark){.bringup-death{color:#e6edf3;background:#0d1117;border-color:#30363d}
.bringup-death .cause{background:#3a1417}.bringup-death mark{background:#4d3d00;color:inherit}.bringup-death a{color:#58a6ff}}`;

/** @param docs where docs/deaths.md is, with a slash behind the folder: what links begin with */
export function reportFragment(report: DeathReport, docs = ""): string {
  const e = escapeHtml, { causes, resets, cpus, known } = report;
  const cause = causes.map(({ says, link }) =>
    `<p class="cause">${e(says).replace(/`([^`]+)`/g, "<code>$1</code>")} <a href="${e(docs + link)}">why, and what to do</a></p>`
  );
  const before = resets?.report && resets.count > 1 ? `<h3>Before reset ${resets.reported}</h3>${reportFragment(resets.report, docs)}` : "";
  return `<section class="bringup-death"><style>${STYLE}</style><h2>${e(report.headline.split("\n")[0])}</h2>${cause.join("")}${before}${
    known ? cpus.map(details).join("") : `<pre>${e(cpus.flatMap(whereLines).join("\n"))}</pre>`
  }</section>`;
}

function details(cpu: CpuFacts): string {
  const e = escapeHtml,
    chain = cpu.chain.map((trap, n) => `${n === cpu.before && cpu.gap ? `<li>... ${cpu.gap} more ...</li>` : ""}${item(trap)}`);
  const tables = cpu.tables.map(({ title, rows }) =>
    `<details><summary>${e(title)}</summary><table>${
      rows.map(([n, v]) => `<tr><td>${e(n)}</td><td>${e(v)}</td></tr>`).join("")
    }</table></details>`
  );
  const sources = cpu.source.map(({ file, line, lines }) =>
    `<h3>${e(`${file}:${line}`)}</h3><pre>${
      lines.map((l) => l.number === line ? `<mark>${e(`${l.number} | ${l.text}`)}</mark>` : e(`${l.number} | ${l.text}`)).join("\n")
    }</pre>`
  );
  const samples = cpu.samples?.places.map((p) => `${p.count} of ${cpu.samples!.count}: ${p.name || "?"}, ${hex(p.from)} to ${hex(p.to)}`) ??
    [];
  return [
    `<h3>cpu${cpu.index}: ${e(cpu.mode)}${cpu.rest === undefined ? "" : `, ${e(cpu.rest)}`}</h3>`,
    `<pre>${e(frameLines(cpu.backtrace).join("\n"))}</pre>`,
    ...sources,
    ...chain.length ? [`<h3>Exceptions since a return</h3><ol>${chain.join("")}</ol>`] : [],
    ...cpu.walk ? [`<pre>${e(walkLines(cpu.walk).join("\n"))}</pre>`] : [],
    ...samples.length ? [`<h3>Where it was</h3><pre>${e(samples.join("\n"))}</pre>`] : [],
    ...tables,
  ].join("");
}

function item({ privilege, name, detail, at, instruction, times }: TrapFact): string {
  const text = `${privilege}  ${name}${detail ? ` (${detail})` : ""} at ${hex(at.address)} ${at.name}${
    times > 1 ? `, ${times} times in a row` : ""
  }`;
  return `<li>${escapeHtml(text)}${instruction ? `<pre>${escapeHtml(instruction)}</pre>` : ""}</li>`;
}

/** A whole page. */
export const reportPage = (report: DeathReport, docs = ""): string =>
  `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${
    escapeHtml(report.headline.split("\n")[0])
  }</title></head><body>${reportFragment(report, docs)}</body></html>\n`;
