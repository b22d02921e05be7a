// Runs every guest on QEMU and keeps what it printed as the expected output: `deno run -A tests/guests/oracle.ts [--check] [--only NAME]`.
// --check compares instead. --bios FILE takes another firmware for the S-mode guests of --arch (riscv64 by default); QEMU's own is used otherwise.
// Debian has no OpenSBI for RV32: without `--arch riscv32 --bios FILE` the S-mode guests of RV32 are left out and named.

import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { type Guest, GUESTS, normalise } from "./guests.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const TIMEOUT_MS = 20_000;
/** The last line of OpenSBI's banner; the guest's text follows. */
const BANNER_END = /Boot HART MEDELEG[^\n]*\n/;

interface Outcome {
  readonly text: string;
  readonly exit: number;
}

function qemuArguments(guest: Guest, harts: number, bios: string | undefined): string[] {
  return [
    ...["-M", "virt", "-nographic", "-smp", String(harts), "-kernel", join(ROOT, guest.image)],
    ...(guest.mode === "M" ? ["-bios", "none"] : bios ? ["-bios", bios] : []),
    ...(guest.append ? ["-append", guest.append] : []),
  ];
}

/** Runs a guest to its end, typing its input; a time-out is an outcome too (exit -1). */
async function runQemu(guest: Guest, harts: number, bios: string | undefined): Promise<Outcome> {
  const child = new Deno.Command(`qemu-system-${guest.arch}`, {
    args: qemuArguments(guest, harts, bios),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill();
  }, TIMEOUT_MS);
  const keyboard = child.stdin.getWriter();
  const decoder = new TextDecoder();
  const pending = [...guest.input];
  let text = "";
  let searched = 0;
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    while (pending.length > 0) {
      const at = text.indexOf(pending[0].after, searched);
      if (at < 0) break;
      searched = at + pending[0].after.length;
      await keyboard.write(new TextEncoder().encode(pending.shift()!.send));
    }
  }
  clearTimeout(timer);
  const { code } = await child.status;
  await keyboard.close().catch(() => {});
  const below = guest.mode === "S" ? text.slice(text.search(BANNER_END)).replace(BANNER_END, "") : text;
  return { text: normalise(below), exit: timedOut ? -1 : code };
}

const flags = parseArgs(Deno.args, { boolean: ["check"], string: ["only", "bios", "arch"] });
const [only, bios, biosArch = "riscv64"] = [flags.only, flags.bios, flags.arch].map((value) =>
  typeof value === "string" ? value : undefined
);
let failed = 0, passed = 0;
const leftOut: string[] = [];
for (const guest of GUESTS) {
  if (only !== undefined && guest.name !== only) continue;
  if (guest.notQemu !== undefined) {
    leftOut.push(`${guest.name} (QEMU: ${guest.notQemu})`);
    continue;
  }
  const firmware = guest.arch === biosArch ? bios : undefined;
  if (guest.mode === "S" && guest.arch === "riscv32" && firmware === undefined) {
    leftOut.push(`${guest.name} (no firmware for RV32)`);
    continue;
  }
  const expectedFile = join(ROOT, "tests/guests/expected", `${guest.name}.txt`);
  for (const [index, harts] of guest.harts.entries()) {
    const { text, exit } = await runQemu(guest, harts, firmware);
    const mustStore = index === 0 && !flags.check;
    if (mustStore) await Deno.writeTextFile(expectedFile, text);
    const problems = [
      ...(exit === guest.exitOpensbi ? [] : [`exit status ${exit}, not ${guest.exitOpensbi}`]),
      ...(text === await Deno.readTextFile(expectedFile) ? [] : [`other text:\n${text}`]),
    ];
    if (problems.length === 0) passed++;
    else failed++;
    console.log(`${problems.length === 0 ? "ok    " : "FAILED"} ${guest.name}, ${harts} harts ${problems.join("; ")}`);
  }
}
if (leftOut.length > 0) console.log(`left out: ${leftOut.join(", ")}`);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
