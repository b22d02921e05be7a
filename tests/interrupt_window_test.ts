// When an interrupt that waits gets in: after each instruction that can let it in, at each privilege, the handler runs before the next
// instruction (on x86 after STI and a load of SS one instruction later), in the interpreter and in compiled code.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import { loadJit } from "../src/engine/engine.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";
import { CODE_AT, HANDLERS, Lab } from "./x86/lab.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
/** Ways to run: the interpreter, and the JIT that compiles at once. */
const ENGINES: readonly Pick<MachineOptions, "engine" | "tuning">[] = [{ engine: "interp" }, { engine: "jit", tuning: { threshold: 1 } }];

async function machine(file: string, kernel: Uint8Array, set: Record<string, unknown>, engine: typeof ENGINES[number]): Promise<Machine> {
  const options: MachineOptions = { file: `${ROOT}machines/${file}`, kernel: "kernel", set, ...engine };
  const host = { readFile: (path: string) => path === "kernel" ? kernel : Deno.readFileSync(path), log: silent };
  return createMachine(options, host, await loadGraph(options, host));
}

// --- RISC-V

const isa = parseIsa("rv64gc_zicsr"), RAM = 0x8000_0000, HANDLER = 0x400, RESULT = 0x800;
const MSTATUS = 0x300,
  MIE = 0x304,
  MTVEC = 0x305,
  MEPC = 0x341,
  MIDELEG = 0x303,
  STVEC = 0x105,
  SSTATUS = 0x100,
  SIE = 0x104,
  SEPC = 0x141,
  MIP = 0x344;
const MSIP = 8, SSIP = 2, M_ENABLE = 8, S_ENABLE = 2, MPIE = 0x80, SPIE = 0x20, MPP_S = 0x800, MPP_M = 0x1800, SPP = 0x100;
type Code = readonly (readonly [name: string, fields: Record<string, number>])[];
/** Registers: t0 is scratch, s0 counts what ran behind the window, s1 has the target of returns. */
const T0 = 5, S0 = 8, S1 = 9, A0 = 10, A1 = 11;
const li = (rd: number, value: number): Code => [
  ["lui", { rd, imm: value + 0x800 & ~0xfff }],
  ["addi", { rd, rs1: rd, imm: (value & 0xfff) << 20 >> 20 }],
];
const csr = (name: string, csr: number, value: number): Code => [...li(T0, value), [name, { rd: 0, rs1: T0, csr }]];
/** Raises the first hart's machine software interrupt by the CLINT, or its supervisor one by mip. */
const raiseM: Code = [...li(T0, 0x200_0000), ...li(A1, 1), ["sw", { rs1: T0, rs2: A1, imm: 0 }]];
const raiseS: Code = csr("csrrs", MIP, SSIP);
/** To S-mode at the next instruction. */
const toS: Code = [["auipc", { rd: T0, imm: 0 }], ["addi", { rd: T0, rs1: T0, imm: 16 }], ["csrrw", { rd: 0, rs1: T0, csr: MEPC }], [
  "mret",
  {},
]];
/** Behind the instruction that follows the return. */
const target: Code = [["auipc", { rd: S1, imm: 0 }], ["addi", { rd: S1, rs1: S1, imm: 20 }]];

/** Windows: what comes before, the instruction that lets the interrupt in, and how many instructions behind it may run: none. */
const RISCV: Readonly<Record<string, readonly [before: Code, window: Code]>> = {
  "csrrs mstatus": [[...csr("csrrw", MIE, MSIP), ...raiseM, ...li(T0, M_ENABLE)], [["csrrs", { rd: 0, rs1: T0, csr: MSTATUS }]]],
  "csrrsi mstatus": [[...csr("csrrw", MIE, MSIP), ...raiseM], [["csrrsi", { rd: 0, uimm: M_ENABLE, csr: MSTATUS }]]],
  "csrrw mstatus": [[...csr("csrrw", MIE, MSIP), ...raiseM, ...li(T0, M_ENABLE)], [["csrrw", { rd: A0, rs1: T0, csr: MSTATUS }]]],
  "csrrw mie": [[...csr("csrrs", MSTATUS, M_ENABLE), ...raiseM, ...li(T0, MSIP)], [["csrrw", { rd: 0, rs1: T0, csr: MIE }]]],
  "csrrs mie": [[...csr("csrrs", MSTATUS, M_ENABLE), ...raiseM, ...li(T0, MSIP)], [["csrrs", { rd: 0, rs1: T0, csr: MIE }]]],
  "the store that raises it": [
    [...csr("csrrw", MIE, MSIP), ...csr("csrrs", MSTATUS, M_ENABLE), ...li(T0, 0x200_0000), ...li(A1, 1)],
    [["sw", { rs1: T0, rs2: A1, imm: 0 }]],
  ],
  "mret to M": [
    [...csr("csrrw", MIE, MSIP), ...raiseM, ...csr("csrrw", MSTATUS, MPP_M | MPIE), ...target, ["csrrw", { rd: 0, rs1: S1, csr: MEPC }]],
    [["mret", {}]],
  ],
  "mret to S, which cannot mask it": [
    [...csr("csrrw", MIE, MSIP), ...raiseM, ...csr("csrrw", MSTATUS, MPP_S), ...target, ["csrrw", { rd: 0, rs1: S1, csr: MEPC }]],
    [["mret", {}]],
  ],
  "S: csrrsi sstatus": [
    [...csr("csrrw", MIDELEG, SSIP), ...csr("csrrw", MIE, SSIP), ...raiseS, ...csr("csrrw", MSTATUS, MPP_S), ...toS],
    [["csrrsi", { rd: 0, uimm: S_ENABLE, csr: SSTATUS }]],
  ],
  "S: csrrs sie": [
    [...csr("csrrw", MIDELEG, SSIP), ...raiseS, ...csr("csrrw", MSTATUS, MPP_S | S_ENABLE), ...toS, ...li(T0, SSIP)],
    [["csrrs", { rd: 0, rs1: T0, csr: SIE }]],
  ],
  "S: sret to S": [
    [
      ...csr("csrrw", MIDELEG, SSIP),
      ...csr("csrrw", MIE, SSIP),
      ...raiseS,
      ...csr("csrrw", MSTATUS, MPP_S | SPP | SPIE),
      ...toS,
      ...target,
      ["csrrw", { rd: 0, rs1: S1, csr: SEPC }],
    ],
    [["sret", {}]],
  ],
  "S: sret to U, which cannot mask it": [
    [...csr("csrrw", MIDELEG, SSIP), ...csr("csrrw", MIE, SSIP), ...raiseS, ...csr("csrrw", MSTATUS, MPP_S), ...toS, ...target, ["csrrw", {
      rd: 0,
      rs1: S1,
      csr: SEPC,
    }]],
    [["sret", {}]],
  ],
};

/** Stores the saved pc's offset in RAM and s0, then stays. */
const handler = (epc: number): Code => [
  ["csrrs", { rd: A0, rs1: 0, csr: epc }],
  ["auipc", { rd: T0, imm: 0 }],
  ["sd", { rs1: T0, rs2: A0, imm: RESULT - HANDLER - 4 - (epc === SEPC ? 0x100 : 0) }],
  ["sd", { rs1: T0, rs2: S0, imm: RESULT - HANDLER + 4 - (epc === SEPC ? 0x100 : 0) }],
  ["jal", { rd: 0, imm: 0 }],
];

function riscvImage(before: Code, window: Code): { image: Uint8Array; next: number } {
  const image = new Uint8Array(0x1000), view = new DataView(image.buffer);
  let at = 0;
  const put = (code: Code) => {
    for (const [name, fields] of code) {
      const row = isa.table.row(name);
      view.setUint32(at, encode(row, fields), true);
      at += 4;
    }
  };
  // Everything may be accessed by everybody.
  const open: Code = [["addi", { rd: T0, rs1: 0, imm: -1 }], ["csrrw", { rd: 0, rs1: T0, csr: 0x3b0 }], ["csrrwi", {
    rd: 0,
    uimm: 0x1f,
    csr: 0x3a0,
  }]];
  const vector = (csr: number, offset: number): Code => [
    ["addi", { rd: T0, rs1: 0, imm: 1 }],
    ["slli", { rd: T0, rs1: T0, shamt: 31 }],
    ["addi", { rd: T0, rs1: T0, imm: offset }],
    ["csrrw", { rd: 0, rs1: T0, csr }],
  ];
  put([...open, ...vector(MTVEC, HANDLER), ...vector(STVEC, HANDLER + 0x100)]);
  put([...before, ...window]);
  // A return goes on behind one more instruction, which must not run either.
  const returns = window[0][0].endsWith("ret"), next = at + (returns ? 4 : 0);
  for (let i = 0; i < 8; i++) put([["addi", { rd: S0, rs1: S0, imm: 1 }]]);
  put([["jal", { rd: 0, imm: 0 }]]);
  at = HANDLER;
  put(handler(MEPC));
  at = HANDLER + 0x100;
  put(handler(SEPC));
  return { image, next };
}

for (const engine of ENGINES) {
  for (const [name, [before, window]] of Object.entries(RISCV)) {
    Deno.test(`RISC-V, ${engine.engine}: an interrupt that waits comes right behind ${name}`, async () => {
      const { image, next } = riscvImage(before, window);
      const m = await machine("virt.toml", image, { "firmware.sbi": "none", "boot.load": RAM, "memory.dram.size": "1MiB" }, engine);
      m.run(2000);
      const word = (at: number) => m.bus.read(RAM + RESULT + at, 4);
      assertEquals([word(0) - RAM, word(8)], [next, 0]);
    });
  }
}

// --- x86, in real mode: IRQ 0 waits in the 8259; its handler writes IP of the interrupted code and what ran behind the window.

const hex = (text: string) => text.replace(/;.*/g, "").match(/[0-9a-f]{2}/g)?.map((b) => parseInt(b, 16)) ?? [];
const PRELUDE = hex(`
  fa 31 c0 8e d8 8e d0 bc 00 7c       ; cli; xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 7c00h
  c7 06 20 00 00 7e c7 06 22 00 00 00 ; interrupt 8: 0000:7e00
  b0 fe e6 21                         ; only IRQ 0
  b0 30 e6 43 b0 10 e6 40 b0 00 e6 40 ; timer 0, mode 0, 16 counts
  b0 0a e6 20                         ; reads of port 20h: what waits
  e4 20 a8 01 74 fa                   ; in al, 20h; test al, 1; jz
  31 db                               ; xor bx, bx`);
const INC = [0x43], STAY = [0xeb, 0xfe];
/** What comes before, the window, and how many INC BX behind it run before the handler. */
const X86: Readonly<Record<string, readonly [before: string, window: string, ran: number]>> = {
  "STI: one instruction later": ["", "fb", 1],
  "POPF": ["9c 58 80 cc 02 50", "9d", 0],
  "POPFD": ["66 9c 66 58 80 cc 02 66 50", "66 9d", 0],
  "IRET": ["9c 58 80 cc 02 50 0e e8 00 00 58 83 c0 06 50", "cf", 0],
  "STI and MOV SS: one instruction behind both": ["8c d1", "fb 8e d1", 1],
  "STI and POP SS: one instruction behind both": ["16", "fb 17", 1],
  "OUT that unmasks it": ["b0 ff e6 21 fb 90 b0 fe", "e6 21", 0],
};
const HANDLER_16 = hex(`
  58 a3 00 05 89 1e 02 05             ; pop ax; mov [500h], ax; mov [502h], bx
  f4 eb fd                            ; hlt; jmp`);

for (const engine of ENGINES) {
  for (const [name, [before, window, ran]] of Object.entries(X86)) {
    Deno.test(`x86, ${engine.engine}: an interrupt that waits comes behind ${name}`, async () => {
      const image = new Uint8Array(512 * 64), code = [...PRELUDE, ...hex(before), ...hex(window)];
      image.set([...code, ...INC, ...INC, ...INC, ...INC, ...STAY]);
      image.set(HANDLER_16, 0x200);
      image.set([0x55, 0xaa], 510);
      // The boot sector is all that is loaded: the handler comes by the test.
      const m = await machine("pc.toml", image, { "memory.ram.size": "4MiB" }, engine);
      m.bus.writeBytes(0x7e00, Uint8Array.from(HANDLER_16));
      m.run(3_000_000);
      const next = 0x7c00 + code.length + ran;
      assertEquals([m.bus.read(0x500, 2), m.bus.read(0x502, 2)], [next, ran]);
    });
  }
}

// --- NMIs: another one waits for the IRET of the first, and one of those that came meanwhile is kept (SDM volume 3A, 6.7.1). What an IRET that
// faults lets in comes before the handler of the fault.

/** Handlers by vector, the steps at which an NMI comes, and where each step ends: n NMI handler, g #GP's, v INT 50h's, m what was interrupted. */
const NMIS: readonly (readonly [name: string, handlers: (iret: number[]) => Record<number, number[]>, nmis: number[], steps: string])[] = [
  ["no IRET", () => ({ 2: [0x90, 0x90, 0x90, 0x90, 0x90] }), [0, 1, 2, 3], "n1 n2 n3 n4 n5"],
  ["IRET", (iret) => ({ 2: [0x90, 0x90, ...iret] }), [0, 1, 1, 2], "n1 n2 n0 n1 n2 m0 m1"],
  ["IRET of an exception's handler in between", (iret) => ({ 2: [0xcd, 0x50, ...iret], 0x50: iret }), [0, 1], "v0 n0 v0 n2 n2 m0 m1"],
  ["IRET that faults", (iret) => ({ 2: [0x90, ...iret], 13: [0x90, 0x90] }), [0, 1], "n1 n0 n1 g0 g1"],
];
for (const [name, handlers, nmis, steps] of NMIS) {
  Deno.test(`x86: two NMIs: ${name}`, async () => {
    const lab = await Lab.make(), names: Record<number, string> = { 2: "n", 13: "g", 0x50: "v" };
    for (const mode of ["real", "16", "32", "64"] as const) {
      const faults = name.endsWith("faults"), { machine, cpu } = lab;
      if (faults && mode === "real") continue;
      for (const restored of [false, true]) {
        lab.prepare(mode, 0);
        for (const [n, bytes] of Object.entries(handlers(mode === "64" ? [0x48, 0xcf] : [0xcf]))) {
          machine.bus.writeBytes(HANDLERS + 16 * Number(n), Uint8Array.from(bytes));
        }
        machine.bus.writeBytes(CODE_AT, Uint8Array.from([0x90, 0x90, 0x90, 0x90]));
        cpu.segments.setEip(CODE_AT, 0);
        const seen = steps.split(" ").map((_, step) => {
          for (const at of nmis) if (at === step) [true, false].forEach((level) => cpu.input("nmi")!.set(level));
          if (restored) machine.restore(machine.snapshot());
          // The frame that is to be returned by: code of a null selector.
          const width = { "real": 2, "16": 2, "32": 4, "64": 8 }[mode];
          if (faults) machine.bus.write(Number(cpu.reg("rsp")) + width, 2, 0);
          machine.run(machine.clock.ticks + 1);
          const at = Number(cpu.reg("rip"));
          return at >= HANDLERS ? `${names[at - HANDLERS >> 4]}${at & 15}` : `m${at - CODE_AT}`;
        });
        assertEquals(seen.join(" "), steps, `${mode}${restored ? ", restored before each step" : ""}`);
      }
    }
  });
}
