// The x87 and SSE state in memory: what each instruction writes, what it leaves alone, and what comes back. SDM volume 1, 10.5 and chapter 13.
import { assertEquals } from "@std/assert";
import type { Machine } from "../machine/machine.ts";
import { HALTED, machineFrom } from "../machine/testing/machine_from.ts";
import type { X86Cpu } from "./cpu.ts";
import { FAULTED } from "./faults.ts";
import { GPR } from "./slots.ts";
import { fxrstor, fxsave, xrstor, xsave } from "./state.ts";

const TOML = `schema = 1\n[cpu]\narch = "x86_64"\nmodel = "max"\n[memory.ram]\nat = 0\nsize = "1MiB"\n`;
const AREA = 0x8000, BYTES = 0x1000, X87 = 1, SSE = 2;

async function processor(): Promise<{ m: Machine; cpu: X86Cpu; area: (at: number, length: number) => Uint8Array }> {
  const m = await machineFrom(TOML, { kernel: HALTED });
  const cpu = (m.cpus[0] as unknown as { core: X86Cpu }).core;
  cpu.setReg("cr4", 0x4_0600n); // OSXSAVE, OSXMMEXCPT, OSFXSR
  cpu.s.xcr0 = X87 | SSE;
  return { m, cpu, area: (at, length) => m.bus.readBytes(AREA + at, length) };
}
/** Registers of x87 and SSE, and other values for them. */
const NAMES = [
  "fctrl",
  "fstat",
  "ftag",
  "fop",
  "fioff",
  "fooff",
  "mxcsr",
  ...Array.from({ length: 8 }, (_, n) => [`st${n}`, `xmm${n}`]).flat(),
];
const values = (cpu: X86Cpu) => Object.fromEntries(NAMES.map((name) => [name, cpu.reg(name)]));
function fill(cpu: X86Cpu): Record<string, bigint> {
  for (
    const [name, v] of [
      ["fctrl", 0x27fn],
      ["fstat", 0x2881n],
      ["ftag", 0b11_00_11_00_00_00_11_11n],
      ["fop", 0x123n],
      ["fioff", 0x1_2345n],
      ["fooff", 0x5_4321n],
      ["mxcsr", 0x1f85n],
    ] as const
  ) cpu.setReg(name, v);
  for (let n = 0; n < 8; n++) {
    cpu.setReg(`st${n}`, 0x4000_8000_0000_0000_0000n + BigInt(n) * 0x1_0001_0001n),
      cpu.setReg(`xmm${n}`, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210n + BigInt(n));
  }
  return values(cpu);
}
function clear(cpu: X86Cpu): Record<string, bigint> {
  for (const name of NAMES) cpu.setReg(name, name === "fctrl" ? 0x37fn : name === "mxcsr" ? 0x1f80n : name === "ftag" ? 0xffffn : 0n);
  return values(cpu);
}
const ask = (cpu: X86Cpu, components: number) => cpu.window.set(GPR(0), components, 0);
const isSse = (name: string) => name.startsWith("xmm");

Deno.test("FXSAVE and FXRSTOR: everything comes back; what is behind the registers is left alone", async () => {
  const { m, cpu, area } = await processor(), full = fill(cpu);
  m.bus.writeBytes(AREA, new Uint8Array(BYTES).fill(0xee));
  fxsave(cpu, AREA, 0, false);
  assertEquals(area(160 + 8 * 16, 512 - 288), new Uint8Array(512 - 288).fill(0xee), "XMM8 on are 64-bit mode's");
  const view = new DataView(area(0, 512).buffer);
  // Tags are one bit a register, set when it holds something; the area's are those of the physical registers.
  assertEquals([view.getUint16(0, true), view.getUint16(2, true), view.getUint8(4), view.getUint16(6, true)], [
    0x27f,
    0x2881,
    0b0101_1100,
    0x123,
  ]);
  assertEquals([view.getUint32(24, true), view.getUint32(28, true)], [0x1f85, 0xffff]);
  clear(cpu);
  fxrstor(cpu, AREA, 0, false);
  assertEquals(values(cpu), full);
});

Deno.test("XSAVE writes the components that are asked for and enabled, and says so; the others stay as they are", async () => {
  for (const kind of [0, 1, 2, 3]) {
    for (const components of [0, X87, SSE, X87 | SSE, 0xff]) {
      const { m, cpu, area } = await processor(), what = `kind ${kind}, components ${components}`, enabled = components & 3;
      fill(cpu);
      const before = new Uint8Array(BYTES).fill(0xee);
      before.fill(0, 512, 576);
      before[512] = 3;
      m.bus.writeBytes(AREA, before);
      ask(cpu, components);
      xsave(cpu, AREA, 0, false, kind);
      const untouched = (at: number, length: number) => area(at, length).every((b) => b === 0xee);
      assertEquals([untouched(0, 24), untouched(32, 128)], [!(enabled & X87), !(enabled & X87)], what);
      assertEquals([untouched(24, 8), untouched(160, 128)], [!(enabled & SSE), !(enabled & SSE)], what);
      // XSAVE and XSAVEOPT keep the bits of the others (13.7, 13.9), the compacting ones clear them (13.10, 13.11).
      const header = new DataView(area(512, 64).buffer);
      assertEquals(header.getUint32(0, true), kind < 2 ? 3 : enabled, what);
      assertEquals([header.getUint32(8, true), header.getUint32(12, true)], kind < 2 ? [0, 0] : [enabled, 0x8000_0000], what);
    }
  }
});

Deno.test("XRSTOR takes what is asked for: from memory, or as after a reset where the header does not have it", async () => {
  for (const [save, restore] of [[0, 0], [2, 0], [3, 3]]) {
    for (const present of [0, X87, SSE, X87 | SSE]) {
      for (const components of [X87, SSE, X87 | SSE]) {
        const { m, cpu } = await processor(), what = `${save} ${restore}, has ${present}, asks ${components}`, full = fill(cpu);
        ask(cpu, 3);
        xsave(cpu, AREA, 0, false, save);
        m.bus.writeBytes(AREA + 512, Uint8Array.of(present));
        const initial = clear(cpu),
          other = Object.fromEntries(
            NAMES.map((
              name,
            ) => [name, name === "mxcsr" ? 0x1fa0n : name === "fctrl" ? 0x77fn : name === "ftag" ? 0n : name.startsWith("f") ? 0n : 5n]),
          );
        for (const name of NAMES) cpu.setReg(name, other[name]);
        ask(cpu, components);
        xrstor(cpu, AREA, 0, false, restore);
        const want = Object.fromEntries(NAMES.map((name) => {
          const part = name === "mxcsr" || isSse(name) ? SSE : X87;
          // 13.8.1: the standard form loads MXCSR from memory whenever SSE is asked for.
          const from = !(components & part) ? other : present & part || (name === "mxcsr" && save === 0) ? full : initial;
          return [name, from[name]];
        }));
        assertEquals(values(cpu), want, what);
      }
    }
  }
});

Deno.test("what is wrong faults before anything has changed", async () => {
  const { m, cpu } = await processor(),
    full = fill(cpu),
    run = (work: () => unknown, what: string) => {
      let faulted: unknown;
      try {
        work();
      } catch (e) {
        faulted = e;
      }
      assertEquals([faulted, values(cpu)], [FAULTED, full], what);
    };
  ask(cpu, 3);
  xsave(cpu, AREA, 0, false, 0);
  const reset = m.bus.readBytes(AREA, 1024),
    with_ = (at: number, value: number) => {
      m.bus.writeBytes(AREA, reset);
      m.bus.writeBytes(AREA + at, Uint8Array.of(value));
    };
  run(() => fxsave(cpu, AREA + 8, 0, false), "FXSAVE at 8");
  run(() => fxrstor(cpu, AREA + 8, 0, false), "FXRSTOR at 8");
  run(() => xsave(cpu, AREA + 32, 0, false, 0), "XSAVE at 32");
  run(() => xrstor(cpu, AREA + 32, 0, false, 0), "XRSTOR at 32");
  // Reserved bits: of MXCSR, whether the header has SSE or not; of XSTATE_BV; of the header's rest, in either form.
  for (const [at, value] of [[26, 1], [512, 4], [513, 1], [520, 1], [575, 1]]) {
    with_(at, value);
    run(() => xrstor(cpu, AREA, 0, false, 0), `XRSTOR with ${value} at ${at}`);
  }
  with_(26, 1);
  m.bus.writeBytes(AREA + 512, Uint8Array.of(1));
  run(() => xrstor(cpu, AREA, 0, false, 0), "XRSTOR, reserved bits of MXCSR without SSE");
  run(() => fxrstor(cpu, AREA, 0, false), "FXRSTOR, reserved bits of MXCSR");
  with_(0, 0x7f);
  run(() => xrstor(cpu, AREA, 0, false, 3), "XRSTORS of the standard form");
  cpu.s.cr0 |= 8;
  for (const work of [fxsave, fxrstor] as const) run(() => work(cpu, AREA, 0, false), "CR0.TS");
  for (const work of [xsave, xrstor] as const) run(() => work(cpu, AREA, 0, false, 0), "CR0.TS");
  cpu.s.cr0 = cpu.s.cr0 & ~8 | 4;
  for (const work of [fxsave, fxrstor] as const) run(() => work(cpu, AREA, 0, false), "CR0.EM");
  cpu.s.cr0 &= ~4;
  cpu.s.cr4 &= ~0x4_0000;
  for (const work of [xsave, xrstor] as const) run(() => work(cpu, AREA, 0, false, 0), "CR4.OSXSAVE");
});
