// Every kind of access at every offset across the boundaries of addresses, in S-mode under Sv32, Sv39, Sv48 and Sv57: pages, superpages, holes,
// 2 GiB, 4 GiB, both ends of the canonical addresses, the end of all of them and the end of memory; over frames that are not neighbours, in loops,
// in either engine. The reference goes byte by byte.
// RISC-V Privileged 20240411, 3.1.16 and 4.1.9: the trap value of a misaligned access is the address of the part that faults.
import { assertEquals } from "@std/assert";
import type { CpuTrace } from "../src/core/cpu.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, loadJit } from "../src/machine/machine.ts";
import { A0, A1, A2, A6, A7, assemble, li, type Line, RAM, T2 } from "./riscv_code.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
const BYTES = 0x40_0000, HANDLER = 0x800, BELOW = RAM + 0x18_0000, ABOVE = RAM + 0x18_8000, END = RAM + BYTES;
/** Page tables: so many bytes for each boundary. */
const TABLES = RAM + 0x1_0000, TABLE_BYTES = 0x1_0000;
interface Mode {
  readonly name: string;
  readonly xlen: 32 | 64;
  readonly levels: number;
  readonly satp: bigint;
}
const MODES: readonly Mode[] = [
  { name: "Sv32", xlen: 32, levels: 2, satp: 1n << 31n },
  { name: "Sv39", xlen: 64, levels: 3, satp: 8n << 60n },
  { name: "Sv48", xlen: 64, levels: 4, satp: 9n << 60n },
  { name: "Sv57", xlen: 64, levels: 5, satp: 10n << 60n },
];
interface Boundary {
  readonly name: string;
  readonly at: bigint;
  /** Frames on either side; undefined where nothing is mapped or no address is. */
  readonly below?: number;
  readonly above?: number;
  /** What is below is the end of a superpage. */
  readonly large?: boolean;
}
function boundaries({ xlen, levels }: Mode): Boundary[] {
  const both = { below: BELOW, above: ABOVE }, canonical = 1n << BigInt(11 + 9 * levels), page = 0x4000_1000n;
  return [
    { name: "a page", at: page, ...both },
    { name: "a page, the frames the other way round", at: page, below: ABOVE, above: BELOW },
    { name: "a hole behind", at: page, below: BELOW },
    { name: "a hole in front", at: page, above: ABOVE },
    { name: "a superpage's end", at: 0x4080_0000n, below: END - 0x1000, above: ABOVE, large: true },
    { name: "a superpage's end, a hole behind", at: 0x4080_0000n, below: END - 0x1000, large: true },
    { name: "2 GiB", at: 0x8000_0000n, ...both },
    { name: "4 GiB", at: 0x1_0000_0000n, ...both },
    { name: "4 GiB, a hole in front", at: 0x1_0000_0000n, above: ABOVE },
    { name: "the end of memory", at: page, below: END - 0x1000, above: END },
    ...(xlen === 32 ? [{ name: "4 GiB, a hole behind", at: 0x1_0000_0000n, below: BELOW }] : [
      { name: "the end of the lower canonical addresses", at: canonical, below: BELOW },
      { name: "the start of the upper ones", at: (1n << 64n) - canonical, above: ABOVE },
      { name: "2 GiB below 2^64", at: 0xffff_ffff_8000_0000n, ...both },
      { name: "2^64", at: 1n << 64n, ...both },
      { name: "2^64, a hole behind", at: 1n << 64n, below: BELOW },
    ]),
  ];
}
const A3 = 13;
type Access = readonly [name: string, size: number, kind: "load" | "store" | "amo", line: Line];
const ACCESSES: readonly Access[] = [
  ...([["lbu", 1], ["lhu", 2], ["lwu", 4], ["lw", 4], ["ld", 8]] as const).map(([name, size]) =>
    [name, size, "load", [name, { rd: A2, rs1: A0, imm: 0 }]] as const
  ),
  ...([["sb", 1], ["sh", 2], ["sw", 4], ["sd", 8]] as const).map(([name, size]) =>
    [name, size, "store", [name, { rs1: A0, rs2: A1, imm: 0 }]] as const
  ),
  ["fld", 8, "load", ["fld", { rd: 2, rs1: A0, imm: 0 }]],
  ["fsd", 8, "store", ["fsd", { rs1: A0, rs2: 1, imm: 0 }]],
  ["amoadd.w", 4, "amo", ["amoadd.w", { rd: 0, rs1: A0, rs2: A1 }]],
  ["amoadd.d", 8, "amo", ["amoadd.d", { rd: 0, rs1: A0, rs2: A1 }]],
];
/** lw extends the sign, where that is not of RV64 alone. */
const accessesOf = (xlen: number) =>
  ACCESSES.filter(([name]) => xlen === 64 ? name !== "lw" : !["lwu", "ld", "sd", "amoadd.d"].includes(name));
const VALUE = 0x0877_6655_4433_2211n;

for (const engine of ["interp", "jit"] as const) {
  for (const mode of MODES) {
    Deno.test(`RISC-V, ${mode.name}, ${engine}: accesses across boundaries`, async () => {
      const { xlen, levels } = mode, all = (1n << BigInt(xlen)) - 1n, bits = xlen === 64 ? 9n : 10n;
      const options = {
        file: `${ROOT}machines/${xlen === 64 ? "virt" : "virt32"}.toml`,
        kernel: "kernel",
        engine,
        tuning: { threshold: 1 },
        set: { "firmware.sbi": "none", "boot.load": RAM, "memory.dram.size": BYTES },
      };
      const host = {
        readFile: (path: string) => path === "kernel" ? assemble([["jal", { rd: 0, imm: 0 }]]) : Deno.readFileSync(path),
        log: silent,
      };
      const m = createMachine(options, host, await loadGraph(options, host)), { bus, cpus: [cpu] } = m, wrong: string[] = [];
      /** An address's page into the tables that begin at `root`; tables are taken one after the other. */
      let free = 0;
      const map = (root: number, va: bigint, frame: number, leaf = 0) => {
        for (let level = levels - 1, table = root; level >= 0; level--) {
          const entry = table + xlen / 8 * Number(va >> 12n + bits * BigInt(level) & (1n << bits) - 1n);
          const put = (page: number, flags: number) => {
            const e = BigInt(page / 4096) << 10n | BigInt(flags);
            bus.write(entry, 4, Number(e & 0xffff_ffffn));
            if (xlen === 64) bus.write(entry + 4, 4, Number(e >> 32n));
          };
          if (level === leaf) return put(frame, 0xcf);
          if (!(bus.read(entry, 4) & 1)) put(free += 0x1000, 1);
          table = Math.floor((bus.read(entry, 4) + (xlen === 64 ? bus.read(entry + 4, 4) * 2 ** 32 : 0)) / 1024) * 4096;
        }
      };
      const wrapped = (va: bigint) => BigInt.asUintN(xlen, va);
      const spaces = boundaries(mode).map((b, n) => {
        const root = free = TABLES + TABLE_BYTES * n;
        map(root, 0x1000n, RAM); // code and handlers, where no boundary is
        if (b.below !== undefined) {
          const large = xlen === 64 ? 0x20_0000 : 0x40_0000;
          if (b.large) map(root, wrapped(b.at - BigInt(large)), END - large, 1);
          else map(root, wrapped(b.at - 0x1000n), b.below);
        }
        if (b.above !== undefined) map(root, wrapped(b.at), b.above);
        return { ...b, satp: mode.satp | BigInt(root / 4096) };
      });
      const start = (satp: bigint, pc: bigint, registers: Record<string, bigint>) => {
        for (
          const [r, v] of Object.entries({
            satp,
            mstatus: 0x6000n,
            pmpaddr0: (1n << 54n) - 1n,
            pmpcfg0: 0x1fn,
            stvec: 0x1000n + BigInt(HANDLER),
            medeleg: 0xb3ffn,
            scause: 0n,
            stval: 0n,
            priv: 1n,
            pc,
            ...registers,
          })
        ) cpu.setReg(r, v);
      };
      const place = ({ at, below, above }: Boundary, va: bigint): number | "page" | "bus" => {
        const side = va < at ? below : above;
        return side === undefined ? "page" : side >= END ? "bus" : side + Number(va & 0xfffn);
      };
      const fill = ({ below, above }: Boundary) => {
        for (const side of [below, above]) {
          if (side === undefined || side >= END) continue;
          // What is near the boundary.
          const from = side === below ? side + 0xfe0 : side;
          bus.writeBytes(from, Uint8Array.from({ length: 0x20 }, (_, i) => i * 5 + (side >> 12)));
        }
      };
      const value = (places: readonly (number | string)[]) =>
        places.reduce((v, p, i) => v | (typeof p === "number" ? BigInt(bus.read(p, 1)) : 0n) << 8n * BigInt(i), 0n);
      const compare = (what: string, seen: readonly (number | bigint)[], wanted: readonly (number | bigint)[]) => {
        if (`${seen}` !== `${wanted}`) wrong.push(`${what}: ${seen.map((v) => v.toString(16))}, not ${wanted.map((v) => v.toString(16))}`);
      };
      bus.writeBytes(RAM + HANDLER, assemble([["jal", { rd: 0, imm: 0 }]]).subarray(0, 4));
      for (const [access, size, kind, line] of accessesOf(xlen)) {
        // Three times, as compiled code and its caches would have it.
        bus.writeBytes(
          RAM,
          assemble([line, ["addi", { rd: T2, rs1: T2, imm: -1 }], ["bne", { rs1: T2, rs2: 0, imm: -8 }], ["jal", { rd: 0, imm: 0 }]])
            .subarray(0, 16),
        );
        for (const boundary of spaces) {
          for (let k = 0; k <= size; k++) {
            const first = boundary.at - BigInt(k), places = Array.from({ length: size }, (_, i) => place(boundary, first + BigInt(i)));
            fill(boundary);
            const before = value(places), bad = places.findIndex((p) => typeof p !== "number");
            const misaligned = kind === "amo" && first % BigInt(size) !== 0n;
            const cause = misaligned ? 6 : bad < 0 ? 0 : places[bad] === "page" ? kind === "load" ? 13 : 15 : kind === "load" ? 5 : 7;
            const stval = misaligned ? first : bad < 0 ? 0n : first + BigInt(bad);
            start(boundary.satp, 0x1000n, { a0: wrapped(first), a1: VALUE & all, a2: 0n, t2: 3n, f1: VALUE, f2: 0n });
            m.run(m.clock.ticks + 3 * 3 + 1);
            const stored = kind === "amo" ? before + 3n * VALUE : VALUE;
            const after = kind === "load" ? cause ? 0n : before : cause ? before : BigInt.asUintN(8 * size, stored);
            const got = kind !== "load" ? value(places) : cpu.reg(access === "fld" ? "f2" : "a2");
            compare(`${boundary.name}: ${access}, ${k} bytes below`, [Number(cpu.reg("scause")), cpu.reg("stval"), got], [
              cause,
              wrapped(stval),
              after,
            ]);
          }
        }
      }
      // An instruction of 4 bytes across it: addi a2, zero, 5.
      const code = assemble([["addi", { rd: A2, rs1: 0, imm: 5 }], ["jal", { rd: 0, imm: 0 }]]).subarray(0, 8);
      for (const boundary of spaces) {
        for (const k of [2, 4]) {
          const first = boundary.at - BigInt(k), places = Array.from(code, (_, i) => place(boundary, first + BigInt(i)));
          const bad = places.slice(0, 4).findIndex((p) => typeof p !== "number");
          places.forEach((p, i) => typeof p === "number" && bus.write(p, 1, code[i]));
          start(boundary.satp, wrapped(first), { a2: 0n });
          m.run(m.clock.ticks + 1);
          const wanted = bad < 0 ? [0, 0n, 5n] : [places[bad] === "page" ? 12 : 1, wrapped(first + BigInt(bad)), 0n];
          compare(`${boundary.name}: fetch, ${k} bytes below`, [Number(cpu.reg("scause")), cpu.reg("stval"), cpu.reg("a2")], wanted);
        }
      }
      assertEquals(wrong, []);
    });
  }
}

Deno.test("remote fences: what lies in one page is traced as such, what touches two is not", async () => {
  const rows = [[0x1800, 0x800, true], [0x1800, 0x801, false], [0x1fff, 1, true], [0x1fff, 2, false], [0x1000, 0x1000, true], [
    0x800,
    0x1000,
    false,
  ]] as const;
  for (const [start, size, one] of rows) {
    const kernel = assemble([
      ...li(A0, 1),
      ...li(A1, 0),
      ...li(A2, start),
      ...li(A3, size),
      ...li(A6, 1),
      ...li(A7, 0x5246_4e43),
      ["ecall"],
      ["jal", { rd: 0, imm: 0 }],
    ]);
    const options = { file: `${ROOT}machines/virt.toml`, kernel: "kernel", set: { "memory.dram.size": "8MiB" } };
    const host = { readFile: (path: string) => path === "kernel" ? kernel : Deno.readFileSync(path), log: silent };
    const m = createMachine(options, host, await loadGraph(options, host)), told: string[] = [];
    (m.cpus[0] as unknown as { core: { trace: CpuTrace } }).core.trace = { mmu: (text) => told.push(text) };
    m.run(1000);
    assertEquals(
      [m.cpus[0].reg("a0"), told.length, told[0]?.startsWith("fence of 0x")],
      [0n, 1, one],
      `0x${start.toString(16)}, ${size} bytes`,
    );
  }
});
