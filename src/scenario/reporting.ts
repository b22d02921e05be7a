// Death reports as scripts, the command line and failure messages have them. Loaded when something is to be reported.
import { Later } from "../core/later.ts";
import type { Machine } from "../machine/machine.ts";
import type { DeathReport, Occasion, Resets } from "../machine/report/facts.ts";
import { reportFragment, reportPage } from "../machine/report/html.ts";
import { reportData, reportJson } from "../machine/report/json.ts";
import { loadReporters, makeReport } from "../machine/report/mod.ts";
import { causeLines, detailLines, reportText, whereLines } from "../machine/report/text.ts";
import type { MachineLike } from "./machine_like.ts";

export type { DeathReport, Occasion, Resets };

/** Of the host's time, for looking where a machine goes round. */
const LOOK_MS = 500;
/** Bytes of a source file that is shown at most. */
const LARGEST_SOURCE = 4 << 20;
const SAMPLING = new Later<typeof import("../machine/report/sampling.ts")>("machine/report/sampling.ts");

/** To be awaited before `reportOn`. */
export async function prepare(machine: MachineLike): Promise<void> {
  await loadReporters(machine.cpus);
  await SAMPLING.load();
  // What the guest has just met may be needed where it is looked at.
  if (machine.loading) await machine.complete?.();
}

/** Why a machine has died, or where it is: as data, for people, for programs, for browsers. */
export class Report {
  constructor(readonly facts: DeathReport) {}
  /** What explains it, in lines. */
  get causes(): string[] {
    return causeLines(this.facts);
  }
  /** What it is concluded from: exceptions, tables, page walk, source lines. */
  get details(): string[] {
    return detailLines(this.facts);
  }
  /** Where each processor is, and how it came there. */
  get places(): string[] {
    return this.facts.cpus.flatMap(whereLines);
  }
  get text(): string {
    return reportText(this.facts);
  }
  get json(): string {
    return reportJson(this.facts);
  }
  /** A page that loads nothing. */
  get html(): string {
    return reportPage(this.facts, FOLDER);
  }
  /** The same to be put into another page. */
  get fragment(): string {
    return reportFragment(this.facts, FOLDER);
  }
  toString(): string {
    return this.text;
  }
  /** Addresses and other 64-bit values are texts there. */
  toJSON(): unknown {
    return reportData(this.facts);
  }
}
/** What the links of a page begin with. */
const FOLDER = new URL("../../", import.meta.url).href;

export interface ReportHow {
  readonly printed: readonly string[];
  readonly resets?: Resets;
  /** Runs something that lets the machine run on, and puts it back. */
  readonly aside?: <T>(run: () => T) => T;
}

/** Undefined: nobody knows the machine's processors. */
export function reportOn(machine: MachineLike, occasion: Occasion, headline: string, how: ReportHow): Report | undefined {
  const { printed, resets, aside } = how,
    readSource = sourcesOf(machine.symbols.file),
    options = { headline, printed, readSource, ...(resets ? { resets } : {}) };
  const facts = makeReport(machine as Machine, occasion, options);
  if (!facts.known) return undefined;
  if (!aside || machine.stopped) return new Report(facts);
  const samples = aside(() => SAMPLING.now!.sample(machine, LOOK_MS));
  return new Report(makeReport(machine as Machine, occasion, { ...options, samples }));
}

/**
 * A source file's text; undefined where it is not there, or may not be read: nobody is asked. Compilers are told of paths from where they are
 * started, which is a folder around the program mostly.
 */
const sourcesOf = (program: string | undefined) => (file: string): string | undefined => {
  const folders = file.startsWith("/") || program === undefined
    ? []
    : program.split("/").slice(0, -1).map((_, n, all) => all.slice(0, n + 1).join("/"));
  for (const path of [file, ...folders.reverse().map((folder) => `${folder}/${file}`)]) {
    try {
      if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") continue;
      if (Deno.statSync(path).size <= LARGEST_SOURCE) return Deno.readTextFileSync(path);
    } catch {
      continue;
    }
  }
  return undefined;
};
