// `--replay FILE`: the command line that a recording stands for, and how its run ends.
import { ConfigError } from "../core/errors.ts";
import { formatNs } from "../scenario/duration.ts";
import { ReplayDiverged } from "../scenario/failures.ts";
import { readFile } from "../scenario/host.ts";
import type { ReplayEnd } from "../scenario/recorded.ts";
import { readRecording } from "../scenario/recording.ts";
import type { MachineSession } from "../scenario/session.ts";
import { everyCpu, type Told, watch } from "./ends.ts";
import type { CommandLine } from "./options.ts";
import { makePlan, type Plan } from "./plan.ts";

/** What says how a run goes that a recording has gone already. */
const ELSEWHERE = ["scenario", "expect", "fail", "timeout", "record", "load"];

/** The recorded run's machine and images, but for those that the command line names. @throws {ConfigError} */
export function replayPlan(line: CommandLine): Plan {
  const file = line.values.replay as string, odd = ELSEWHERE.find((name) => line.values[name] !== undefined);
  if (odd) throw new ConfigError(`--replay and --${odd} exclude each other: the recording says how the run goes`);
  const { header: { machine, options } } = readRecording(readFile(file), file), [given, kernel] = line.positional;
  const plan = makePlan({ ...line, positional: [given ?? machine, ...line.positional.slice(1)] }), { boot } = plan;
  return {
    ...plan,
    boot: {
      ...options,
      ...boot,
      ...(kernel === undefined && options.kernel !== undefined && { kernel: options.kernel }),
      set: { ...options.set, ...boot.set },
      disks: boot.disks?.length ? boot.disks : options.disks ?? [],
      recording: file,
    },
  };
}

/** The GDB server: it keeps a machine where it is, for whoever is connected or will be. */
interface Holder {
  hold(): void;
}

/** Runs to the recording's end, or until a tick or time. There a debugger gets the machine; without one the run is over. */
export async function watchReplay(session: MachineSession, until: string | undefined, output: Told, debug?: Holder): Promise<number> {
  const { machine } = session;
  let end: ReplayEnd | undefined;
  try {
    const replayed = session.replayed(), stop = until === undefined ? undefined : session.run(spanOf(until));
    stop?.catch(() => {});
    end = await Promise.race([replayed, ...stop ? [stop.then(() => session.stop ? replayed : undefined)] : []]);
  } catch (e) {
    if (!(e instanceof ReplayDiverged)) throw e;
    session.freeze();
    output.note(`bringup: ${e.message}`);
    output.note(await everyCpu(session));
    return 1;
  }
  if (debug) debug.hold();
  else if (!session.stop) session.freeze();
  output.flush();
  const where = `at tick ${machine.age}, ${formatNs(machine.clock.nowNs)} of guest time`;
  if (!end) output.note(`bringup: stopped ${where}`);
  else if (!end.complete) output.note(`bringup: the recording was cut off here, ${where}: its run was killed`);
  else {output.note(
      `bringup: the recording ends ${where}${end.why ? ` (${end.why})` : ""}, with the digest ${end.digest}${
        end.exact ? " as it was recorded" : ""
      }`,
    );}
  // Who looks at a machine by GDB may let it go on, and it may have stopped already.
  if (debug || session.stop) {
    const status = await watch(session, [], output);
    return end?.status ?? status;
  }
  output.note(await everyCpu(session));
  return end?.status ?? 0;
}

const spanOf = (until: string) => /^\d+$/.test(until) ? { instructions: Number(until) } : { for: until };
