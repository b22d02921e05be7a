// `--report FILE`: why the machine is where it is at the end of a run.
import type { Report } from "../scenario/reporting.ts";
import type { MachineSession } from "../scenario/session.ts";
import { openFile, writeAll } from "./output.ts";

/** What a file's name says. */
const FORMATS: Readonly<Record<string, (report: Report) => string>> = {
  json: (report) => `${report.json}\n`,
  html: (report) => report.html,
};

/**
 * Opens the file before anything runs, and gives what writes the report; what is in the file stays until there is one.
 * @throws {ConfigError} the file cannot be written; when it takes no more at the end, `CannotWrite`.
 */
export function openReport(path: string): (session: MachineSession) => Promise<void> {
  const file = openFile(path, "--report", false), format = FORMATS[/\.(\w+)$/.exec(path)?.[1].toLowerCase() ?? ""];
  return async (session) => {
    // What has failed was looked at when it did.
    const report = session.failureReport.last ?? await session.report();
    if (file.statSync().isFile) file.truncateSync();
    writeAll(file, new TextEncoder().encode(format ? format(report) : `${report.text}\n`), `${path}: --report: cannot be written`);
    file.close();
  };
}
