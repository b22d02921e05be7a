// Results as one page that needs nothing else: it opens without a server, and holds the results as data, so that pages can be merged.
import { dirname, relative } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { jsonOf, readJson } from "./json.ts";
import { type Attempt, describeCounts, formatMs, msOf, type Status, type StepResult, succeeded, type Summary, titleOf } from "./results.ts";
import type { TestResult } from "./results.ts";
import { escapeXml as text } from "../xml.ts";

const DATA = '<script type="application/json" id="bringup-results">';

const STYLE = `
:root { color-scheme: light dark; --passed: #1a7f37; --failed: #cf222e; --flaky: #9a6700; --skipped: #6e7781; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 1.5rem 0 .3rem; font-family: ui-monospace, monospace; }
details { border-bottom: 1px solid var(--line); } summary { padding: .3rem 0; cursor: pointer; }
.row { padding: .3rem 0 .3rem 1rem; border-bottom: 1px solid var(--line); }
.ms { color: var(--skipped); } b { display: inline-block; width: 4.5rem; font-weight: 600; }
.passed b { color: var(--passed); } .failed b { color: var(--failed); } .flaky b { color: var(--flaky); } .skipped b { color: var(--skipped); }
pre { background: #8882; padding: .7rem; overflow-x: auto; border-radius: .3rem; } ul { margin: .2rem 0; }
#only-failed:checked ~ main .passed, #only-failed:checked ~ main .skipped { display: none; }
`;

/** The page; `path` is where it is going to be, for links to what failures left in folders. */
export function htmlOf(summary: Summary, path = "report.html"): string {
  const { results, notes, ms, shard, started } = summary, files = [...Map.groupBy(results, (r) => r.file)];
  const title = `${summary.interrupted ? "interrupted" : succeeded(summary) ? "passed" : "failed"}: ${describeCounts(results)}`;
  const about = [started.toISOString(), formatMs(ms), ...shard ? [`part ${shard.index} of ${shard.total}`] : [], ...notes];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${text(title)}</h1>
<p>${about.map(text).join(" · ")}</p>
<input type="checkbox" id="only-failed"><label for="only-failed"> only what failed or is flaky</label>
<main>
${files.map(([file, of]) => `<h2>${text(file)}</h2>\n${of.map((r) => row(r, path)).join("\n")}`).join("\n")}
</main>
${DATA}${jsonOf(summary).replaceAll("<", "\\u003c")}</script>
</body>
</html>
`;
}

const WORDS: Readonly<Record<Status, string>> = { passed: "passed", failed: "FAILED", flaky: "flaky", skipped: "skipped" };

/** A test; what there is to tell of it opens, and is open when it failed. */
function row(result: TestResult, path: string): string {
  const { status, attempts, line, file } = result,
    inside = attempts.map((a, i) => attemptOf(a, attempts.length > 1 ? i + 1 : 0, path)).join("");
  const head = `<b>${WORDS[status]}</b> ${text(titleOf(result))} <span class="ms">${
    text([...status === "skipped" ? [] : [formatMs(msOf(result))], ...line === undefined ? [] : [`${file}:${line}`]].join(" · "))
  }</span>`;
  if (!inside) return `<div class="row ${status}">${head}</div>`;
  return `<details class="${status}"${status === "failed" ? " open" : ""}><summary>${head}</summary>${inside}</details>`;
}

function attemptOf({ passed, error, output, steps, machines }: Attempt, number: number, path: string): string {
  const kept = [...new Set([...`${error?.text}\n${output}`.matchAll(/^(?:bringup:)? *kept in: (.+)\/$/gm)].map((m) => m[1]))];
  const parts = [
    steps.length ? stepsOf(steps) : "",
    error ? `<pre>${text(error.text)}</pre>` : "",
    output ? `<p>Output</p><pre>${text(output)}</pre>` : "",
    ...kept.map((folder) => `<p>Kept in <a href="${text(linkTo(folder, path))}/">${text(folder)}</a></p>`),
    ...(machines ?? []).map((m) => `<p class="ms">${text(m.digest)}</p>`),
  ].join("");
  return parts && number ? `<p>Run ${number}: ${passed ? "passed" : "failed"}</p>${parts}` : parts;
}

/** A folder, seen from the page. */
const linkTo = (folder: string, path: string) => relative(dirname(path), folder).split("/").map(encodeURIComponent).join("/");

const stepsOf = (steps: readonly StepResult[]): string =>
  `<ul>${
    steps.map((s) =>
      `<li class="${s.status}"><b>${WORDS[s.status]}</b> ${text(s.name)} <span class="ms">${formatMs(s.ms)}</span>${
        s.steps.length ? stepsOf(s.steps) : ""
      }</li>`
    ).join("")
  }</ul>`;

/** The results that a page holds. @throws {ConfigError} */
export function readHtml(page: string, file: string): Summary {
  const from = page.indexOf(DATA), to = page.indexOf("</script>", from);
  if (from < 0 || to < 0) throw new ConfigError("no report of `bringup test --reporter html`", { file });
  return readJson(page.slice(from + DATA.length, to), file);
}

/** Whether a text is such a page. */
export const isPage = (text: string): boolean => text.includes(DATA);
