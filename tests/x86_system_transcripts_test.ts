// What system instructions do to a processor, against what they did when that was last looked at: control and debug registers, MSRs, flags, ports,
// descriptor tables, saved states of x87 and SSE, system calls and so on, each in every mode with random registers, over permuted pages and across
// their ends. A digest for each instruction in tests/golden/x86_system.txt: of the registers, the memory, the ports and the exception. Segments and
// what goes through descriptors have a model (x86_segments_test.ts). Who changes one on purpose writes it anew (`-- --update`).
import { assert, assertEquals } from "@std/assert";
import { randomInstruction } from "../src/x86/encode.ts";
import { Insn, MEM, type Row } from "../src/x86/insn.ts";
import { x86Table } from "../src/x86/instruction_set.ts";
import { FPU_CW, FPU_EMPTY, FPU_REG, FPU_SW, FPU_TOP, GPR, MXCSR, XMM } from "../src/x86/slots.ts";
import { Random } from "./fuzz/random.ts";
import { Lab, type Mode, PAGES_AT, STACK0, STACK3 } from "./x86/lab.ts";

const GOLDEN = new URL("golden/x86_system.txt", import.meta.url).pathname;
const NAMES =
  /^(in|out|ins|insb|outs|outsb|int|int3|int1|into|hlt|cli|sti|pushf|popf|sldt|str|sgdt|sidt|lgdt|lidt|smsw|lmsw|invlpg|monitor|mwait|xgetbv|xsetbv|rdpkru|wrpkru|swapgs|stac|clac|rdtscp|clts|invd|wbinvd|wrmsr|rdmsr|rdtsc|rdpmc|cpuid|fxsave|fxrstor|xsave\w*|xrstor\w*|rd[fg]sbase|wr[fg]sbase|invpcid|rdrand|rdseed|rdpid|bound|arpl|ldmxcsr|stmxcsr|fwait|fnsave|frstor|fnstenv|fldenv|fninit|fnclex|fnstsw|fldcw|emms|clflush\w*|clwb|maskmovdqu|maskmovq|enter|leave|pusha|popa|xlat|ud[012])$/;
const MODES: readonly (readonly [mode: Mode, cpl: number])[] = [["real", 0], ["v86", 3], ["16", 0], ["32", 0], ["32", 3], ["64", 0], [
  "64",
  3,
]];
/** Numbers that RDMSR, WRMSR and their relatives may be asked for. */
const NUMBERS = [0, 0, 1, 9, 0x10, 0x174, 0x175, 0x277, 0x6e1, 0xc000_0080, 0xc000_0081, 0xc000_0084, 0xc000_0100, 0xc000_0103, 0x5555];
const CASES = 8, MEMORY = 0x6000;

class Digest {
  value = 0x811c9dc5;
  add(word: number): void {
    this.value = Math.imul(this.value ^ word ^ (this.value >>> 15), 0x01000193);
  }
  text(s: string): void {
    for (let i = 0; i < s.length; i++) this.add(s.charCodeAt(i));
  }
}

/** Bytes of an instruction of the row whose memory operand is where the registers point. */
function encode(row: Row, code: 16 | 32 | 64, random: Random): number[] | undefined {
  const insn = new Insn();
  for (let tries = 0; tries < 60; tries++) {
    const { bytes } = randomInstruction(row, code, random.unit), whole = Uint8Array.from([...bytes, ...new Array(16).fill(0x90)]);
    if (x86Table().decode(insn, whole, 0, 15, code) !== 0 || insn.row !== row || insn.length !== bytes.length) continue;
    const memory = insn.operands.some((o) => o.kind === MEM);
    if (
      memory && (Math.abs(insn.disp) > 0x300 || insn.base === 16 || (insn.base < 0 && code !== 16) || insn.index >= 0 && !random.one(8))
    ) continue;
    return bytes;
  }
  return undefined;
}

/** Everything random that the instructions look at. */
function fill(lab: Lab, random: Random, ports: (number | string)[]): void {
  const { cpu, mode, cpl } = lab, { s } = cpu, config = cpu.config as { ports: unknown };
  config.ports = {
    in: (port: number, size: number) => (ports.push("in", port, size), Math.imul(port + size, 0x9e37_79b9) >>> 0),
    out: (port: number, size: number, value: number) => void ports.push("out", port, size, value),
  };
  const place = () => BigInt(random.pick([0x1800, 0x1840, 0x2ff0, 0x2ffc, 0x3000, 0x1ff8]) + (random.one(3) ? random.below(16) : 0));
  for (let n = 0; n < 16; n++) {
    const v = n === 1 && random.one(2) ? BigInt(random.pick(NUMBERS)) : random.one(5) ? random.integer() : place();
    cpu.window.set(GPR(n), Number(BigInt.asIntN(32, v)), mode === "64" ? Number(BigInt.asIntN(32, v >> 32n)) : 0);
  }
  // Leaves of CPUID, and what XSAVE is asked for; types of INVPCID.
  if (random.one(3)) cpu.window.set(GPR(0), random.pick([0, 1, 7, 0xb, 0xd, 0x8000_0001 | 0, 0x8000_0008 | 0, 3, 0x203, 0x203, -1]), 0);
  if (random.one(4)) { for (const n of [0, 2, 3, 7]) cpu.window.set(GPR(n), random.below(5), 0); }
  cpu.setReg("rsp", BigInt((cpl === 0 ? STACK0 : STACK3) + random.pick([0, 0, 0x100, 0xfe])));
  cpu.window.setFlags(
    random.bits() & (mode === "v86" ? 0x2_0000 : 0) | random.bits() & 0x24_3ed5 | (mode === "v86" ? 0x2_0000 : 0),
    0x26_3ed5,
  );
  if (random.one(2)) cpu.window.setFlags(0x3000, 0x3000);
  s.cr0 = s.cr0 & 0x8000_0011 | random.bits() & 0x5_0026 & (random.one(2) ? 0 : -1);
  const long = mode === "64" ? 0x620 : 0;
  s.cr4 = long | random.bits() & 0x4_0f0c | (random.one(3) ? 0 : 0x4_0600) | (random.one(2) ? 0x1_0000 : 0) |
    (mode === "64" && random.one(3) ? 0x40_0000 : 0);
  if (mode !== "64") s.cr4 &= ~0x40_0000;
  s.xcr0 = random.pick([1, 3, 3, 0x203]);
  s.pkru = random.pick([0, random.bits() & ~3]); // pages have key 0
  cpu.window.efer |= random.below(2);
  for (let n = 0; n < 4; n++) [s.drLo[n], s.drHi[n]] = [random.bits() | 0, 0];
  s.dr6 = 0xffff_0ff0 | 0;
  s.dr7 = random.one(6) ? 0x2400 : 0x400;
  [s.sysenterCs, s.sysenterEspLo, s.sysenterEipLo, s.tscAux] = [
    random.below(0x100),
    random.bits() | 0,
    random.bits() | 0,
    random.bits() | 0,
  ];
  for (let n = 0; n < 8; n++) {
    cpu.window.set(FPU_REG(n), random.bits() | 0, random.bits() | 0x8000_0000);
    cpu.window.set(FPU_REG(n) + 8, random.bits() & 0xffff, 0);
  }
  for (let n = 0; n < 16; n++) for (const half of [0, 8]) cpu.window.set(XMM(n) + half, random.bits() | 0, random.bits() | 0);
  cpu.window.setLo(FPU_CW, random.pick([0x37f, 0x40 | random.bits() & 0xf3f]));
  cpu.window.setLo(FPU_SW, random.bits() & 0x477f | (random.one(6) ? 0x80 : 0));
  cpu.window.setLo(FPU_TOP, random.below(8));
  cpu.window.setLo(FPU_EMPTY, random.below(256));
  cpu.window.setLo(MXCSR, random.pick([0x1f80, random.bits() & 0xffff]));
  for (const slot of ["fs_base", "gs_base", "k_gs_base"]) if (mode === "64") cpu.setReg(slot, BigInt(random.below(0x100)));
  cpu.derived.reload();
}

Deno.test("what x86 system instructions do is as it was", async () => {
  const lab = await Lab.make("interp", "m.toml", { "cpu.model": "max" }),
    random = new Random(1),
    lines: string[] = [],
    encoder = new TextEncoder();
  const rows = x86Table().rows.filter((row) => NAMES.test(row.mnemonic) || row.operands.some((o) => "CD".includes(o.where)));
  const outcomes = new Map<string, number>(), names = new Map<string, number>(), digests = new Map<string, Digest>();
  for (const row of rows) {
    const name = `${row.mnemonic} ${row.opcode}`, again = names.get(name) ?? 0;
    names.set(name, again + 1);
    digests.set(`${name}${again ? ` (${again + 1})` : ""}`, new Digest());
  }
  for (const [mode, cpl] of MODES) {
    const code = mode === "64" ? 64 : mode === "32" ? 32 : 16, { machine, cpu } = lab;
    lab.prepare(mode, cpl);
    // Permuted frames for two pages, in 64-bit mode: what crosses is seen.
    if (mode === "64") {
      machine.bus.write(PAGES_AT + 0x2000, 4, PAGES_AT + 0x3007);
      for (let n = 0; n < 0x100; n++) machine.bus.write(PAGES_AT + 0x3000 + 8 * n, 4, (n === 3 ? 0x90 : n === 0x90 ? 3 : n) << 12 | 7);
      cpu.derived.reload();
    }
    const begin = cpu.save(), low = machine.bus.readBytes(0, MEMORY), noise = new Uint8Array(0x600);
    let index = 0;
    for (const [name, digest] of digests) {
      const row = rows[index++];
      if (code === 64 ? row.invalid64 : row.only64) continue;
      const seed = new Digest();
      for (const byte of encoder.encode(`${name} ${mode} ${cpl}`)) seed.add(byte);
      random.state = seed.value;
      for (let n = 0; n < CASES; n++) {
        const bytes = encode(row, code, random), ports: (number | string)[] = [];
        if (!bytes) continue;
        for (let i = 0; i < noise.length; i += 4) new DataView(noise.buffer).setUint32(i, random.one(3) ? 0 : random.bits(), true);
        // A header that XRSTOR takes: which components there are, and nothing that is reserved.
        if (/^xrstor/.test(row.mnemonic) && !random.one(4)) {
          noise.fill(0, 0x200, 0x280);
          noise[0x200] = noise[0x240] = random.below(4);
          noise[0x201] = noise[0x241] = random.pick([0, 2]);
          noise[24] =
            noise[25] =
            noise[26] =
            noise[27] =
              0;
          if (random.one(2)) noise[0x20f] = 0x80;
          noise[0x208] = 3;
          noise[0x209] = 2;
          if (!noise[0x20f]) noise.fill(0, 0x208, 0x20c);
        }
        machine.bus.writeBytes(0, low);
        machine.bus.writeBytes(0x1800, noise);
        machine.bus.writeBytes(0x2e00, noise);
        cpu.load(begin);
        fill(lab, random, ports);
        const tick = machine.clock.ticks, outcome = lab.outcome(bytes);
        if (machine.stopped) throw new Error(`${name}, ${mode}: the machine has stopped`);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        const { registers, state } = cpu.save() as { registers: Uint8Array; state: unknown };
        const words = new Int32Array(registers.buffer, registers.byteOffset, registers.length >> 2);
        const after = machine.bus.readBytes(0, MEMORY), memory = new Int32Array(after.buffer, after.byteOffset, MEMORY >> 2);
        digest.text(`${outcome} ${ports.join(" ")} ${JSON.stringify(state)} ${machine.clock.ticks - tick} ${cpu.window.pcLo}`);
        for (let i = 0; i < words.length; i++) digest.add(words[i]);
        for (let i = 0; i < memory.length; i++) digest.add(memory[i]);
      }
    }
  }
  for (const [name, { value }] of digests) lines.push(`${name}: ${(value >>> 0).toString(36)}`);
  for (const outcome of ["ok", "06", "07", "0d 0", "01", "03", "10"]) {
    assert((outcomes.get(outcome) ?? 0) > 0, `${outcome}: ${outcomes.get(outcome)}`);
  }
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(GOLDEN, lines.join("\n") + "\n");
  else assertEquals(lines, Deno.readTextFileSync(GOLDEN).trimEnd().split("\n"));
});
