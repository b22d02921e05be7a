// RISC-V as a machine file, descriptions, device trees and GDB have it. Processors: src/riscv; machines: platform.ts.
import { bool, choice, type Config, file, int, type Keys, string, u64 } from "../../core/schema.ts";
import { splitIsa } from "../../riscv/isa_string.ts";
import { hex } from "../config.ts";
import { EM_RISCV } from "../elf.ts";
import { ADDRESS, BOOT, CLOCK } from "../format.ts";
import type { Architecture, GdbArchitecture, TreeWriter } from "../architecture.ts";

const CPU = {
  isa: string("extensions, as in the device tree", {
    pattern: /^rv(32|64)[a-z]+(_[a-z0-9]+)*$/,
    form: `an ISA string like "rv64gc_zba_zbb"`,
  }),
  harts: int("number of harts", { default: 1, min: 1, max: 64 }),
  mmu: choice("widest translation mode", { choices: ["bare", "sv32", "sv39", "sv48", "sv57"], default: "sv39" }),
  svade: bool("page faults instead of hardware updates of the A and D bits", { default: false }),
  reset: u64("address of the first instruction"),
  mvendorid: u64("the mvendorid register", { default: 0n, max: 0xffff_ffffn }),
  marchid: u64("the marchid register", { default: 0n }),
  mimpid: u64("the mimpid register", { default: 0n }),
} satisfies Keys;

export type RiscvCpu = Config<typeof CPU> & { readonly arch: "riscv32" | "riscv64"; readonly family: "riscv" };

export const RISCV: Architecture<RiscvCpu> = {
  title: "RISC-V",
  names: ["riscv32", "riscv64"],
  keys: {
    cpu: CPU,
    clock: { ...CLOCK, timebase_hz: int("rate of the time CSR and of mtime", { default: 10_000_000, min: 1, max: 1_000_000_000 }) },
    firmware: {
      sbi: string("builtin: served by the emulator; none: the kernel starts in M-mode; otherwise the path of a firmware image", {
        default: "builtin",
      }),
    },
    boot: {
      ...BOOT,
      protocol: choice("kind of image; auto looks at the file", { choices: ["auto", "elf", "raw", "linux"], default: "auto" }),
      dtb: file(
        "a device tree (.dtb) in place of the one that follows from this file; /chosen still gets command line and initial RAM disk",
        { optional: true },
      ),
      load: int("where raw images go; 2 MiB above the start of RAM (4 MiB on riscv32) when absent", { ...ADDRESS, optional: true }),
    },
  },
  harts: "harts",
  firmwareWords: ["builtin", "none"],
  // Local interrupt numbers: privileged 20240411, table 14.
  inputs: { ssip: 1, msip: 3, stip: 5, mtip: 7, seip: 9, meip: 11 },
  ports: false,
  entries: true,
  elf: [EM_RISCV],
  platform: "machine/riscv/platform.ts",
  inspector: "machine/riscv/inspect.ts",

  cpu(arch, values, given, misfit) {
    const cpu = values as Config<typeof CPU>,
      wide = arch === "riscv64",
      what = { arch: wide ? "riscv64" : "riscv32", family: "riscv" } as const;
    if (cpu.isa && !cpu.isa.startsWith(wide ? "rv64" : "rv32")) misfit("isa", wide ? "start with rv64" : "start with rv32");
    if (!given("mmu")) return { ...cpu, mmu: wide ? cpu.mmu : "sv32", ...what };
    if (wide ? cpu.mmu === "sv32" : cpu.mmu !== "bare" && cpu.mmu !== "sv32") {
      misfit("mmu", wide ? "be bare, sv39, sv48 or sv57" : "be bare or sv32");
    }
    return { ...cpu, ...what };
  },
  // Privileged 20240411, 10.3 (Sv32) and 10.4. RV64 has 56, of which numbers here hold 53.
  physicalBits: ({ arch, mmu }) => arch === "riscv64" ? 53 : mmu === "bare" ? 32 : 34,
  resetAt: ({ reset }) => reset,
  loadAt: ({ arch }, load, ram) => load ?? ram + (arch === "riscv32" ? 0x40_0000 : 0x20_0000),

  describe: (cpu, { clock, firmware, boot }) => ({
    processor: [["isa", cpu.isa], ["harts", cpu.harts], ["mmu", cpu.mmu + (cpu.svade ? ", Svade" : "")], ["reset", hex(cpu.reset)]],
    timer: ["timebase", `${clock.timebase_hz} Hz`],
    kernel: firmware.kind === "none"
      ? "M-mode at its entry point"
      : "S-mode, or M-mode if it is linked at the start of RAM; hart id in a0, device tree in a1",
    boot: boot.dtb === undefined ? [["raw images at", hex(boot.load)]] : [],
  }),
  addCpus,
  // RISC-V ELF psABI 1.0, "DWARF Register Numbers" and "Frame Pointer Convention".
  stack: (bits) => ({
    bytes: bits / 8,
    registers: Array.from({ length: 32 }, (_, n) => `x${n}`),
    stack: 2,
    frame: 8,
    saved: { frame: -2, returnAddress: -1, above: 0 },
    link: 1,
  }),
  exceptions: "machine/riscv/exception_frames.ts",
  deaths: "machine/riscv/deaths.ts",
  gdb: (arch) => ({ [arch]: { name: arch === "riscv64" ? "riscv:rv64" : "riscv:rv32", bits: arch === "riscv64" ? 64 : 32, ...gdb() } }),
};

/** Linux bindings riscv/cpus.yaml, riscv/extensions.yaml and interrupt-controller/riscv,cpu-intc.yaml. */
function addCpus(
  tree: TreeWriter,
  cpu: RiscvCpu,
  { timebase_hz }: { readonly timebase_hz?: number },
  handles: (hart: number) => { readonly cpu: number; readonly controller: number },
): void {
  const extensions = splitIsa(cpu.isa)!.names, base = cpu.isa.slice(0, 4);
  let isa = base;
  for (const e of extensions) isa += e.length === 1 ? e : `_${e}`;
  tree.begin("cpus");
  tree.set({ "#address-cells": 1, "#size-cells": 0, "timebase-frequency": timebase_hz! });
  for (let hart = 0; hart < cpu.harts; hart++) {
    tree.begin(`cpu@${hart.toString(16)}`);
    tree.set({
      device_type: "cpu",
      reg: hart,
      status: "okay",
      compatible: "riscv",
      "riscv,isa": isa,
      "riscv,isa-base": base + "i",
      "riscv,isa-extensions": extensions,
      "mmu-type": cpu.mmu === "bare" ? "riscv,none" : `riscv,${cpu.mmu}`,
    });
    for (const operation of ["m", "p", "z"]) {
      if (extensions.includes(`zicbo${operation}`)) tree.property(`riscv,cbo${operation}-block-size`, 64);
    }
    tree.property("phandle", handles(hart).cpu);
    tree.begin("interrupt-controller");
    tree.set({
      "#address-cells": 0,
      "#interrupt-cells": 1,
      "interrupt-controller": true,
      compatible: "riscv,cpu-intc",
      phandle: handles(hart).controller,
    });
    tree.end();
    tree.end();
  }
  tree.begin("cpu-map");
  tree.begin("cluster0");
  for (let hart = 0; hart < cpu.harts; hart++) {
    tree.begin(`core${hart}`);
    tree.property("cpu", handles(hart).cpu);
    tree.end();
  }
  tree.end();
  tree.end();
  tree.end();
}

/** GDB manual (version 13), G.5.11 "RISC-V Features". */
function gdb(): Omit<GdbArchitecture, "bits"> {
  return {
    features: {
      general: "org.gnu.gdb.riscv.cpu",
      float: "org.gnu.gdb.riscv.fpu",
      csr: "org.gnu.gdb.riscv.csr",
      system: "org.gnu.gdb.riscv.virtual",
    },
    types: { ra: "code_ptr", pc: "code_ptr", sp: "data_ptr", gp: "data_ptr", tp: "data_ptr", fp: "data_ptr" },
  };
}
