// System instructions against the slow model of tests/models, over random states: real and virtual-8086 mode, 16-bit and 32-bit protected mode,
// with every kind of paging, 64-bit code and compatibility mode, at every privilege, on Intel's processors and AMD's, with features left out. The
// whole state is compared, and so is what the processor derives from it: another one that is given that state has to have the same. Each
// instruction has to succeed often enough, and to fault, or the test has seen nothing.
import { assert, assertEquals } from "@std/assert";
import { FAULT } from "../src/ir/frontend.ts";
import { ARG } from "../src/ir/layout.ts";
import { GENERAL_DETECT, XCPT } from "../src/x86/exceptions.ts";
import { SYSTEM_HELPERS } from "../src/x86/helpers.ts";
import { init, reset } from "../src/x86/resets.ts";
import {
  CSTAR,
  FMASK,
  FPU_CW,
  FPU_EMPTY,
  FPU_OPCODE,
  FPU_REG,
  FPU_SW,
  FPU_TOP,
  GDT_BASE,
  GDT_LIMIT,
  GPR,
  KERNEL_GS_BASE,
  LSTAR,
  MXCSR,
  SEG_ATTR,
  STAR,
  XMM,
} from "../src/x86/slots.ts";
import type { X86Cpu } from "../src/x86/cpu.ts";
import { Random } from "./fuzz/random.ts";
import { CS, Fault, FS, GS, Processor, REMEMBERED } from "./models/x86_system.ts";
import { BIG, CODE_AT, Lab, LONG, type Mode, PAGES_AT, POINTER, STACK0, STACK3, TSS_AT } from "./x86/lab.ts";

type Kind = Mode | "compat";
const KINDS: readonly (readonly [kind: Kind, cpl: number])[] = [
  ["real", 0],
  ["v86", 3],
  ["16", 0],
  ["16", 3],
  ["32", 0],
  ["32", 1],
  ["32", 3],
  ["compat", 0],
  ["compat", 3],
  ["64", 0],
  ["64", 2],
  ["64", 3],
];
/** Cases of each at privilege 0, where most can be done, and in virtual-8086 mode; elsewhere a third of them. */
const CASES = 230;
/** What may be missing. */
const FEATURES = "umip la57 fsgsbase pcid xsave smep smap pku pks syscall lm nx invpcid".split(" ");
/** Tables: those of four levels are the lab's; one of five that leads there, one with PAE, wrong ones, one of 4 MiB pages. */
const PML5_AT = PAGES_AT + 0x8000, PDPT_AT = PAGES_AT + 0x9000, DIRECTORY_AT = PAGES_AT + 0xa000, WIDE_AT = PAGES_AT + 0xb000;
/** PDPTEs that MOV to CR3 may find, 32 bytes apart: good ones, one that is missing, each reserved bit. */
const PDPTES: readonly bigint[] = [
  1n,
  0n,
  0x1e6n,
  3n,
  5n,
  0x21n,
  0x41n,
  0x81n,
  0x101n,
  0x19n,
  0xe01n,
  1n << 39n | 1n,
  1n << 40n | 1n,
  1n << 63n | 1n,
];
const MSRS = [
  ...[0x10, 0x17, 0x1b, 0x79, 0x174, 0x175, 0x176, 0x277, 0x6e1, 0xc000_0080, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084],
  ...[0xc000_0100, 0xc000_0101, 0xc000_0102, 0xc000_0103, 0xfe, 0x179, 0xc001_0000, 0xc001_1fff, 0xc001_2000, 0xc000_0104, 0x800, 0, 0x11],
  ...REMEMBERED.keys(),
];
const le = (value: bigint, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => Number(value >> BigInt(8 * i) & 0xffn));
const fromPort = (port: number, size: number): number => (Math.imul(port + size, 0x9e37_79b9) >>> 0) % 2 ** (8 * size);

/** An instruction of a case, and what the model does. */
interface Act {
  readonly name: string;
  readonly bytes: readonly number[];
  act(m: Processor): void;
}

class Rig {
  readonly random = new Random(5);
  kind: Kind = "32";
  cpl = 0;
  intel = false;
  missing: ReadonlySet<string> = new Set();
  ports: string[] = [];
  constructor(readonly lab: Lab, readonly wide: boolean) {
    // What can be decoded is found out with the first instruction: all of it.
    lab.prepare("32", 0);
    lab.outcome([0x90]);
    const { cpu } = lab, config = cpu.config as { ports: unknown };
    config.ports = {
      in: (port: number, size: number) => (this.ports.push(`in ${port} ${size}`), fromPort(port, size)),
      out: (port: number, size: number, value: number) => void this.ports.push(`out ${port} ${size} ${value}`),
    };
    const features = cpu.features as { has(name: string): boolean; intel: boolean }, has = features.has.bind(features);
    features.has = (name) => has(name) && !this.missing.has(name);
    Object.defineProperty(features, "intel", { get: () => this.intel });
    // What is raised is looked at, not delivered.
    Object.assign(cpu, {
      raise: () => {
        this.raised = `fault ${cpu.faults.vector === GENERAL_DETECT ? XCPT.DB : cpu.faults.vector} ${cpu.faults.errorCode}`;
        cpu.faults.vector = -1;
      },
    });
  }
  raised = "";

  get long(): boolean {
    return this.kind === "64" || this.kind === "compat";
  }
  /** A value near what it is about: some bits flipped, or anything. */
  near(v: bigint, width: number): bigint {
    const { random } = this;
    if (random.one(8)) return BigInt.asUintN(width, random.integer());
    for (let n = random.below(4); n > 0; n--) v ^= 1n << BigInt(random.below(width));
    return v;
  }
  address(): bigint {
    const { random } = this, edge = 1n << BigInt(random.pick([47, 56, 63]));
    return BigInt.asUintN(64, random.pick([0x1234n, 0x7000_1234n, edge, edge - 1n, -edge, -edge - 1n, -5n]));
  }

  /** Everything random that the instructions look at; with the tables that are asked for, and all features, or any. */
  fill(tables?: string): void {
    const { lab: { cpu, machine }, random, kind, cpl } = this, { s } = cpu;
    this.intel = random.one(3);
    this.missing = new Set(tables !== undefined || random.one(2) ? [] : FEATURES.filter(() => random.one(5)));
    for (let n = 0; n < 16; n++) cpu.window.set(GPR(n), random.bits() | 0, kind === "64" ? random.bits() | 0 : 0);
    cpu.setReg("rsp", BigInt((cpl === 0 ? STACK0 : STACK3) + 16 * random.below(4)));
    const vm = kind === "v86" ? 0x2_0000 : 0;
    cpu.window.setFlags(random.bits() & 0x3c_7ed5 | vm, 0x3f_7fd5);
    if (random.one(2)) cpu.window.setFlags(0x3000, 0x3000);
    const paging = tables ?? (kind === "32" || kind === "16" ? random.pick(["", "", "pae", "wide"]) : "");
    s.cr0 = s.cr0 & 0x8000_0011 | random.bits() & (cpl === 3 ? 0x1_002e : 0x5_002e) | random.pick([0, 0x4000_0000, 0x6000_0000]) |
      (paging ? 0x8000_0000 : 0);
    const five = this.wide && this.long && (tables === undefined ? random.one(3) : tables === "five");
    s.cr4 = (random.bits() & 0x57_0fdc & ~(this.long ? 0 : 0x2_0000) | (this.long ? 0x20 : 0)) & ~(random.one(2) ? 0x40_0000 : 0);
    s.cr4 = s.cr4 & ~0x1000 | (five ? 0x1000 : 0) | (random.one(8) ? 0x100_0000 : 0);
    if (paging) s.cr4 = s.cr4 & ~0x20 | (paging === "pae" ? 0x20 : 0x10);
    // The supervisor may not run users' pages, which these are.
    if (this.long || paging) s.cr4 &= ~0x30_0000;
    const table = five
      ? PML5_AT
      : this.long
      ? PAGES_AT
      : paging === "wide"
      ? WIDE_AT
      : paging || random.one(2)
      ? PDPT_AT
      : random.bits() & ~0xfff;
    s.cr3Lo = table | (random.one(3) && paging !== "pae" ? random.pick([0x18, 1, 0x800]) : 0);
    cpu.paging.pdpteLo.fill(0);
    cpu.paging.pdpteHi.fill(0);
    if (paging === "pae") cpu.paging.pdpteLo[0] = DIRECTORY_AT | 1;
    cpu.window.efer = cpu.window.efer & 0x400 | (this.long || random.one(2) ? 0x100 : 0) | random.bits() & 0x801;
    s.xcr0 = random.pick([1, 3, 0x203]);
    // The pages have key 0.
    [s.pkru, s.pkrs] = [random.pick([0, random.bits() & ~3 | 0]), random.pick([0, random.bits() & ~3 | 0])];
    for (let n = 0; n < 4; n++) [s.drLo[n], s.drHi[n]] = [random.bits() | 0, this.kind === "64" ? random.bits() & 0xff : 0];
    s.dr6 = 0xffff_0ff0 | random.bits() & 0xe00f | 0;
    s.dr7 = random.one(8) ? 0x2400 : 0x400;
    s.priority = random.below(16);
    s.sysenterCs = random.one(4) ? random.below(4) : random.bits() & 0xfff0;
    [s.sysenterEspLo, s.sysenterEspHi, s.sysenterEipLo, s.sysenterEipHi] = Array.from({ length: 4 }, () => random.bits() | 0);
    s.tscAux = random.bits() | 0;
    s.tscOffset = random.pick([0, 5, 2 ** 40, -3]);
    s.msrs = random.one(2) ? { 0x1a0: [random.bits() | 0, 7], 0x20f: [5, random.bits() | 0] } : {};
    for (const slot of [STAR, LSTAR, CSTAR, KERNEL_GS_BASE]) cpu.window.set(slot, random.bits() | 0, random.bits() | 0);
    cpu.window.set(FMASK, random.bits() | 0, 0);
    if (kind === "compat") cpu.window.setLo(SEG_ATTR + 4 * CS, cpu.segments.attr[CS] & ~LONG | BIG);
    if (this.long) { for (const n of [FS, GS]) cpu.segments.setBase(n, random.bits() | 0, random.bits() & 0x7fff); }
    [s.idtLo, s.idtHi, s.idtLimit] = [random.bits() | 0, this.long ? random.bits() & 0x7f : 0, random.bits() & 0xffff];
    cpu.segments.setGdt(random.bits() | 0, this.long ? random.bits() & 0x7f : 0, random.bits() & 0xffff);
    // The TSS: its bitmap somewhere, or nowhere, with a limit near it; of 16 bits, or absent.
    const map = random.pick([0x68, 0x68, 0x100, 0x2fff]), limit = random.pick([0x2ffe, map + 0x20, map + 0x100, 0x67, 0x66, 0xffff]);
    cpu.segments.set(7, cpu.segments.selector(7), TSS_AT, 0, limit, random.one(8) ? random.pick([0x300, 0x8300, 0xb00, 0x8900]) : 0x8b00);
    machine.bus.writeBytes(TSS_AT + 0x66, Uint8Array.of(...le(BigInt(map), 2)));
    const bitmap = Uint8Array.from({ length: 0x40 }, () => random.one(2) ? 0 : random.below(256));
    machine.bus.writeBytes(TSS_AT + map, bitmap);
    machine.bus.writeBytes(POINTER, Uint8Array.from({ length: 32 }, () => random.below(256)));
    // What POPF and IRET take: no single step, and an address that can be.
    const image = () => le(BigInt(random.bits() & ~0x100) & 0xffff_feffn, 4);
    for (let at = cpl === 0 ? STACK0 : STACK3, n = 0; n < 24; n++) machine.bus.writeBytes(at + 4 * n, Uint8Array.of(...image()));
    cpu.derived.reload();
  }

  /** Page tables of every kind, right ones and wrong ones. */
  tables(): void {
    const { bus } = this.lab.machine;
    bus.write(PML5_AT, 4, PAGES_AT | 7);
    bus.write(WIDE_AT, 4, 0x87);
    bus.write(DIRECTORY_AT, 4, 0x87);
    // PAE's tables: the first works, then each kind of entry in each of the four places.
    bus.writeBytes(PDPT_AT, Uint8Array.of(...le(BigInt(DIRECTORY_AT | 1), 8), ...le(0n, 24)));
    for (const [n, entry] of PDPTES.entries()) {
      for (let place = n ? 0 : 1; place < 4; place++) {
        bus.writeBytes(PDPT_AT + 0x20 * (4 * n + place), new Uint8Array(32));
        bus.writeBytes(PDPT_AT + 0x20 * (4 * n + place) + 8 * place, Uint8Array.of(...le(entry, 8)));
      }
    }
  }

  /** The state of the processor, as the model has it. */
  observe(memory: (at: number) => number, tsc: number): Processor {
    const { lab: { cpu } } = this, { s } = cpu, wide = (lo: number, hi: number) => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);
    const slot = (at: number) => wide(cpu.window.lo(at), cpu.window.hi(at));
    const is = { intel: this.intel, has: (name: string) => cpu.features.has(name), wide: this.wide, components: 0x203 };
    return Object.assign(new Processor(is, tsc, memory), {
      gpr: Array.from({ length: 16 }, (_, n) => slot(GPR(n))),
      ip: cpu.modes.code64 ? wide(cpu.window.pcLo, cpu.window.pcHi) : wide(cpu.window.pcLo - cpu.segments.baseLo(CS), 0),
      flags: cpu.window.flags,
      cpl: cpu.window.cpl,
      segments: Array.from({ length: 8 }, (_, n) => ({
        selector: cpu.segments.selector(n),
        base: wide(cpu.segments.baseLo(n), cpu.segments.baseHi(n)),
        limit: cpu.segments.limit[n],
        attr: cpu.segments.attr[n],
      })),
      cr0: s.cr0,
      cr2: cpu.reg("cr2"),
      cr3: wide(s.cr3Lo, s.cr3Hi),
      cr4: s.cr4,
      cr8: s.priority,
      efer: cpu.window.efer,
      xcr0: s.xcr0,
      pkru: s.pkru,
      pkrs: s.pkrs,
      dr: s.drLo.map((lo, n) => wide(lo, s.drHi[n])),
      dr6: s.dr6,
      dr7: s.dr7,
      gdt: { base: slot(GDT_BASE), limit: cpu.window.lo(GDT_LIMIT) },
      idt: { base: wide(s.idtLo, s.idtHi), limit: s.idtLimit },
      pdptes: Array.from(cpu.paging.pdpteLo, (lo, n) => wide(lo, cpu.paging.pdpteHi[n])),
      sysenterCs: s.sysenterCs,
      sysenterEsp: wide(s.sysenterEspLo, s.sysenterEspHi),
      sysenterEip: wide(s.sysenterEipLo, s.sysenterEipHi),
      star: slot(STAR),
      lstar: slot(LSTAR),
      cstar: slot(CSTAR),
      fmask: cpu.window.lo(FMASK),
      kernelGs: slot(KERNEL_GS_BASE),
      tscAux: s.tscAux,
      tscOffset: s.tscOffset,
      msrs: Object.fromEntries(Object.entries(s.msrs).map(([n, [lo, hi]]) => [n, wide(lo, hi)])),
      shadow: s.shadowAt === cpu.env.instructions(),
      stackShadow: s.stackShadowAt === cpu.env.instructions(),
      ports: [...this.ports],
    });
  }
}

/** Numbers are of 32 bits with or without a sign, but for those beyond. */
const word = (v: number): number => Math.abs(v) < 2 ** 32 ? v | 0 : v;
const equal = (a: unknown, b: unknown): boolean =>
  typeof a === "number" && typeof b === "number"
    ? word(a) === word(b)
    : typeof a !== "object" || typeof b !== "object"
    ? a === b
    : Object.keys({ ...a, ...b }).every((key) => equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
const text = (v: unknown): string => JSON.stringify(v, (_, x) => typeof x === "bigint" || typeof x === "number" ? x.toString(16) : x);
/** What of the state is not what the model has. */
function differences(is: Processor, wanted: Processor): string[] {
  const names = Object.keys(wanted).filter((name) => !["is", "memory", "tsc", "written"].includes(name)) as (keyof Processor)[];
  return names.flatMap((name) => equal(is[name], wanted[name]) ? [] : [`${name} is ${text(is[name])}, not ${text(wanted[name])}`]);
}
const copyOf = (m: Processor): Processor => {
  const { is, memory, tsc, ...state } = m;
  return Object.assign(new Processor(is, tsc, memory), structuredClone(state));
};
/** What the processor has derived for its page tables, as the model says it. */
function pagingOf({ paging: p }: X86Cpu): string {
  const flag = (v: boolean) => v ? 1 : 0;
  return `levels ${p.levels} root ${p.root.toString(16)} pse ${flag(p.pse)} nx ${flag(p.nxe)} wp ${flag(p.wp)} smep ${
    flag(p.smep)
  } keys ${p.userKeys} ${p.systemKeys}`;
}

/** A random instruction; `m` is what it finds. */
function draw(rig: Rig, m: Processor): Act {
  const { random, kind } = rig, mode64 = kind === "64", sixteen = kind === "16" || kind === "real" || kind === "v86";
  const reg = () => random.pick([0, 1, 2, 3, 6, 7]), r = reg(), data16 = random.one(3), prefix = data16 ? [0x66] : [];
  const size = mode64 ? (data16 ? 2 : 4) : sixteen !== data16 ? 2 : 4, rex = mode64 && random.one(3), word = rex ? 8 : size;
  const W = rex ? [0x48] : [], at = random.pick([POINTER, POINTER + 16]), push = mode64 && !data16 ? 8 : size;
  const memory = (field: number) =>
    mode64 ? [field << 3 | 4, 0x25, ...le(BigInt(at), 4)] : sixteen ? [field << 3 | 6, ...le(BigInt(at), 2)] : [
      field << 3 | 5,
      ...le(BigInt(at), 4),
    ];
  const give = (n: number, v: bigint) => {
    m.gpr[n] = mode64 ? v : v & 0xffff_ffffn;
    rig.lab.cpu.window.set(GPR(n), Number(BigInt.asIntN(32, m.gpr[n])), Number(BigInt.asIntN(32, m.gpr[n] >> 32n)));
  };
  /** MOV to and from control and debug registers, those that only REX reaches too. */
  const numbered = (opcode: number, n: number): number[] => [...(n > 7 ? [0x44] : []), 0x0f, opcode, 0xc0 | (n & 7) << 3 | r];
  const control = () => random.one(8) ? random.below(mode64 ? 16 : 8) : random.pick([0, 0, 0, 2, 3, 3, 4, 4, 4, ...(mode64 ? [8] : [])]);
  const debug = () => random.below(mode64 && random.one(6) ? 16 : 8), port = random.pick([0, 7, 0x60, 0xff, random.below(256)]);
  const paged = (m.cr0 & 0x8000_0000) !== 0, ring0 = rig.cpl === 0;
  const rows: Readonly<Record<string, () => Act | undefined>> = {
    "mov r, cr": () => {
      const n = control();
      return { name: `${n}`, bytes: numbered(0x20, n), act: (m) => m.readControl(n, r) };
    },
    "mov cr, r": () => {
      const n = control(), wide = mode64 ? 64 : 32;
      const now = n === 0 ? BigInt(m.cr0 >>> 0) : n === 3 ? m.cr3 : n === 4 ? BigInt(m.cr4 >>> 0) : BigInt(random.below(20));
      let v = rig.near(now, n === 0 || n === 4 ? (random.one(8) ? wide : 32) : wide);
      if (n === 0) v &= random.pick([~0n, ~0x8000_0001n, ~0x8000_0000n]);
      if (n === 0 && random.one(2)) v |= random.pick([0x8000_0001n, 1n]);
      if (n === 3 && random.one(2)) v = BigInt(PDPT_AT + 0x20 * random.below(4 * PDPTES.length));
      if (n === 3 && !mode64) v &= 0x1f_ffffn;
      if (n === 3 && mode64 && random.one(3)) v |= 1n << BigInt(random.pick([39, 40, 62, 63]));
      if (n === 4 && random.one(3)) v ^= random.pick([0x20n, 0x1000n, 0x2_0000n, 0x80n, 0x10n, 0x10_0000n]);
      give(r, v);
      return { name: `${n}, ${v.toString(16)}`, bytes: numbered(0x22, n), act: (m) => m.writeControl(n, r) };
    },
    "mov r, dr": () => {
      const n = debug();
      return { name: `${n}`, bytes: numbered(0x21, n), act: (m) => m.readDebug(n, r) };
    },
    "mov dr, r": () => {
      const n = debug();
      let v = random.bits64() & (random.one(8) ? ~0n : 0xffff_ffffn);
      // What no breakpoint of the next instruction comes from.
      if ((n & 7) === 7 || (n & 7) === 5) v &= ~0xffn;
      give(r, v);
      return { name: `${n}, ${v.toString(16)}`, bytes: numbered(0x23, n), act: (m) => m.writeDebug(n, r) };
    },
    "lmsw": () => {
      give(r, BigInt(random.below(0x1_0000)));
      return { name: "", bytes: [0x0f, 0x01, 0xf0 | r], act: (m) => m.lmsw(m.gpr[r]) };
    },
    "smsw": () => {
      const to = random.one(3) ? undefined : r;
      return {
        name: `${to}`,
        bytes: [...prefix, ...W, 0x0f, 0x01, ...(to === undefined ? memory(4) : [0xe0 | r])],
        act: (m) => m.storeWord("msw", to, word, BigInt(at)),
      };
    },
    "sldt": () => {
      const to = random.one(3) ? undefined : r, what = random.pick(["ldt", "tr"] as const), field = what === "ldt" ? 0 : 1;
      return {
        name: `${what} ${to}`,
        bytes: [...prefix, ...W, 0x0f, 0x00, ...(to === undefined ? memory(field) : [0xc0 | field << 3 | r])],
        act: (m) => m.storeWord(what, to, word, BigInt(at)),
      };
    },
    "clts": () => ({ name: "", bytes: [0x0f, 0x06], act: (m) => m.clts() }),
    "rdmsr": () => {
      give(1, BigInt(random.pick(MSRS)) | (mode64 && random.one(4) ? 5n << 32n : 0n));
      return { name: m.gpr[1].toString(16), bytes: [0x0f, 0x32], act: (m) => m.readMsr() };
    },
    "wrmsr": () => {
      const n = random.one(4) ? 0xc000_0080 : random.pick(MSRS);
      const v = n === 0x277
        ? rig.near(0x0007_0406_0007_0406n, 64)
        : n === 0xc000_0080
        ? rig.near(BigInt(m.efer) ^ random.pick([0n, 0x100n, 1n, 0x800n]), random.one(8) ? 64 : 12)
        : n === 0x10
        ? BigInt(random.below(2 ** 31)) << BigInt(random.below(10))
        : n === 0xc000_0103 || n === 0x6e1
        ? random.bits64() & (random.one(3) ? ~0n : 0xffff_ffffn) & ~3n
        : random.one(3)
        ? random.bits64()
        : rig.address();
      give(0, v & 0xffff_ffffn | (mode64 && random.one(4) ? 7n << 32n : 0n));
      give(2, v >> 32n | (mode64 && random.one(4) ? 9n << 32n : 0n));
      give(1, BigInt(n));
      return { name: `${n.toString(16)}, ${v.toString(16)}`, bytes: [0x0f, 0x30], act: (m) => m.writeMsr() };
    },
    "rdtsc": () => ({ name: "", bytes: [0x0f, 0x31], act: (m) => m.timeStamp("") }),
    "rdtscp": () => ({ name: "", bytes: [0x0f, 0x01, 0xf9], act: (m) => m.timeStamp("p") }),
    "rdpid": () => ({ name: "", bytes: [0xf3, 0x0f, 0xc7, 0xf8 | r], act: (m) => m.rdpid(r) }),
    "rdpmc": () => ({ name: "", bytes: [0x0f, 0x33], act: (m) => m.rdpmc() }),
    "cli": () => ({ name: "", bytes: [0xfa], act: (m) => m.interruptFlag(false) }),
    "sti": () => ({ name: "", bytes: [0xfb], act: (m) => m.interruptFlag(true) }),
    "pushf": () => ({ name: `${push}`, bytes: [...prefix, 0x9c], act: (m) => m.pushFlags(push) }),
    "popf": () => ({ name: `${push}`, bytes: [...prefix, 0x9d], act: (m) => m.popFlags(push) }),
    "iret": () => {
      if (kind !== "real" && kind !== "v86") return undefined;
      return { name: `${size}`, bytes: [...prefix, 0xcf], act: (m) => m.interruptReturn(size) };
    },
    "in": () => {
      const bytes = random.one(3) ? 1 : size, dx = random.one(2), n = dx ? random.pick([port, 0x1f7, 0xffff]) : port;
      if (dx) give(2, BigInt(n));
      const opcode = (dx ? 0xec : 0xe4) | (bytes === 1 ? 0 : 1);
      return { name: `${n}, ${bytes}`, bytes: [...prefix, opcode, ...(dx ? [] : [n])], act: (m) => m.input(n, bytes, fromPort) };
    },
    "out": () => {
      const bytes = random.one(3) ? 1 : size, dx = random.one(2), n = dx ? random.pick([port, 0x1f7, 0xffff]) : port;
      if (dx) give(2, BigInt(n));
      const opcode = (dx ? 0xee : 0xe6) | (bytes === 1 ? 0 : 1);
      return { name: `${n}, ${bytes}`, bytes: [...prefix, opcode, ...(dx ? [] : [n])], act: (m) => m.output(n, bytes) };
    },
    "sgdt": () => {
      const which = random.pick(["gdt", "idt"] as const);
      return {
        name: which,
        bytes: [...prefix, 0x0f, 0x01, ...memory(which === "gdt" ? 0 : 1)],
        act: (m) => m.storeTable(which, BigInt(at)),
      };
    },
    "lgdt": () => {
      const which = random.pick(["gdt", "idt"] as const);
      if (mode64) rig.lab.machine.bus.writeBytes(at + 2, Uint8Array.of(...le(rig.address(), 8)));
      return {
        name: which,
        bytes: [...prefix, 0x0f, 0x01, ...memory(which === "gdt" ? 2 : 3)],
        act: (m) => m.loadTable(which, BigInt(at), size),
      };
    },
    "xgetbv": () => {
      give(1, random.one(4) ? 1n : 0n);
      return { name: "", bytes: [0x0f, 0x01, 0xd0], act: (m) => m.xgetbv() };
    },
    "xsetbv": () => {
      give(1, random.one(8) ? 1n : 0n);
      give(2, random.one(8) ? 1n : 0n);
      give(0, BigInt(random.pick([1, 3, 0x203, 0x201, 3, 1, 0, 2, 5, 0x207])));
      return { name: "", bytes: [0x0f, 0x01, 0xd1], act: (m) => m.xsetbv() };
    },
    "rdpkru": () => {
      give(1, random.one(4) ? 1n : 0n);
      return { name: "", bytes: [0x0f, 0x01, 0xee], act: (m) => m.keys(false) };
    },
    "wrpkru": () => {
      give(1, random.one(6) ? 1n : 0n);
      give(2, random.one(6) ? 1n : 0n);
      return { name: "", bytes: [0x0f, 0x01, 0xef], act: (m) => m.keys(true) };
    },
    "clac": () => {
      const to = random.one(2);
      return { name: `${to}`, bytes: [0x0f, 0x01, to ? 0xcb : 0xca], act: (m) => m.accessFlag(to) };
    },
    "swapgs": () => ({ name: "", bytes: [0x0f, 0x01, 0xf8], act: (m) => mode64 ? m.swapGs() : m.unknown() }),
    "rdfsbase": () => {
      const n = random.below(2), write = random.one(2), operand = rex ? 8 : 4;
      if (write && mode64) give(r, rig.address());
      return {
        name: `${n} ${write}`,
        bytes: [0xf3, ...W, 0x0f, 0xae, 0xc0 | (n | (write ? 2 : 0)) << 3 | r],
        act: (m) => mode64 ? m.base(n ? GS : FS, write, r, operand) : m.unknown(),
      };
    },
    "invpcid": () => {
      give(r, mode64 ? BigInt(random.pick([0, 0, 1, 2, 3, 4])) : BigInt(random.pick([0, 1, 2, 3, 4])));
      const address = mode64 ? rig.address() : 0x1234n, pcid = random.pick([0n, 0n, 5n, 0xfffn, 0x1000n, 1n << 32n]);
      rig.lab.machine.bus.writeBytes(at, Uint8Array.of(...le(pcid, 8), ...le(address, 8)));
      return { name: "", bytes: [0x66, 0x0f, 0x38, 0x82, ...memory(r)], act: (m) => m.invpcid(r, BigInt(at)) };
    },
    "invlpg": () => ({ name: "", bytes: [0x0f, 0x01, ...memory(7)], act: (m) => m.nothing() }),
    "wbinvd": () => ({ name: "", bytes: [0x0f, random.pick([0x08, 0x09])], act: (m) => m.nothing() }),
    "monitor": () => ({ name: "", bytes: [0x0f, 0x01, random.pick([0xc8, 0xc9])], act: (m) => m.unknown() }),
    "syscall": () => ({ name: "", bytes: [0x0f, 0x05], act: (m) => m.syscall(BigInt(CODE_AT + 2)) }),
    "sysret": () => {
      if (mode64) give(1, rig.address());
      give(11, m.gpr[11] & ~0x100n);
      return { name: `${rex}`, bytes: [...W, 0x0f, 0x07], act: (m) => m.sysret(rex ? 8 : 4) };
    },
    "sysenter": () => ({ name: "", bytes: [0x0f, 0x34], act: (m) => m.sysenter() }),
    "sysexit": () => {
      if (mode64 && random.one(2)) [give(1, rig.address()), give(2, rig.address())];
      return { name: `${rex}`, bytes: [...W, 0x0f, 0x35], act: (m) => m.sysexit(rex ? 8 : 4) };
    },
  };
  const often = ring0
    ? ["mov cr, r", "mov cr, r", "mov cr, r", "mov cr, r", "wrmsr", "wrmsr", "wrmsr", "mov dr, r"]
    : ["in", "out", "popf"];
  if (kind === "v86" || kind === "real") often.push("iret", "pushf");
  for (;;) {
    const name = random.pick([...Object.keys(rows), ...often]), act = rows[name]();
    if (act) return { ...act, name: `${name} ${act.name}`.trim() + (paged ? "" : ", unpaged") };
  }
}

/** How often each has to succeed; all but those of FAULTLESS have to fault as often. */
const LEAST = 4, FAULTLESS = /^(rdpid|pushf|iret)$/, HOPELESS = /^(rdpmc|monitor)$/;

Deno.test("x86 system instructions are what the slow model says", async () => {
  const seen = new Map<string, number>(), wrong: string[] = [];
  for (const set of [{}, { "cpu.features": ["-la57"] }]) {
    const lab = await Lab.make("interp", "m.toml", { "cpu.model": "max", ...set }), rig = new Rig(lab, !("cpu.features" in set));
    const { machine, cpu } = lab, { bus } = machine;
    for (const [kind, cpl] of KINDS) {
      lab.prepare(kind === "compat" ? "64" : kind, cpl);
      Object.assign(rig, { kind, cpl });
      rig.random.state = cpl + 4 * KINDS.findIndex(([k]) => k === kind) + (rig.wide ? 0 : 999);
      rig.tables();
      const begin = cpu.save(), clean = bus.readBytes(0, 0x9000), count = CASES / (rig.wide ? 1 : 3) / (cpl && kind !== "v86" ? 3 : 1);
      for (let n = 0; n < count; n++) {
        bus.writeBytes(0, clean);
        cpu.load(begin);
        rig.fill();
        rig.ports = [];
        rig.raised = "";
        // The clock is what it is when the instruction has begun.
        let memory = clean;
        const m = rig.observe((at) => at < memory.length ? memory[at] : bus.read(at, 1), cpu.config.tsc());
        const act = draw(rig, m);
        lab.start(act.bytes);
        memory = bus.readBytes(0, 0x9000);
        m.ip = BigInt(CODE_AT);
        const before = copyOf(m);
        let want = "ok";
        try {
          act.act(m);
          if (m.ip === BigInt(CODE_AT)) m.ip += BigInt(act.bytes.length);
        } catch (e) {
          if (!(e instanceof Fault)) throw e;
          want = `fault ${e.vector} ${e.code}`;
        }
        machine.run(machine.clock.ticks + 1);
        const where = `${kind}, CPL ${cpl}, case ${n}: ${act.name}${rig.intel ? ", Intel" : ""}, without ${[...rig.missing]}`;
        const got = rig.raised || "ok", outcome = `${act.name.replace(/ (?!r\b|[cd]r\b).*|,(?! [rcd]).*/, "")} ${want.replace(/ .*/, "")}`;
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        if (got !== want) {
          wrong.push(`${where}: ${got}, not ${want}`);
          continue;
        }
        const wanted = want === "ok" ? m : before;
        for (const difference of differences(rig.observe(() => 0, 0), wanted)) wrong.push(`${where}: ${difference}`);
        if (pagingOf(cpu) !== wanted.paging) wrong.push(`${where}: ${pagingOf(cpu)}, not ${wanted.paging}`);
        if (want === "ok") { for (const [at, v] of Object.entries(m.written)) memory[Number(at)] = v; }
        const now = bus.readBytes(0, 0x9000);
        let differs = 0;
        while (differs < now.length && now[differs] === memory[differs]) differs++;
        if (differs < now.length) wrong.push(`${where}: memory at ${differs.toString(16)} is ${now[differs]}, not ${memory[differs]}`);
        wrong.push(...stale(cpu).map((text) => `${where}: ${text}`));
      }
    }
  }
  assertEquals(wrong.slice(0, 12), []);
  const names = new Set([...seen.keys()].map((key) => key.replace(/ \w+$/, "")));
  const rare = [...names].filter((name) =>
    (!HOPELESS.test(name) && (seen.get(`${name} ok`) ?? 0) < LEAST) || (!FAULTLESS.test(name) && (seen.get(`${name} fault`) ?? 0) < LEAST)
  );
  assertEquals(rare, [], `too few of them: ${[...seen].join(" ")}`);
});

/** What the processor derives from its state when some of it changes: words, and then its slots. */
function derivedFrom(cpu: X86Cpu): Int32Array {
  const { registers } = cpu.save() as { registers: Uint8Array }, { lma, code64, protectedMode, v86 } = cpu.modes;
  const slots = new Int32Array(registers.buffer, registers.byteOffset, registers.length >> 2), all = new Int32Array(slots.length + 3);
  all.set(slots, 3);
  all.set([cpu.mode(), cpu.regime() % 4, [lma, code64, protectedMode, v86, cpu.physical].reduce((sum, on) => 2 * sum + Number(on), 0)]);
  return all;
}

/** What it has derived and another one, that is given its state, derives in another way. */
function stale(cpu: X86Cpu): string[] {
  const derived = derivedFrom(cpu), wrong: string[] = [];
  cpu.load(cpu.save());
  const again = derivedFrom(cpu);
  for (let n = 0; n < again.length; n++) {
    if (derived[n] !== again[n]) wrong.push(`${n} is ${derived[n]}; of a processor that is given this state it is ${again[n]}`);
  }
  return wrong;
}

/** Where each bit is looked at: the mode, and its page tables. */
const PLACES: readonly (readonly [kind: Kind, tables: string])[] = [["real", ""], ["32", ""], ["32", "pae"], ["32", "wide"], ["64", ""], [
  "64",
  "five",
], ["compat", ""]];
const ADDRESSES = [0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102];

Deno.test("each bit of x86's control registers, of MSRs and of PDPTEs is what the slow model says", async () => {
  const wrong: string[] = [], outcomes = { ok: 0, fault: 0 };
  for (const set of [{}, { "cpu.features": ["-la57"] }]) {
    const lab = await Lab.make("interp", "m.toml", { "cpu.model": "max", ...set }),
      rig = new Rig(lab, !("cpu.features" in set)),
      { cpu } = lab;
    for (const [place, [kind, tables]] of PLACES.entries()) {
      if (tables === "five" && !rig.wide || !rig.wide && kind !== "64") continue;
      lab.prepare(kind === "compat" ? "64" : kind, 0);
      Object.assign(rig, { kind, cpl: 0 });
      rig.random.state = place;
      rig.tables();
      rig.fill(tables);
      const start = cpu.save(), { i32 } = cpu.env, bits = kind === "64" ? 64n : 32n, { s } = cpu;
      const again = () => cpu.load(start);
      /** Calls a helper, and the model, from the state that is there, and goes back to the first. */
      const attempt = (what: string, helper: typeof SYSTEM_HELPERS[number], args: readonly bigint[], act: (m: Processor) => void): void => {
        // What is not in memory holds no table.
        const m = rig.observe((at) => at < 0x20_0000 ? lab.machine.bus.read(at, 1) : 0, cpu.config.tsc()),
          before = copyOf(m);
        for (const [n, v] of args.entries()) {
          i32[(ARG >> 2) + 2 * n] = Number(BigInt.asIntN(32, v));
          i32[(ARG >> 2) + 2 * n + 1] = Number(BigInt.asIntN(32, v >> 32n));
        }
        let want = "ok";
        try {
          act(m);
        } catch (e) {
          if (!(e instanceof Fault)) throw e;
          want = `fault ${e.vector} ${e.code}`;
        }
        const status = cpu.helpers[SYSTEM_HELPERS.indexOf(helper)].run(), where = `${kind} ${tables}: ${what}`;
        const got = status === FAULT ? `fault ${cpu.faults.vector} ${cpu.faults.errorCode}` : "ok", wanted = want === "ok" ? m : before;
        outcomes[want === "ok" ? "ok" : "fault"]++;
        if (got !== want) wrong.push(`${where}: ${got}, not ${want}`);
        for (const difference of differences(rig.observe(() => 0, 0), wanted)) wrong.push(`${where}: ${difference}`);
        if (pagingOf(cpu) !== wanted.paging) wrong.push(`${where}: ${pagingOf(cpu)}, not ${wanted.paging}`);
        if (helper === "writeDr") wrong.push(...stale(cpu).map((text) => `${where}: ${text}`));
        again();
      };
      /** The helper finds its operand in its argument, the model in a register. */
      const operand = (v: bigint, act: (m: Processor) => void) => (m: Processor) => {
        const [rax] = m.gpr;
        m.gpr[0] = v;
        try {
          act(m);
        } finally {
          m.gpr[0] = rax;
        }
      };
      const control = (n: number, v: bigint) =>
        attempt(`cr${n} = ${v.toString(16)}`, "writeCr", [BigInt(n), v], operand(v, (m) => m.writeControl(n, 0)));
      const msr = (number: number, v: bigint) => {
        for (const [n, half] of [v, BigInt(number), v >> 32n].entries()) cpu.window.set(GPR(n), Number(BigInt.asIntN(32, half)), 0);
        attempt(`msr ${number.toString(16)} = ${v.toString(16)}`, "wrmsr", [], (m) => m.writeMsr());
      };
      /** Another state to begin with. */
      const from = (change: Partial<typeof s>) => {
        Object.assign(s, change);
        cpu.derived.reload();
      };
      const [cr0, cr4, cr3] = [s.cr0, s.cr4, s.cr3Lo].map((v) => BigInt(v >>> 0));
      if (rig.wide) {
        for (let bit = 0n; bit < bits; bit++) {
          control(0, cr0 ^ 1n << bit);
          control(3, cr3 ^ 1n << bit);
          control(4, cr4 ^ 1n << bit);
          control(8, 1n << bit);
        }
        // From a state in which each of them is set.
        for (const bit of [7, 11, 16, 18, 20, 21, 22, 24]) {
          from({ cr4: s.cr4 | 1 << bit });
          control(4, BigInt((s.cr4 ^ 1 << bit) >>> 0));
        }
        for (let bit = 0n; bit < 36n; bit++) msr(0xc000_0080, BigInt(cpu.window.efer) ^ 1n << bit);
      }
      if (kind === "64") {
        for (let bit = 0n; bit < 64n; bit++) for (const number of [...ADDRESSES, 0xc000_0103, 0x6e1, 0x174, 0x277]) msr(number, 1n << bit);
        for (const number of ADDRESSES) for (let bit = 40n; bit < 64n; bit++) msr(number, BigInt.asUintN(64, -1n << bit));
        for (let bit = 0n; bit < 64n; bit++) {
          for (const n of [0, 2, 3, 6, 7]) {
            attempt(`dr${n}, bit ${bit}`, "writeDr", [BigInt(n), 1n << bit], operand(1n << bit, (m) => m.writeDebug(n, 0)));
          }
          from({ dr7: 0x400 | (bit & 1n ? 3 : 1) << 16 | 1 });
          attempt(`dr7 without breakpoints, bit ${bit}`, "writeDr", [7n, 1n << bit], operand(1n << bit, (m) => m.writeDebug(7, 0)));
          for (const [n, half] of [1n | 1n << bit, 0n, (1n | 1n << bit) >> 32n].entries()) {
            cpu.window.set(GPR(n), Number(BigInt.asIntN(32, half)), 0);
          }
          attempt(`xcr0, bit ${bit}`, "xsetbv", [], (m) => m.xsetbv());
        }
        // PCIDs begin with 0 in CR3; with them its bit 63 is no part of the address.
        for (const low of [0, 1, 1 << 11]) {
          from({ cr3Lo: s.cr3Lo & ~0xfff | low, cr4: s.cr4 & ~0x2_0000 });
          control(4, BigInt(s.cr4 >>> 0) | 0x2_0000n);
          from({ cr3Lo: s.cr3Lo & ~0xfff | low, cr4: s.cr4 | 0x2_0000 });
          control(3, 1n << 63n | cr3);
        }
      }
      // Fast system calls of both makers, from anywhere.
      for (let n = 0; n < 96; n++) {
        rig.fill(tables);
        rig.intel = (n & 4) !== 0;
        for (const register of [1, 2]) {
          const v = kind === "64" && rig.random.one(3) ? rig.address() : BigInt(rig.random.bits());
          cpu.window.set(GPR(register), Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n)));
        }
        cpu.window.set(GPR(11), rig.random.bits() & ~0x100, kind === "64" ? rig.random.bits() | 0 : 0);
        const next = kind === "64" ? 0x7f12_3456_789an : 0x1234n,
          linear = kind === "64" ? next : next + BigInt(cpu.segments.baseLo(CS) >>> 0);
        const size = kind === "64" && n & 8 ? 8 : 4, name = (["syscall", "sysret", "sysenter", "sysexit"] as const)[n & 3];
        const acts = {
          syscall: (m: Processor) => m.syscall(next),
          sysret: (m: Processor) => m.sysret(size),
          sysenter: (m: Processor) => m.sysenter(),
          sysexit: (m: Processor) => m.sysexit(size),
        };
        attempt(`${name} ${size}${rig.intel ? ", Intel" : ""}`, name, [
          name.endsWith("ret") || name === "sysexit" ? BigInt(size) : 0n,
          linear,
        ], acts[name]);
      }
      cpu.load(start);
      // PAE's PDPTEs are loaded with CR3, with paging, and with each bit of CR4 that says so (4.4.1); never else.
      if (tables !== "pae") continue;
      for (let form = 0; form < 4 * PDPTES.length; form++) {
        const at = PDPT_AT + 0x20 * form;
        control(3, BigInt(at));
        from({ cr3Lo: at, cr0: s.cr0 & 0x7fff_ffff });
        control(0, BigInt(s.cr0 >>> 0) | 0x8000_0000n);
      }
      for (const form of [4, 12]) {
        for (const bit of [2, 3, 4, 6, 7, 8, 9, 10, 11, 16, 18, 20, 21, 22]) {
          from({ cr3Lo: PDPT_AT + 0x20 * form });
          control(4, BigInt((s.cr4 ^ 1 << bit) >>> 0));
        }
        from({ cr3Lo: PDPT_AT + 0x20 * form, cr4: s.cr4 & ~0x20 });
        control(4, BigInt(s.cr4 >>> 0) | 0x20n);
      }
    }
  }
  assertEquals(wrong.slice(0, 12), []);
  assert(outcomes.ok > 3000 && outcomes.fault > 2000, JSON.stringify(outcomes));
});

Deno.test("power on and INIT leave what table 9-1 says, whatever was there before", async () => {
  const lab = await Lab.make("interp", "m.toml", { "cpu.model": "max" }), rig = new Rig(lab, true), { cpu } = lab, { random } = rig;
  const units = [
    FPU_CW,
    FPU_SW,
    FPU_TOP,
    FPU_EMPTY,
    MXCSR,
    FPU_OPCODE,
    ...[0, 5, 7].map((n) => FPU_REG(n)),
    ...[0, 8, 15].map((n) => XMM(n)),
  ];
  const fpu = () => units.map((slot) => cpu.window.lo(slot));
  const segment = (selector: number, base: bigint, attr: number) => ({ selector, base, limit: 0xffff, attr });
  for (const [place, [kind, cpl]] of KINDS.entries()) {
    for (let n = 0; n < 8; n++) {
      lab.prepare(kind === "compat" ? "64" : kind, cpl);
      Object.assign(rig, { kind, cpl });
      rig.random.state = 8 * place + n;
      rig.tables();
      rig.fill();
      for (const slot of units) cpu.window.setLo(slot, random.bits() & 0xffff);
      const lines = { nmiLine: random.one(2), a20: random.one(2), ignne: random.one(2) }, intr = random.one(2), start = cpu.config.reset;
      Object.assign(cpu.s, lines, {
        nmi: true,
        nmiMasked: random.one(2),
        waiting: random.one(2),
        shadowAt: cpu.env.instructions(),
        debugDue: 0x4000,
      });
      cpu.window.intr = intr;
      const before = rig.observe(() => 0, 0), units1 = fpu(), on = n % 2 === 0;
      if (on) reset(cpu);
      else init(cpu);
      const after = rig.observe(() => 0, 0), cs = on ? start.segment : 0xf000;
      const code = segment(cs, cs === 0xf000 ? 0xffff_0000n : BigInt(cs << 4), 0x9300), data = segment(0, 0n, 0x9300);
      const zero = {
        sysenterCs: 0,
        sysenterEsp: 0n,
        sysenterEip: 0n,
        star: 0n,
        lstar: 0n,
        cstar: 0n,
        fmask: 0,
        kernelGs: 0n,
        tscAux: 0,
        xcr0: 1,
      };
      const { pkru, pkrs, msrs, tscOffset } = before;
      const wanted = Object.assign(copyOf(after), {
        gpr: Array.from({ length: 16 }, (_, r) => r === 2 ? BigInt(cpu.config.model.signature) : 0n),
        ip: BigInt(on ? start.offset : 0xfff0),
        flags: 2,
        cpl: 0,
        segments: [data, code, data, data, data, data, segment(0, 0n, 0x8200), segment(0, 0n, 0x8b00)],
        ...{ cr0: on ? 0x6000_0010 : 0x10 | before.cr0 & 0x6000_0000, cr2: 0n, cr3: 0n, cr4: 0, cr8: 0, efer: 0 },
        ...{ dr: [0n, 0n, 0n, 0n], dr6: 0xffff_0ff0, dr7: 0x400, gdt: { base: 0n, limit: 0xffff }, idt: { base: 0n, limit: 0xffff } },
        ...{ shadow: false, stackShadow: false },
        // The counter, the protection keys and the memory types are not INIT's.
        ...(on ? { ...zero, pkru: 0, pkrs: 0, msrs: {}, tscOffset: 0 } : { pkru, pkrs, msrs, tscOffset }),
      });
      const where = `${on ? "power on" : "INIT"} in ${kind}, CPL ${cpl}`, { s } = cpu;
      assertEquals(differences(after, wanted), [], where);
      assertEquals(fpu(), on ? units.map((slot) => slot === FPU_CW ? 0x40 : slot === MXCSR ? 0x1f80 : 0) : units1, where);
      const { nmiLine, a20, ignne } = s;
      assertEquals([{ nmiLine, a20, ignne }, cpu.window.intr], [lines, intr], "wires keep their levels");
      assertEquals([s.nmi, s.nmiMasked, s.waiting, s.debugDue, s.parked], [false, false, false, 0, false], where);
      assertEquals(stale(cpu), [], where);
    }
  }
});
