// Death reports: each cause has a guest that shows it and a neighbour that does the same thing right, of which nothing may be said. Two guests have
// all of them (`guests/asm/deaths.S`, `guests/asm/x86_deaths.asm`); each case begins at a snapshot. The texts are goldens.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { boot, ConfigError, type ScenarioTimeout, type UnexpectedStop } from "../mod.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type Snapshot } from "../src/machine/machine.ts";
import type { DeathReport, Occasion } from "../src/machine/report/facts.ts";
import { loadReporters, makeReport } from "../src/machine/report/mod.ts";
import { sample } from "../src/machine/report/sampling.ts";
import { reportText } from "../src/machine/report/text.ts";
import { FIRST_CAUSES, LAST_CAUSES } from "../src/machine/report/causes.ts";
import { RISCV_CAUSES } from "../src/machine/riscv/death_causes.ts";
import { X86_CAUSES } from "../src/machine/x86/death_causes.ts";
import { readFile } from "../src/scenario/host.ts";
import { describeStop } from "../src/scenario/failures.ts";
import { cliArgs, installed, runHere } from "./cli.ts";
import { compareGoldens } from "./golden_files.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** So long a guest may run, in ticks. */
const LONG = 5_000_000;

type Cases = Readonly<Record<string, readonly string[]>>;
const X86_HALTS = "x86-handler-halts", HALTED = ["x86-halted-for-ever"], HALTS = "riscv-handler-halts", WAITING = ["riscv-nothing-enabled"];

// deno-fmt-ignore
const X86: Cases = {
  pae_off: ["x86-pae-off", "x86-no-idt"],
  sse_off: ["x86-sse-off", X86_HALTS], sse_on_ok: HALTED,
  misaligned: ["x86-misaligned", "x86-no-idt"], misaligned_ok: HALTED,
  fpu_off: ["x86-fpu-off", X86_HALTS], fpu_on_ok: HALTED,
  undefined: ["x86-ud2", X86_HALTS], undefined_ok: HALTED,
  no_gate: ["x86-int-without-gate", X86_HALTS],
  avx: ["x86-unknown-instruction", X86_HALTS], avx_ok: HALTED,
  syscall_off: ["x86-syscall-off", X86_HALTS], syscall_ok: HALTED,
  divide: ["x86-divide", "x86-no-idt"], divide_ok: HALTED,
  msr: ["x86-msr", X86_HALTS], msr_ok: HALTED,
  selector: ["x86-selector", X86_HALTS], selector_ok: HALTED,
  not_canonical: ["x86-not-canonical", "x86-no-idt"], not_canonical_ok: ["x86-not-mapped", "x86-no-idt"],
  null_call: ["x86-jump-to-nothing", X86_HALTS], lost: ["x86-jump-to-nothing", X86_HALTS], call_ok: HALTED,
  zeros: ["x86-zeros", X86_HALTS],
  no_code: ["x86-no-code", X86_HALTS],
  page_tables: ["x86-paging-under-the-code", "x86-not-delivered"], page_tables_ok: HALTED,
  null_pointer: ["x86-null-pointer", X86_HALTS], null_pointer_ok: HALTED,
  not_mapped: ["x86-not-mapped", X86_HALTS],
  read_only: ["x86-read-only", X86_HALTS], read_only_ok: HALTED,
  no_execute: ["x86-no-execute", X86_HALTS], no_execute_ok: HALTED,
  nx_reserved: ["x86-reserved-bit", X86_HALTS], nx_reserved_ok: HALTED, reserved_bit: ["x86-reserved-bit", X86_HALTS],
  smap: ["x86-smap", X86_HALTS], smap_ok: HALTED, smep: ["x86-smep", X86_HALTS],
  user_page: ["x86-user-page", X86_HALTS], user_directory: ["x86-user-page", X86_HALTS], user_page_ok: HALTED,
  privileged: ["x86-privileged", X86_HALTS], gate_dpl: ["x86-gate-dpl", X86_HALTS], gate_dpl_ok: HALTED,
  no_rsp0: ["x86-no-rsp0", X86_HALTS], no_rsp0_ok: HALTED,
  overflow: ["x86-stack-overflow", "x86-no-ist"], overflow_handled: ["x86-stack-overflow", X86_HALTS], overflow_ok: HALTED,
  near_stack: ["x86-not-mapped", X86_HALTS],
  empty_ist: ["x86-ud2", "x86-empty-ist", X86_HALTS],
  red_zone: ["x86-red-zone", X86_HALTS], red_zone_ok: HALTED,
  red_zone_faults: ["x86-null-pointer", X86_HALTS],
  bios_memory: ["x86-bios-memory", X86_HALTS], bios_memory_ok: ["x86-ud2", X86_HALTS],
  no_idt: ["x86-null-pointer", "x86-no-idt"], no_idt_ok: ["x86-null-pointer", X86_HALTS],
  short_idt: ["x86-null-pointer", "x86-short-idt"], no_handler: ["x86-null-pointer", "x86-no-handler"],
  bad_gate: ["x86-null-pointer", "x86-bad-gate"], gate_selector: ["x86-ud2", "x86-gate-selector"],
  no_irq_handler: ["x86-no-handler"],
  error_code_left: ["x86-not-mapped", "x86-error-code-left", X86_HALTS],
  handler_faults: ["x86-ud2", "x86-handler-faults", X86_HALTS], nested: ["x86-ud2", X86_HALTS],
  pic: ["x86-pic-not-remapped", X86_HALTS], pic_ok: HALTED,
  no_eoi: ["x86-no-eoi"], only_ticks: ["idle"],
  all_masked: ["x86-all-masked"], halted: HALTED,
  endless: ["endless-loop"], spinning: ["spinning"], deadlock: ["x86-ud2", "deadlock"], spinning_ok: HALTED,
};
// deno-fmt-ignore
const SUPERVISOR: Cases = {
  fs_off: ["riscv-fs-off", HALTS], fs_on_ok: WAITING,
  reserved_rounding: ["riscv-unknown-instruction", HALTS], vector: ["riscv-no-vector", HALTS],
  unimplemented: ["riscv-unimp", HALTS], unimplemented_ok: WAITING, breakpoint: ["riscv-breakpoint", HALTS],
  zeros: ["riscv-zeros", HALTS],
  csr_privilege: ["riscv-csr-privilege", HALTS], csr_privilege_ok: WAITING, csr_none: ["riscv-csr", HALTS],
  privileged: ["riscv-privileged", HALTS], privileged_ok: WAITING, unknown: ["riscv-unknown-instruction", HALTS],
  misaligned: ["riscv-misaligned", HALTS], misaligned_ok: WAITING,
  null_call: ["riscv-jump-to-nothing", HALTS], lost: ["riscv-jump-to-nothing", HALTS], call_ok: WAITING,
  user_code: ["riscv-user-code", HALTS],
  page_table: ["riscv-paging-under-the-code", "riscv-tvec-not-mapped"], page_table_ok: WAITING,
  null_pointer: ["riscv-null-pointer", HALTS], null_pointer_ok: WAITING, not_mapped: ["riscv-not-mapped", HALTS],
  not_canonical: ["riscv-not-canonical", HALTS], no_memory: ["riscv-no-memory", HALTS],
  sum_off: ["riscv-sum-off", HALTS], sum_on_ok: WAITING,
  read_only: ["riscv-permission", HALTS], read_only_ok: WAITING,
  accessed: ["riscv-accessed-dirty", HALTS], accessed_ok: WAITING,
  reserved: ["riscv-reserved-entry", HALTS], superpage: ["riscv-superpage", HALTS],
  user_page: ["riscv-user-page", HALTS], user_page_ok: WAITING,
  either_user: ["riscv-user-page", HALTS], either_kernel: ["riscv-unimp", HALTS],
  overflow: ["riscv-stack-overflow", "riscv-handler-on-the-same-stack", HALTS], overflow_handled: ["riscv-stack-overflow", HALTS], overflow_ok: WAITING,
  near_stack: ["riscv-not-mapped", HALTS],
  sscratch_empty: ["riscv-unimp", "riscv-sscratch-empty", HALTS], sscratch_ok: ["riscv-unimp", HALTS],
  no_tvec: ["riscv-unimp", "riscv-no-tvec"], no_tvec_ok: ["riscv-unimp", HALTS], tvec_not_mapped: ["riscv-unimp", "riscv-tvec-not-mapped"],
  handler_faults: ["riscv-unimp", "riscv-handler-faults", HALTS], nested: ["riscv-unimp", HALTS],
  halted: WAITING, storm: ["riscv-interrupt-storm"], timer_ok: WAITING,
  endless: ["endless-loop"], spinning: ["spinning"], deadlock: ["riscv-unimp", "deadlock"], spinning_ok: WAITING,
};
const MACHINE: Cases = {
  m_not_delegated: ["riscv-unimp", "riscv-not-delegated"],
  m_delegated_ok: ["riscv-unimp", HALTS],
  m_no_pmp: ["riscv-no-pmp", HALTS],
  m_no_sbi: ["riscv-no-sbi", HALTS],
  m_no_mtvec: ["riscv-unimp", "riscv-no-tvec"],
};

async function machineOf(file: string, kernel: string, set: Record<string, unknown>): Promise<Machine> {
  const options = { file: `${ROOT}machines/${file}.toml`, kernel: `${ROOT}tests/guests/bin/${kernel}`, set: { memory: "16MiB", ...set } };
  const host = { readFile, log: silent }, m = createMachine(options, host, await loadGraph(options, host));
  await m.complete();
  await loadReporters(m.cpus);
  return m;
}
function runUntil(m: Machine, symbol: string): void {
  const at = m.symbols.address(symbol)!, [cpu] = m.cpus;
  cpu.breakpoints.add(at);
  cpu.breakpointsChanged();
  assertEquals(m.run(m.clock.ticks + LONG)?.kind, "breakpoint");
  cpu.breakpoints.delete(at);
  cpu.breakpointsChanged();
}
/** From where the machine is, puts the pc at a case and runs it to its end. */
function die(m: Machine, name: string): DeathReport {
  m.cpus[0].setReg(m.cpus[0].arch === "x86_64" ? "rip" : "pc", m.symbols.address(name)!);
  const stop = m.run(m.clock.ticks + LONG), occasion: Occasion = stop ? stop.kind as Occasion : "timeout";
  const headline = stop ? describeStop(stop).split("\n")[0] : "time-out";
  return makeReport(m, occasion, { headline, ...(stop ? {} : { samples: sample(m, Infinity) }) });
}

const met = new Set<string>();
/** Runs all cases, and compares causes and texts. */
function check(m: Machine, cases: Cases, prefix: string, begin: (name: string) => Snapshot): void {
  const texts = new Map<string, string>(), found: Record<string, readonly string[]> = {};
  for (const name of Object.keys(cases)) {
    m.restore(begin(name));
    const report = die(m, name);
    found[name] = report.causes.map(({ id }) => id);
    for (const { id } of report.causes) met.add(id);
    if (!name.endsWith("_ok")) texts.set(`${prefix} ${name}`, `${reportText(report)}\n`);
  }
  assertEquals(found, cases);
  compareGoldens("deaths", prefix, texts);
}

Deno.test("every cause on x86 has a guest that shows it, and a neighbour of which nothing is said", async () => {
  const m = await machineOf("pc", "x86_deaths.elf", { "cpu.model": "max" });
  runUntil(m, "choose32");
  const early = m.snapshot();
  runUntil(m, "choose");
  const late = m.snapshot();
  check(m, X86, "x86", (name) => name === "pae_off" ? early : late);
});

Deno.test("every cause on RISC-V has a guest that shows it, and a neighbour of which nothing is said", async () => {
  for (
    const [cases, set, prefix] of [[SUPERVISOR, { "cpu.svade": true }, "riscv"], [MACHINE, { "firmware.sbi": "none" }, "machine"]] as const
  ) {
    const m = await machineOf("virt", "deaths.rv64.elf", set);
    runUntil(m, "choose");
    const start = m.snapshot();
    check(m, cases, prefix, () => start);
  }
});

/** What has tests of its own below, or happens on no machine of ours. */
const ELSEWHERE = ["panic", "reset-loop", "x86-exception", "riscv-exception"];
Deno.test("the guests show every cause of the tables, and each has its paragraph", () => {
  const ids = [...FIRST_CAUSES, ...X86_CAUSES, ...RISCV_CAUSES, ...LAST_CAUSES].map(({ id }) => id), all = [...new Set(ids)].sort();
  assertEquals([...new Set([...met, ...ELSEWHERE])].sort(), all);
  const docs = Deno.readTextFileSync(`${ROOT}docs/deaths.md`);
  assertEquals([...docs.matchAll(/^### (.*)$/gm)].map(([, id]) => id).sort(), all);
});

const guest = (name: string) => `${ROOT}tests/guests/bin/${name}`;

Deno.test("m.report(): on demand, sampled and put back, after a panic; as data, JSON and a page that loads nothing", async () => {
  await using m = await boot("virt", { kernel: guest("panic.rv64.elf") });
  await m.run({ instructions: 100 });
  const before = m.machine.digest(), plain = await m.report(), sampled = await m.report({ sample: true });
  assertEquals(m.machine.digest(), before, "it is where it was");
  assertEquals([plain.facts.occasion, plain.facts.cpus[0].samples], ["demand", undefined]);
  assert(sampled.facts.cpus[0].samples!.count > 0);
  await assertRejects(() => m.report({ sampel: true } as object), ConfigError, "sample");
  await m.stopped();
  const report = await m.report(), [cause] = report.facts.causes;
  assertEquals(cause.id, "panic");
  assertMatch(cause.says, /^the guest panicked: .*panicked at /);
  assertEquals(JSON.parse(report.json).causes[0], { ...cause });
  assertEquals(JSON.parse(JSON.stringify({ report })).report, JSON.parse(report.json));
  assertMatch(JSON.parse(report.json).cpus[0].at.address, /^0x[0-9a-f]+$/);
  assertMatch(report.html, /^<!doctype html>\n<html[^]*<\/html>\n$/);
  // Nothing but links to the pages leads outside.
  assertEquals([...report.html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url.replace(/^.*\/docs\//, "docs/")), [
    ...report.facts.causes.map(({ link }) => link),
  ]);
  assert(report.html.includes(report.fragment) && !/<script|@import|url\(/.test(report.html));
});

Deno.test("the flags of a page table's entry are its low bits, whatever is above them", async () => {
  await using m = await boot("virt", { kernel: guest("echo.rv64.elf") });
  await m.serial.toPrint("> ");
  const { bus, cpus: [cpu] } = m.machine, table = 0x8100_0000, code = 0x8000_0000;
  const entry = (at: number, lo: number, hi: number) => bus.writeBytes(at, new Uint8Array(Uint32Array.of(lo, hi).buffer));
  // Address 0: a page of 1 GiB that has been read and may not be written, with an attribute of memory in bit 61 (Svpbmt).
  entry(table, 0x43, 0x2000_0000);
  entry(table + 16, (code / 4096) << 10 | 0xcf, 0);
  bus.writeBytes(code + 0x1_0000, new Uint8Array(Uint32Array.of(0x0000_2023, 0x0000_006f).buffer)); // sw zero, 0(zero); j .
  for (
    const [name, value] of [["satp", 8n << 60n | BigInt(table / 4096)], ["stvec", BigInt(code + 0x1_0004)], ["medeleg", 0xffffn], [
      "priv",
      1n,
    ], [
      "pc",
      BigInt(code + 0x1_0000),
    ]] as const
  ) cpu.setReg(name, value);
  await m.run({ instructions: 10 });
  const { walk } = (await m.report()).facts.cpus[0];
  assertEquals(walk?.levels.map(({ entry, flags }) => [entry, flags]), [[0x2000_0000_0000_0043n, "-A----RV"]]);
});

Deno.test("a guest's own text cannot break out of the page", async () => {
  await using m = await boot("virt", { kernel: guest("echo.rv64.elf") });
  await m.serial.toPrint("> ");
  await m.serial.send("panicked at <img src=x onerror=1>\r");
  await m.run({ for: "20ms" });
  const { html, facts } = await m.report();
  assertEquals(facts.causes[0]?.id, "panic");
  assert(!html.includes("<img") && html.includes("&lt;img"));
});

Deno.test("a guest that resets itself for ever: the report of what was in front of the last reset", async () => {
  const set = { "cpu.triple_fault": "reset", "cpu.model": "max" };
  await using m = await boot("pc", { kernel: guest("x86_deaths.elf"), append: "case=no_idt", set });
  const error = await m.stopped({ within: "20ms" }).then(() => undefined, (e: ScenarioTimeout) => e);
  const { causes, resets } = error!.details.report!.facts;
  assertEquals(causes[0].id, "reset-loop");
  assertMatch(
    causes[0].says,
    /^the guest has reset itself \d+ times, at last at 0x[0-9a-f]+ no_idt\+0x7: a null pointer: read of 0x8 in `no_idt`$/,
  );
  assertEquals(resets!.report!.causes.map(({ id }) => id), ["x86-null-pointer", "x86-no-idt"]);
  assertMatch(error!.message, /\n {2}before reset 16:\n {4}the guest asked for a reset\n {4}cause: a null pointer/);
  // Looking at it is no part of its time, and does not end the counting.
  assertEquals((await m.report()).facts.resets!.count, resets!.count);
  await m.run({ for: "5ms" });
  assert((await m.report()).facts.resets!.count > resets!.count);
  // Once is no loop.
  await using once = await boot("pc", { kernel: guest("x86_deaths.elf"), append: "case=halted", set });
  await once.stopped();
  assertEquals((await once.report()).facts.causes.map(({ id }) => id), HALTED);
});

Deno.test("a failed wait says why, with the report for who wants more, and goes no further", async () => {
  await using m = await boot("virt", { kernel: guest("deaths.rv64.elf"), append: "case=spinning", set: { harts: 2 } });
  const error = await m.serial.toPrint("never", { within: "10ms" }).then(() => undefined, (e: ScenarioTimeout) => e);
  assertMatch(
    error!.message,
    /^Waited 10ms .*\n {2}cause: `lock_it` waits for a lock that nobody gives back\n {9}\(docs\/deaths\.md#spinning\)/,
  );
  assertMatch(error!.message, /\n {2}looked at 64 times, cpu0: 64 in lock_it /);
  assertEquals(error!.details.report!.facts.cpus.map(({ samples }) => samples!.count), [64, 64]);
  assertEquals(m.machine.age, 10_000_000 * m.machine.clock.hz / 1e9);
  await using dead = await boot("pc", { kernel: guest("x86_deaths.elf"), append: "case=overflow", set: { "cpu.model": "max" } });
  const stop = await dead.serial.toPrint("never").then(() => undefined, (e: UnexpectedStop) => e);
  assertMatch(
    stop!.message,
    /^The machine stopped \(triple fault at 0x[0-9a-f]+\) before .*\n {2}cause: the stack `stack` of 16 KiB overflowed/,
  );
});

Deno.test("--report writes text, JSON or a page at the end, whatever the end; a file that cannot be written is told first", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "bringup-deaths-" });
  try {
    const run = (file: string, ...more: string[]) =>
      runHere([`${ROOT}machines/virt.toml`, guest("deaths.rv64.elf"), "--append", "case=fs_off", "--report", `${folder}/${file}`, ...more]);
    const read = (file: string) => Deno.readTextFileSync(`${folder}/${file}`);
    const { code, stderr } = await run("r.txt");
    assertEquals(code, 3);
    assertMatch(
      stderr,
      /^bringup: dead halt at [^]*\nbringup: cause: sstatus\.FS is Off: [^]*\nbringup: cpu0 at 0x[0-9a-f]+ give_up\+0x8, waiting/,
    );
    assertEquals(read("r.txt").split("\n").map((l) => l && `bringup: ${l}`), stderr.split("\n"));
    await run("r.json", "--timeout", "1us");
    assertEquals(JSON.parse(read("r.json")).occasion, "timeout");
    await run("r.HTML");
    assertMatch(read("r.HTML"), /^<!doctype html>/);
    const refused = await run("no/r.txt");
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(refused.stderr, /--report: cannot be written/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a signal has a run report where it is, and it goes on", async () => {
  const args = cliArgs([`${ROOT}machines/virt.toml`, guest("echo.rv64.elf")]);
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const [out, err] = [child.stdout, child.stderr].map((from) => from.pipeThrough(new TextDecoderStream()).getReader());
  let text = "";
  try {
    await out.read(); // the prompt: signals are taken from now on
    for (let n = 1; n <= 2; n++) {
      child.kill("SIGUSR2");
      const whole = new RegExp(`(bringup: at tick \\d+\n[^]*bringup: cpu0 at [^\n]*, waiting for an interrupt\n[^]*){${n}}`);
      while (!whole.test(text)) text += (await err.read()).value ?? assert(false, text);
    }
  } finally {
    child.kill("SIGTERM");
    for (const from of [out, err]) while (!(await from.read()).done);
  }
  assertEquals((await child.status).code, 143);
  await child.stdin.close().catch(() => {}); // whoever reads it has gone
});

/** A kernel whose handlers a compiler has made, on either architecture; what traps is two calls deep, and so is what the handler does. */
const HANDLERS = `
static volatile long sink;
#define APART __attribute__((noinline))
#ifdef __i386__
#define WAIT "cli; hlt"
#define TRAP(n) if (n > 1) __asm__ volatile("ud2"); else __asm__ volatile("mov %0, %%ds" :: "r"(0x5550))
#else
#define WAIT "csrw sie, zero; wfi"
#define TRAP(n) __asm__ volatile("unimp")
#endif
APART void stop(void) { for (;;) __asm__ volatile(WAIT); }
APART void tell(long n) { char room[40]; for (int i = 0; i < 40; i++) room[i] = n; sink = room[n & 7]; stop(); sink = 0; }
APART long bad(long n) { long x = n * 3; TRAP(n); return x + sink; }
APART long caller(long n) { sink = n; return bad(n) + 1; }
#ifdef __i386__
__attribute__((section(".mb"), used)) const unsigned mb[] = {0x1badb002, 0, -0x1badb002};
struct frame { unsigned ip, cs, flags; };
__attribute__((interrupt)) void plain(struct frame *f) { tell(f->ip); sink++; }
__attribute__((interrupt)) void coded(struct frame *f, unsigned code) { tell(code); sink++; }
struct gate { unsigned short lo, sel, type, hi; } idt[32];
struct __attribute__((packed)) { unsigned short limit; void *base; } idtr = { sizeof idt - 1, idt };
static void set(int n, void *at) { unsigned short cs; __asm__("mov %%cs, %0" : "=r"(cs)); idt[n] = (struct gate){(unsigned)at, cs, 0x8e00, (unsigned)at >> 16}; }
void begin(void) { set(6, plain); set(13, coded); __asm__ volatile("lidt %0" :: "m"(idtr)); sink = caller(CASE); for (;;); }
__asm__(".globl _start\\n_start: mov $0x200000, %esp\\n call begin\\n");
#else
__attribute__((interrupt("supervisor"), aligned(4))) void trap(void) { long c; __asm__ volatile("csrr %0, scause" : "=r"(c)); tell(c); sink++; }
void begin(void) { __asm__ volatile("csrw stvec, %0" :: "r"(trap)); sink = caller(CASE); for (;;); }
__asm__(".section .text.entry\\n.globl _start\\n_start: la sp, stack_top\\n call begin\\n");
#endif
`;
const LAYOUT =
  "ENTRY(_start) SECTIONS { . = 0x100000; .text : { *(.mb) *(.text*) } .eh_frame : { *(.eh_frame) } .data : { *(.data*) *(.bss*) } }";
const LINK = `${ROOT}tests/guests/rust/link`;
const COMPILERS = {
  x86: {
    gcc: "gcc",
    machine: "pc",
    flags: "-m32 -mgeneral-regs-only -fno-pic -no-pie -fno-stack-protector -fcf-protection=none -Tlayout.ld",
  },
  riscv: { gcc: "riscv64-unknown-elf-gcc", machine: "virt", flags: `-mcmodel=medany -L${LINK} -T${LINK}/s_mode.ld` },
};
const FRAMES = "-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables", WHOLE = ["bad", "caller", "begin", "_start"];
// deno-fmt-ignore
const COMPILED: readonly [of: keyof typeof COMPILERS, how: string, number: number, flags: string, frames: readonly string[]][] = [
  ["x86", "call frame information", 2, "-g", ["stop", "tell", "plain", "#UD", ...WHOLE]],
  ["x86", "call frame information, an error code", 1, "-g", ["stop", "tell", "coded", "#GP", ...WHOLE]],
  ["x86", "frame pointers", 2, FRAMES, ["stop", "tell", "plain", "#UD", ...WHOLE]],
  ["x86", "frame pointers, an error code", 1, FRAMES, ["stop", "tell", "coded", "#GP", ...WHOLE]],
  ["riscv", "call frame information", 1, "-g -fno-asynchronous-unwind-tables -fno-unwind-tables", ["stop", "tell", "trap", "illegal instruction", ...WHOLE]],
  ["riscv", "frame pointers", 1, FRAMES, ["stop", "tell", "trap", "illegal instruction", ...WHOLE]],
  // Without either: the handler's return to its entry is found on the stack, and behind it the registers.
  ["riscv", "neither", 1, "-fno-asynchronous-unwind-tables -fno-unwind-tables", ["stop", "tell", "illegal instruction", "bad", "caller"]],
];
Deno.test({
  name: "backtraces go on behind handlers that compilers made",
  ignore: !Object.values(COMPILERS).every(({ gcc }) => installed(gcc)),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "bringup-deaths-" });
    try {
      Deno.writeTextFileSync(`${folder}/k.c`, HANDLERS);
      Deno.writeTextFileSync(`${folder}/layout.ld`, LAYOUT);
      await Promise.all(COMPILED.map(async ([of, how, number, flags, frames], i) => {
        const { gcc, machine, flags: own } = COMPILERS[of], kernel = `${folder}/${i}.elf`;
        const args =
          `-DCASE=${number} -O1 ${flags} ${own} -ffreestanding -nostdlib -w -Wl,--build-id=none,--no-warn-rwx-segments k.c -o ${kernel}`;
        const built = await new Deno.Command(gcc, { args: args.split(" "), cwd: folder }).output();
        assert(built.success, new TextDecoder().decode(built.stderr));
        await using m = await boot(machine, { kernel });
        await m.stopped();
        const { backtrace, source } = (await m.report()).facts.cpus[0];
        const found = backtrace.flatMap((
          { exception, functions },
        ) => [...exception ? [exception] : [], functions.at(-1)!.name.replace(/\+.*/, "")]);
        assertEquals(found, frames, `${of}, ${how}`);
        const [quote] = source, line = quote?.lines.find(({ number }) => number === quote.line)!;
        if (flags.startsWith("-g")) assertMatch(`${quote.file}: ${line.text}`, /^k\.c: APART void stop\(void\)/);
        else assertEquals(source, []);
      }));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test("RISC-V: who waits for input and has taken an interrupt for each byte is in no storm of them", async () => {
  await using m = await boot("virt", { kernel: `${ROOT}tests/guests/bin/echo.rv64.elf` });
  await m.serial.toPrint(/^> $/m);
  await m.serial.send("a long line\r");
  const late = await assertRejects(() => m.serial.toPrint("never", { within: "10ms" })) as ScenarioTimeout, { report } = late.details;
  assertEquals(report?.text.includes("riscv-interrupt-storm"), false, late.message);
  assertEquals(report?.text.split("\n")[0], 'Waited 10ms of guest time in vain for uart0 to print "never"');
});
