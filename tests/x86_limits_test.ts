// The tables of an x86 processor at their limits: GDT, LDT, IDT, TSS and I/O bitmap, and segments, from the last byte inside to the first
// outside, for all that reads them. Every row names the smallest limit with which its instruction works; with one byte less it faults.
// Intel SDM volume 3A (253668-083), 3.5, 5.3, 6.11 to 6.14, 7.2 and 7.3; volume 1, 19.5.2; INT n, JMP, CALL, RET, IRET in volume 2.
import { assertEquals } from "@std/assert";
import { CS, DS, LDTR, SS, TR } from "../src/x86/segments.ts";
import {
  BIG,
  CODE,
  code,
  CODE_AT,
  DATA,
  data,
  type Descriptor,
  descriptor,
  EDGE,
  GATE,
  gate,
  GDT_AT,
  GRANULAR,
  HANDLERS,
  IDT_AT,
  Lab,
  LDT_AT,
  LOCAL,
  type Mode,
  P,
  POINTER,
  STACK0,
  STACK3,
  TARGET,
  TASK_GATE,
  TSS,
  TSS2,
  TSS2_AT,
  TSS3,
  TSS3_AT,
  TSS_AT,
  VECTOR,
} from "./x86/lab.ts";

interface Row {
  readonly name: string;
  readonly modes: readonly Mode[];
  readonly cpl?: number;
  /** Whose limit it is. `both`: that of the GDT, and that of the LDT with the descriptor there. `edge`: that in the descriptor at the edge. */
  readonly table: "gdt" | "both" | "idt" | "tss" | "edge" | "ds" | "ss" | "cs" | "none";
  /** The smallest limit that works. */
  readonly last: number | ((mode: Mode) => number);
  /** What is at the edge. */
  readonly edge?: (mode: Mode) => Descriptor;
  /** The instruction; `s` is the selector of what is at the edge. */
  readonly run: (s: number, mode: Mode) => readonly number[];
  /** Prepares what else it needs. */
  readonly set?: (l: Lab, s: number) => void;
  /** What comes of it inside the limit and beyond: "ok", or the vector in hexadecimal and its error code. */
  readonly inside?: string;
  readonly beyond: string | ((s: number, mode: Mode) => string);
}

const le = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => value >>> 8 * i & 0xff);
const hex = (n: number): string => n.toString(16);
/** ModRM and what follows for a register field and an address. */
const mem = (mode: Mode, reg: number, at: number): number[] =>
  mode === "64" ? [reg << 3 | 4, 0x25, ...le(at, 4)] : mode === "32" ? [reg << 3 | 5, ...le(at, 4)] : [reg << 3 | 6, ...le(at, 2)];
const direct = (opcode: number) => (s: number, mode: Mode): number[] => [opcode, ...le(TARGET, mode === "32" ? 4 : 2), ...le(s, 2)];
const indirect = (reg: number) => (_: number, mode: Mode): number[] => [0xff, ...mem(mode, reg, POINTER)];
const rexW = (mode: Mode, ...bytes: number[]): number[] => mode === "64" ? [0x48, ...bytes] : bytes;
/** The segment registers' numbers, and what loads a far pointer into them. */
const PROTECTED: readonly Mode[] = ["16", "32", "64"], LEGACY: readonly Mode[] = ["16", "32"], ALL3: readonly Mode[] = ["32"];
const END = EDGE + 7, END16 = (mode: Mode) => mode === "64" ? EDGE + 15 : EDGE + 7;

// --- loading segment registers: #GP(selector) beyond the limit (3.5.1, 5.3)

const gp = (s: number) => `0d ${hex(s & ~3)}`;
const ts = (s: number) => `0a ${hex(s & ~3)}`;
const tsExt = (s: number) => `0a ${hex(s & ~3 | 1)}`;
const gpExt = (s: number) => `0d ${hex(s & ~3 | 1)}`;

const LOADS: readonly Row[] = [
  ...(["es", "", "ss", "ds", "fs", "gs"].flatMap((name, n): Row[] =>
    name === "" ? [] : [{
      name: `mov ${name}, ax`,
      modes: PROTECTED,
      table: "both",
      last: END,
      edge: (mode) => data(mode, 0),
      run: () => [0x8e, 0xc0 | n << 3],
      set: (l, s) => l.cpu.setReg("rax", BigInt(s)),
      beyond: gp,
    }]
  )),
  ...([["es", 0x07], ["ss", 0x17], ["ds", 0x1f]] as const).map(([name, opcode]): Row => ({
    name: `pop ${name}`,
    modes: LEGACY,
    table: "both",
    last: END,
    edge: (mode) => data(mode, 0),
    run: () => [opcode],
    set: (l, s) => l.push(s),
    beyond: gp,
  })),
  ...([["fs", 0xa1], ["gs", 0xa9]] as const).map(([name, opcode]): Row => ({
    name: `pop ${name}`,
    modes: PROTECTED,
    table: "both",
    last: END,
    edge: (mode) => data(mode, 0),
    run: () => [0x0f, opcode],
    set: (l, s) => l.push(s),
    beyond: gp,
  })),
  ...([["les", [0xc4]], ["lds", [0xc5]], ["lss", [0x0f, 0xb2]], ["lfs", [0x0f, 0xb4]], ["lgs", [0x0f, 0xb5]]] as const).map((
    [name, opcode],
  ): Row => ({
    name,
    modes: opcode.length === 1 ? LEGACY : PROTECTED,
    table: "both",
    last: END,
    edge: (mode) => data(mode, 0),
    run: (_, mode) => [...opcode, ...mem(mode, 0, POINTER)],
    set: (l, s) => l.pointer(s),
    beyond: gp,
  })),
];

// --- far transfers

const STACKED = (l: Lab, ...more: number[]) => l.push(TARGET, ...more);
const FAR: readonly Row[] = [
  ...([["jmp", 0xea], ["call", 0x9a]] as const).map(([name, opcode]): Row => ({
    name: `${name} far, direct`,
    modes: LEGACY,
    table: "both",
    last: END,
    edge: (mode) => code(mode, 0),
    run: direct(opcode),
    beyond: gp,
  })),
  ...([["jmp", 5], ["call", 3]] as const).map(([name, reg]): Row => ({
    name: `${name} far, indirect`,
    modes: PROTECTED,
    table: "both",
    last: END,
    edge: (mode) => code(mode, 0),
    run: indirect(reg),
    set: (l, s) => l.pointer(s),
    beyond: gp,
  })),
  ...([["jmp", 5], ["call", 3]] as const).flatMap(([name, reg]): Row[] => [{
    name: `${name} through a call gate at the edge`,
    modes: PROTECTED,
    table: "both",
    last: END16,
    edge: (mode) => gate(mode === "16" ? 4 : 12, CODE[0], TARGET),
    run: indirect(reg),
    set: (l, s) => l.pointer(s),
    beyond: gp,
  }, {
    name: `${name} through a call gate to code at the edge`,
    modes: PROTECTED,
    table: "both",
    last: END,
    edge: (mode) => code(mode, 0),
    run: indirect(reg),
    set: (l, s) => (l.put(GDT_AT, GATE, gate(l.mode === "16" ? 4 : 12, s, TARGET)), l.pointer(GATE)),
    beyond: gp,
  }]),
  {
    name: "call through a gate to an inner ring's code at the edge",
    modes: PROTECTED,
    cpl: 3,
    table: "both",
    last: END,
    edge: (mode) => code(mode, 0),
    run: indirect(3),
    set: (l, s) => (l.put(GDT_AT, GATE, gate(l.mode === "16" ? 4 : 12, s, TARGET)), l.pointer(GATE)),
    beyond: gp,
  },
  {
    name: "call through a gate, the inner stack's descriptor at the edge",
    modes: LEGACY,
    cpl: 3,
    table: "both",
    last: END,
    edge: (mode) => data(mode, 0),
    run: indirect(3),
    set: (l, s) => {
      l.put(GDT_AT, GATE, gate(l.mode === "16" ? 4 : 12, CODE[0], TARGET));
      l.pointer(GATE);
      l.write(TSS_AT + (l.mode === "16" ? 4 : 8), s, 2);
    },
    beyond: ts,
  },
  ...([["retf", 0xcb, 0], ["iret", 0xcf, 1]] as const).flatMap(([name, opcode, image]): Row[] => {
    const flags = image ? [2] : [], run = (_: number, mode: Mode) => rexW(mode, opcode);
    return [
      {
        name,
        modes: PROTECTED,
        table: "both",
        last: END,
        edge: (mode) => code(mode, 0),
        run,
        set: (l, s) => STACKED(l, s, ...flags, STACK0, DATA[0]),
        beyond: gp,
      },
      {
        name: `${name} to ring 3, code at the edge`,
        modes: PROTECTED,
        table: "both",
        last: END,
        edge: (mode) => code(mode, 3),
        run,
        set: (l, s) => STACKED(l, s | 3, ...flags, STACK3, DATA[3]),
        beyond: gp,
      },
      {
        name: `${name} to ring 3, stack at the edge`,
        modes: PROTECTED,
        table: "both",
        last: END,
        edge: (mode) => data(mode, 3),
        run,
        set: (l, s) => STACKED(l, CODE[3], ...flags, STACK3, s | 3),
        beyond: gp,
      },
    ];
  }),
];

// --- system segments and the instructions that only look

const SYSTEM: readonly Row[] = [
  {
    name: "lldt",
    modes: PROTECTED,
    table: "gdt",
    last: END16,
    edge: () => descriptor(LDT_AT, 0xff, P | 2),
    run: () => [0x0f, 0x00, 0xd0],
    set: (l, s) => l.cpu.setReg("rax", BigInt(s)),
    beyond: gp,
  },
  {
    name: "ltr",
    modes: PROTECTED,
    table: "gdt",
    last: END16,
    edge: (mode) => descriptor(TSS2_AT, 0x67, P | (mode === "16" ? 1 : 9)),
    run: () => [0x0f, 0x00, 0xd8],
    set: (l, s) => l.cpu.setReg("rax", BigInt(s)),
    beyond: gp,
  },
];
/** LAR, LSL, VERR, VERW clear ZF instead. */
const LOOKS = [["lar", [0x0f, 0x02, 0xc8]], ["lsl", [0x0f, 0x03, 0xc8]], ["verr", [0x0f, 0x00, 0xe0]], ["verw", [
  0x0f,
  0x00,
  0xe8,
]]] as const;

// --- interrupts: #GP(vector * 8 + IDT + EXT) beyond the IDT, selectors with EXT unless it is INT n (6.13)

const GATE_BYTES = { "real": 4, "v86": 8, "16": 8, "32": 8, "64": 16 } as const;
const idtLast = (vector: number) => (mode: Mode) => vector * GATE_BYTES[mode] + GATE_BYTES[mode] - 1;
const misaligned = (l: Lab) => {
  l.cpu.s.cr0 |= 0x4_0000;
  l.cpu.window.setFlags(0x4_0000, 0x4_0000);
  l.cpu.derived.reload();
};
/** INT n, and an alignment check, which is no software interrupt; a load of two bytes at an odd address. */
const INT = [0xcd, VECTOR], MISALIGNED = (_: number, mode: Mode) => [...mode === "16" ? [] : [0x66], 0x8b, ...mem(mode, 0, POINTER + 1)];
const external = (l: Lab) => {
  Object.assign(l.cpu.config, { acknowledge: () => (l.cpu.window.intr = false, VECTOR) });
  l.cpu.window.setFlags(0x200, 0x200);
  l.cpu.window.intr = true;
  l.cpu.config.onPending();
};
const EVENTS: readonly Row[] = [
  {
    name: "int n",
    modes: ["16", "32", "64"],
    table: "idt",
    last: idtLast(VECTOR),
    run: () => INT,
    inside: "50",
    beyond: `0d ${hex(VECTOR * 8 + 2)}`,
  },
  { name: "int n", modes: ["real"], table: "idt", last: idtLast(VECTOR), run: () => INT, inside: "50", beyond: "0d" },
  { name: "int n", modes: PROTECTED, cpl: 3, table: "idt", last: idtLast(VECTOR), run: () => INT, inside: "50", beyond: "0d 282" },
  {
    name: "int n",
    modes: ["v86"],
    cpl: 3,
    table: "idt",
    last: idtLast(VECTOR),
    run: () => INT,
    set: (l) => l.cpu.window.setFlags(0x3000, 0x3000),
    inside: "50",
    beyond: "0d 282",
  },
  { name: "int3", modes: ["real", "16", "32", "64"], table: "idt", last: idtLast(3), run: () => [0xcc], inside: "03", beyond: "shutdown" },
  {
    name: "#UD, which nothing else is behind",
    modes: ["real", "16", "32", "64"],
    table: "idt",
    last: idtLast(6),
    run: () => [0x0f, 0x0b],
    inside: "06",
    beyond: "shutdown",
  },
  {
    name: "#AC",
    modes: PROTECTED,
    cpl: 3,
    table: "idt",
    last: idtLast(17),
    run: MISALIGNED,
    set: misaligned,
    inside: "11 0",
    beyond: `0d ${hex(17 * 8 + 3)}`,
  },
  {
    name: "an interrupt from outside",
    modes: ["16", "32", "64"],
    table: "idt",
    last: idtLast(VECTOR),
    run: () => [0x90],
    set: external,
    inside: "50",
    beyond: `0d ${hex(VECTOR * 8 + 3)}`,
  },
  {
    name: "an interrupt from outside",
    modes: ["real"],
    table: "idt",
    last: idtLast(VECTOR),
    run: () => [0x90],
    set: external,
    inside: "50",
    beyond: "0d",
  },
  ...([["int n", () => INT, undefined, gp, ts, "50"], ["an interrupt from outside", () => [0x90], external, gpExt, tsExt, "50"], [
    "#AC",
    MISALIGNED,
    misaligned,
    gpExt,
    tsExt,
    "11 0",
  ]] as const).flatMap(([name, run, set, bad, badStack, inside], event): Row[] => [
    ...(event === 2 ? [] : [{
      name: `${name}, the handler's code at the edge`,
      modes: PROTECTED,
      table: "both" as const,
      last: END,
      edge: (mode: Mode) => code(mode, 0),
      run,
      set: (l: Lab, s: number) => (set?.(l), l.vector(VECTOR, s)),
      inside,
      beyond: bad,
    }]),
    {
      name: `${name} from ring 3, the handler's code at the edge`,
      modes: PROTECTED,
      cpl: 3,
      table: "both",
      last: END,
      edge: (mode) => code(mode, 0),
      run,
      set: (l, s) => (set?.(l), l.vector(event === 2 ? 17 : VECTOR, s)),
      inside,
      beyond: bad,
    },
    {
      name: `${name} from ring 3, the handler's stack at the edge`,
      modes: LEGACY,
      cpl: 3,
      table: "both",
      last: END,
      edge: (mode) => data(mode, 0),
      run,
      set: (l, s) => {
        set?.(l);
        l.vector(event === 2 ? 17 : VECTOR, CODE[0]);
        l.write(TSS_AT + (l.mode === "16" ? 4 : 8), s, 2);
      },
      inside,
      beyond: badStack,
    },
    // The stack pointers of the TSS: the 16-bit SP and SS, the 32-bit ESP and SS without the padding, RSP and IST (7.2.1, 7.6, 7.7).
    ...[0, 1, 2].map((ring): Row => ({
      name: `${name} from ring 3 to ring ${ring}, the TSS's end`,
      modes: PROTECTED,
      cpl: 3,
      table: "tss",
      last: (mode) => mode === "16" ? 5 + 4 * ring : mode === "32" ? 9 + 8 * ring : 11 + 8 * ring,
      run,
      set: (l) => (set?.(l), l.vector(event === 2 ? 17 : VECTOR, CODE[ring])),
      inside,
      beyond: event === 0 ? ts(TSS) : tsExt(TSS),
    })),
    ...[1, 2, 3, 4, 5, 6, 7].map((ist): Row => ({
      name: `${name}, IST ${ist} at the TSS's end`,
      modes: ["64"],
      cpl: 3,
      table: "tss",
      last: 0x1c + 8 * ist + 7,
      run,
      set: (l) => {
        set?.(l);
        const n = event === 2 ? 17 : VECTOR;
        l.vector(n, CODE[0]);
        l.write(IDT_AT + 16 * n + 4, l.read(IDT_AT + 16 * n + 4) | ist);
      },
      inside,
      beyond: event === 0 ? ts(TSS) : tsExt(TSS),
    })),
  ]),
  ...[0, 1, 2].map((ring): Row => ({
    name: `call through a gate to ring ${ring}, the TSS's end`,
    modes: PROTECTED,
    cpl: 3,
    table: "tss",
    last: (mode) => mode === "16" ? 5 + 4 * ring : mode === "32" ? 9 + 8 * ring : 11 + 8 * ring,
    run: indirect(3),
    set: (l) => (l.put(GDT_AT, GATE, gate(l.mode === "16" ? 4 : 12, CODE[ring], TARGET)), l.pointer(GATE)),
    beyond: ts(TSS),
  })),
];

// --- tasks (7.3, table 7-1): what is wrong with the TSS is the old task's fault, with its selectors the new one's, #TS by a task of its own

const wide = (l: Lab) => l.mode !== "16";
const tsByTask = (l: Lab) => {
  l.task(TSS3_AT, HANDLERS + 16 * 10, wide(l));
  l.put(IDT_AT, 10 * 8, gate(5, TSS3, 0));
};
const taskAtEdge = (mode: Mode) => descriptor(TSS2_AT, 0x67, P | (mode === "16" ? 1 : 9));
/** The ways into a task whose TSS has a selector; a task gate of the GDT, and of the IDT for INT n and for an exception. */
const WAYS: readonly (readonly [name: string, run: Row["run"], set: (l: Lab, tss: number) => void, ext: boolean])[] = [
  ["jmp to a task", indirect(5), (l, tss) => l.pointer(tss), false],
  ["call of a task", indirect(3), (l, tss) => l.pointer(tss), false],
  ["jmp through a task gate", indirect(5), (l, tss) => (l.put(GDT_AT, TASK_GATE, gate(5, tss, 0)), l.pointer(TASK_GATE)), false],
  ["call through a task gate", indirect(3), (l, tss) => (l.put(GDT_AT, TASK_GATE, gate(5, tss, 0)), l.pointer(TASK_GATE)), false],
  ["int n through a task gate", () => INT, (l, tss) => l.put(IDT_AT, VECTOR * 8, gate(5, tss, 0)), false],
  ["#UD through a task gate", () => [0x0f, 0x0b], (l, tss) => l.put(IDT_AT, 6 * 8, gate(5, tss, 0)), true],
];
const TASKS: readonly Row[] = WAYS.flatMap(([name, run, set, ext]): Row[] => [
  {
    name: `${name}, its TSS's descriptor at the edge`,
    modes: LEGACY,
    table: "gdt",
    last: END,
    edge: taskAtEdge,
    run,
    set: (l, s) => (l.task(TSS2_AT, TARGET, wide(l)), set(l, s)),
    beyond: ext ? gpExt : gp,
  },
  ...([[9, 0x67], [1, 0x2b]] as const).map(([type, last]): Row => ({
    name: `${name}, its ${type === 9 ? 32 : 16}-bit TSS's end`,
    modes: LEGACY,
    table: "edge",
    last,
    edge: () => descriptor(TSS2_AT, 0, P | type),
    run,
    set: (l, s) => (l.task(TSS2_AT, TARGET, type === 9), set(l, s)),
    beyond: ext ? tsExt : ts,
  })),
  ...(["cs", "ss", "ds", "ldt"] as const).map((what): Row => ({
    name: `${name} whose ${what} is at the edge`,
    modes: LEGACY,
    table: what === "ldt" ? "gdt" : "gdt",
    last: END,
    edge: (mode) => what === "cs" ? code(mode, 0) : what === "ldt" ? descriptor(LDT_AT, 0xff, P | 2) : data(mode, 0),
    run,
    set: (l, s) => {
      tsByTask(l);
      l.task(TSS2_AT, TARGET, wide(l), { [what]: s });
      set(l, TSS2);
    },
    beyond: ext ? tsExt : ts,
  })),
  ...(["cs", "ss", "ds"] as const).map((what): Row => ({
    name: `${name} whose ${what} is at the edge of its LDT`,
    modes: LEGACY,
    table: "edge",
    last: 0x17,
    edge: () => descriptor(LDT_AT, 0, P | 2),
    run,
    set: (l, s) => {
      tsByTask(l);
      l.put(LDT_AT, 0x14, what === "cs" ? code(l.mode, 0) : data(l.mode, 0));
      l.task(TSS2_AT, TARGET, wide(l), { ldt: s, [what]: 0x14 });
      set(l, TSS2);
    },
    beyond: ext ? "0a 15" : "0a 14",
  })),
]);
const RETURNS: readonly Row[] = [
  {
    name: "iret to a task whose descriptor is at the edge",
    modes: LEGACY,
    table: "gdt",
    last: END,
    edge: (mode) => descriptor(TSS2_AT, 0x67, P | (mode === "16" ? 3 : 11)),
    run: () => [0xcf],
    set: (l, s) => {
      l.task(TSS2_AT, TARGET, wide(l));
      l.write(TSS_AT, s, 2);
      l.cpu.window.setFlags(0x4000, 0x4000);
    },
    beyond: ts,
  },
];

// --- the I/O permission bitmap (volume 1, 19.5.2): two bytes are read from where the first port's bit is

const BITMAP = 0x68;
const PORTS: readonly Row[] = ([
  ["in al, dx", 1, () => [0xec]],
  ["in ax, dx", 2, (mode) => mode === "v86" ? [0xed] : [0x66, 0xed]],
  ["in eax, dx", 4, (mode) => mode === "v86" ? [0x66, 0xed] : [0xed]],
  ["out dx, al", 1, () => [0xee]],
  ["out dx, ax", 2, (mode) => mode === "v86" ? [0xef] : [0x66, 0xef]],
  ["out dx, eax", 4, (mode) => mode === "v86" ? [0x66, 0xef] : [0xef]],
  ["insb", 1, () => [0x6c]],
  ["insw", 2, (mode) => mode === "v86" ? [0x6d] : [0x66, 0x6d]],
  ["insd", 4, (mode) => mode === "v86" ? [0x66, 0x6d] : [0x6d]],
  ["outsb", 1, () => [0x6e]],
  ["outsw", 2, (mode) => mode === "v86" ? [0x6f] : [0x66, 0x6f]],
  ["outsd", 4, (mode) => mode === "v86" ? [0x66, 0x6f] : [0x6f]],
] as readonly (readonly [string, number, (mode: Mode) => number[]])[]).flatMap(([name, size, run]) => {
  const modes: readonly Mode[] = ["v86", "32", "64"], common = { modes, cpl: 3, run: (_: number, mode: Mode) => run(mode), beyond: "0d 0" };
  const at = (l: Lab, port: number) => {
    l.write(TSS_AT + 0x66, BITMAP, 2);
    l.cpu.setReg("rdx", BigInt(port));
    l.cpu.setReg("rsi", BigInt(POINTER));
    l.cpu.setReg("rdi", BigInt(POINTER));
  };
  const ends = [0, 7, 8, 0x3fb, 0xfff8, 0xffff].map((port): Row => ({
    ...common,
    name: `${name} of port 0x${hex(port)}, the bitmap's end`,
    table: "tss",
    last: BITMAP + (port >> 3) + 1,
    set: (l) => at(l, port),
  }));
  // One bit that is set: the first and the last of the access, and those beside it. As a table without limit, beyond is when it is set.
  const bits = [0x3f8, 0x3fd, 0x3ff].flatMap((port) =>
    [port, port + size - 1].map((bit): Row => ({
      ...common,
      name: `${name} of port 0x${hex(port)}, the bit of port 0x${hex(bit)}`,
      table: "none",
      last: 1,
      set: (l) => {
        at(l, port);
        l.write(TSS_AT + BITMAP + (port - 1 >> 3), 1 << (port - 1 & 7), 1);
        const after = port + size, there = after >> 3 === port - 1 >> 3 ? 1 << (port - 1 & 7) : 0;
        l.write(TSS_AT + BITMAP + (after >> 3), there | 1 << (after & 7), 1);
      },
      inside: `bit ${bit}`,
    }))
  );
  // A TSS that ends in front of the field of the bitmap's place has none.
  const short: Row = {
    ...common,
    name: `${name} with a TSS too short for a bitmap`,
    table: "tss",
    last: 0x67,
    set: (l) => (at(l, 8), l.write(TSS_AT + 0x66, 0, 2)),
  };
  return [...ends, ...bits, short];
});

// --- segments

const SEGMENTS: readonly Row[] = [
  ...([["byte", 1, [0x8a]], ["word", 2, [0x66, 0x8b]], ["doubleword", 4, [0x8b]]] as const).flatMap(([name, size, opcode]): Row[] => [
    {
      name: `load of a ${name}`,
      modes: ALL3,
      table: "ds",
      last: POINTER + size - 1,
      run: () => [...opcode, ...mem("32", 0, POINTER)],
      beyond: "0d 0",
    },
    {
      name: `store of a ${name}`,
      modes: ALL3,
      table: "ds",
      last: POINTER + size - 1,
      run: () => [...opcode.slice(0, -1), opcode.at(-1)! - 2, ...mem("32", 0, POINTER)],
      beyond: "0d 0",
    },
    {
      name: `load of a ${name} from SS`,
      modes: ALL3,
      table: "ss",
      last: POINTER + size - 1,
      run: () => [0x36, ...opcode, ...mem("32", 0, POINTER)],
      set: (l) => l.cpu.setReg("rsp", 0x1700n),
      beyond: "0c 0",
    },
  ]),
  { name: "a short jump", modes: LEGACY, table: "cs", last: CODE_AT + 2 + 0x20, run: () => [0xeb, 0x20], beyond: "0d 0" },
  { name: "ret", modes: LEGACY, table: "cs", last: TARGET, run: () => [0xc3], set: (l) => l.push(TARGET), beyond: "0d 0" },
  ...([["jmp", 5], ["call", 3]] as const).map(([name, reg]): Row => ({
    name: `${name} far, the offset in its segment`,
    modes: LEGACY,
    table: "edge",
    last: TARGET,
    edge: (mode) => [code(mode, 0)[0] & ~0xffff, code(mode, 0)[1] & ~0x8f_0000],
    run: indirect(reg),
    set: (l, s) => l.pointer(s),
    beyond: "0d 0",
  })),
  ...([["retf", 0xcb], ["iret", 0xcf]] as const).map(([name, opcode]): Row => ({
    name: `${name}, the offset in its segment`,
    modes: LEGACY,
    table: "edge",
    last: TARGET,
    edge: (mode) => [code(mode, 0)[0] & ~0xffff, code(mode, 0)[1] & ~0x8f_0000],
    run: () => [opcode],
    set: (l, s) => l.push(TARGET, s, 2),
    beyond: "0d 0",
  })),
  {
    name: "int n, the handler in its segment",
    modes: LEGACY,
    table: "edge",
    last: HANDLERS + 16 * VECTOR,
    edge: (mode) => [code(mode, 0)[0] & ~0xffff, code(mode, 0)[1] & ~0x8f_0000],
    run: () => INT,
    set: (l, s) => l.vector(VECTOR, s),
    inside: "50",
    beyond: "0d 0",
  },
];

/** Puts the limit of a row's table in its place. */
function limit(l: Lab, row: Row, table: Row["table"], value: number): void {
  const { cpu } = l;
  if (table === "gdt") cpu.segments.setGdt(GDT_AT, 0, value);
  else if (table === "both") l.segment(LDTR, value);
  else if (table === "idt") cpu.s.idtLimit = value;
  else if (table === "tss") l.segment(TR, value);
  else if (table === "ds") l.segment(DS, value);
  else if (table === "ss") l.segment(SS, value);
  else if (table === "cs") l.segment(CS, value);
  else if (table === "edge") l.write(GDT_AT + EDGE, l.read(GDT_AT + EDGE) & 0xffff_0000 | value);
  else if (value === 0) {
    const bit = Number(row.inside!.slice(4)), at = TSS_AT + BITMAP + (bit >> 3);
    l.write(at, l.read(at) | 1 << (bit & 7), 1);
  }
}

const GROUPS = { LOADS, FAR, SYSTEM, EVENTS, TASKS, RETURNS, PORTS, SEGMENTS };
for (const [group, rows] of Object.entries(GROUPS)) {
  Deno.test(`x86 tables at their limits: ${group.toLowerCase()}`, async () => {
    let lab = await Lab.make();
    const wrong: string[] = [];
    for (const row of rows) {
      for (const mode of row.modes) {
        for (const local of row.table === "both" ? [false, true] : [false]) {
          const s = local ? LOCAL : EDGE, table = row.table === "both" && !local ? "gdt" : row.table;
          const last = typeof row.last === "number" ? row.last : row.last(mode);
          const seen = [last, last - 1].map((value) => {
            lab.prepare(mode, row.cpl ?? 0);
            if (row.edge) lab.put(local ? LDT_AT : GDT_AT, EDGE, row.edge(mode));
            row.set?.(lab, s);
            limit(lab, row, table, value);
            return lab.outcome(row.run(s, mode));
          });
          const beyond = typeof row.beyond === "string" ? row.beyond : row.beyond(s, mode);
          const inside = table === "none" ? "ok" : row.inside ?? "ok";
          if (seen[0] !== inside || seen[1] !== beyond) {
            wrong.push(`${row.name}, ${mode}${local ? ", LDT" : ""}: ${seen.join(" / ")}, not ${inside} / ${beyond}`);
          }
          if (lab.machine.stopped) lab = await Lab.make();
        }
      }
    }
    assertEquals(wrong, []);
  });
}

Deno.test("x86 tables at their limits: LAR, LSL, VERR and VERW clear ZF; LSL counts in bytes", async () => {
  const lab = await Lab.make(), wrong: string[] = [];
  for (const mode of PROTECTED) {
    for (const [name, bytes] of LOOKS) {
      for (const local of [false, true]) {
        const seen = [END, END - 1].map((value) => {
          lab.prepare(mode, 0);
          lab.put(local ? LDT_AT : GDT_AT, EDGE, data(mode, 0));
          lab.cpu.setReg("rax", BigInt(local ? LOCAL : EDGE));
          if (local) lab.segment(LDTR, value);
          else lab.cpu.segments.setGdt(GDT_AT, 0, value);
          return `${lab.outcome(bytes)} ${lab.cpu.reg("eflags") >> 6n & 1n}`;
        });
        if (`${seen}` !== "ok 1,ok 0") wrong.push(`${name}, ${mode}: ${seen}`);
      }
    }
    for (
      const [raw, granular, bytes] of [[0, 0, 0], [0, 1, 0xfff], [0x1_2345, 0, 0x1_2345], [0xf_ffff, 0, 0xf_ffff], [
        0xf_ffff,
        1,
        0xffff_ffff,
      ]]
    ) {
      lab.prepare(mode, 0);
      lab.put(GDT_AT, EDGE, descriptor(0, raw, P | 0x13, granular * GRANULAR));
      lab.cpu.setReg("rax", BigInt(EDGE));
      lab.outcome(mode === "16" ? [0x66, 0x0f, 0x03, 0xc8] : [0x0f, 0x03, 0xc8]);
      if (Number(lab.cpu.reg("rcx")) !== bytes) wrong.push(`lsl of 0x${hex(raw)}, ${mode}: ${hex(Number(lab.cpu.reg("rcx")))}`);
    }
  }
  assertEquals(wrong, []);
});

// Volume 3A, 3.4.5.1, 5.3 and 5.4.1: what may be read and written of a segment of each type, at each end of it.
Deno.test("x86 segments of every type: rights, and limits that expand up and down", async () => {
  const lab = await Lab.make(), { cpu } = lab, wrong: string[] = [];
  lab.prepare("32", 0);
  const begin = cpu.save(), LIMITS = [0, 0xfff, 0xffff, 0xf_ffff, 0xffff_ffff];
  let cases = 0;
  for (const n of [DS, SS]) {
    for (const type of [0, 2, 4, 6, 8, 10, 12, 14]) {
      for (const [big, limit] of [0, BIG].flatMap((b) => LIMITS.map((l) => [b, l]))) {
        const isCode = (type & 8) !== 0, down = !isCode && (type & 4) !== 0, top = down ? big ? 0xffff_ffff : 0xffff : limit;
        if (n === SS && (isCode || !(type & 2))) continue;
        for (const [size, load, store] of [[1, [0x8a], [0x88]], [4, [0x8b], [0x89]]] as const) {
          for (
            const offset of [0, limit - size, limit - size + 1, limit - size + 2, limit, limit + 1, 0xffff - size + 1, 0x1_0000 - size + 1]
          ) {
            if (offset < 0 || offset > 0xffff_ffff) continue;
            const last = offset + size - 1, within = down ? offset > limit && last <= top : last <= limit;
            for (const write of [false, true]) {
              const allowed = write ? !isCode && (type & 2) !== 0 : !isCode || (type & 2) !== 0;
              cpu.load(begin);
              cpu.segments.set(n, cpu.segments.selector(n), 0x1_0000, 0, limit, 0x9100 | type << 8 | big);
              cpu.derived.reload();
              cpu.setReg("rsi", BigInt(offset));
              // The handler's stack is that of SS: it would have to be there.
              const seen = n === DS
                ? lab.outcome([...write ? store : load, 0x06])
                : within
                ? lab.outcome([0x36, ...write ? store : load, 0x06])
                : "";
              const wants = allowed && within ? "ok" : "0d 0";
              cases++;
              if (n === SS && !within) continue;
              if (seen !== wants) {
                wrong.push(
                  `${n === DS ? "ds" : "ss"} type ${type}, ${big ? "big" : "small"}, limit ${hex(limit)}, ${size} at ${
                    hex(offset)
                  }: ${seen}, not ${wants}`,
                );
              }
            }
          }
        }
      }
    }
  }
  assertEquals(wrong.slice(0, 10), []);
  assertEquals(cases > 1500, true);
});

Deno.test("x86 tables at their limits: IRETQ to a ring that is known, in one go", async () => {
  const lab = await Lab.make(), wrong: string[] = [], SECOND = STACK0 - 0x400, FRESH = STACK0 - 0x800;
  for (const what of ["cs", "ss"]) {
    const seen = [END, END - 1].map((value) => {
      lab.prepare("64", 0);
      const frame = (at: number, ip: number, cs: number, ss: number) =>
        [ip, cs, 2, STACK3, ss].forEach((v, i) => (lab.write(at + 8 * i, v), lab.write(at + 8 * i + 4, 0)));
      frame(STACK0, TARGET, CODE[3], DATA[3]);
      frame(SECOND, TARGET + 0x40, what === "cs" ? EDGE | 3 : CODE[3], what === "ss" ? EDGE | 3 : DATA[3]);
      lab.put(GDT_AT, EDGE, what === "cs" ? code("64", 3) : data("64", 3));
      lab.cpu.segments.setGdt(GDT_AT, 0, value);
      lab.vector(VECTOR, CODE[0]);
      lab.write(TSS_AT + 4, FRESH);
      // There and back, and there once more off another frame.
      lab.machine.bus.writeBytes(TARGET, Uint8Array.from(INT));
      lab.machine.bus.writeBytes(HANDLERS + 16 * VECTOR, Uint8Array.from([0x48, 0xc7, 0xc4, ...le(SECOND, 4), 0x48, 0xcf]));
      return lab.outcome([0x48, 0xcf], 4);
    });
    if (`${seen}` !== "ok,0d 100") wrong.push(`${what}: ${seen}`);
  }
  assertEquals(wrong, []);
});

for (const engine of ["interp", "jit"] as const) {
  Deno.test(`x86, ${engine}: #AC without paging, also where code has run without the check`, async () => {
    const lab = await Lab.make(engine), wrong: string[] = [];
    // mov edx, 400; mov eax, [esi]; dec edx; jnz; inc esi; mov eax, [esi]: only the last one is misaligned.
    const loop = [0xba, ...le(400, 4), 0x8b, 0x06, 0x4a, 0x75, 0xfb, 0x46, 0x8b, 0x06, 0xf4];
    for (const checked of [false, true, false, true]) {
      lab.prepare("32", 3);
      if (checked) misaligned(lab);
      lab.cpu.setReg("rsi", BigInt(POINTER));
      const seen = lab.outcome(loop, 1 + 3 * 400 + 2);
      if (seen !== (checked ? "11 0" : "ok")) wrong.push(`${checked}: ${seen}`);
    }
    assertEquals(wrong, []);
  });
}
