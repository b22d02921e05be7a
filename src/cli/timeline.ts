// `--timeline FILE.html`: what happened in a run, as a page.
import { describeStop } from "../scenario/failures.ts";
import type { MachineSession } from "../scenario/session.ts";
import { Collector } from "../scenario/timeline.ts";
import { pageOf } from "../scenario/timeline_facts.ts";
import { openFile, writeAll } from "./output.ts";

/**
 * Opens the file before anything runs, collects, and gives what writes the page; what is in the file stays until then.
 * @throws {ConfigError} the file cannot be written; when it takes no more at the end, `CannotWrite`.
 */
export async function openTimeline(session: MachineSession, path: string): Promise<(status: number, title: string) => Promise<void>> {
  const file = openFile(path, "--timeline", false), collector = await Collector.attach(session);
  return async (status, title) => {
    const { stop, trail } = session, vain = trail?.findLast((wait) => wait.failed)?.what;
    const why = stop ? describeStop(stop).split("\n")[0] : vain ? `waited in vain for ${vain}` : "the run was ended";
    const report = status === 0 ? undefined : await session.report().then((r) => r.text, () => undefined);
    const page = await pageOf(session, collector.timeline(), { title, verdict: `status ${status}: ${why}`, failed: status !== 0, report });
    if (file.statSync().isFile) file.truncateSync();
    writeAll(file, new TextEncoder().encode(page), `${path}: --timeline: cannot be written`);
    file.close();
  };
}
