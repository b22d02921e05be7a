// Every kind of access at every offset across the boundaries of addresses, in S-mode under Sv39: pages, holes, 2 GiB, 4 GiB, both ends of the
// canonical addresses and the end of memory; over frames that are not neighbours, in loops, in either engine. The reference goes byte by byte.
// RISC-V Privileged 20240411, 3.1.16 and 4.1.9: the trap value of a misaligned access is the address of the part that faults.
import { assertEquals } from "@std/assert";
import type { CpuTrace } from "../src/core/cpu.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, loadJit } from "../src/machine/machine.ts";
import { A0, A1, A2, A6, A7, assemble, li, type Line, RAM, T2 } from "./riscv_code.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
const BYTES = 0x20_0000, HANDLER = 0x800, TABLES = RAM + 0x1_0000, BELOW = RAM + 0x18_0000, ABOVE = RAM + 0x18_8000, END = RAM + BYTES;
interface Boundary {
  readonly name: string;
  readonly at: bigint;
  /** Frames on either side; undefined where nothing is mapped or no address is. */
  readonly below?: number;
  readonly above?: number;
}
const BOUNDARIES: readonly Boundary[] = [
  { name: "a page", at: 0x4000_1000n, below: BELOW, above: ABOVE },
  { name: "a page, the frames the other way round", at: 0x4000_1000n, below: ABOVE, above: BELOW },
  { name: "a hole behind", at: 0x4000_1000n, below: BELOW },
  { name: "a hole in front", at: 0x4000_1000n, above: ABOVE },
  { name: "2 GiB", at: 0x8000_0000n, below: BELOW, above: ABOVE },
  { name: "4 GiB", at: 0x1_0000_0000n, below: BELOW, above: ABOVE },
  { name: "4 GiB, a hole in front", at: 0x1_0000_0000n, above: ABOVE },
  { name: "the end of the lower canonical addresses", at: 1n << 38n, below: BELOW },
  { name: "the start of the upper ones", at: 0xffff_ffc0_0000_0000n, above: ABOVE },
  { name: "2 GiB below 2^64", at: 0xffff_ffff_8000_0000n, below: BELOW, above: ABOVE },
  { name: "the end of memory", at: 0x4000_1000n, below: END - 0x1000, above: END },
];
const A3 = 13;
const ACCESSES: readonly (readonly [name: string, size: number, kind: "load" | "store" | "amo", line: Line])[] = [
  ...([["lbu", 1], ["lhu", 2], ["lwu", 4], ["ld", 8]] as const).map(([name, size]) =>
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
const VALUE = 0x0877_6655_4433_2211n;

for (const engine of ["interp", "jit"] as const) {
  for (const { name, at, below, above } of BOUNDARIES) {
    Deno.test(`RISC-V, ${engine}: accesses across ${name}`, async () => {
      const options = {
        file: `${ROOT}machines/virt.toml`,
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
      let free = TABLES;
      const map = (va: bigint, frame: number, leaf = 0) => {
        let table = TABLES;
        for (const level of [2, 1, 0]) {
          const entry = table + 8 * Number(va >> BigInt(12 + 9 * level) & 511n),
            pte = (page: number, flags: number) => {
              const e = BigInt(page / 4096) << 10n | BigInt(flags);
              bus.write(entry, 4, Number(e & 0xffff_ffffn));
              bus.write(entry + 4, 4, Number(e >> 32n));
            };
          if (level === leaf) return pte(frame, 0xcf);
          if (!(bus.read(entry, 4) & 1)) pte(free += 0x1000, 1);
          table = Math.floor((bus.read(entry, 4) + bus.read(entry + 4, 4) * 2 ** 32) / 1024) * 4096;
        }
      };
      for (let page = RAM; page < RAM + 0x2000; page += 0x1000) if (at !== 0x8000_0000n) map(BigInt(page), page);
      // Code and handlers where no boundary is.
      map(0x1000n, RAM);
      if (below !== undefined) map(at - 0x1000n, below);
      if (above !== undefined) map(at, above);
      const start = (pc: bigint, registers: Record<string, bigint>) => {
        for (
          const [r, v] of Object.entries({
            satp: 8n << 60n | BigInt(TABLES / 4096),
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
      const place = (va: bigint): number | "page" | "bus" => {
        const side = va < at ? below : above;
        return side === undefined ? "page" : side >= END ? "bus" : side + Number(va & 0xfffn);
      };
      const fill = () => {
        for (const side of [below, above]) {
          if (side !== undefined && side < END) bus.writeBytes(side, Uint8Array.from({ length: 0x1000 }, (_, i) => i * 5 + (side >> 12)));
        }
      };
      const value = (places: readonly (number | string)[]) =>
        places.reduce((v, p, i) => v | (typeof p === "number" ? BigInt(bus.read(p, 1)) : 0n) << 8n * BigInt(i), 0n);
      bus.writeBytes(RAM + HANDLER, assemble([["jal", { rd: 0, imm: 0 }]]).subarray(0, 4));
      for (const [access, size, kind, line] of ACCESSES) {
        // Three times, as compiled code and its caches would have it.
        bus.writeBytes(
          RAM,
          assemble([line, ["addi", { rd: T2, rs1: T2, imm: -1 }], ["bne", { rs1: T2, rs2: 0, imm: -8 }], ["jal", { rd: 0, imm: 0 }]])
            .subarray(0, 16),
        );
        for (let k = 0; k <= size; k++) {
          const first = at - BigInt(k), places = Array.from({ length: size }, (_, i) => place(first + BigInt(i)));
          fill();
          const before = value(places), bad = places.findIndex((p) => typeof p !== "number");
          const misaligned = kind === "amo" && first % BigInt(size) !== 0n;
          const cause = misaligned ? 6 : bad < 0 ? 0 : places[bad] === "page" ? kind === "load" ? 13 : 15 : kind === "load" ? 5 : 7;
          const stval = misaligned ? first : bad < 0 ? 0n : first + BigInt(bad);
          start(0x1000n, { a0: BigInt.asUintN(64, first), a1: VALUE, a2: 0n, t2: 3n, f1: VALUE, f2: 0n });
          m.run(m.clock.ticks + 3 * 3 + 1);
          const mask = 8 * size, stored = kind === "amo" ? before + 3n * VALUE : VALUE;
          const wanted = [
            cause,
            BigInt.asUintN(64, stval),
            kind === "load" ? cause ? 0n : before : cause ? before : BigInt.asUintN(mask, stored),
          ];
          const got = kind !== "load" ? value(places) : cpu.reg(access === "fld" ? "f2" : "a2");
          const seen = [Number(cpu.reg("scause")), cpu.reg("stval"), got];
          if (`${seen}` !== `${wanted}`) {
            wrong.push(`${access}, ${k} bytes below: ${seen.map((v) => v.toString(16))}, not ${wanted.map((v) => v.toString(16))}`);
          }
        }
      }
      // An instruction of 4 bytes across it: addi a2, zero, 5.
      for (const k of [2, 4]) {
        const first = at - BigInt(k), code = assemble([["addi", { rd: A2, rs1: 0, imm: 5 }], ["jal", { rd: 0, imm: 0 }]]).subarray(0, 8);
        const places = Array.from(code, (_, i) => place(first + BigInt(i))),
          bad = places.slice(0, 4).findIndex((p) => typeof p !== "number");
        places.forEach((p, i) => typeof p === "number" && bus.write(p, 1, code[i]));
        start(BigInt.asUintN(64, first), { a2: 0n });
        m.run(m.clock.ticks + 1);
        const wanted = bad < 0 ? [0, 0n, 5n] : [places[bad] === "page" ? 12 : 1, BigInt.asUintN(64, first + BigInt(bad)), 0n];
        const seen = [Number(cpu.reg("scause")), cpu.reg("stval"), cpu.reg("a2")];
        if (`${seen}` !== `${wanted}`) {
          wrong.push(`fetch, ${k} bytes below: ${seen.map((v) => v.toString(16))}, not ${wanted.map((v) => v.toString(16))}`);
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
