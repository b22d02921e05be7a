// Causes that no architecture is needed for: the guest's own panic, resets for ever, loops, processors that never started.
import type { CauseRow, CpuFacts, Occasion, Resets } from "./facts.ts";

export interface CommonFacts {
  readonly occasion: Occasion;
  readonly cpu: CpuFacts;
  readonly cpus: readonly CpuFacts[];
  readonly panic: readonly string[];
  readonly resets: Resets | undefined;
  /** The architecture has found something. */
  readonly explained: boolean;
}
const hangs = (f: CommonFacts): boolean => f.occasion === "timeout" && f.cpu.samples !== undefined && f.cpu.samples.idle === 0;
const hot = (f: CommonFacts) => f.cpu.samples?.places[0];
/** One place has nearly all samples. */
const alone = (f: CommonFacts) => {
  const top = hot(f);
  return top && top.count >= 0.9 * f.cpu.samples!.count ? top : undefined;
};
const name = (text: string): string => text ? `\`${text}\`` : "code without a name";

/** What is told in front of the architecture's causes. */
export const FIRST_CAUSES: readonly CauseRow<CommonFacts>[] = [
  { id: "panic", says: (f) => f.panic.length > 0 && `the guest panicked: ${f.panic.join(" ")}` },
  {
    id: "reset-loop",
    says: (f) => {
      if (!f.resets || f.resets.count < 2) return undefined;
      const { count, last, report } = f.resets, why = report?.causes[0]?.says;
      return `the guest has reset itself ${count} times${last ? `, at last at ${last}` : ""}${why ? `: ${why}` : ""}`;
    },
  },
];

/** What is told behind them. */
export const LAST_CAUSES: readonly CauseRow<CommonFacts>[] = [
  {
    id: "deadlock",
    group: "loop",
    says: (f) => {
      const top = alone(f);
      return hangs(f) && top?.locked && f.cpu.chain.length > 0 &&
        `${name(top.name)} waits for a lock in the handler of ${f.cpu.chain.at(-1)!.name}: what was interrupted may hold it`;
    },
  },
  {
    id: "spinning",
    group: "loop",
    says: (f) => hangs(f) && alone(f)?.locked && `${name(alone(f)!.name)} waits for a lock that nobody gives back`,
  },
  {
    id: "endless-loop",
    group: "loop",
    says: (f) => {
      const top = alone(f);
      return hangs(f) && !f.explained && top &&
        `cpu${f.cpu.index} goes round in ${name(top.name)}${
          top.from === top.to
            ? `, one instruction at 0x${top.from.toString(16)}`
            : `, 0x${top.from.toString(16)} to 0x${top.to.toString(16)}`
        }`;
    },
  },
  {
    id: "idle",
    says: (f) => {
      const all = f.occasion === "timeout" && f.cpus.every((c) => c.samples && c.samples.idle === c.samples.count);
      return all && !f.explained && "every processor waits for an interrupt: nothing came that it waits for";
    },
  },
];
