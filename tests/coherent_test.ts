// Page tables that change without a fence: what a guest sees is what a walk of the tables finds at that moment, whichever engine runs it, whatever
// is compiled, however the run is cut, and after save and restore, which begins without any translation. The reference is a run that is
// saved and restored before every single instruction.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import type { MachineGraph } from "../src/machine/machine_graph.ts";
import { createMachine, loadGraph, loadJit, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";
import { TIGHT_INTERPRETERS, TIGHT_JITS } from "./limits.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
const readFile = (path: string) => path === "nothing" ? new Uint8Array(16) : Deno.readFileSync(path);

interface Variant {
  readonly engine: "interp" | "jit";
  readonly tuning?: MachineOptions["tuning"];
  /** Ticks of each call of `run`. */
  readonly steps?: number;
  /** Saved and restored after each. */
  readonly restores?: boolean;
}
const REFERENCE: Variant = { engine: "interp", steps: 1, restores: true };
const VARIANTS: Readonly<Record<string, Variant>> = {
  interpreter: { engine: "interp" },
  "interpreter in steps of 7": { engine: "interp", steps: 7 },
  "JIT at once": { engine: "jit", tuning: { threshold: 1 } },
  "JIT soon": { engine: "jit", tuning: { threshold: 100 } },
  "JIT as it is": { engine: "jit" },
  "JIT in steps of 97": { engine: "jit", tuning: { threshold: 1 }, steps: 97 },
  "JIT without page caches": { engine: "jit", tuning: { threshold: 1, off: ["pages"] } },
  // Of translations, without regions and with them.
  ...Object.fromEntries([TIGHT_INTERPRETERS[0], TIGHT_JITS[3]].map((
    [name, { jit, ...tuning }],
  ) => [name, { engine: jit ? "jit" : "interp", tuning }])),
  "JIT, restored every 5003 ticks": { engine: "jit", tuning: { threshold: 1 }, steps: 5003, restores: true },
};

/** Where a run is compared with the reference, and where with the interpreter. */
const SHORT = 800, LONG = 60_000;

/** What a guest is: its machine, how it begins, and what happens from outside, at fixed ticks. */
interface Guest {
  readonly options: MachineOptions;
  begin(m: Machine): void;
  /** Instead of LONG. */
  readonly long?: number;
  readonly every?: number;
  outside?(m: Machine, n: number): void;
}

class Run {
  readonly machine: Machine;
  #events = 0;
  constructor(readonly guest: Guest, readonly graph: MachineGraph, readonly variant: Variant) {
    const { engine, tuning } = variant;
    this.machine = createMachine({ ...guest.options, engine, ...(tuning ? { tuning } : {}) }, { readFile, log: silent }, graph);
    guest.begin(this.machine);
  }
  to(until: number): string {
    const { machine, guest, variant: { steps = Infinity, restores } } = this, every = guest.every ?? Infinity;
    while (machine.clock.ticks < until) {
      const event = (this.#events + 1) * every;
      machine.run(Math.min(until, event, machine.clock.ticks + steps));
      if (machine.stopped) throw new Error(`the guest has ended: ${Deno.inspect(machine.stopped)}`);
      if (machine.clock.ticks >= event) guest.outside!(machine, this.#events++);
      if (restores) machine.restore(machine.snapshot());
    }
    return machine.digest();
  }
}

async function alike(guest: Guest, look: (m: Machine) => void): Promise<void> {
  const graph = await loadGraph(guest.options, { readFile, log: silent }), run = (v: Variant) => new Run(guest, graph, v);
  const end = guest.long ?? LONG, short = run(REFERENCE).to(SHORT), whole = run(VARIANTS.interpreter);
  const early = whole.to(SHORT), long = whole.to(end);
  look(whole.machine);
  assertEquals(early, short, "the interpreter and the reference");
  for (const [name, variant] of Object.entries(VARIANTS)) {
    const r = run(variant);
    assertEquals([name, r.to(SHORT), r.to(end)], [name, short, long]);
  }
}

// --- RISC-V

const V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128, FULL = V | R | W | X | A | D;
const RAM = 0x8000_0000, CODE = RAM + 0x1000, LIST = RAM + 0x2000, HANDLER = RAM + 0x3000, PATCHER = RAM + 0x4000, TABLES = RAM + 0x8000;
/** Frames that the window may show; the last one is where a superpage at RAM has it, as far behind its start as the window is behind its own. */
const FRAMES = [0, 1, 2, 3].map((n) => RAM + 0x2_0000 + 0x1000 * n), INSIDE = 0x4_5000;
const LEVELS = { sv32: 2, sv39: 3, sv48: 4, sv57: 5 } as const,
  SATP = { sv32: 1n << 31n, sv39: 8n << 60n, sv48: 9n << 60n, sv57: 10n << 60n };
type Mode = keyof typeof LEVELS;

interface Kind {
  readonly mode: Mode;
  readonly user?: boolean;
  /** Who changes the tables. */
  readonly by: "itself" | "code in the page that changes" | "another hart" | "DMA";
  readonly global?: boolean;
}

function riscv({ mode, user, by, global }: Kind): Guest {
  const wide = mode !== "sv32", bits = wide ? 9 : 10, bytes = wide ? 8 : 4, levels = LEVELS[mode], xlen = wide ? 64 : 32;
  const window = wide ? 0x12_0000_0000 + INSIDE : 0x4000_0000 + INSIDE;
  const { table: rows } = parseIsa(`rv${xlen}gc`), leaf = FULL | (user ? U : 0) | (global ? G : 0);
  const entry = (at: number, flags: number) => (Math.floor(at / 4096) * 1024) + flags;
  const index = (address: number, level: number) => Math.floor(address / 2 ** (12 + bits * level)) % 2 ** bits;
  const store = wide ? "sd" : "sw", load = wide ? "ld" : "lw";
  const assemble = (write: (i: (name: string, f?: Record<string, number>) => void, here: () => number) => void): number[] => {
    const words: number[] = [];
    write((name, f = {}) => void words.push(encode(rows.row(name), f)), () => words.length);
    return words;
  };
  const [ra, t0, t1, t2, s0, s1, s2, s3] = [1, 5, 6, 7, 8, 9, 18, 19], [t3, t4, t5] = [28, 29, 30];
  type Emit = (name: string, f?: Record<string, number>) => void;
  const patch = (i: Emit, inside = false) => {
    i("add", { rd: t3, rs1: s2, rs2: s3 });
    i(load, { rd: t4, rs1: t3, imm: 0 });
    i(load, { rd: t5, rs1: t3, imm: 8 });
    if (inside) i("jalr", { rd: ra, rs1: t2, imm: 0x100 });
    else i(store, { rs1: t4, rs2: t5, imm: 0 });
    i("addi", { rd: s3, rs1: s3, imm: 16 });
    i("andi", { rd: s3, rs1: s3, imm: 255 });
  };
  const mix = (i: Emit, from: number) => {
    i("slli", { rd: t1, rs1: s1, shamt: 5 });
    i("sub", { rd: s1, rs1: t1, rs2: s1 });
    i("add", { rd: s1, rs1: s1, rs2: from });
  };
  // Loads from the window, stores to it, calls what is there; then the tables change.
  const code = assemble((i, here) => {
    i(load, { rd: t0, rs1: s0, imm: 0 });
    mix(i, t0);
    i(store, { rs1: s0, rs2: s1, imm: 8 });
    i("addi", { rd: t2, rs1: s0, imm: 0x100 });
    i("jalr", { rd: ra, rs1: t2, imm: 0 });
    i(load, { rd: t0, rs1: s0, imm: 8 });
    mix(i, t0);
    i("addi", { rd: t2, rs1: s0, imm: 0x100 });
    if (by !== "another hart" && by !== "DMA") patch(i, by !== "itself");
    i("jal", { rd: 0, imm: -4 * here() });
  });
  // A fault adds its cause; a call that faults comes back at once.
  const handler = assemble((i) => {
    i("csrrs", { rd: t0, rs1: 0, csr: 0x342 });
    mix(i, t0);
    i("addi", { rd: t0, rs1: t0, imm: -12 });
    i("csrrs", { rd: t2, rs1: 0, csr: 0x341 });
    i("addi", { rd: t2, rs1: t2, imm: 4 });
    i("bne", { rs1: t0, rs2: 0, imm: 8 });
    i("addi", { rd: t2, rs1: ra, imm: 0 });
    i("csrrw", { rd: 0, rs1: t2, csr: 0x341 });
    i("mret");
  });
  const patcher = assemble((i, here) => {
    i("addi", { rd: t0, rs1: 0, imm: 60 });
    i("addi", { rd: t0, rs1: t0, imm: -1 });
    i("bne", { rs1: t0, rs2: 0, imm: -4 });
    patch(i);
    i("jal", { rd: 0, imm: -4 * here() });
  });
  // What the frames have besides a number: a function, and one that changes an entry and then finds itself in another frame, maybe.
  const mover = (n: number) =>
    assemble((i) => {
      i(store, { rs1: t4, rs2: t5, imm: 0 });
      i("addi", { rd: s1, rs1: s1, imm: 300 + n });
      i("jalr", { rd: 0, rs1: ra, imm: 0 });
    });
  const body = (n: number) =>
    assemble((i) => {
      i("addi", { rd: s1, rs1: s1, imm: 100 + n });
      i("jalr", { rd: 0, rs1: ra, imm: 0 });
    });

  const root = TABLES, chain = Array.from({ length: levels }, (_, depth) => TABLES + 0x1000 * depth);
  const leaves = chain[levels - 1], other = TABLES + 0x1_0000, otherMiddle = TABLES + 0x1_1000;
  const alias = window + 0x1000; // shows the leaves' table itself
  const at = leaves + bytes * index(window, 0),
    up = chain[levels - 2] + bytes * index(window, 1),
    top = root + bytes * index(window, levels - 1);
  const aliased = alias + bytes * index(window, 0);
  const list: [at: number, value: number][] = [
    [at, entry(FRAMES[1], leaf)],
    [at, entry(FRAMES[2], leaf)],
    // Code that is gone could not go on by itself.
    [at, by === "code in the page that changes" ? entry(FRAMES[1], leaf & ~W) : 0],
    [at, entry(FRAMES[3], leaf)],
    [aliased, entry(FRAMES[0], leaf)],
    [at, entry(FRAMES[0], leaf & ~W)],
    [at, entry(FRAMES[0], leaf & ~(A | D))],
    [up, entry(other, V)],
    [other + bytes * index(window, 0), entry(FRAMES[3], leaf)],
    [at, entry(FRAMES[1], leaf & ~X)], // not in use at the moment
    [up, entry(RAM, leaf)], // a superpage
    [up, entry(leaves, V)],
    levels > 2 ? [top, entry(otherMiddle, V)] : [at, entry(FRAMES[2], leaf)],
    levels > 2 ? [otherMiddle + bytes * index(window, levels - 2), entry(chain[2], V)] : [
      at,
      entry(FRAMES[3], leaf),
    ],
    [top, entry(levels === 2 ? leaves : chain[1], V)],
    [at, entry(FRAMES[0], leaf)],
  ];

  const put = (m: Machine, address: number, words: readonly number[]) => {
    // As a device does it by DMA.
    m.bus.writeBytes(address, new Uint8Array(Uint32Array.from(words).buffer));
  };
  const putEntry = (m: Machine, address: number, value: number) => put(m, address, wide ? [value, Math.floor(value / 2 ** 32)] : [value]);
  return {
    ...(by === "another hart" ? { long: 800_000 } : {}),
    options: {
      file: ROOT + (wide ? "machines/virt.toml" : "machines/virt32.toml"),
      kernel: "nothing",
      set: {
        "cpu.harts": by === "another hart" ? 2 : 1,
        "memory.dram.size": "1MiB",
        "firmware.sbi": "none",
        "boot.load": RAM,
        ...(wide ? { "cpu.mmu": mode } : {}),
      },
    },
    begin(m) {
      put(m, CODE, code);
      put(m, HANDLER, handler);
      put(m, PATCHER, patcher);
      for (const [n, frame] of [...FRAMES, RAM + INSIDE].entries()) {
        put(m, frame, [1000 + n, 0]);
        put(m, frame + 0x100, body(n));
        put(m, frame + 0x200, mover(n));
      }
      for (let depth = 0; depth < levels - 1; depth++) {
        putEntry(m, chain[depth] + bytes * index(window, levels - 1 - depth), entry(chain[depth + 1], V));
      }
      putEntry(m, at, entry(FRAMES[0], leaf));
      putEntry(m, at + bytes, entry(leaves, leaf));
      // RAM itself, by a large page; the window is above it in the same tables, but for the last ones.
      const large = Math.min(levels - 1, 2);
      putEntry(m, chain[levels - 1 - large] + bytes * index(RAM, large), entry(RAM, leaf));
      if (levels === 4) putEntry(m, otherMiddle + bytes * index(RAM, large), entry(RAM, leaf));
      if (levels === 5) putEntry(m, otherMiddle + bytes * index(RAM, 3), entry(chain[2], V));
      if (by === "code in the page that changes") {
        putEntry(m, other + bytes * index(window, 0), entry(FRAMES[2], leaf));
        if (levels > 2) putEntry(m, otherMiddle + bytes * index(window, levels - 2), entry(chain[2], V));
      }
      for (const [n, [address, value]] of list.entries()) {
        put(m, LIST + 16 * n, [address, Math.floor(address / 2 ** 32), value, Math.floor(value / 2 ** 32)]);
      }
      for (const c of m.cpus) {
        c.setReg("mtvec", BigInt(HANDLER));
        c.setReg("pmpaddr0", (1n << BigInt(xlen === 64 ? 54 : 32)) - 1n);
        c.setReg("pmpcfg0", 0x1fn);
        c.setReg("satp", SATP[mode] | BigInt(root >>> 12));
        c.setReg("s0", BigInt(window));
        c.setReg("s1", 1n);
        c.setReg("s2", BigInt(LIST));
        c.setReg("s3", 0n);
        c.setReg("pc", BigInt(c.index === 0 ? CODE : PATCHER));
        c.setReg("priv", user ? 0n : 1n);
      }
    },
    ...(by === "DMA"
      ? {
        every: 60,
        outside(m: Machine, n: number) {
          const [address, value] = list[n % list.length], to = address === aliased ? at : address;
          putEntry(m, to, value);
        },
      }
      : {}),
  };
}

const KINDS: readonly Kind[] = [
  ...(["sv32", "sv39", "sv48", "sv57"] as const).map((mode): Kind => ({ mode, by: "itself" })),
  { mode: "sv39", by: "itself", user: true },
  { mode: "sv32", by: "itself", user: true, global: true },
  { mode: "sv39", by: "code in the page that changes" },
  { mode: "sv32", by: "code in the page that changes", user: true },
  { mode: "sv48", by: "another hart" },
  { mode: "sv32", by: "another hart", user: true },
  { mode: "sv39", by: "DMA" },
];
for (const kind of KINDS) {
  Deno.test(`RISC-V: tables change without a fence, ${kind.mode}, ${kind.user ? "U" : "S"}-mode, by ${kind.by}`, async () => {
    await alike(riscv(kind), (m) => {
      // All frames were written to.
      const written = FRAMES.filter((f) => m.bus.readBytes(f + 8, 4).some((b) => b !== 0)).length;
      assertEquals(written, 4);
    });
  });
}

// --- x86

const P = 1, RW = 2, ACCESSED = 0x20, DIRTY = 0x40, PS = 0x80, GLOBAL = 0x100, ALL = P | RW | ACCESSED | DIRTY, POINTER = P | RW | ACCESSED;
const PARAMETERS = 0x9000, X86_LIST = 0xa000, X86_TABLES = 0x20_0000, X86_FRAMES = [0, 1, 2, 3].map((n) => 0x30_0000 + 0x1000 * n);
const CR4 = { pse: 1 << 4, pae: 1 << 5, pge: 1 << 7, la57: 1 << 12, pcide: 1 << 17 };

interface X86Kind {
  /** Of paging; 3: PAE. */
  readonly levels: 2 | 3 | 4 | 5;
  /** The loop changes between two PCIDs of one root, and keeps the translations. */
  readonly pcids?: boolean;
  readonly global?: boolean;
  /** The entries are written by code in the page that they map. */
  readonly inside?: boolean;
  readonly dma?: boolean;
}

/** `x86/coherent.asm` does what the RISC-V program does, and stores by microcode (SIDT), too. */
function x86({ levels, pcids, global, inside, dma }: X86Kind): Guest {
  const wide = levels > 2, bits = wide ? 9 : 10, bytes = wide ? 8 : 4, leaf = ALL | (global ? GLOBAL : 0);
  const window = levels > 3 ? 0x12_0000_0000 + INSIDE : 0x4000_0000 + INSIDE;
  const index = (address: number, level: number) => Math.floor(address / 2 ** (12 + bits * level)) % 2 ** bits;
  const table = (n: number) => X86_TABLES + 0x1000 * n, chain = Array.from({ length: levels }, (_, depth) => table(depth));
  const at = chain[levels - 1] + bytes * index(window, 0), up = chain[levels - 2] + bytes * index(window, 1), other = table(8);
  const top = chain[0] + bytes * index(window, levels - 1), otherMiddle = table(9), alias = window + 0x1000 + bytes * index(window, 0);
  const large = ALL | PS, deep = levels > 3;
  const list: [at: number, value: number][] = [
    [at, X86_FRAMES[1] | leaf],
    [at, X86_FRAMES[2] | leaf],
    [at, inside ? X86_FRAMES[0] | leaf & ~ACCESSED : 0],
    [at, X86_FRAMES[3] | leaf],
    [alias, X86_FRAMES[0] | leaf],
    [at, X86_FRAMES[1] | leaf & ~RW],
    [at, X86_FRAMES[2] | leaf & ~(ACCESSED | DIRTY)],
    [up, other | POINTER],
    [other + bytes * index(window, 0), X86_FRAMES[3] | leaf],
    [at, X86_FRAMES[1] | leaf], // not in use at the moment
    [up, 0x40_0000 | large],
    [up, chain[levels - 1] | POINTER & ~ACCESSED],
    [deep ? top : at, deep ? otherMiddle | POINTER : X86_FRAMES[2] | leaf],
    deep ? [otherMiddle + bytes * index(window, levels - 2), chain[2] | POINTER] : [at, X86_FRAMES[3] | leaf],
    [deep ? top : at, deep ? chain[1] | POINTER : X86_FRAMES[1] | leaf],
    [at, X86_FRAMES[0] | leaf],
  ];
  const put = (m: Machine, address: number, words: readonly number[]) =>
    m.bus.writeBytes(address, new Uint8Array(Uint32Array.from(words).buffer));
  const half = (value: number) => [value, Math.floor(value / 2 ** 32)];
  const putEntry = (m: Machine, address: number, value: number) => put(m, address, wide ? half(value) : [value]);
  return {
    options: { file: `${ROOT}tests/x86/machine.toml`, kernel: `${ROOT}tests/x86/bin/coherent.bin`, set: { "memory.ram.size": "4608KiB" } },
    begin(m) {
      for (const [n, frame] of [...X86_FRAMES, 0x40_0000 + INSIDE].entries()) {
        put(m, frame, [1000 + n, 0, 0, 0, 0, 0, 0, 0]);
        // add ebx, n; ret. And: mov [ecx], eax (rax); add ebx, n; ret.
        const bytesOf = (n: number) => [n, 0, 0, 0];
        m.bus.writeBytes(frame + 0x100, Uint8Array.of(0x81, 0xc3, ...bytesOf(100 + n), 0xc3));
        m.bus.writeBytes(frame + 0x200, Uint8Array.of(...(deep ? [0x48] : []), 0x89, 0x01, 0x81, 0xc3, ...bytesOf(200 + n), 0xc3));
      }
      for (let depth = 0; depth < levels - 1; depth++) {
        // PAE's first table has no rights, and is registers.
        const flags = levels === 3 && depth === 0 ? P : POINTER;
        putEntry(m, chain[depth] + bytes * index(window, levels - 1 - depth), chain[depth + 1] | flags);
      }
      putEntry(m, at, X86_FRAMES[0] | leaf);
      putEntry(m, at + bytes, chain[levels - 1] | leaf);
      if (inside) {
        putEntry(m, other + bytes * index(window, 0), X86_FRAMES[2] | leaf);
        if (deep) putEntry(m, otherMiddle + bytes * index(window, levels - 2), chain[2] | POINTER);
      }
      // The first 8 MiB, by large pages.
      const low = table(10);
      if (levels === 2) { for (let n = 0; n < 2; n++) putEntry(m, chain[0] + 4 * n, n * 0x40_0000 | large); }
      else {
        for (let n = 0; n < 4; n++) putEntry(m, low + 8 * n, n * 0x20_0000 | large);
        if (levels === 3) putEntry(m, chain[0], low | P);
        else {
          putEntry(m, chain[levels - 3], low | POINTER);
          putEntry(m, otherMiddle, (levels === 4 ? low : chain[2]) | POINTER);
        }
      }
      for (const [n, [address, value]] of list.entries()) put(m, X86_LIST + 16 * n, [...half(address), ...half(value)]);
      const cr4 = (wide ? CR4.pae : CR4.pse) | (global ? CR4.pge : 0) | (levels === 5 ? CR4.la57 : 0);
      put(m, PARAMETERS, [
        chain[0],
        cr4,
        deep ? 1 : 0,
        wide ? 1 : 0,
        (inside ? 1 : 0) | (dma ? 2 : 0),
        pcids ? CR4.pcide : 0,
        ...half(window),
      ]);
    },
    ...(dma
      ? {
        every: 70,
        outside(m: Machine, n: number) {
          const [address, value] = list[n % list.length];
          putEntry(m, address === alias ? at : address, value);
        },
      }
      : {}),
  };
}

const X86_KINDS: Readonly<Record<string, X86Kind>> = {
  "32-bit": { levels: 2 },
  "32-bit, by code in the page that changes": { levels: 2, inside: true },
  PAE: { levels: 3 },
  "4 levels": { levels: 4 },
  "4 levels, global pages": { levels: 4, global: true },
  "4 levels, two PCIDs": { levels: 4, pcids: true },
  "4 levels, by code in the page that changes": { levels: 4, inside: true },
  "4 levels, by DMA": { levels: 4, dma: true },
  "5 levels": { levels: 5 },
};
for (const [name, kind] of Object.entries(X86_KINDS)) {
  Deno.test(`x86: tables change without INVLPG, ${name}`, async () => {
    await alike(x86(kind), (m) => {
      const written = X86_FRAMES.map((f) => m.bus.readBytes(f + 8, 4).some((b) => b !== 0));
      assertEquals(written, [true, true, true, true]);
    });
  });
}
