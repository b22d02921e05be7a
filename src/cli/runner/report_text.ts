// Reports for people: `list` has a line for each test, `dot` a character; `github` adds annotations that GitHub shows beside the lines.
import { BOLD, GREEN, GREY, paint, RED, type Reporter, type Sink, YELLOW } from "./reporters.ts";
import {
  type Attempt,
  describeCounts,
  formatMs,
  lastOf,
  msOf,
  type Status,
  succeeded,
  type Summary,
  type TestResult,
  titleOf,
} from "./results.ts";

const WORDS: Readonly<Record<Status, readonly [word: string, colour: number]>> = {
  passed: ["ok", GREEN],
  failed: ["FAILED", RED],
  flaky: ["FLAKY", YELLOW],
  skipped: ["skipped", GREY],
};

/** What could steer a terminal is shown instead. */
export const harmless = (text: string): string =>
  // deno-lint-ignore no-control-regex
  text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
/** The same of a name, which is one line. */
const oneLine = (text: string): string => harmless(text.replace(/\r?\n/g, "\\n"));

/** A line for each test, as they end; those of one file that end one after another stand below its name. */
export function list(sink: Sink): Reporter {
  const colour = paint(sink);
  let file: string | undefined;
  return {
    start: () => file = undefined,
    result(result) {
      if (result.file !== file) sink.write(`${colour(GREY, oneLine(result.file))}\n`);
      file = result.file;
      const [word, hue] = WORDS[result.status], { attempts } = result;
      const output = attempts.map((a) => a.output).join("");
      if (output) sink.write(output.endsWith("\n") ? output : `${output}\n`);
      const times = attempts.length > 1 ? `, ${attempts.length} times` : "";
      const how = result.status === "skipped" ? "" : ` ${colour(GREY, `(${formatMs(msOf(result))}${times})`)}`;
      sink.write(`${oneLine(titleOf(result))} ... ${colour(hue, word)}${how}\n`);
      for (const { digest } of lastOf(result)?.machines ?? []) sink.write(`  ${colour(GREY, digest)}\n`);
    },
    end: (summary) => sink.write(closing(summary, colour)),
  };
}

const DOTS: Readonly<Record<Status, string>> = { passed: ".", failed: "F", flaky: "f", skipped: "s" }, WIDTH = 80;

/** A character for each test: `.` passed, `F` failed, `f` flaky, `s` skipped. */
export function dot(sink: Sink): Reporter {
  const colour = paint(sink);
  let column = 0;
  return {
    start: () => column = 0,
    result({ status }) {
      sink.write(colour(WORDS[status][1], DOTS[status]) + (++column % WIDTH === 0 ? "\n" : ""));
    },
    end: (summary) => sink.write((column % WIDTH ? "\n" : "") + closing(summary, colour)),
  };
}

/** The list, and what GitHub shows beside the lines of a change: failures as errors, flaky tests as warnings. */
export function github(sink: Sink): Reporter {
  const { result, end } = list(sink);
  return {
    result: result!,
    end(summary) {
      end!(summary);
      for (const r of summary.results) {
        const wrong = r.attempts.find((a) => a.error)?.error;
        if (!wrong) continue;
        const at = wrong.at, place = { file: at ? shownAt(at.file) : r.file, line: at?.line ?? r.line, col: at?.column };
        const fields = Object.entries({ ...place, title: r.status === "flaky" ? `flaky: ${titleOf(r)}` : titleOf(r) });
        const properties = fields.flatMap(([key, value]) => value === undefined ? [] : [`${key}=${escapeProperty(String(value))}`]).join(
          ",",
        );
        sink.write(`::${r.status === "flaky" ? "warning" : "error"} ${properties}::${escapeData(wrong.text)}\n`);
      }
    },
  };
}

/** Of a command to GitHub: what would end it. */
const escapeData = (text: string) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const escapeProperty = (text: string) => escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");

const shownAt = (path: string) => path.startsWith(`${Deno.cwd()}/`) ? path.slice(Deno.cwd().length + 1) : path;

/** What failed and why, what is flaky, and the sum. */
export function closing(summary: Summary, colour: ReturnType<typeof paint>): string {
  const { results, notes, ms, shard } = summary;
  const named = (r: TestResult) => `${oneLine(titleOf(r))} => ${oneLine(r.file)}${r.line === undefined ? "" : `:${r.line}`}`;
  const section = (title: string, of: readonly TestResult[], which: (a: Attempt) => boolean) =>
    of.length === 0 ? "" : `\n ${title}\n\n${
      of.map((r) => {
        const error = r.attempts.find(which)?.error;
        return `${colour(BOLD, named(r))}\n${error ? `error: ${harmless(error.text)}\n` : ""}`;
      }).join("\n")
    }`;
  const failed = results.filter((r) => r.status === "failed"), flaky = results.filter((r) => r.status === "flaky");
  const word = summary.interrupted ? colour(RED, "INTERRUPTED") : succeeded(summary) ? colour(GREEN, "ok") : colour(RED, "FAILED");
  return section(colour(RED, "ERRORS"), failed, () => true) +
    section(colour(YELLOW, "FLAKY: failed, and passed when run again"), flaky, (a) => !a.passed) +
    (failed.length ? `\n ${colour(RED, "FAILURES")}\n\n${failed.map((r) => `${named(r)}\n`).join("")}` : "") +
    notes.map((n) => `\n${n}\n`).join("") +
    `\n${word} | ${describeCounts(results)}${shard ? ` | part ${shard.index} of ${shard.total}` : ""} (${formatMs(ms)})\n`;
}
