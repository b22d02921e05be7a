// What a supervisor finds when firmware starts it: tests/guests/asm/entry.c tells, under the built-in SBI, under Debian's OpenSBI 1.1 (QEMU 7.2's
// own) and 1.6, here and on QEMU. A kernel that works there must not find less here, so every line that differs is named below with the reason.
// `deno test -A tests/entry_test.ts -- --update` rewrites tests/golden/entry.txt, which says what the built-in SBI gives.
import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { boot } from "../mod.ts";
import { installed } from "./cli.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const IMAGE = `${ROOT}tests/guests/bin/entry.rv64.elf`, GOLDEN = `${ROOT}tests/golden/entry.txt`;
const OPENSBI = { "1.1": "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin", "1.6": `${ROOT}cache/linux/fw_dynamic.bin` } as const;
type Version = keyof typeof OPENSBI;
type Where = "here" | "QEMU";

/** Lines, by the text before their value, that differ from what the built-in SBI gives. */
const DIFFERENCES: readonly { readonly key: RegExp; readonly versions?: Version; readonly where?: Where; readonly why: string }[] = [
  { key: /^load of the firmware's memory$/, why: "the built-in SBI has no memory to hide: all of RAM is the kernel's" },
  { key: /^load of (the CLINT|mtime)$/, why: "OpenSBI hides the CLINT behind its PMP; there is no reason to hide it from anybody here" },
  { key: /^node \/reserved-memory|^property mmode_resv/, why: "the memory that OpenSBI is in" },
  { key: /^SBI version$/, versions: "1.1", why: "OpenSBI 1.1 is of SBI 1.0" },
  { key: /^SBI DBCN$/, versions: "1.1", why: "the debug console came with SBI 2.0" },
  { key: /^SBI FWFT$/, versions: "1.1", why: "firmware features came with SBI 3.0" },
  {
    key: /^SBI SSE$/,
    versions: "1.6",
    why: "supervisor software events: no source of them is modelled (double traps, RAS, PMU overflow), so there is nothing to deliver",
  },
  { key: /^SBI DBTR$/, versions: "1.6", where: "QEMU", why: "no hart has triggers here (csr.ts)" },
  {
    key: /^stimecmp$/,
    where: "QEMU",
    why: "QEMU starts it at 0, which is a pending timer; the specification leaves it open, and ours starts at never",
  },
  {
    key: /^hpmcounter\d+$/,
    where: "QEMU",
    why: "an event counter that counts nothing: OpenSBI leaves what it tried to write, where here it is 0",
  },
  { key: /^after 0xf+: scounteren$/, where: "QEMU", why: "it has 32 bits (Priv 10.1.5); QEMU 7.2 keeps 64" },
  { key: /^after 0xf+: sstatus$/, where: "QEMU", why: "QEMU 7.2 has V built in and shows VS" },
  { key: /\(Svpbmt\)$|^cbo\.\w+ in S$/, where: "QEMU", why: "extensions that machines/virt.toml names and QEMU's default CPU has not" },
  { key: /^PMU stopped, it counts$/, where: "QEMU", why: "QEMU 7.2 does not heed mcountinhibit" },
  {
    key: /^PMU (calls of set_timer|the first firmware counter|read|calls of set_timer that were counted|stop and forget|stop of all)$/,
    versions: "1.6",
    why: "OpenSBI 1.6 takes counter 1, which is none, for a firmware event: it is not asked",
  },
  { key: /^property cpu@0\.mmu-type$/, where: "QEMU", why: "QEMU 7.2 names sv48 where it offers sv57 as well" },
  {
    key: /^PMU counter hpmcounter\d+$|^PMU hardware counters$|^node \/pmu$/,
    where: "QEMU",
    why: "16 event counters; none is modelled here",
  },
  {
    key: /^node \/(fw-cfg|flash|platform-bus|soc\/pci)@/,
    where: "QEMU",
    why: "devices of QEMU's board that are not modelled",
  },
];

/** The guest's lines, without what OpenSBI says before and in between. */
function linesOf(text: string): string[] {
  const own = text.replaceAll("\r", "").replaceAll("system_opcode_insn: Invalid opcode for CSR read/write instruction", "");
  const lines = own.slice(own.search(/^a0 = /m)).trimEnd().split("\n");
  assertEquals(lines.at(-1), "end");
  return lines.slice(0, -1);
}
/** "sie = 0x0" is about "sie", "ebreak: trap 3" about "ebreak". */
const keyOf = (line: string) =>
  line.replace(/( = |: (?=trap|done|yes|no|width)| (counts|stands|is there|okay|riscv,sv\d+)$| have a width).*/, "");

async function here(firmware?: string): Promise<string[]> {
  await using m = await boot(`${ROOT}machines/virt.toml`, {
    kernel: IMAGE,
    budget: { guest: "20s" },
    ...(firmware === undefined ? {} : { set: { "firmware.sbi": firmware } }),
  });
  await m.stopped();
  return linesOf(m.serial.text());
}
async function onQemu(bios: string): Promise<string[]> {
  const args = ["-M", "virt", "-nographic", "-kernel", IMAGE, "-bios", bios];
  const child = new Deno.Command("qemu-system-riscv64", { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
  // Firmware that dies says so and stays.
  const timer = setTimeout(() => child.kill(), 20_000), { stdout } = await child.output();
  clearTimeout(timer);
  return linesOf(new TextDecoder().decode(stdout));
}

/** Keys of the lines that are in one list only, or differ. */
function differing(a: readonly string[], b: readonly string[]): string[] {
  const keys = [...a.filter((line) => !b.includes(line)), ...b.filter((line) => !a.includes(line))].map(keyOf);
  return [...new Set(keys)];
}

Deno.test("a supervisor finds under the built-in SBI what the golden file says", async () => {
  const text = (await here()).join("\n") + "\n";
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(GOLDEN, text);
  assertEquals(text, Deno.readTextFileSync(GOLDEN));
});

for (const version of ["1.1", "1.6"] as const) {
  for (const where of ["here", "QEMU"] as const) {
    Deno.test({
      name: `a supervisor finds no less than under OpenSBI ${version} ${where === "here" ? "here" : "on QEMU"}: what differs is named`,
      ignore: !existsSync(OPENSBI[version]) || (where === "QEMU" && !installed("qemu-system-riscv64")),
      fn: async () => {
        const found = await (where === "here" ? here : onQemu)(OPENSBI[version]);
        const keys = differing(Deno.readTextFileSync(GOLDEN).trimEnd().split("\n"), found);
        const named = DIFFERENCES.filter((d) => (d.versions ?? version) === version && (d.where ?? where) === where);
        assertEquals(keys.filter((key) => !named.some((d) => d.key.test(key))), [], "differences without a reason");
        assertEquals(named.filter((d) => !keys.some((key) => d.key.test(key))), [], "reasons without a difference");
      },
    });
  }
}
