// The page of a session's timeline.
import { formatNs } from "./duration.ts";
import type { MachineSession } from "./session.ts";
import { type PageFacts, timelinePage } from "./timeline_page.ts";
import type { Timeline } from "./timeline.ts";

/** Bytes of a picture that goes into a page at most. */
const PICTURE = 4 << 20;

export async function pageOf(
  session: MachineSession,
  timeline: Timeline,
  how: { readonly title: string; readonly verdict: string; readonly failed: boolean; readonly report?: string | undefined },
): Promise<string> {
  const { machine, options: { origin, replay }, inputs } = session;
  const facts: [string, string][] = [
    ...origin ? [["machine", origin.machine] as [string, string]] : [],
    ...origin?.options.kernel === undefined ? [] : [["kernel", origin.options.kernel] as [string, string]],
    ["guest time", `${formatNs(machine.clock.nowNs)} (tick ${machine.age})`],
    ["inputs", `${inputs.reduce((n, { bytes }) => n + bytes.length, session.inputsForgotten)} bytes`],
    ...replay === undefined ? [] : [["run again", replay] as [string, string]],
  ];
  let png: Uint8Array | undefined;
  try {
    png = session.hasScreen ? await session.screen.png() : undefined;
  } catch {
    // Pictures need a package that may not be there.
  }
  const { title, verdict, failed, report = "" } = how;
  const page: PageFacts = { title, verdict, failed, facts, report, ...(png && png.length <= PICTURE && { png: png.toBase64() }) };
  return timelinePage(timeline, page);
}
