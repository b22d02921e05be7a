// RISC-V machines: harts, the way from reset to the kernel, and what the built-in SBI needs.
// Source: RISC-V SBI 3.0; OpenSBI's fw_dynamic (include/sbi/fw_dynamic.h, version 2); QEMU's reset code, hw/riscv/boot.c (7.2).
import type { Alarm, TimeSource } from "../../core/clock.ts";
import { type CharPort, offer } from "../../core/device.ts";
import { ConfigError } from "../../core/errors.ts";
import type { ClaimController } from "../../core/irq.ts";
import { Later } from "../../core/later.ts";
import type { Engine } from "../../engine/engine.ts";
import { BYTES_OF_WORK } from "../../engine/pace.ts";
import { HSM, noCounters, type PmuState, sbiCall, sbiCallName, type SbiHost } from "../../firmware/sbi/mod.ts";
import { ADUE } from "../../riscv/registers.ts";
import { Hart, STORM } from "../../riscv/hart.ts";
import { disassemble } from "../../riscv/insn.ts";
import { type Isa, lacksFloating, loadFloating, parseIsa } from "../../riscv/instruction_set.ts";
import { X } from "../../riscv/slots.ts";
import { causeName, MEIP, SEIP, SSIP, STIP } from "../../riscv/trap.ts";
import { EM_RISCV, notInMemory, type Symbols } from "../elf.ts";
import { buildFdt } from "../fdt.ts";
import type { RiscvCpu as CpuNode } from "./descriptor.ts";
import { type MachineGraph, mainRam } from "../machine_graph.ts";
import { type Image, readImage } from "../image.ts";
import { EngineCpu } from "../engine_cpu.ts";
import type { Host, Platform, PlatformParts } from "../platform.ts";
import { loadSegments } from "../ram.ts";
import { type Loaded, RiscvPlaces } from "./places.ts";

/** Bytes of what the machine puts where harts come out of reset. */
const RESET_BYTES = 0x60;
const countsTime = offer<TimeSource>("timeSource"), tellsClaims = offer<ClaimController>("lastClaim");
/** After so many traps that the trap handler's first instruction raised, in a row, nothing will change any more. */
const TRAP_LOOP = 1000;

/** What ends an interrupt, by its number. */
const REMEDIES: Readonly<Record<number, string>> = {
  1: "the handler has to clear SSIP in sip",
  3: "the handler has to clear the hart's msip",
  5: "the handler has to set a later time (stimecmp, or the SBI's set_timer)",
  7: "the handler has to write a later mtimecmp",
};

/** A hart as the rest of the system sees it. */
class RiscvCpu extends EngineCpu<Hart> {
  readonly arch: "riscv32" | "riscv64";
  constructor(index: number, readonly hart: Hart, engine: Engine, readonly isa: Isa) {
    super(index, hart, engine);
    this.arch = isa.xlen === 64 ? "riscv64" : "riscv32";
  }
  get pc(): bigint {
    return this.hart.pc;
  }
  disassemble(vaddr: bigint): { text: string; length: number } | undefined {
    const low = this.#parcel(vaddr);
    if (low === undefined) return undefined;
    let word = low;
    if ((low & 3) === 3) {
      const high = this.#parcel(vaddr + 2n);
      if (high === undefined) return undefined;
      word = (low | (high << 16)) >>> 0;
    }
    const length = (low & 3) === 3 ? 4 : 2, row = this.isa.table.decode(word | 0)?.row;
    return {
      text: row ? disassemble(row, word, vaddr, this.isa.xlen) : `.${length === 4 ? "word" : "half"} 0x${word.toString(16)}`,
      length,
    };
  }
  #parcel(vaddr: bigint): number | undefined {
    const paddr = this.translate(vaddr, "fetch"), host = paddr === undefined ? -1 : this.engine.hostOf(paddr, 2);
    const u8 = this.hart.env.u8;
    return host < 0 ? undefined : u8[host] | (u8[host + 1] << 8);
  }
}

/** The console of the built-in SBI on a machine without a console device. */
class SbiConsole implements CharPort {
  static readonly CAPACITY = 4096;
  queue: number[] = [];
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  room(): number {
    return SbiConsole.CAPACITY - this.queue.length;
  }
  receive(byte: number): void {
    this.queue.push(byte & 0xff);
  }
  take(): number {
    const full = this.room() === 0, byte = this.queue.shift() ?? -1;
    if (full && byte >= 0) this.onRoom();
    return byte;
  }
}

/** The instruction set of a machine's processors. @throws {ConfigError} there is no such one. */
export function checkCpu({ cpu, cpuPlaces }: MachineGraph): Isa {
  try {
    return parseIsa((cpu as CpuNode).isa);
  } catch (e) {
    throw e instanceof ConfigError ? new ConfigError(e.problem, cpuPlaces.isa) : e;
  }
}

export function createPlatform(parts: PlatformParts): Platform {
  return new RiscvPlatform(parts);
}

class RiscvPlatform implements Platform, SbiHost {
  readonly cpus: readonly RiscvCpu[];
  readonly symbols: Symbols;
  /** What SBI console calls use: the machine's console device, or its own. */
  readonly console = {
    write: (byte: number) => this.parts.firmwareConsole()?.write(byte),
    read: () => this.parts.firmwareConsole()?.take() ?? -1,
  };
  readonly ownConsole = new SbiConsole();
  readonly harts: number;
  readonly xlen: 32 | 64;
  readonly mvendorid: bigint;
  readonly marchid: bigint;
  readonly mimpid: bigint;
  readonly #cpu: CpuNode;
  readonly #isa: Isa;
  readonly #timebase: number;
  readonly #kernel: Image | undefined;
  readonly #firmware: Image | undefined;
  readonly #initrd: Uint8Array | undefined;
  /** The kernel is its own firmware: it starts in M-mode. */
  readonly #bare: boolean;
  /** Firmware and kernel, with their names. */
  readonly #loaded: Loaded[] = [];
  #resetIs: "image" | "rom" | "ours" = "ours";
  /** Alarms of SBI timers, for harts without Sstc. */
  readonly #timers: Alarm[] = [];
  /** HSM: instructions a hart had begun when a call suspended it; it is suspended until it begins another one. -1: never. */
  #suspended: number[] = [];
  pmu: PmuState[] = [];
  #time: () => number;
  readonly #advised = new Set<string>();
  /** The device that counts it, if it is not the clock. */
  #timer: TimeSource | undefined;
  /** a0 to a7 of the call that is served. */
  readonly #arguments = new BigUint64Array(8);
  readonly #argumentHalves = new Uint32Array(this.#arguments.buffer);

  constructor(readonly parts: PlatformParts) {
    const { graph, options, host, engine, clock } = parts, cpu = graph.cpu as CpuNode;
    this.#cpu = cpu;
    this.harts = cpu.harts;
    this.mvendorid = cpu.mvendorid;
    this.marchid = cpu.marchid;
    this.mimpid = cpu.mimpid;
    this.#isa = checkCpu(graph);
    const xlen = this.xlen = this.#isa.xlen;
    this.#timebase = graph.clock.timebase_hz!;
    this.#time = () => clock.count(this.#timebase);

    const ram = mainRam(graph).segments[0].base;
    const target = { machines: [EM_RISCV], bits: xlen, arch: cpu.arch, load: graph.boot.load, ram, protocol: graph.boot.protocol } as const;
    const kernelPath = options.kernel ?? graph.boot.kernel, initrdPath = options.initrd ?? graph.boot.initrd;
    this.#kernel = kernelPath === undefined ? undefined : readImage(host.readFile(kernelPath), kernelPath, target);
    this.#initrd = initrdPath === undefined ? undefined : host.readFile(initrdPath);
    if (graph.firmware.kind === "file") {
      const { path } = graph.firmware;
      this.#firmware = readImage(host.readFile(path), path, { ...target, load: ram, protocol: "auto" });
      this.#loaded.push({ ...this.#firmware, name: path });
    }
    if (this.#kernel) this.#loaded.push({ ...this.#kernel, name: kernelPath! });
    for (const image of this.#loaded) this.#check(image);
    this.#loaded.push(...parts.loads);
    const starts = parts.loads.find((l) => l.entry !== undefined);
    if (starts && this.#kernel) throw new ConfigError(`'${kernelPath}' is a kernel already: 'entry' must be absent`, { file: starts.name });
    if (starts) this.#kernel = { ...starts, kind: "raw", entry: starts.entry! };
    if (!this.#kernel && !this.#firmware && !this.#loadedAtReset) {
      throw new ConfigError("no kernel to start: name one on the command line or as boot.kernel", { file: graph.file });
    }
    this.#bare = graph.firmware.kind === "none" || (graph.firmware.kind === "builtin" && this.#kernel?.entry !== undefined &&
      this.#kernel.entry === BigInt(ram)) ||
      !this.#kernel && !this.#firmware;
    const elf = parts.loads.find((l) => l.kind === "elf");
    this.symbols = (this.#kernel ?? elf ?? this.#firmware ?? parts.loads[0]).symbols;

    this.cpus = engine.harts.map((slot, index) => {
      const stimer = clock.alarm(`cpu${index}: stimecmp`, () => hart.interrupts.timerDue());
      const hart: Hart = new Hart(slot, {
        isa: this.#isa,
        mmu: cpu.mmu,
        svade: cpu.svade,
        hartId: index,
        reset: cpu.reset,
        pmpEntries: 16,
        mvendorid: cpu.mvendorid,
        marchid: cpu.marchid,
        mimpid: cpu.mimpid,
        time: () => this.#time(),
        timer: (at) => at === Infinity ? stimer.cancel() : stimer.scheduleAt(this.#tickOfTime(at)),
        onPending: () => {
          engine.attention();
          parts.interrupted(index);
        },
        onTrapLoop: () => {
          if (hart.traps.loop >= TRAP_LOOP) parts.die({ kind: "trapLoop", pc: hart.pc, report: hart.deathReport() });
        },
        onStorm: (interrupt) => this.#advise(index, interrupt),
        onFloating: () => {
          parts.requestBreak();
        },
        firmware: () => this.#ecall(index),
      });
      slot.core = hart;
      this.#timers.push(clock.alarm(`cpu${index}: timer call`, () => hart.interrupts.setPending(STIP, true)));
      return new RiscvCpu(index, hart, engine, this.#isa);
    });
  }

  get loading(): Promise<unknown> | undefined {
    return lacksFloating(this.#isa) && this.cpus.some((c) => (c as RiscvCpu).hart.needsFloating) ? loadFloating() : undefined;
  }

  /** Says once for each cause that a hart does nothing but take the same interrupt. */
  #advise(index: number, interrupt: number): void {
    const { host, devices, graph } = this.parts, external = 1 << interrupt & (SEIP | MEIP);
    let remedy = REMEDIES[interrupt];
    if (external) {
      const [plic, device] = [...devices].find(([, d]) => tellsClaims(d)) ?? [];
      const source = device && tellsClaims(device) ? device.lastClaim(index, interrupt === 9) : 0;
      const edge = graph.edges.find(({ to }) => "device" in to && to.device === plic && to.input === String(source));
      const from = edge && "device" in edge.from ? ` (${edge.from.device})` : "";
      remedy = source
        ? `the handler has to remove the cause at source ${source}${from}, not only to claim it`
        : "the handler claims no source";
    }
    const key = `${index} ${remedy}`;
    if (this.#advised.has(key)) return;
    this.#advised.add(key);
    const text = `took the ${causeName(interrupt, true)} ${STORM} times in a row and executed nothing in between: ${remedy}`;
    host.log.line("advice", `cpu${index}`, text);
  }

  /** First tick at which the time CSR reads at least `time`. */
  #tickOfTime(time: number): number {
    return this.#timer?.tickOfTime(time) ?? this.parts.clock.tickOf(time, this.#timebase);
  }

  /** @throws {ConfigError} a segment does not fit the machine's memory. */
  #check({ name, segments }: Loaded): void {
    for (const s of segments) {
      const r = this.parts.bus.find(s.paddr);
      if (r?.bytes && s.paddr + s.size <= r.base + r.length) continue;
      const { base, length } = mainRam(this.parts.graph).segments[0];
      throw new ConfigError(notInMemory(s, ` (RAM is 0x${base.toString(16)}..0x${(base + length - 1).toString(16)})`), { file: name });
    }
  }

  #load({ kind, segments }: Image): void {
    if (!this.parts.blank()) loadSegments(this.parts.bus, this.parts.graph, segments, kind === "elf");
  }

  powerOn(): void {
    const { graph, bus, devices } = this.parts, ram = mainRam(graph).segments[0];
    for (const d of devices.values()) {
      if (!countsTime(d)) continue;
      this.#timer = d;
      this.#time = () => d.timeSource();
      d.onTimeWritten = () => this.cpus.forEach((c) => (c as RiscvCpu).hart.interrupts.timerDue());
    }
    for (const c of this.cpus) c.reset();
    for (const t of this.#timers) t.cancel();
    this.#suspended = this.cpus.map(() => -1);
    this.pmu = this.cpus.map(noCounters);
    this.ownConsole.queue = [];
    if (this.#firmware) this.#load(this.#firmware);
    if (this.#kernel) this.#load(this.#kernel);
    const entry = this.#kernel?.entry ?? 0n;
    const places = new RiscvPlaces(ram, this.#loaded, mainRam(graph).place);
    this.#resetIs = this.#whoseReset(places);
    if (this.#resetIs === "ours") places.take(Number(this.#cpu.reset), RESET_BYTES);
    const initrdAt = this.#initrd && places.initrd(this.#initrd.length, Number(entry));
    if (initrdAt !== undefined && !this.parts.blank()) bus.writeBytes(initrdAt, this.#initrd!);
    const initrd = initrdAt === undefined ? undefined : [initrdAt, initrdAt + this.#initrd!.length] as const;
    const cmdline = this.parts.options.append ?? graph.boot.cmdline;
    const added = { ...(cmdline ? { bootargs: cmdline } : {}), ...(initrd ? { initrd } : {}) }, { dtb } = graph.boot;
    const fdt = dtb === undefined ? buildFdt(graph, added) : USER_TREES.now!.withChosen(this.parts.host.readFile(dtb), dtb, added);
    const fdtAt = places.tree(fdt.length);
    bus.writeBytes(fdtAt, fdt);
    if (graph.firmware.kind === "builtin" && !this.#bare) {
      for (const c of this.cpus.slice(1)) this.#stop(c);
      this.cpus[0].hart.startSupervisor(entry, BigInt(fdtAt));
      // Like on a board, the kernel is not the first thing that runs: a debugger that sets a breakpoint at its entry and continues gets there.
      this.#resetCode(entry, BigInt(fdtAt), 0n, this.cpus.slice(0, 1));
      return;
    }
    const start = this.#firmware?.entry ?? entry;
    this.#resetCode(start, BigInt(fdtAt), this.#firmware ? entry : 0n);
  }

  /** Whose code is where harts come out of reset: an image's, that of a ROM with contents of its own, the start itself, or ours. */
  #whoseReset(places: RiscvPlaces): "image" | "rom" | "ours" {
    const at = Number(this.#cpu.reset), rom = this.parts.bus.find(at), { memories } = this.parts.graph;
    if (this.#loadedAtReset) return "rom";
    if (!rom?.bytes || at + RESET_BYTES > rom.base + rom.length || places.hasImage(at, RESET_BYTES)) return "image";
    return memories.some((m) => m.file !== undefined && m.segments.some((s) => at >= s.base && at < s.base + s.length)) ? "rom" : "ours";
  }

  /** A file of `[[load]]` is where harts come out of reset. */
  get #loadedAtReset(): boolean {
    const at = Number(this.#cpu.reset);
    return this.parts.loads.some((l) => l.segments.some((s) => at >= s.paddr && at < s.paddr + s.size));
  }

  /**
   * Where harts come out of reset: code in ROM that goes to `start` with a0 = hart id, a1 = device tree, a2 = where fw_dynamic finds its next
   * stage. `supervisors` have been put at `start` in S-mode by the built-in firmware.
   */
  #resetCode(start: bigint, fdt: bigint, next: bigint, supervisors: readonly RiscvCpu[] = []): void {
    const { bus } = this.parts, at = Number(this.#cpu.reset), rv64 = this.xlen === 64;
    if (this.#resetIs !== "ours") {
      if (supervisors.length) return;
      for (const c of this.cpus) {
        c.setReg("a0", BigInt(c.index));
        c.setReg("a1", fdt);
        c.hart.pc = this.#resetIs === "rom" ? BigInt(at) : start;
      }
      return;
    }
    for (const c of supervisors) c.hart.pc = BigInt(at);
    const view = new DataView(new ArrayBuffer(RESET_BYTES));
    const code = [
      0x0000_0297, // auipc t0, 0
      0x0282_8613, // addi a2, t0, 0x28
      supervisors.length ? 0x0000_0013 : 0xf140_2573, // csrr a0, mhartid, which S-mode may not and has been told
      rv64 ? 0x0202_b583 : 0x0202_a583, // ld/lw a1, 32(t0)
      rv64 ? 0x0182_b283 : 0x0182_a283, // ld/lw t0, 24(t0)
      0x0002_8067, // jr t0
    ];
    for (let i = 0; i < code.length; i++) view.setUint32(4 * i, code[i], true);
    view.setBigUint64(0x18, start, true);
    view.setBigUint64(0x20, fdt, true);
    // struct fw_dynamic_info: magic, version, next_addr, next_mode (1 = S), options, boot_hart; words of XLEN bits.
    const info = [0x4942_534fn, 2n, next, 1n, 0n, 0n];
    for (let i = 0; i < info.length; i++) {
      if (rv64) view.setBigUint64(0x28 + 8 * i, info[i], true);
      else view.setUint32(0x28 + 4 * i, Number(info[i]), true);
    }
    bus.writeBytes(at, new Uint8Array(view.buffer), { rom: true });
  }

  save(): unknown {
    return { suspended: [...this.#suspended], pmu: structuredClone(this.pmu), console: [...this.ownConsole.queue] };
  }
  load(state: unknown): void {
    const s = state as { suspended: number[]; pmu: PmuState[]; console: number[] };
    this.#suspended = [...s.suspended];
    this.pmu = structuredClone(s.pmu);
    this.ownConsole.queue = [...s.console];
  }

  // --- the built-in SBI

  /** Serves an environment call of a hart in S-mode. */
  #ecall(index: number): boolean {
    if (this.parts.graph.firmware.kind !== "builtin" || this.#bare) return false;
    const { u32, u64 } = this.cpus[index].hart.env, { log } = this.parts.host, a = this.#arguments, halves = this.#argumentHalves;
    for (let i = 0; i < 8; i++) {
      halves[2 * i] = u32[X(10 + i) >> 2];
      halves[2 * i + 1] = this.xlen === 64 ? u32[(X(10 + i) >> 2) + 1] : 0;
    }
    if (log.on("sbi")) {
      const values = Array.from(a.subarray(0, 6), (v) => "0x" + v.toString(16));
      log.line("sbi", `cpu${index}`, `${sbiCallName(a)}(${values.join(", ")})`);
    }
    const result = sbiCall(this, index, a);
    if (result !== "none") {
      u64[X(10) >> 3] = result.a0;
      if (result.a1 !== undefined) u64[X(11) >> 3] = result.a1;
    }
    return true;
  }

  setTimer(index: number, time: bigint): void {
    const { hart } = this.cpus[index];
    if (hart.interrupts.stimecmpActive) {
      return hart.interrupts.setStimecmp(Number(BigInt.asIntN(32, time)), Number(BigInt.asIntN(32, time >> 32n)));
    }
    hart.interrupts.setPending(STIP, false);
    if (time >= 1n << 53n) this.#timers[index].cancel();
    else this.#timers[index].scheduleAt(this.#tickOfTime(Number(time)));
  }
  sendIpi(index: number): void {
    this.cpus[index].hart.interrupts.setPending(SSIP, true);
  }
  clearIpi(index: number): boolean {
    const { hart } = this.cpus[index], was = (hart.interrupts.mip & SSIP) !== 0;
    hart.interrupts.setPending(SSIP, false);
    return was;
  }
  fence(index: number, kind: "i" | "vma", start: bigint, size: bigint): void {
    // Fetches are coherent with memory, and translations with their tables: only who traces sees a fence.
    const one = size > 0n && (start & 4095n) + size <= 4096n;
    if (kind === "vma") {
      this.cpus[index].hart.addressing.fenceVma(Number(BigInt.asIntN(32, start)), Number(BigInt.asIntN(32, start >> 32n)), one);
    }
  }
  counterRuns(index: number, counter: number): boolean {
    return !(this.cpus[index].hart.s.mcountinhibit >> counter & 1);
  }
  setCounter(index: number, counter: number, run: boolean, value?: bigint): void {
    const { hart } = this.cpus[index], bit = 1 << counter, { mcountinhibit } = hart.s;
    hart.counters.setCountinhibit(run ? mcountinhibit & ~bit : mcountinhibit | bit, 0);
    if (value === undefined) return;
    const lo = Number(BigInt.asIntN(32, value)), hi = Number(BigInt.asIntN(32, value >> 32n));
    if (counter === 0) hart.counters.writeCycle(lo, hi, 0);
    else hart.counters.writeInstret(lo, hi, 0);
  }
  hardwareUpdates(index: number): boolean | undefined {
    const { hart } = this.cpus[index];
    return hart.has("svadu") ? (hart.s.menvcfgHi & ADUE) !== 0 : undefined;
  }
  setHardwareUpdates(index: number, on: boolean): void {
    const { hart } = this.cpus[index], { menvcfgLo, menvcfgHi } = hart.s;
    hart.csrs.setMenvcfg(menvcfgLo, on ? menvcfgHi | ADUE : menvcfgHi & ~ADUE);
  }
  hartStart(index: number, pc: bigint, opaque: bigint): void {
    this.#suspended[index] = -1;
    this.pmu[index] = noCounters();
    this.cpus[index].hart.counters.setCountinhibit(0, 0);
    this.cpus[index].hart.startSupervisor(pc, opaque);
    this.parts.interrupted(index);
  }
  hartStop(index: number): void {
    this.#stop(this.cpus[index]);
  }
  #stop(cpu: RiscvCpu): void {
    cpu.hart.s.stopped = cpu.hart.s.waiting = true;
    cpu.hart.interrupts.update();
  }
  hartState(index: number): number {
    const { s, waiting } = this.cpus[index].hart;
    if (s.stopped) return HSM.STOPPED;
    return waiting && this.#suspended[index] === this.#begun(index) ? HSM.SUSPENDED : HSM.STARTED;
  }
  /** Instructions that a hart has begun. */
  #begun(index: number): number {
    return this.cpus[index].hart.env.instructions();
  }
  hartSuspend(index: number, retentive: boolean, resume: bigint, opaque: bigint): void {
    const { hart } = this.cpus[index];
    if (!retentive) {
      // What may wake it, and what is pending, it keeps: nothing else could bring it back (OpenSBI 1.1 saves mie and mip, sbi_hsm.c).
      const { mie, soft } = hart.s;
      hart.startSupervisor(resume, opaque);
      hart.s.mie = mie;
      hart.s.soft = soft;
    }
    hart.s.waiting = true;
    // The call itself is the last instruction: it is counted when it is done.
    this.#suspended[index] = this.#begun(index) + 1;
    hart.interrupts.update();
  }
  readBytes(paddr: bigint, length: number): Uint8Array | undefined {
    this.parts.engine.spend(length / BYTES_OF_WORK);
    const host = this.parts.engine.hostOf(Number(paddr), length);
    return host < 0 ? undefined : this.cpus[0].hart.env.u8.slice(host, host + length);
  }
  writeBytes(paddr: bigint, data: Uint8Array): boolean {
    const at = Number(paddr), region = this.parts.bus.find(at);
    if (!region?.bytes || region.readonly || at + data.length > region.base + region.length) return false;
    this.parts.bus.writeBytes(at, data);
    return true;
  }
  readVirtual(index: number, vaddr: bigint, length: number): Uint8Array | undefined {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const paddr = this.cpus[index].translate(vaddr + BigInt(i), "read"),
        host = paddr === undefined ? -1 : this.parts.engine.hostOf(paddr, 1);
      if (host < 0) return undefined;
      out[i] = this.cpus[index].hart.env.u8[host];
    }
    return out;
  }
  stop(request: Parameters<SbiHost["stop"]>[0]): void {
    this.parts.stop(request);
  }
}

/** Loads what `Platform.loading` would load later. */
export const complete = loadFloating;

const USER_TREES = new Later<typeof import("../dtb.ts")>("machine/dtb.ts");
/** Loads what few machines need. @throws {ConfigError} the device tree is none. */
export async function prepare(graph: MachineGraph, host: Host): Promise<MachineGraph> {
  const { dtb } = graph.boot;
  if (dtb === undefined) return graph;
  (await USER_TREES.load()).withChosen(host.readFile(dtb), dtb, {});
  return graph;
}
