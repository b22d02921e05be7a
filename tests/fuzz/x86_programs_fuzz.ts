// Whole x86 programs, the interpreter against the JIT: loops, calls and returns, faults, interrupts and single steps at any instruction, code
// that changes itself, pages that are remapped, repeated string instructions, the time-stamp counter, a device; in real mode, in 32-bit
// protected mode with and without paging, and in long mode; at privilege 0 and 3. Run at several thresholds and with each pass off, cut into
// random slices. A program is chunks of 64 bytes; the handler of a fault or interrupt goes on at the next chunk.
// Usage: deno run -A tests/fuzz/x86_programs_fuzz.ts [--cases INSTRUCTIONS] [--seed S] [--mode real|flat|paged|long]
import { parseArgs } from "@std/cli";
import { Bus } from "../../src/core/bus.ts";
import { Engine, type EngineOptions, loadJit } from "../../src/engine/engine.ts";
import { JIT_OPTIONS, type JitOption } from "../../src/engine/jit_options.ts";
import { X86Cpu } from "../../src/x86/cpu.ts";
import { modelByName } from "../../src/x86/cpuid.ts";
import { OK } from "../../src/x86/decode.ts";
import { disassemble } from "../../src/x86/disasm.ts";
import { type Encoding, randomInstruction } from "../../src/x86/encode.ts";
import { Insn, type Row, STRING } from "../../src/x86/insn.ts";
import { x86Table } from "../../src/x86/instruction_set.ts";
import { CR0_AM, CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_OSFXSR, CR4_PAE, CR4_PSE } from "../../src/x86/registers.ts";
import { EFER_LMA, EFER_LME, EFER_NXE } from "../../src/x86/registers.ts";
import {
  BIG,
  CODE,
  CS,
  DS,
  ES,
  FS,
  GRANULAR,
  GS,
  LONG,
  PRESENT,
  READABLE,
  REAL_DATA,
  S,
  SS,
  TR,
  WRITABLE,
} from "../../src/x86/segments.ts";
import { TIGHT_INTERPRETERS, TIGHT_JITS } from "../limits.ts";
import { Random } from "./random.ts";
import { suitableRows } from "./x86_rows_fuzz.ts";

await loadJit();

/** Memory: tables and handlers, counters of loops, the program and another one like it, data, page tables. Above it are an alias of it and a device. */
const RAM_BYTES = 0xa_0000, IDT = 0x1000, GDT = 0x2000, TSS = 0x2100, HANDLERS = 0x3000, STACK_TOP = 0x8000, COUNTERS = 0x9000;
const TEXT = 0x1_0000, CHUNK = 64, SHADOW = 0x1_8000, DATA = 0x4_0000, DATA_PAGES = 16, TABLES = 0x8_0000, LOW = 0x8_3000;
const ALIAS = 0x100_0000, DEVICE = 0x20_0000, PAGE = 4096;
/** Selectors: code and data of privilege 0 and 3, the task. */
const CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23, TASK = 0x28;
/** Vectors: the wire's interrupt, and the system call that moves pages. */
const WIRE = 0x40, CALL = 0x80;
/** Exceptions behind which a program goes on where it is: traps. */
const TRAPS = [1, 2, 3, 4];
const ERROR_CODES = [8, 10, 11, 12, 13, 14, 17];

const MODES = ["real", "flat", "paged", "long"] as const;
type Mode = typeof MODES[number];
type Width = 16 | 32 | 64;
const WIDTH: Readonly<Record<Mode, Width>> = { real: 16, flat: 32, paged: 32, long: 64 };

const le = (value: number, bytes: number) => Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
const le32 = (value: number) => le(value >>> 0, 4);

// --- the kernel
/** Goes on at the chunk behind the return address, or at the program's start when that is elsewhere. */
function nextChunk(width: Width, bytes: number): number[] {
  if (width === 16) {
    // push bp; mov bp, sp; push ax; mov ax, [bp+2]; or ax, 63; inc ax; cmp ax, bytes; jb +2; xor ax, ax; mov [bp+2], ax; mov [bp+4], TEXT / 16; pop; pop; iret
    return [
      ...[0x55, 0x89, 0xe5, 0x50, 0x8b, 0x46, 2, 0x83, 0xc8, 63, 0x40, 0x3d, ...le(bytes, 2), 0x72, 2, 0x31, 0xc0, 0x89, 0x46, 2],
      ...[0xc7, 0x46, 4, ...le(TEXT / 16, 2), 0x58, 0x5d, 0xcf],
    ];
  }
  const w = width === 64 ? [0x48] : [], at = width / 8;
  // push rax; mov rax, [rsp+at]; or rax, 63; inc rax; cmp rax, end; jae 1f; cmp rax, TEXT; jae 2f; 1: mov eax, TEXT; 2: mov [rsp+at], rax; pop rax; iret
  const compare = [...w, 0x3d, ...le32(TEXT)], start = [0xb8, ...le32(TEXT)];
  return [
    ...[0x50, ...w, 0x8b, 0x44, 0x24, at, ...w, 0x83, 0xc8, 63, ...w, 0xff, 0xc0, ...w, 0x3d, ...le32(TEXT + bytes)],
    ...[0x73, compare.length + 2, ...compare, 0x73, start.length, ...start, ...w, 0x89, 0x44, 0x24, at, 0x58, ...w, 0xcf],
  ];
}

/** Where each vector's handler is, and their code. */
function handlers(mode: Mode, bytes: number): { readonly code: number[]; readonly of: (vector: number) => number } {
  const width = WIDTH[mode], w = width === 64 ? [0x48] : [], skip = nextChunk(width, bytes), back = [...w, 0xcf];
  // The system call: bit 0 of entry (eax & 31) of the page table changes, and the translation is dropped by INVLPG or, if bit 8 is set, by CR3.
  const entry = width === 64 ? 8 : 4, page = Math.log2(PAGE / entry);
  const call = mode !== "long" && mode !== "paged" ? back : [
    ...[0x50, 0x51, 0x89, 0xc1, 0x83, 0xe0, 31], // push rax; push rcx; mov ecx, eax; and eax, 31
    ...[0xc1, 0xe0, Math.log2(entry)], // shl eax, entry
    ...[0x05, ...le32(LOW + DATA / PAGE * entry)], // add eax, the entry of the first data page
    ...[0x83, 0x30, 1], // xor dword [eax], 1
    ...[0x2d, ...le32(LOW), 0xc1, 0xe0, page], // sub eax, LOW; shl eax: the page's address
    ...[0x0f, 0x01, 0x38], // invlpg [eax]
    ...[0xf6, 0xc5, 1, 0x74, 6, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8], // test ch, 1; jz +6; mov rax, cr3; mov cr3, rax
    ...[0xf6, 0xc5, 2, 0x74, 6 + 2 + 5], // test ch, 2: the program's first pages change place with the other program's
    ...[0xb8, ...le32(LOW + TEXT / PAGE * entry), 0x81, 0x30, ...le32(TEXT ^ SHADOW), 0x31, 0xc0], // mov eax, entry; xor dword [eax], TEXT ^ SHADOW; xor eax, eax
    ...[0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8], // mov rax, cr3; mov cr3, rax
    ...[0x59, 0x58, ...back],
  ];
  const code = [...skip, ...back, ...call],
    places = { skip: HANDLERS, back: HANDLERS + skip.length, call: HANDLERS + skip.length + back.length };
  const error = HANDLERS + code.length;
  // add rsp, bytes of the error code; then as without one
  const drop = [...w, 0x83, 0xc4, width / 8, 0xe9];
  code.push(...drop, ...le32(places.skip - (error + drop.length + 4)));
  return {
    code,
    of: (v) =>
      TRAPS.includes(v) ? places.back : v === CALL ? places.call : mode !== "real" && ERROR_CODES.includes(v) ? error : places.skip,
  };
}

// --- programs
interface Program {
  readonly mode: Mode;
  readonly user: boolean;
  readonly text: Uint8Array;
  readonly shadow: Uint8Array;
}

/** Rows of a width that programs are made of. */
function rowsFor(code: Width): Row[] {
  const options = { segmented: false, cases: 0, length: 1, rows: /./, command: "", seed: 0 };
  const rows = code === 16
    ? suitableRows({ ...options, code: 32 }).filter((r) => r.map < 5 && !r.only64)
    : suitableRows({ ...options, code });
  // Programs set these with values that let them go on.
  return rows.filter((r) => !/^(fxam|enter|leave|retn?|emms)$/.test(r.mnemonic));
}

/** Accesses of all sizes: prefixes, whether REX.W comes behind them, opcode, and what the register field must be; the rows that load the x87 pop it again. */
const ACCESSES: readonly (readonly [prefixes: number[], wide: boolean, opcode: number[], register?: number])[] = [
  ...[0x88, 0x8a, 0x00, 0x02, 0x86].map((op) => [[], false, [op]] as const),
  ...[0x89, 0x8b, 0x01, 0x03, 0x31, 0x87].flatMap((op) => [[[0x66], false, [op]], [[], false, [op]], [[], true, [op]]] as const),
  ...[0xb6, 0xb7, 0xbe, 0xbf].map((op) => [[], false, [0x0f, op]] as const),
  ...[[], [0x66]].flatMap((p) => [[[0xf0, ...p], false, [0x0f, 0xc1]], [[0xf0, ...p], false, [0x0f, 0xb1]]] as const),
  [[0xf0], true, [0x0f, 0xc1]],
  [[0xf0], false, [0x0f, 0xc7], 1],
  ...[[], [0xf3], [0xf2], [0x66]].flatMap((p) => [[p, false, [0x0f, 0x10]], [p, false, [0x0f, 0x11]]] as const),
  ...[0x6f, 0x7f, 0x7e].map((op) => [[0xf3], false, [0x0f, op]] as const),
  [[0x66], false, [0x0f, 0xd6]],
].map((row) => row as [number[], boolean, number[], number?]);

class Writer {
  readonly #insn = new Insn();
  constructor(readonly r: Random, readonly mode: Mode, readonly user: boolean, readonly rows: readonly Row[], readonly chunks: number) {}
  get width(): Width {
    return WIDTH[this.mode];
  }
  /** An address in the data as the program sees it, near the end of a page more often than not. */
  pointer(): number {
    const { r } = this,
      page = DATA + PAGE * r.below(DATA_PAGES),
      at = page + (r.one(3) ? PAGE - r.below(40) : r.below(PAGE) & (r.one(3) ? -1 : -8));
    if (this.mode === "real") return at & 0xffff;
    if (r.one(24)) return r.pick([0, DEVICE + 4 * r.below(8), RAM_BYTES + 64, 0x7000_0000]);
    return (this.mode === "paged" || this.mode === "long") && r.one(4) ? at + ALIAS : at;
  }
  /** Accesses off one register on either side of a page's end and across it, again and again. */
  straddle(): number[] {
    const { r, width } = this, base = r.pick([3, 6, 7]), counter = COUNTERS + 4 * r.below(64), absolute = width === 64 ? [0x25] : [];
    const page = DATA + PAGE * (1 + r.below(DATA_PAGES - 1)) + (this.mode !== "flat" && r.one(4) ? ALIAS : 0);
    // Each once where it is in one page and once where it may cross: compiled code then knows either page.
    const body = Array.from({ length: 1 + r.below(3) }, () => {
      const [prefixes, wide, opcode, register] = r.pick(ACCESSES), modrm = 0x40 | (register ?? r.below(3)) << 3 | base;
      const at = (offset: number) => [...prefixes, ...(wide && width === 64 ? [0x48] : []), ...opcode, modrm, offset & 0xff];
      return [...at(r.one(4) ? -16 - r.below(16) : 8 + r.below(8)), ...at(r.below(16) - 8)];
    }).flat();
    // The same access goes from one page into the other: inc or dec of the base.
    if (r.one(2)) body.push(0xff, (r.one(3) ? 0xc0 : 0xc8) | base);
    const address = [0x04 | (width === 64 ? 0 : 1), ...absolute, ...le32(counter)];
    const down = [0x83, address[0] | 0x28, ...address.slice(1), 1], back = body.length + down.length + 2;
    return [
      ...[...this.move(base, page - r.below(8)), ...body, ...down, 0x75, -back & 0xff],
      ...[0xc7, ...address, ...le32(2 + r.below(20))],
    ];
  }
  /** mov r, imm: registers that are not the stack pointer more often than not. */
  move(register: number, value: number): number[] {
    return this.width === 16 ? [0xb8 + register, ...le(value & 0xffff, 2)] : [0xb8 + register, ...le32(value)];
  }
  chunk(n: number): number {
    return (this.mode === "real" ? 0 : TEXT) + CHUNK * n;
  }
  /** Instructions of a row, made to access the data and to jump to chunks; at `at` from the program's start. */
  random(at: number): number[] {
    const { r, width } = this, row = r.pick(this.rows), e = randomInstruction(row, width, r.unit, r.one(2)), i = this.#insn;
    this.#aim(e, at);
    if (x86Table().decode(i, Uint8Array.from([...e.bytes, ...new Array(15).fill(0x90)]), 0, 15, width, this.mode !== "real") !== OK) {
      return [];
    }
    if (i.length !== e.bytes.length || i.row.cpl0) return [];
    // Repeated ones would go on for ever.
    if (i.rep || i.operands.some((o) => o.kind === STRING)) {
      return [...this.move(1, r.below(40)), ...this.move(6, this.pointer()), ...this.move(7, this.pointer()), ...e.bytes];
    }
    return e.bytes;
  }
  #aim(e: Encoding, at: number): void {
    const { r, width } = this, { bytes } = e;
    const put = (from: number, value: number, n: number) =>
      le(value < 0 ? value + 2 ** (8 * n) : value, n).forEach((b, k) => bytes[from + k] = b);
    if (e.displacement >= 0) {
      const size = Math.min(4, bytes.length - e.displacement), to = this.pointer();
      // Relative to RIP or absolute: both hit the data now and then.
      put(e.displacement, width === 64 && r.one(2) ? to - TEXT - at - bytes.length : to, width === 16 ? Math.min(2, size) : size);
    }
    if (e.relative >= 0) {
      const end = at + bytes.length,
        far = e.relativeBytes > 1,
        unconditional = bytes[e.relative - 1] === 0xeb || bytes[e.relative - 1] === 0xe9;
      const here = Math.floor(at / CHUNK),
        to = far ? r.below(this.chunks) : Math.max(0, here + r.pick(unconditional ? [1] : [-1, 0, 1, 1]));
      put(e.relative, CHUNK * to - end, e.relativeBytes);
    }
  }
  /** One of the things that only whole programs have. */
  special(at: number): number[] {
    const { r, width } = this, real = width === 16, here = Math.floor(at / CHUNK), to = this.chunk(r.below(this.chunks));
    const absolute = width === 64 ? [0x04, 0x25] : real ? [0x06] : [0x05];
    const address = (a: number) => real ? le(a & 0xffff, 2) : le32(a);
    switch (r.below(13)) {
      case 0: // A loop over the last chunks: its counter is in memory, and set again behind it.
      case 1:
      case 2: {
        const counter = COUNTERS + 4 * r.below(64), rounds = 2 + r.below(60), size = real ? 2 : 4;
        if (real) return [...this.move(1, rounds), 0xe2, 0xfe]; // mov cx; loop to itself
        const down = [0x83, absolute[0] | 0x28, ...absolute.slice(1), ...address(counter), 1],
          back = CHUNK * Math.max(0, here - r.below(3));
        return [...down, 0x0f, 0x85, ...le32(back - at - down.length - 6), 0xc7, ...absolute, ...address(counter), ...le(rounds, size)];
      }
      case 3: // A call, and in one of them the return.
        return real ? [0xe8, ...le(CHUNK * r.below(this.chunks) - at - 3, 2)] : [0xe8, ...le32(CHUNK * r.below(this.chunks) - at - 5)];
      case 4:
        return [0xc3];
      case 5: // A computed jump or call.
        return [...this.move(3, to), 0xff, r.one(2) ? 0xe3 : 0xd3];
      case 6: { // A store into code: bytes of an immediate, or anywhere.
        if (real) return [0x2e, 0xc6, 0x06, ...le(CHUNK * r.below(this.chunks) + 1 + r.below(8), 2), r.below(256)];
        const target = TEXT + CHUNK * r.below(this.chunks) + (r.one(4) ? r.below(CHUNK) : 1 + r.below(3));
        return r.one(2)
          ? [0xc6, ...absolute, ...le32(target), r.below(256)]
          : [0x80, absolute[0] | 0x30, ...absolute.slice(1), ...le32(target), r.below(8)];
      }
      case 7: // The system call.
        return [...this.move(0, r.below(32) | (r.one(4) ? 0x100 : 0) | (r.one(8) ? 0x200 : 0)), 0xcd, CALL];
      case 8: // Flags: arithmetic, DF, now and then TF or AC.
        return real
          ? [0x68, ...le((r.bits() & 0xcd5) | 0x202 | (r.one(6) ? 0x100 : 0), 2), 0x9d]
          : [0x68, ...le32((r.bits() & 0x8d5) | 0x202 | (r.one(6) ? 0x100 : 0) | (r.one(6) ? 0x4_0000 : 0)), 0x9d];
      case 9: // rdtsc, pushf, cpuid, sti, cli, hlt: the last ones only at privilege 0
        return r.pick([
          [0x0f, 0x31],
          [0x9c],
          [0x0f, 0xa2],
          ...(this.user ? [[0xf4]] : [[0xfb], [0xfb], [0xfa], [0xfb, 0xf4]]),
          [0xcc],
          [0xce].slice(width === 64 ? 1 : 0),
        ]);
      case 10: // A new stack.
        return this.move(4, this.pointer() & -8);
      case 11: // The device: reads differ every time, a write raises the wire.
        return real ? [0xe4, 0x10] : [...this.move(3, DEVICE + 4 * r.below(8)), r.pick([0x8b, 0x89, 0x88, 0x8a, 0x03]), 0x03];
      default: // MXCSR, the x87's control word, and their initial states.
        return r.pick([
          [
            ...this.move(3, this.pointer()),
            0xc7,
            ...(real ? [0x07, ...le(0x1f80, 2)] : [0x03, ...le32(r.pick([0x1f80, 0x1fa0, 0x1fa0, 0x7fbf, 0x9fc0]))]),
            0x0f,
            0xae,
            real ? 0x17 : 0x13,
          ],
          [0xdb, 0xe3],
          [0x9b],
        ]);
    }
  }
  text(): Uint8Array {
    const { r } = this, text = new Uint8Array(CHUNK * this.chunks).fill(0x90);
    for (let n = 0; n < this.chunks; n++) {
      const end = CHUNK * (n + 1);
      let at = CHUNK * n;
      const put = (bytes: readonly number[]) => {
        if (at + bytes.length > end) return;
        text.set(bytes, at);
        at += bytes.length;
      };
      if (this.mode !== "real" && r.one(3)) put(this.straddle());
      for (let k = r.below(4); k > 0; k--) put(this.move(r.pick([0, 1, 2, 3, 5, 6, 7]), this.pointer()));
      for (let k = 3 + r.below(20); k > 0; k--) put(r.one(6) ? this.special(at) : this.random(at));
      if (r.one(3)) put(this.special(at));
    }
    text.set([0xeb, 0xfe], text.length - 2);
    return text;
  }
}

// --- processors
class Subject {
  readonly engine: Engine;
  readonly cpu: X86Cpu;
  readonly ram: Uint8Array;
  readonly cuts = new Random(1);
  done = 0;
  dead = false;
  /** How often the device was asked. */
  asked = 0;

  constructor(readonly name: string, options: EngineOptions) {
    const bus = new Bus(),
      device = {
        access: { min: 1, max: 4 } as const,
        read: (_offset: number, size: number) => (Math.imul(++this.asked, 0x9e37_79b9) & (2 ** (8 * size) - 1)) >>> 0,
        write: () => this.cpu.input("intr")!.set(true),
      };
    bus.elsewhere = {
      base: 0,
      length: 2 ** 52,
      name: "nothing",
      readonly: false,
      target: { access: { min: 1, max: 4 }, read: (_offset, size) => 2 ** (8 * size) - 1, write: () => {} },
    };
    bus.map(DEVICE, PAGE, device);
    const engine = this.engine = new Engine(1, [{ base: 0, length: RAM_BYTES, readonly: false }], bus, options), env = engine.harts[0];
    this.cpu = env.core = new X86Cpu(env, {
      index: 0,
      model: modelByName("max"),
      features: [],
      reset: { segment: 0xf000, offset: 0xfff0 },
      cores: 1,
      ports: { in: (port, size) => (Math.imul(++this.asked, port) & (2 ** (8 * size) - 1)) >>> 0, out: () => {} },
      seed: 1,
      tsc: () => env.instructions(),
      // The interpreter asks the helper, compiled code knows the clock: they must agree.
      tscIsClock: options.jit === true,
      acknowledge: () => {
        this.cpu.input("intr")!.set(false);
        return WIRE;
      },
      onPending: () => engine.attention(),
      onTripleFault: () => {
        this.dead = true;
      },
    });
    this.ram = engine.ramBytes(0);
  }
  /** Runs `count` instructions in random slices, or until it halts or dies. */
  run(count: number): void {
    const end = this.done + count;
    while (this.done < end && !this.dead) {
      this.engine.clock = this.done;
      this.engine.run(0, Math.min(end - this.done, this.cuts.pick([1, 7, 50, 1000, 1e9, 1e9])));
      this.done += this.engine.executed;
      if (this.cpu.waiting) return;
    }
  }
}

const PASSES = Object.keys(JIT_OPTIONS) as JitOption[];
const OPTIONS: readonly (readonly [string, EngineOptions])[] = [
  ["interpreter", {}],
  ["JIT at 1", { jit: true, threshold: 1 }],
  ["JIT at 3", { jit: true, threshold: 3, profile: true }],
  ["JIT at 20", { jit: true, threshold: 20 }],
  ...PASSES.map((pass) => [`JIT without ${pass}`, { jit: true, threshold: 5, off: [pass] }] as const),
  ...TIGHT_INTERPRETERS.slice(0, 1),
  ...TIGHT_JITS,
];

/** The descriptor of a flat segment of 4 GiB, or with other base and limit. */
const descriptor = (attr: number, base = 0, limit = 0xf_ffff): number[] => [
  ...le(limit & 0xffff, 2),
  ...le(base & 0xff_ffff, 3),
  attr >> 8 & 0xff,
  (attr >> 16 & 0xf0) | limit >> 16 & 15,
  base >>> 24,
];

/** The machine's memory before the program begins. */
function memory(p: Program, r: Random): Uint8Array {
  const ram = new Uint8Array(RAM_BYTES), view = new DataView(ram.buffer), { mode, user } = p, width = WIDTH[mode];
  const h = handlers(mode, p.text.length);
  // A program that has lost its way comes back at once (INT 0x41, from either of its bytes); in zeros, which are ADD, each instruction would make a
  // region of its own.
  for (const [from, to] of [[HANDLERS, COUNTERS], [TEXT, DATA], [DATA + DATA_PAGES * PAGE, TABLES]]) {
    for (let at = from; at < to; at += 2) view.setUint16(at, 0x41cd, true);
  }
  ram.set(h.code, HANDLERS);
  ram.set(p.text, TEXT);
  ram.set(p.shadow, SHADOW);
  for (let at = DATA; at < DATA + DATA_PAGES * PAGE; at += 4) view.setUint32(at, r.one(3) ? r.below(256) : r.bits(), true);
  for (let n = 0; n < 64; n++) view.setUint32(COUNTERS + 4 * n, 1 + r.below(50), true);
  if (mode === "real") {
    for (let v = 0; v < 256; v++) view.setUint32(4 * v, (HANDLERS / 16) << 16 | (h.of(v) - HANDLERS), true);
    return ram;
  }
  const gates = width === 64 ? 16 : 8;
  for (let v = 0; v < 256; v++) {
    const at = IDT + gates * v, to = h.of(v), dpl3 = v === CALL || v === 3 || v === 4;
    view.setUint16(at, to & 0xffff, true);
    view.setUint16(at + 2, CODE0, true);
    // In long mode every handler has the stack of the task's first entry.
    view.setUint16(at + 4, (dpl3 ? 0xee00 : 0x8e00) | (width === 64 ? 1 : 0), true);
    view.setUint16(at + 6, to >>> 16, true);
  }
  const flat = GRANULAR | PRESENT | S | 0x100, code = flat | CODE | READABLE | (width === 64 ? LONG : BIG), data = flat | BIG | WRITABLE;
  ram.set([code, data, code | 0x6000, data | 0x6000].flatMap((attr) => descriptor(attr)), GDT + CODE0);
  ram.set(descriptor(PRESENT | 0xb00, TSS, 0x67), GDT + TASK);
  if (width === 64) { for (const at of [4, 0x24]) view.setUint32(TSS + at, STACK_TOP, true); }
  else view.setUint32(TSS + 4, STACK_TOP, true), view.setUint16(TSS + 8, DATA0, true);
  if (mode === "flat") return ram;
  // Rights of data pages are random; the program's pages may be written, and are the user's, as are the counters.
  const rights = (page: number): number => {
    const at = page * PAGE, own = user ? 4 : 0;
    if (at >= TEXT && at < SHADOW || at === COUNTERS) return 7;
    if (at >= DATA && at < DATA + DATA_PAGES * PAGE) return r.pick([3, 3, 3, 0x63, 1, 2, 0x13 & ~0x10]) | own;
    return 3;
  };
  // Data pages that are neighbours have frames that are not, and others at the alias.
  const pages = () => {
    const first = DATA / PAGE,
      frames = r.order(DATA_PAGES),
      frame = (n: number) => n >= first && n < first + DATA_PAGES ? first + frames[n - first] : n;
    return Array.from({ length: RAM_BYTES / PAGE }, (_, n) => frame(n) * PAGE + rights(n));
  };
  const aliases = LOW + PAGE,
    top = LOW + 2 * PAGE;
  if (width === 64) {
    const put = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
    put(TABLES, TABLES + PAGE + 7);
    put(TABLES + PAGE, TABLES + 2 * PAGE + 7);
    [[0, LOW], [DEVICE >> 21, top], [ALIAS >> 21, aliases]].forEach(([n, table]) => put(TABLES + 2 * PAGE + 8 * n, table + 7));
    for (const table of [LOW, aliases]) pages().forEach((value, n) => put(table + 8 * n, value));
    put(top, DEVICE + 7);
  } else {
    const put = (at: number, value: number) => view.setUint32(at, value, true);
    [[0, LOW], [ALIAS >> 22, aliases]].forEach(([n, table]) => put(TABLES + 4 * n, table + 7));
    for (const table of [LOW, aliases]) pages().forEach((value, n) => put(table + 4 * n, value));
    put(LOW + 4 * (DEVICE / PAGE), DEVICE + 7);
  }
  return ram;
}

function start(subjects: readonly Subject[], p: Program, r: Random): void {
  const ram = memory(p, r), { mode, user } = p, width = WIDTH[mode], seed = r.bits();
  const general = Array.from({ length: 16 }, () => r.pick([r.bits64(), BigInt(r.below(64)), BigInt(DATA + r.below(DATA_PAGES * PAGE))]));
  const vectors = general.map(() => r.bits64() << 64n | r.bits64()), bases = [r.below(0x2000), DATA + r.below(PAGE)];
  // Segments that are not flat, and breakpoints, make other code.
  const segmented = width === 32 && r.one(3), watched = r.one(8) ? DATA + 8 * r.below(512 * DATA_PAGES) : 0;
  for (const [n, s] of subjects.entries()) {
    const { cpu } = s;
    s.ram.set(ram);
    s.engine.reset();
    cpu.input("intr")!.set(false);
    cpu.input("nmi")!.set(false);
    cpu.reset();
    Object.assign(s, { done: 0, dead: false, asked: 0 });
    s.cuts.state = seed + n;
    if (mode !== "real") {
      cpu.s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_AM;
      cpu.s.cr4 = CR4_OSFXSR | CR4_PSE;
      if (mode === "long") {
        cpu.s.cr4 |= CR4_PAE;
        cpu.window.efer = EFER_LME | EFER_LMA | EFER_NXE;
      }
      if (mode !== "flat") cpu.s.cr0 |= CR0_PG;
      cpu.s.cr3Lo = TABLES;
      cpu.window.cpl = user ? 3 : 0;
      cpu.segments.setGdt(GDT, 0, 0x37);
      Object.assign(cpu.s, { idtLo: IDT, idtLimit: 0xfff });
      const flat = GRANULAR | PRESENT | S | 0x100 | (user ? 0x6000 : 0), data = flat | BIG | WRITABLE;
      cpu.segments.set(CS, user ? CODE3 : CODE0, 0, 0, 0xffff_ffff, flat | CODE | READABLE | (width === 64 ? LONG : BIG));
      for (const g of [ES, SS, DS, FS, GS]) cpu.segments.set(g, user ? DATA3 : DATA0, 0, 0, 0xffff_ffff, data);
      if (segmented) { for (const g of [ES, DS]) cpu.segments.set(g, user ? DATA3 : DATA0, bases[0] & 0xff0, 0, 0x5_ffff, data); }
      cpu.segments.set(FS, user ? DATA3 : DATA0, bases[0], 0, 0xffff_ffff, data);
      cpu.segments.set(GS, user ? DATA3 : DATA0, bases[1], 0, 0xf_ffff, data);
      cpu.segments.set(TR, TASK, TSS, 0, 0x67, PRESENT | 0xb00);
      cpu.derived.reload();
    } else {
      cpu.segments.set(CS, TEXT / 16, TEXT, 0, 0xffff, REAL_DATA);
      for (const g of [ES, SS, DS, FS, GS]) cpu.segments.set(g, DATA / 16, DATA, 0, 0xffff, REAL_DATA);
      cpu.s.idtLimit = 0x3ff;
      cpu.s.cr4 = CR4_OSFXSR;
      cpu.derived.reload();
    }
    const names = cpu.registers.map((row) => row.name).filter((name) => /^r([a-d]x|[sd]i|bp|sp|\d+)$/.test(name));
    names.forEach((name, i) => cpu.setReg(name, width === 64 ? general[i] : BigInt.asUintN(width, general[i])));
    vectors.forEach((v, i) => cpu.setReg(`xmm${i}`, v));
    cpu.setReg("rsp", BigInt(mode === "real" ? 0x8000 : DATA + 0x8000));
    cpu.setReg("mxcsr", 0x1fa0n);
    cpu.setReg("eflags", 0x202n);
    if (watched) {
      cpu.setReg("dr0", BigInt(watched));
      cpu.setReg("dr7", 0x400n | 2n | 3n << 16n | 3n << 18n);
    }
    cpu.setReg("rip", BigInt(mode === "real" ? 0 : TEXT));
    cpu.derived.refresh();
  }
}

function registers(s: Subject): string[] {
  return s.cpu.registers.map(({ name }) => `${name} 0x${s.cpu.reg(name).toString(16)}`);
}
function state(s: Subject): string {
  return JSON.stringify([
    s.done,
    s.dead,
    s.asked,
    s.engine.harts[0].instructions(),
    s.cpu.s,
    [...s.cpu.segments.limit],
    [...s.cpu.segments.attr],
    s.cpu.window.pcLo,
    s.cpu.window.pcHi,
  ]);
}
const words = (s: Subject) => new Int32Array(s.ram.buffer, s.ram.byteOffset, s.ram.byteLength / 4);
function same(a: Subject, b: Subject, expected: readonly string[]): boolean {
  const x = words(a), y = words(b);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return state(a) === state(b) && registers(b).every((text, i) => text === expected[i]);
}
function difference(a: Subject, b: Subject): string[] {
  const out: string[] = [], theirs = registers(b);
  registers(a).forEach((text, i) => text === theirs[i] || out.push(`${text}, ${theirs[i]}`));
  if (state(a) !== state(b)) out.push(state(a), state(b));
  const x = words(a), y = words(b);
  for (let i = 0; i < x.length && out.length < 14; i++) {
    if (x[i] !== y[i]) out.push(`[0x${(4 * i).toString(16)}] ${x[i].toString(16)}, ${y[i].toString(16)}`);
  }
  return out;
}
/** Text of the instruction at the pc. */
function where(s: Subject, width: Width): string {
  const pc = s.cpu.window.pcLo >>> 0,
    insn = new Insn(),
    ok = pc + 15 < RAM_BYTES && x86Table().decode(insn, s.ram, pc, 15, width, width !== 16) === OK;
  return `0x${pc.toString(16)} ${ok ? disassemble(insn, pc, width) : "?"}`;
}

/** Instructions of one program, and regions of it in one subject, at most: one that loops where little happens, or compiles all the time, is not all. */
const LENGTH = 3000, REGIONS = 300;
/** Under paging, of so many instructions one is an access across pages that a region leaves to the interpreter. */
const CROSSING_EVERY = 1000;
/** Programs of a mode; the number that differ. */
export function fuzzX86Programs(r: Random, total: number, mode: Mode): number {
  const width = WIDTH[mode], rows = rowsFor(width), subjects = OPTIONS.map(([name, o]) => new Subject(name, o)), [reference] = subjects;
  let done = 0, programs = 0, failures = 0, deaths = 0, events = 0;
  while (done < total && failures < 5) {
    const seed = r.state,
      user = (mode === "long" || mode === "paged") && !r.one(3),
      writer = new Writer(r, mode, user, rows, 4 + r.below(60));
    const text = writer.text(), other = writer.text(), shadow = text.map((b, i) => r.one(20) ? other[i] : b);
    start(subjects, { mode, user, text, shadow }, r);
    programs++;
    const before = subjects[1].engine.stats.regions;
    for (let part = 0; reference.done < LENGTH && !reference.dead && subjects[1].engine.stats.regions < before + REGIONS; part++) {
      const length = r.pick([1 + r.below(20), r.below(300), r.below(1000), r.below(3000)]),
        from = where(reference, width),
        line = r.one(6) ? "nmi" : "intr";
      for (const s of subjects) s.run(length);
      const expected = registers(reference), wrong = subjects.slice(1).find((s) => !same(reference, s, expected));
      if (wrong) {
        failures++;
        console.log(
          `${mode}, --seed ${seed}: part ${part} of ${length} from ${from} to ${where(reference, width)}, ${wrong.name}: ${
            where(wrong, width)
          }`,
        );
        console.log(difference(reference, wrong).map((l) => "  " + l).join("\n"));
        break;
      }
      // Halted with interrupts off: an NMI only.
      for (const s of subjects) {
        if (line === "nmi" || s.cpu.waiting) {
          s.cpu.input("nmi")!.set(false);
          s.cpu.input("nmi")!.set(true);
        }
        s.cpu.input("intr")!.set(true);
      }
      events++;
      if (reference.cpu.waiting && part > 200) break;
    }
    done += reference.done;
    if (reference.dead) deaths++;
  }
  const sum = (f: (s: Subject) => number) => subjects.reduce((n, s) => n + f(s), 0), { stats } = reference.engine;
  const crossings = sum((s) => s.engine.sideExits?.causes.get("page crossing") ?? 0);
  const due = mode === "paged" || mode === "long" ? Math.floor(done / CROSSING_EVERY) : 0;
  if (crossings < due) {
    console.log(`${mode}: only ${crossings} accesses across pages in compiled code, ${due} were due`);
    failures++;
  }
  console.log(
    `${mode}: ${done} instructions of ${programs} programs (${deaths} shut down), each run ${subjects.length} ways, ${stats.faults} faults, ${events} interrupts, ${
      sum((s) => s.engine.stats.regions)
    } regions, ${
      sum((s) => s.engine.stats.sideExits)
    } side exits, ${crossings} accesses across pages in compiled code, ${stats.invalidations} blocks changed; ${failures} differ`,
  );
  return failures;
}

/** What programs of a mode come to in the interpreter, each from a seed of its own: digests of what the guest can see, and events on the way. */
export function outcomes(mode: Mode, count: number, digest: (bytes: Uint8Array) => number): string[] {
  const width = WIDTH[mode], rows = rowsFor(width), subject = new Subject(...OPTIONS[0]);
  return Array.from({ length: count }, (_, n) => {
    const r = new Random(7000 + n), user = (mode === "long" || mode === "paged") && !r.one(3);
    const writer = new Writer(r, mode, user, rows, 4 + r.below(60)), text = writer.text(), other = writer.text();
    start([subject], { mode, user, text, shadow: text.map((b, i) => r.one(20) ? other[i] : b) }, r);
    let sum = 0;
    for (let part = 0; part < 12 && !subject.dead; part++) {
      subject.run(r.pick([1 + r.below(20), r.below(300), r.below(1000)]));
      sum = Math.imul(sum, 31) + digest(new TextEncoder().encode(registers(subject).join())) | 0;
      sum = Math.imul(sum, 31) + digest(subject.ram) + subject.done | 0;
      const line = r.one(3) || subject.cpu.waiting ? "nmi" : "intr";
      subject.cpu.input(line)!.set(false);
      subject.cpu.input(line)!.set(true);
    }
    return `x86 ${mode} ${n}: ${(sum >>> 0).toString(16)}${subject.dead ? ", shut down" : ""}`;
  });
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "mode"] });
  const seed = Number(args.seed ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed}`);
  let failures = 0;
  for (const mode of MODES) {
    if (!args.mode || args.mode === mode) failures += fuzzX86Programs(new Random(seed), Number(args.cases ?? 1_000_000), mode);
  }
  if (failures) Deno.exit(1);
}
