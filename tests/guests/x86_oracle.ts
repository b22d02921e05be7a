// Runs every x86 guest on QEMU and keeps what it printed and showed: `deno run -A tests/guests/x86_oracle.ts [--check] [--only NAME]`.
// --check compares instead. The screen is read in a second run without the debug exit, where the guest halts instead of ending QEMU.

import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { normalise } from "./guests.ts";
import { screenText, X86_GUESTS, type X86Guest } from "./x86.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const TIMEOUT_MS = 20_000;
const POLL_MS = 50;
/** Between two keys, so that the guest has read the first; each is held down for `HOLD_MS`. */
const KEY_MS = 60, HOLD_MS = 20;
const SCREEN = 0xb8000, SCREEN_BYTES = 80 * 25 * 2;
const KEY_NAMES: Readonly<Record<string, string>> = { " ": "spc", "\n": "ret", "\b": "backspace", "!": "shift-1" };

interface Outcome {
  readonly text: string;
  readonly exit: X86Guest["exit"];
  readonly screen: string;
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
const keyName = (c: string) => KEY_NAMES[c] ?? (c >= "A" && c <= "Z" ? `shift-${c.toLowerCase()}` : c);

/** QEMU's monitor on a socket. */
class Monitor {
  #connection: Deno.Conn | undefined;
  constructor(readonly path: string) {}

  /** Sends a command and returns the answer up to the next prompt. */
  async ask(command: string): Promise<string> {
    if (!this.#connection) {
      this.#connection = await Deno.connect({ transport: "unix", path: this.path });
      await this.#answer();
    }
    await this.#connection.write(new TextEncoder().encode(`${command}\n`));
    return await this.#answer();
  }

  async #answer(): Promise<string> {
    const buffer = new Uint8Array(65536);
    let text = "";
    while (!text.endsWith("(qemu) ")) {
      const n = await this.#connection!.read(buffer);
      if (n === null) return text;
      text += new TextDecoder().decode(buffer.subarray(0, n));
    }
    return text;
  }

  close(): void {
    this.#connection?.close();
  }
}

/** A CD on which GRUB starts the kernel. */
async function cdWithGrub(guest: X86Guest, folder: string): Promise<string> {
  const tree = join(folder, "tree"), cd = join(folder, "cd.iso"), { module } = guest;
  await Deno.mkdir(join(tree, "boot/grub"), { recursive: true });
  await Deno.copyFile(join(ROOT, guest.image), join(tree, "kernel"));
  if (module) await Deno.copyFile(join(ROOT, "tests/guests/asm", module.file), join(tree, module.file));
  await Deno.writeTextFile(
    join(tree, "boot/grub/grub.cfg"),
    `insmod all_video\nmultiboot2 /kernel ${guest.append}\n${module ? `module2 /${module.file} ${module.text}\n` : ""}boot\n`,
  );
  const { success } = await new Deno.Command("grub-mkrescue", { args: ["-o", cd, tree], stderr: "null", stdout: "null" }).output();
  if (!success) throw new Error("grub-mkrescue failed; it needs grub-pc-bin, grub-common, xorriso and mtools");
  return cd;
}

/** Runs a guest to its end, typing its input. Without `debugExit` the end is a halt with interrupts off, and the screen is read. */
async function runQemu(guest: X86Guest, folder: string, debugExit: boolean): Promise<Outcome> {
  const socket = join(folder, "monitor"), picture = join(folder, "screen");
  const disk = guest.kind === "sector" || guest.kind.startsWith("rust");
  const file = join(ROOT, guest.image), cd = guest.kind === "multiboot2" || guest.kind === "elf64";
  const child = new Deno.Command("qemu-system-x86_64", {
    args: [
      ...["-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", `unix:${socket},server,nowait`],
      ...(disk ? ["-drive", `format=raw,file=${file},snapshot=on`] : cd ? ["-cdrom", await cdWithGrub(guest, folder)] : ["-kernel", file]),
      ...(guest.harts > 1 ? ["-smp", String(guest.harts)] : []),
      ...(guest.module && !cd ? ["-initrd", join(ROOT, "tests/guests/asm", guest.module.file)] : []),
      ...(guest.append && !cd ? ["-append", guest.append] : []),
      ...(debugExit ? ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"] : []),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const monitor = new Monitor(socket);
  let ended = false, timedOut = false, screen = "";
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill();
  }, TIMEOUT_MS);
  const pending = [...guest.typed];
  const decoder = new TextDecoder();
  let text = "", searched = 0;
  const printed = (async () => {
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
      while (pending.length > 0) {
        const at = text.indexOf(pending[0].after, searched);
        if (at < 0) break;
        searched = at + pending[0].after.length;
        const { text: typed, mouse = [] } = pending.shift()!;
        for (const c of typed) {
          await monitor.ask(`sendkey ${keyName(c)} ${HOLD_MS}`);
          await sleep(KEY_MS);
        }
        for (const { dx, dy, buttons } of mouse) {
          await monitor.ask(dx || dy ? `mouse_move ${dx} ${dy}` : `mouse_button ${buttons}`);
          await sleep(KEY_MS);
        }
      }
    }
    ended = true;
  })();
  while (!debugExit && !ended) {
    await sleep(POLL_MS);
    if (pending.length > 0) continue;
    const registers = await monitor.ask("info registers").catch(() => "");
    const flags = parseInt(registers.match(/FL=([0-9a-f]+)/)?.[1] ?? "200", 16);
    if (!registers.includes("HLT=1") || flags & 0x200) continue;
    await monitor.ask(`pmemsave ${SCREEN} ${SCREEN_BYTES} "${picture}"`);
    const bytes = await Deno.readFile(picture);
    screen = screenText(new Uint16Array(bytes.buffer));
    await monitor.ask("quit").catch(() => {});
    break;
  }
  await printed;
  clearTimeout(timer);
  const { code } = await child.status;
  monitor.close();
  // With -no-reboot the processor's shutdown ends QEMU as a power-off does.
  return { text: normalise(text), exit: timedOut ? -1 : code === 0 ? "triple" : code, screen };
}

const flags = parseArgs(Deno.args, { boolean: ["check"], string: ["only"] });
const folder = await Deno.makeTempDir();
let failed = 0;
for (const guest of X86_GUESTS) {
  if (flags.only !== undefined && guest.name !== flags.only) continue;
  const { text, exit } = await runQemu(guest, folder, true);
  const outcomes = [["txt", text]];
  if (guest.screen) outcomes.push(["screen", (await runQemu(guest, folder, false)).screen]);
  const problems = exit === guest.exit ? [] : [`status ${exit}, not ${guest.exit}`];
  for (const [suffix, outcome] of outcomes) {
    const file = join(ROOT, "tests/guests/expected", `${guest.name}.${suffix}`);
    if (!flags.check) await Deno.writeTextFile(file, outcome);
    else if (outcome !== await Deno.readTextFile(file)) problems.push(`other ${suffix}:\n${outcome}`);
  }
  if (problems.length > 0) failed++;
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"} ${guest.name} ${problems.join("; ")}`);
}
await Deno.remove(folder, { recursive: true });
Deno.exit(failed === 0 ? 0 : 1);
