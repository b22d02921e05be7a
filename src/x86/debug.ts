// The debugger's view of an x86 processor: registers by name in the order of GDB's amd64 target, and the report about a guest that has died.
import type { CpuTrace, RegisterInfo } from "../core/cpu.ts";
import { historyLines } from "../core/history.ts";
import { FETCH, READ, WRITE } from "../ir/frontend.ts";
import type { Microcode } from "./microcode.ts";
import { AC, AF, CF, CR0_PG, CR4_PKE, CR4_PKS, CR4_SMAP, DF, ID, IF, NT, OF, PF, RF, SF, TF, VIF, VIP, VM, ZF } from "./registers.ts";
import { writeKeys } from "./control_registers.ts";
import { type Event, eventName, eventOf, EXCEPTION, hasErrorCode, hex, low32, wide, XCPT } from "./exceptions.ts";
import { LEVEL_NAMES, PF_I, PF_P, PF_PK, PF_RSVD, PF_U, PF_W, REASONS } from "./paging.ts";
import { CS, FS, GS, index, INT32, PRESENT, SEGMENT_NAMES, SS, TR, TRAP32, type } from "./segments.ts";
import {
  CR2,
  FPU_CS,
  FPU_CW,
  FPU_DP,
  FPU_DS,
  FPU_EMPTY,
  FPU_IP,
  FPU_OPCODE,
  FPU_REG,
  FPU_SW,
  FPU_TOP,
  GDT_BASE,
  GDT_LIMIT,
  GPR,
  KERNEL_GS_BASE,
  MXCSR,
  XMM,
} from "./slots.ts";

interface Access {
  get(): bigint;
  set(value: bigint): void;
}

/** General registers in GDB's order: name, number in encodings. */
const GENERAL: readonly (readonly [string, number])[] = [
  ["rax", 0],
  ["rbx", 3],
  ["rcx", 1],
  ["rdx", 2],
  ["rsi", 6],
  ["rdi", 7],
  ["rbp", 5],
  ["rsp", 4],
  ...Array.from({ length: 8 }, (_, n) => [`r${n + 8}`, n + 8] as const),
];
/** Segment registers in GDB's order. */
const SEGMENTS = [1, 2, 3, 0, 4, 5];

/** The registers of one processor, and how to get at them. */
export function registerTable(cpu: Microcode): [RegisterInfo[], Map<string, Access>] {
  const rows: RegisterInfo[] = [], access = new Map<string, Access>();
  const add = (name: string, bits: number, group: string, a: Access, gdbType?: string) => {
    rows.push({ name, bits, group, ...(gdbType ? { type: gdbType } : {}) });
    access.set(name, a);
  };
  const slot = (at: number, bits: number): Access => ({
    get: () => BigInt.asUintN(bits, wide(cpu.window.lo(at), cpu.window.hi(at))),
    set: (v) => bits === 64 ? cpu.window.set(at, low32(v), low32(v >> 32n)) : void (cpu.env.i32[(cpu.env.base() + at) >> 2] = low32(v)),
  });
  const number = (get: () => number, set: (v: number) => void): Access => ({ get: () => BigInt(get() >>> 0), set: (v) => set(low32(v)) });
  /** A change of the system's state derives everything anew. */
  const system = (get: () => number, set: (v: number) => void): Access =>
    number(get, (v) => {
      set(v);
      cpu.derived.reload();
    });

  for (const [name, n] of GENERAL) add(name, 64, "general", slot(GPR(n), 64), n === 4 || n === 5 ? "data_ptr" : undefined);
  add("rip", 64, "general", {
    get: () => cpu.modes.code64 ? wide(cpu.window.pcLo, cpu.window.pcHi) : BigInt((cpu.window.pcLo - cpu.segments.baseLo(CS)) >>> 0),
    set: (v) => cpu.segments.setEip(low32(v), low32(v >> 32n)),
  }, "code_ptr");
  add(
    "eflags",
    32,
    "general",
    number(() => cpu.window.flags, (v) => {
      cpu.window.setFlags(v, 0x3f_7fd5);
      cpu.derived.refresh();
    }),
  );
  for (const n of SEGMENTS) {
    add(
      SEGMENT_NAMES[n],
      32,
      "general",
      number(() => cpu.segments.selector(n), (v) => {
        // Only the selector: a debugger that restores registers must not fault.
        cpu.segments.set(n, v & 0xffff, cpu.segments.baseLo(n), cpu.segments.baseHi(n), cpu.segments.limit[n], cpu.segments.attr[n]);
      }),
    );
  }
  for (let n = 0; n < 8; n++) {
    const at = () => FPU_REG((cpu.window.lo(FPU_TOP) + n) & 7);
    add(`st${n}`, 80, "float", {
      get: () => wide(cpu.window.lo(at()), cpu.window.hi(at())) | BigInt(cpu.window.lo(at() + 8) & 0xffff) << 64n,
      set: (v) => {
        cpu.window.set(at(), low32(v), low32(v >> 32n));
        cpu.window.set(at() + 8, low32(v >> 64n) & 0xffff, 0);
      },
    }, "i387_ext");
  }
  add("fctrl", 32, "float", slot(FPU_CW, 32));
  add("fstat", 32, "float", {
    get: () => BigInt((cpu.window.lo(FPU_SW) & ~0x3800) | cpu.window.lo(FPU_TOP) << 11),
    set: (v) => {
      cpu.env.i32[(cpu.env.base() + FPU_SW) >> 2] = low32(v) & ~0x3800;
      cpu.env.i32[(cpu.env.base() + FPU_TOP) >> 2] = low32(v) >> 11 & 7;
    },
  });
  // Two bits for each register: 3 empty, 0 otherwise (GDB works out zero and special from the value).
  add("ftag", 32, "float", {
    get: () => BigInt(Array.from({ length: 8 }, (_, n) => (cpu.window.lo(FPU_EMPTY) >> n & 1) * 3 << (2 * n)).reduce((a, b) => a | b, 0)),
    set: (v) => {
      let empty = 0;
      for (let n = 0; n < 8; n++) if ((low32(v) >> (2 * n) & 3) === 3) empty |= 1 << n;
      cpu.env.i32[(cpu.env.base() + FPU_EMPTY) >> 2] = empty;
    },
  });
  for (const [name, at] of [["fiseg", FPU_CS], ["fioff", FPU_IP], ["foseg", FPU_DS], ["fooff", FPU_DP], ["fop", FPU_OPCODE]] as const) {
    add(name, 32, "float", slot(at, 32));
  }
  for (let n = 0; n < 16; n++) {
    add(`xmm${n}`, 128, "vector", {
      get: () => slot(XMM(n), 64).get() | slot(XMM(n) + 8, 64).get() << 64n,
      set: (v) => {
        slot(XMM(n), 64).set(v);
        slot(XMM(n) + 8, 64).set(v >> 64n);
      },
    }, "uint128");
  }
  add("mxcsr", 32, "vector", slot(MXCSR, 32));
  const base = (n: number): Access => ({
    get: () => wide(cpu.segments.baseLo(n), cpu.segments.baseHi(n)),
    set: (v) => {
      cpu.segments.setBase(n, low32(v), low32(v >> 32n));
      cpu.derived.refresh();
    },
  });
  add("fs_base", 64, "segments", base(FS));
  add("gs_base", 64, "segments", base(GS));
  add("k_gs_base", 64, "system", slot(KERNEL_GS_BASE, 64));
  add("cr0", 64, "system", system(() => cpu.s.cr0, (v) => void (cpu.s.cr0 = v)));
  add("cr2", 64, "system", slot(CR2, 64));
  add("cr3", 64, "system", {
    get: () => wide(cpu.s.cr3Lo, cpu.s.cr3Hi),
    set: (v) => {
      [cpu.s.cr3Lo, cpu.s.cr3Hi] = [low32(v), low32(v >> 32n)];
      cpu.derived.reload();
    },
  });
  add("cr4", 64, "system", system(() => cpu.s.cr4, (v) => void (cpu.s.cr4 = v)));
  add(
    "cr8",
    64,
    "system",
    number(() => cpu.config.apic?.priority ?? cpu.s.priority, (v) => {
      if (cpu.config.apic) cpu.config.apic.priority = v & 15;
      else cpu.s.priority = v & 15;
    }),
  );
  add("efer", 64, "system", system(() => cpu.window.efer, (v) => void (cpu.window.efer = v)));
  add("cpl", 8, "system", system(() => cpu.window.cpl, (v) => void (cpu.window.cpl = v & 3)));
  add("gdtr_base", 64, "system", slot(GDT_BASE, 64));
  add("gdtr_limit", 16, "system", number(() => cpu.window.lo(GDT_LIMIT), (v) => cpu.window.setLo(GDT_LIMIT, v & 0xffff)));
  add("idtr_base", 64, "system", {
    get: () => wide(cpu.s.idtLo, cpu.s.idtHi),
    set: (v) => void ([cpu.s.idtLo, cpu.s.idtHi] = [low32(v), low32(v >> 32n)]),
  });
  add("idtr_limit", 16, "system", number(() => cpu.s.idtLimit, (v) => void (cpu.s.idtLimit = v & 0xffff)));
  for (let n = 0; n < 4; n++) {
    add(`dr${n}`, 64, "system", {
      get: () => wide(cpu.s.drLo[n], cpu.s.drHi[n]),
      set: (v) => {
        [cpu.s.drLo[n], cpu.s.drHi[n]] = [low32(v), low32(v >> 32n)];
        cpu.derived.breakpointsMoved();
      },
    });
  }
  add("dr6", 64, "system", number(() => cpu.s.dr6, (v) => void (cpu.s.dr6 = v)));
  add("dr7", 64, "system", system(() => cpu.s.dr7, (v) => void (cpu.s.dr7 = v)));
  if (cpu.features.has("pku")) add("pkru", 32, "system", number(() => cpu.s.pkru, (v) => writeKeys(cpu, v, cpu.s.pkrs)));
  if (cpu.features.has("pks")) add("pkrs", 32, "system", number(() => cpu.s.pkrs, (v) => writeKeys(cpu, cpu.s.pkru, v)));
  return [rows, access];
}

// deno-fmt-ignore
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [ID, "ID"], [VIP, "VIP"], [VIF, "VIF"], [AC, "AC"], [VM, "VM"], [RF, "RF"], [NT, "NT"], [OF, "OF"], [DF, "DF"], [IF, "IF"], [TF, "TF"],
  [SF, "SF"], [ZF, "ZF"], [AF, "AF"], [PF, "PF"], [CF, "CF"],
];
const names = (value: number, table: readonly (readonly [number, string])[]): string =>
  table.filter(([bit]) => value & bit).map(([, name]) => name).join(" ");

/** "64-bit", "virtual-8086" and so on. */
export function modeName(cpu: Pick<Microcode, "modes" | "segments">): string {
  if (cpu.modes.v86) return "virtual-8086";
  if (!cpu.modes.protectedMode) return "real";
  const size = cpu.segments.attr[CS] & 0x40_0000 ? "32-bit" : "16-bit";
  return cpu.modes.code64 ? "64-bit" : cpu.modes.lma ? `${size} compatibility` : `${size} protected`;
}

/** Why the processor is where it is: registers, the last events, the IDT entry of the last exception as it is in memory, the page walk of CR2. */
export function deathReport(cpu: Microcode): string {
  const s = cpu.s, lines: string[] = [], events = cpu.events.last(), [, access] = registerTable(cpu);
  const r = (name: string) => hex(access.get(name)!.get());
  const state = s.shutdown ? "shut down (triple fault)" : cpu.pending.waiting ? "halted" : "running";
  lines.push(
    `${state} in ${modeName(cpu)} mode, CPL ${cpu.window.cpl}, ${hex(cpu.segments.selector(CS))}:${
      r("rip")
    }, ${cpu.events.count} events since reset`,
  );
  for (
    const row of [["rax", "rbx", "rcx", "rdx"], ["rsi", "rdi", "rbp", "rsp"], ["r8", "r9", "r10", "r11"], ["r12", "r13", "r14", "r15"]]
  ) {
    lines.push("  " + row.map((n) => `${n} ${r(n)}`).join("  "));
  }
  lines.push(
    `  eflags ${r("eflags")} [${names(cpu.window.flags, FLAG_NAMES)}]  cr0 ${r("cr0")}  cr2 ${r("cr2")}  cr3 ${r("cr3")}  cr4 ${
      r("cr4")
    }  efer ${r("efer")}`,
  );
  lines.push(
    `  cs ${hex(cpu.segments.selector(CS))} base ${hex(wide(cpu.segments.baseLo(CS), cpu.segments.baseHi(CS)))} limit ${
      hex(cpu.segments.limit[CS])
    }  ss ${hex(cpu.segments.selector(SS))} base ${hex(wide(cpu.segments.baseLo(SS), 0))}  gdtr ${r("gdtr_base")}/${
      r("gdtr_limit")
    }  idtr ${r("idtr_base")}/${r("idtr_limit")}`,
  );
  const tr = wide(cpu.segments.baseLo(TR), cpu.segments.baseHi(TR));
  lines.push(
    `  tr ${hex(cpu.segments.selector(TR))} base ${hex(tr)} limit ${hex(cpu.segments.limit[TR])}${cpu.modes.lma ? stacks(cpu, tr) : ""}`,
  );
  if (events.length) lines.push("the first events since a return, and the last:");
  lines.push(...historyLines(cpu.events.history, (e) => describe(cpu, eventOf(e))));
  const seen = new Set<number>();
  for (const e of events.slice(-3)) {
    if (e.kind !== EXCEPTION || seen.has(e.vector)) continue;
    seen.add(e.vector);
    lines.push(gateReport(cpu, e.vector));
  }
  const fault = events.findLast((e) => e.kind === EXCEPTION && e.vector === XCPT.PF);
  if (fault) lines.push(...walkReport(cpu, fault));
  return lines.join("\n");
}

/** An event just noted, and why a page fault is one. */
export function traceEvent(cpu: Microcode, trace: CpuTrace): void {
  const e = cpu.events.last().at(-1)!;
  trace.trap?.(describe(cpu, e));
  if (trace.mmu && e.kind === EXCEPTION && e.vector === XCPT.PF) {
    trace.mmu(`page fault: ${walkReport(cpu, e).map((l) => l.trim()).join("; ").replace(":;", ":")}`);
  }
}

const describe = (cpu: Pick<Microcode, "place">, e: Event): string => `CPL ${e.cpl}  ${what(e)}, at ${cpu.place(e.pc)}`;
function what(e: Event): string {
  const name = eventName(e.vector, e.kind);
  if (e.kind !== EXCEPTION || !hasErrorCode(e.vector)) return name;
  if (e.vector === XCPT.PF) {
    const bits = names(e.errorCode, [
      [PF_PK, "protection key"],
      [PF_RSVD, "reserved bit"],
      [PF_I, "fetch"],
      [PF_U, "user"],
      [PF_W, "write"],
      [PF_P, "present"],
    ]);
    return `${name} at ${hex(e.address)}, error code ${hex(e.errorCode)}${bits ? ` (${bits})` : ""}`;
  }
  const code = e.errorCode, table = code & 2 ? "IDT" : code & 4 ? "LDT" : "GDT";
  const what = code & 0xfffc
    ? ` (${code & 2 ? `vector ${code >> 3}` : `selector ${hex(index(code))}`} in the ${table}${code & 1 ? ", external" : ""})`
    : "";
  return `${name}, error code ${hex(code)}${what}`;
}

/** 64 bits of memory by linear address, without side effects. */
function peek(cpu: Pick<Microcode, "env" | "addresses">, at: bigint): bigint | undefined {
  const paddr = cpu.addresses.probe(at, READ), host = paddr === undefined ? -1 : cpu.env.ram(paddr, 8);
  if (host < 0) return undefined;
  let v = 0n;
  for (let i = 7; i >= 0; i--) v = v << 8n | BigInt(cpu.env.u8[host + i]);
  return v;
}

function stacks(cpu: Pick<Microcode, "env" | "addresses">, tr: bigint): string {
  const show = (name: string, offset: bigint) => {
    const v = peek(cpu, tr + offset);
    return v ? `  ${name} ${hex(v)}` : "";
  };
  return show("rsp0", 4n) + Array.from({ length: 7 }, (_, n) => show(`ist${n + 1}`, BigInt(0x24 + 8 * n))).join("");
}

/** The IDT entry of a vector as it is in memory, in words. */
function gateReport(cpu: Pick<Microcode, "env" | "s" | "modes" | "addresses">, vector: number): string {
  const s = cpu.s, size = !(s.cr0 & 1) ? 4 : cpu.modes.lma ? 16 : 8, head = `IDT entry ${vector}`;
  if (vector * size + size - 1 > s.idtLimit) return `${head}: beyond the limit ${hex(s.idtLimit)} of the IDT`;
  const at = wide(s.idtLo, s.idtHi) + BigInt(vector * size), low = peek(cpu, at);
  if (low === undefined) return `${head} at ${hex(at)}: cannot be read`;
  const lo = low32(low), hi = low32(low >> 32n);
  if (size === 4) return `${head}: ${hex(lo >>> 16)}:${hex(lo & 0xffff)}`;
  if (!(hi & PRESENT)) return `${head}: not present (${hex(low)})`;
  const kind = type(hi), gate = kind === INT32 ? "interrupt gate" : kind === TRAP32 ? "trap gate" : `gate of type ${kind}`;
  const offset = BigInt(((hi & 0xffff_0000) | (lo & 0xffff)) >>> 0) | (size === 16 ? (peek(cpu, at + 8n) ?? 0n) << 32n : 0n);
  return `${head}: ${gate} to ${hex(lo >>> 16)}:${hex(offset)}, DPL ${hi >> 13 & 3}${size === 16 && hi & 7 ? `, IST ${hi & 7}` : ""}`;
}

function walkReport(cpu: Pick<Microcode, "s" | "window" | "paging">, e: Event): string[] {
  const p = cpu.paging;
  if (!(cpu.s.cr0 & CR0_PG)) return [`${hex(e.address)} is a physical address here (no paging)`];
  const access = e.errorCode & PF_W ? WRITE : e.errorCode & PF_I ? FETCH : READ;
  const user = (e.errorCode & PF_U) !== 0, smap = (cpu.s.cr4 & CR4_SMAP) !== 0 && !(cpu.window.systemFlags & AC);
  const paddr = p.walk(low32(e.address), low32(e.address >> 32n), access, user, smap, true);
  const keyed = p.levels >= 4 && (cpu.s.cr4 & (CR4_PKE | CR4_PKS)) !== 0;
  const lines = [`page walk of ${hex(e.address)}, CR3 ${hex(wide(cpu.s.cr3Lo, cpu.s.cr3Hi))}:`], to = paddr < 0 ? p.level : p.leaf;
  for (let level = p.levels - 1; level >= to; level--) {
    const where = p.entryAddress[level] < 0 ? "register" : `entry at ${hex(p.entryAddress[level])}`;
    lines.push(
      `  ${LEVEL_NAMES[level]}: ${where} = ${hex(wide(p.entryLo[level], p.entryHi[level]))} ${
        entryFlags(p.entryLo[level], p.entryHi[level])
      }${keyed && level === to ? ` key ${p.entryHi[level] >>> 27 & 15}` : ""}`,
    );
  }
  lines.push(paddr < 0 ? `  ${LEVEL_NAMES[to]}: ${REASONS[p.reason]}` : `  it is mapped now, to ${hex(paddr)}`);
  return lines;
}
/** "NGSDACTUWP" of an entry (SDM volume 3A, 4.5), a dash for each bit that is 0. */
export const entryFlags = (lo: number, hi: number): string =>
  (hi < 0 ? "N" : "-") + [..."GSDACTUWP"].map((c, i) => lo >> (8 - i) & 1 ? c : "-").join("");
