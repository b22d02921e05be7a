// The public API of bringup for scenario scripts, and the command line when this file is run.
import "./src/loads/api.ts";
export { ConfigError } from "./src/core/errors.ts";
export { boot, type BootOptions, type Declared, expect, type Scenario, scenario, type Scenarios, shared } from "./src/scenario/boot.ts";
export type * from "./src/scenario/expect/types.ts";
export type {
  AccessFilter,
  GuestValue,
  Privilege,
  Processor,
  Reach,
  StackPlace,
  StackWatch,
  Tally,
  Variable,
  Which,
} from "./src/scenario/inspection.ts";
export {
  ExpectationFailed,
  FailPatternSeen,
  ReplayDiverged,
  ScenarioFailure,
  ScenarioTimeout,
  UnexpectedStop,
  WallClockTimeout,
} from "./src/scenario/failures.ts";
export type { Duration } from "./src/scenario/duration.ts";
export type { Cell, Colour, Look } from "./src/scenario/screen.ts";
export type { SessionKeyboard, SessionScreen } from "./src/scenario/peripherals.ts";
export type { InputEntry } from "./src/scenario/inputs.ts";
export type { ReplayEnd } from "./src/scenario/recorded.ts";
export type { Terminal, TerminalCell, TerminalColour, TerminalLook, TerminalSize } from "./src/scenario/terminal.ts";
export type { SerialConsole } from "./src/scenario/serial_console.ts";
export type { MachineSession } from "./src/scenario/session.ts";
export type { SessionSnapshot } from "./src/scenario/session_snapshot.ts";
export type { Step } from "./src/scenario/steps.ts";
export type { DeathReport, Report } from "./src/scenario/reporting.ts";
export type { Stop } from "./src/machine/stop.ts";

// No top-level await: a script given with --scenario imports this module, which must be complete by then.
if (import.meta.main) import("./src/loads/run.ts").then(({ main }) => main(Deno.args)).then(Deno.exit);
