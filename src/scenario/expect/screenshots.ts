// Pictures of the screen against PNG files beside the script. `bringup test --update-snapshots` (or BRINGUP_UPDATE_SNAPSHOTS=1, or
// `deno test -A FILE -- --update-snapshots`) writes them anew.
import { checkOptions, ConfigError } from "../../core/errors.ts";
import { type Duration, parseDuration } from "../duration.ts";
import { osMessage } from "../host.ts";
import type { SessionScreen } from "../peripherals.ts";
import { compare, cut, decodePng, type Difference, encodePng, type Picture, type Region } from "./pictures.ts";
import { type Call, failure, type Verdict } from "./verdict.ts";

export interface ScreenshotOptions {
  /** What is compared; the whole screen when absent. */
  readonly region?: Region;
  /** How much a colour of a pixel (0 to 255) may differ: 0 when absent. */
  readonly tolerance?: number;
  /** How many pixels may differ more than that: 0 when absent. */
  readonly pixels?: number;
  /** Runs the guest for so long at most until it is so; when absent the screen is looked at as it is. */
  readonly within?: Duration;
}

/** Where goldens are, beside their script; guest time between two looks. */
const FOLDER = "__screenshots__", EVERY: Duration = "10ms";

/** Whether goldens are to be written anew. Without the permission to look nobody has said so. */
export function updating(): boolean {
  if (Deno.args.includes("--update-snapshots")) return true;
  const variable = "BRINGUP_UPDATE_SNAPSHOTS";
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return false;
  return !["", "0"].includes(Deno.env.get(variable) ?? "");
}

/** The folder of the script that asks: of the first file of the stack that is not this program's. */
function folderOf({ from }: Call): string {
  const ours = new URL("../..", import.meta.url).href;
  const file = [...(from.stack ?? "").matchAll(/(file:\/\/[^\s)]+?):\d+:\d+/g)].map((m) => m[1]).find((f) => !f.startsWith(ours));
  if (!file) throw new ConfigError("toMatchScreenshot: nobody knows beside which script the picture is");
  return decodeURIComponent(new URL(`./${FOLDER}`, file).pathname);
}

function readGolden(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (e) {
    if (e instanceof Deno.errors.NotFound) return undefined;
    throw new ConfigError(`cannot be read: ${osMessage(e)}`, { file: path });
  }
}
function write(path: string, png: Uint8Array): void {
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(path, png);
  } catch (e) {
    throw new ConfigError(`cannot be written: ${osMessage(e)}`, { file: path });
  }
}
const remove = (path: string) => {
  try {
    Deno.removeSync(path);
  } catch {
    // It was not there.
  }
};

function checked(name: string, options: ScreenshotOptions): void {
  checkOptions("toMatchScreenshot", options, ["region", "tolerance", "pixels", "within"]);
  if (typeof name !== "string" || !/^[\w.-][\w ./-]*\.png$/.test(name) || name.split("/").includes("..")) {
    throw new ConfigError(`toMatchScreenshot: a name such as "boot.png" is expected, got ${JSON.stringify(name)}`);
  }
  for (const [key, most] of [["tolerance", 255], ["pixels", Number.MAX_SAFE_INTEGER]] as const) {
    const n = options[key] ?? 0;
    if (!Number.isSafeInteger(n) || n < 0 || n > most) {
      throw new ConfigError(`toMatchScreenshot: \`${key}\` must be a whole number of at least 0, got ${n}`);
    }
  }
}

export async function toMatchScreenshot(screen: SessionScreen, call: Call, name: string, options: ScreenshotOptions = {}): Promise<void> {
  checked(name, options);
  const { region, tolerance = 0, pixels = 0, within } = options,
    { session } = screen,
    { machine } = session,
    path = `${folderOf(call)}/${name}`;
  const beside = (what: string) => path.replace(/png$/, `${what}.png`);
  const shown = (): Picture => {
    const image = screen.image();
    return region ? cut(image, region) : image;
  };
  const file = readGolden(path),
    golden = file && await decodePng(file, path),
    end = within === undefined ? 0 : machine.age + session.ticksOf(parseDuration(within));
  const size = ({ width, height }: Picture) => `${width}x${height}`;
  const answer = (now: Picture, d: Difference | undefined): Verdict => ({
    pass: d !== undefined && d.pixels <= pixels && size(now) === size(golden!),
    subject: "the screen",
    to: `match ${name}${tolerance ? `, each colour by ${tolerance}` : ""}${pixels ? `, but for ${pixels} pixels` : ""}`,
    found: !d
      ? `there is no such picture (${path}): --update-snapshots, or BRINGUP_UPDATE_SNAPSHOTS=1, writes it`
      : size(now) !== size(golden!)
      ? `it has ${size(now)} pixels, the picture ${size(golden!)}`
      : d.pixels === 0
      ? "it does"
      : `${d.pixels} of ${now.width * now.height} pixels differ, a colour by ${d.most} at most, the first at ${d.first!.x},${d.first!.y}`,
  });
  for (;;) {
    const now = shown(), difference = golden && compare(now, golden, tolerance), verdict = answer(now, difference);
    const files = [beside("actual"), beside("diff")], last = machine.age >= end || session.stop !== undefined;
    if (verdict.pass !== call.negated) return files.forEach(remove);
    if (!last) {
      const ns = Math.min(parseDuration(EVERY), Math.ceil((end - machine.age) * 1e9 / machine.clock.hz));
      await session.wait(
        `the screen${call.negated ? " not" : ""} to ${verdict.to}`,
        `${ns}ns`,
        ({ stop, late }) => stop || late ? { value: undefined } : undefined,
      );
      continue;
    }
    if (updating() && !call.negated) {
      write(path, await encodePng(now));
      return files.forEach(remove);
    }
    const more: string[] = [];
    if (difference && !call.negated) {
      write(files[0], await encodePng(now));
      write(files[1], await encodePng(difference.picture));
      more.push(`what is shown: ${files[0]}`, `where it differs: ${files[1]}`);
    }
    throw failure(call, { ...verdict, more }, session);
  }
}
