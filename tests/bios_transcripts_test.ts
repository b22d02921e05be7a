// What the built-in BIOS answers to every function with random registers that make sense, and what it leaves behind, against what it answered
// when that was last looked at: tests/golden/bios.txt has a line for each function, after start-up and for the start of each kind of disk. Who
// changes the BIOS on purpose writes it anew (`-- --update`), and says in the commit why each of these lines changed; `-- --show 4f02` prints
// what the functions of that number answer, so that both ways can be compared.
import { assert, assertEquals } from "@std/assert";
import type { Bus } from "../src/core/bus.ts";
import { memorySource } from "../src/core/disk.ts";
import { silent } from "../src/core/log.ts";
import { INTERRUPTS } from "../src/firmware/bios/mod.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import type { X86Cpu } from "../src/x86/cpu.ts";
import { CS, DS, ES, REAL_DATA, SS } from "../src/x86/segments.ts";
import { Random } from "./fuzz/random.ts";

const ROOT = new URL("..", import.meta.url).pathname, GOLDEN = `${ROOT}tests/golden/bios.txt`;
/** Calls of each function, each with other registers; from the same state. */
const CALLS = 12;
const CODE = 0x7c00, BUFFER = 0x3000, PACKET = 0x2800, STACK = 0x7000;
/** The vectors that are called: hardware interrupts, too. */
const VECTORS = INTERRUPTS.map((i) => i.vector).filter((v) => v < 256);

/** `int n; jmp $` for each vector, as a boot sector. */
const SECTOR = new Uint8Array(512 * 63 * 32).map((_, i) => i < 512 ? 0 : Math.imul(i, 0x9e3779b1) >>> 13);
SECTOR.set([0xfb, 0xeb, 0xfe]);
VECTORS.forEach((n, i) => SECTOR.set([0xcd, n, 0xeb, 0xfe], 4 + 4 * i));
SECTOR.set([0x80, 0, 1, 0, 6, 15, 63, 8, 0, 0, 0, 0, 0xe0, 0x7d, 0, 0], 446);
SECTOR.set([0x55, 0xaa], 510);
const FILES: Readonly<Record<string, Uint8Array>> = {
  "hard.img": SECTOR,
  "floppy.img": SECTOR.slice(0, 1440 * 1024),
  "cd.iso": new Uint8Array(100 * 2048).map((_, i) => Math.imul(i, 0x85ebca6b) >>> 15),
};
const CD = FILES["cd.iso"];
/** A volume descriptor, a boot record, and a catalogue with one entry that emulates nothing: El Torito, figures 2 to 7. */
for (const [at, text] of [[16, "\x01CD001\x01"], [17, "\0CD001\x01EL TORITO SPECIFICATION"], [18, "\xffCD001\x01"]] as const) {
  CD.fill(0, at * 2048, at * 2048 + 2048);
  CD.set(new TextEncoder().encode(text === "\xffCD001\x01" ? "" : text), at * 2048);
}
CD.set([0xff, 0x43, 0x44, 0x30, 0x30, 0x31, 1], 18 * 2048);
CD.set([20, 0, 0, 0], 17 * 2048 + 0x47);
CD.fill(0, 20 * 2048, 21 * 2048);
CD.set([1, 0, 0, 0], 20 * 2048);
CD.set([0xaa, 0x55, 0x55, 0xaa], 20 * 2048 + 28);
CD.set([0x88, 0, 0, 0, 0, 0, 4, 0, 22, 0, 0, 0], 20 * 2048 + 32);
CD.set(SECTOR.subarray(0, 512), 22 * 2048);

interface Rig {
  readonly machine: Machine;
  readonly core: X86Cpu;
  readonly ports: { in(port: number, size: number): number; out(port: number, size: number, value: number): void; readonly bus: Bus };
}

async function rig(kernel: string, disks: readonly string[] = [], set: MachineOptions["set"] = {}): Promise<Rig> {
  const options: MachineOptions = { file: `${ROOT}machines/pc.toml`, kernel, disks, set: { "memory.ram.size": "4MiB", ...set } };
  const host = {
    readFile: (path: string) => FILES[path] ?? Deno.readFileSync(path),
    openDisk: (path: string) => memorySource(FILES[path]),
    log: silent,
  };
  const machine = createMachine(options, host, await loadGraph(options, host));
  await machine.complete();
  const { core } = machine.cpus[0] as unknown as { core: X86Cpu };
  return { machine, core, ports: core.config.ports as unknown as Rig["ports"] };
}

function hash(bytes: Uint8Array): string {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  return (h >>> 0).toString(16);
}
const hashText = (text: string): string => hash(new TextEncoder().encode(text));
const REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"];

/** What the guest can see of the machine: memory by pages, CMOS, PCI, the screen. */
function machineLines({ machine, core, ports }: Rig): string[] {
  const { bus } = machine, out: string[] = [], page = (at: number) => hash(bus.readBytes(at, 0x100));
  for (let at = 0; at < 0x1000; at += 0x100) out.push(`memory ${at.toString(16)} ${page(at)}`);
  for (let at = 0x9_f000; at < 0xa_0000; at += 0x100) out.push(`memory ${at.toString(16)} ${page(at)}`);
  for (let at = 0xe_0000; at < 0x10_0000; at += 0x800) out.push(`rom ${at.toString(16)} ${hash(bus.readBytes(at, 0x800))}`);
  const top = 4 << 20;
  for (let at = top - 0x1_0000; at < top; at += 0x800) out.push(`tables ${at.toString(16)} ${hash(bus.readBytes(at, 0x800))}`);
  const cmos = Array.from({ length: 128 }, (_, n) => (ports.out(0x70, 1, n), ports.in(0x71, 1)));
  out.push(`cmos ${cmos.slice(10).join(" ")}`);
  for (const f of [0, 8, 9, 11, 16]) {
    const config = Array.from(
      { length: 64 },
      (_, n) => (ports.out(0xcf8, 4, 0x8000_0000 + 0x100 * f + 4 * n | 0), ports.in(0xcfc, 4) >>> 0),
    );
    out.push(`pci ${f} ${hashText(config.join())}`);
  }
  for (const port of [0x21, 0xa1, 0x61, 0x64, 0x3c4, 0x3ce, 0x3d4, 0x3cc, 0x3f9, 0x3fb, 0x4d0, 0x4d1, 0x40, 0x42]) {
    out.push(`port ${port.toString(16)} ${ports.in(port, 1)}`);
  }
  out.push(`registers ${REGISTERS.map((n) => core.reg(n)).join(" ")}`);
  return out;
}

/** A value for registers whose meaning is not known. */
const anyWord = (r: Random): number => r.pick([() => r.below(4), () => r.below(256), () => r.below(0x1_0000), () => 0])();

/** Registers for a call that make sense to that interrupt. */
function registersFor(r: Random, vector: number, ax: number, rig: Rig): Record<string, number> {
  const regs: Record<string, number> = {
    rax: ax,
    rbx: anyWord(r),
    rcx: anyWord(r),
    rdx: anyWord(r),
    rsi: PACKET,
    rdi: BUFFER,
    rbp: BUFFER,
  };
  const { bus } = rig.machine;
  if (vector === 0x10) {
    // Page, rows and columns, characters and counts.
    Object.assign(regs, { rbx: r.below(r.one(3) ? 256 : 8) | r.below(4) << 8, rcx: r.below(r.one(2) ? 8 : 80) | r.below(20) << 8 });
    regs.rdx = r.below(80) | r.below(25) << 8;
    if (ax >> 8 === 0x4f) {
      regs.rbx = r.pick([0x100, 0x101, 0x103, 0x4112, 0x4115, 0x118, 3, r.below(256), 1, 2, 0x8000]);
      regs.rcx = r.pick([0x101, 0x112, 0x4101, 0x10, 0x20, 0xf, r.below(800)]);
      regs.rdx = r.below(4);
    }
    if (ax >> 8 === 0x13 || ax >> 8 === 0x11) regs.rcx = r.below(30);
    if (ax >> 8 <= 1) regs.rcx = r.below(16) | r.below(16) << 8;
    if (ax >> 8 === 0x10) Object.assign(regs, { rbx: r.below(0x20) | r.below(64) << 8, rcx: r.below(32), rdx: r.below(0x4000) });
  } else if (vector === 0x13) {
    const extended = ax >> 8 >= 0x41 && ax >> 8 <= 0x4e;
    regs.rdx = r.pick(extended ? [0x80, 0x81, 0xe0, 0xe0, 0, 0x82] : [0x80, 0x80, 0, 0, 1, 0xe0, 0x81]) | (extended ? 0 : r.below(3) << 8);
    regs.rcx = 1 + r.below(r.one(3) ? 64 : 10) | r.below(r.one(2) ? 3 : 40) << 8 | (r.one(9) ? 0x40 : 0);
    regs.rbx = ax >> 8 === 0x41 ? 0x55aa : BUFFER;
    if (!extended) regs.rax = ax & 0xff00 | r.pick([1, 1, 2, 3, 0]);
    const packet = [
      r.pick([16, 16, 16, 24, 4]),
      0,
      r.below(4),
      0,
      BUFFER & 0xff,
      BUFFER >> 8,
      0,
      0,
      r.below(40),
      r.one(9) ? 1 : 0,
      0,
      0,
      0,
      0,
      0,
      0,
    ];
    if (ax >> 8 === 0x48) packet.splice(0, 4, r.pick([26, 30, 66, 74, 10]), 0, 0, 0);
    bus.writeBytes(PACKET, Uint8Array.from(packet));
  } else if (vector === 0x15) {
    if (ax === 0xe820) Object.assign(regs, { rdx: r.one(8) ? 1 : 0x534d_4150, rbx: r.below(9), rcx: r.pick([20, 24, 10]) });
    if (ax >> 8 === 0x87) {
      // Descriptors of source and destination: limit, base, rights.
      const entry = (base: number) => [0xff, 0xff, base & 0xff, base >> 8 & 0xff, base >> 16, 0x93, 0, 0];
      bus.writeBytes(
        PACKET,
        Uint8Array.from([...Array(16).fill(0), ...entry(0x4000 + r.below(999)), ...entry(0x10_0000 + r.below(999)), ...Array(16).fill(0)]),
      );
      regs.rcx = r.below(200);
    }
    if (ax >> 8 === 0xc2) regs.rbx = r.pick([0, 0x100, 0x200, 0x300, 0x400, 0x500, 0x3000]) + r.below(9);
    if (ax >> 8 === 0x86 || ax >> 8 === 0x83) Object.assign(regs, { rcx: 0, rdx: r.below(5), rbx: BUFFER });
    if (ax >> 8 === 0x24) regs.rax = ax;
  } else if (vector === 0x1a) {
    const bcd = (n: number) => Math.floor(n / 10) << 4 | n % 10;
    if (ax >> 8 === 1) Object.assign(regs, { rcx: r.below(0x19), rdx: r.below(0x1_0000) });
    else if (ax >> 8 < 8) Object.assign(regs, { rcx: bcd(r.below(24)) << 8 | bcd(r.below(60)), rdx: bcd(r.below(60)) << 8 | r.below(2) });
    if (ax >> 8 === 5) Object.assign(regs, { rcx: 0x2000 | bcd(r.below(30)), rdx: bcd(1 + r.below(12)) << 8 | bcd(1 + r.below(28)) });
    if (ax >> 8 === 0xb1) {
      Object.assign(regs, {
        rbx: r.pick([0, 8, 9, 11, 16, r.below(256)]),
        rdi: r.pick([0, 4, 8, 0x10, 0x3c, 0x40, r.below(256)]),
        rsi: r.below(2),
      });
      if ((ax & 0xff) === 2) {
        Object.assign(
          regs,
          r.pick([{ rcx: 0x7000, rdx: 0x8086 }, { rcx: 0x1111, rdx: 0x1234 }, { rcx: 1, rdx: 0xffff }, { rcx: 2, rdx: 3 }]),
        );
      }
      if ((ax & 0xff) === 3) regs.rcx = r.pick([0x03_0000, 0x06_0100, 0x01_0180, 0x02_0000]);
      if ((ax & 0xff) === 0xe) bus.writeBytes(BUFFER, Uint8Array.of(r.pick([0, 255]), 1, BUFFER & 0xff, BUFFER >> 8, 0, 0));
    }
  } else if (vector === 0x14 || vector === 0x17) regs.rdx = r.below(5);
  else if (vector === 0x16) {
    if (ax >> 8 === 5) regs.rcx = r.below(0x1_0000);
    if (ax >> 8 === 3) Object.assign(regs, { rax: 0x305, rbx: r.below(0x400) });
  }
  if (r.one(12)) regs[r.pick(["rbx", "rcx", "rdx", "rdi", "rsi"])] = anyWord(r);
  return regs;
}

/** Calls an interrupt; what came of it. */
function call(rig: Rig, vector: number, regs: Readonly<Record<string, number>>, show: string[], look = false): void {
  const { machine, core } = rig;
  for (const [name, value] of Object.entries(regs)) core.setReg(name, BigInt(value));
  core.s.waiting = false;
  core.setReg("rsp", BigInt(STACK));
  for (const g of [CS, SS, DS, ES]) core.segments.set(g, 0, 0, 0, 0xffff, REAL_DATA);
  core.derived.refresh();
  core.setReg("rip", BigInt(CODE + 4 + 4 * VECTORS.indexOf(vector)));
  machine.run(machine.clock.base + 1000);
  const { bus } = machine, { ports } = rig;
  show.push(`  masks ${[0x21, 0xa1, 0x61].map((port) => ports.in(port, 1).toString(16)).join(" ")}`);
  show.push(`int ${vector.toString(16)} ${Object.entries(regs).map(([n, v]) => `${n}=${v.toString(16)}`).join(" ")}`);
  const flags = Number(core.reg("eflags")) & 0x0ac1;
  show.push(
    `  ${REGISTERS.map((n) => core.reg(n).toString(16)).join(" ")} flags ${flags.toString(16)} at ${core.reg("rip").toString(16)} es ${
      core.reg("es")
    }`,
  );
  show.push(
    `  ${machine.stopped ? `${machine.stopped.kind}` : ""} data ${hash(bus.readBytes(0x400, 0x100))} vectors ${
      hash(bus.readBytes(0, 0x400))
    }`,
  );
  show.push(
    `  buffer ${hash(bus.readBytes(BUFFER, 0x1000))} packet ${hash(bus.readBytes(PACKET, 0x80))} ebda ${
      hash(bus.readBytes(0x9_fc00, 0x400))
    }`,
  );
  // Pictures take long.
  const screen = machine.screen, text = screen?.text(), image = text || !look ? undefined : screen?.image();
  show.push(
    `  ${
      text ? `${text.columns} by ${text.rows} ${JSON.stringify(text.cursor)} ${text.blink} ${hash(new Uint8Array(text.cells.buffer))}` : ""
    }`,
  );
  if (image) show.push(`  ${image.width} by ${image.height} ${hash(image.rgb.subarray(0, 1 << 17))}`);
  if (vector === 0x10) {
    show.push(
      `  dac ${[0, 7, 63].map((n) => (ports.out(0x3c7, 1, n), [ports.in(0x3c9, 1), ports.in(0x3c9, 1), ports.in(0x3c9, 1)])).join()}`,
    );
  }
}

const golden = new Map(Deno.readTextFileSync(GOLDEN).split("\n").filter(Boolean).map((line) => line.split(": ") as [string, string]));
const written = new Map<string, string>(), update = Deno.args.includes("--update");
const shown = Deno.args.includes("--show") ? Deno.args[Deno.args.indexOf("--show") + 1] : undefined;
/** Compares what was seen with the last time. */
function compare(name: string, seen: readonly string[], differ: string[]): void {
  written.set(name, hashText(seen.join("\n")));
  if (shown !== undefined && name.includes(shown)) console.log(`${name}\n${seen.join("\n")}`);
  if (golden.get(name) !== written.get(name)) differ.push(name);
}
const WHERE = "not as in tests/golden/bios.txt";

for (
  const [what, kernel, disks, set] of [
    ["a hard disk, a floppy and a CD", "hard.img", ["floppy.img", "cd.iso"], {}],
    ["a floppy, without a screen", "floppy.img", [], { "device.vga": false, "device.lpt1.io": 0x3bc }],
    ["a CD, two processors", "cd.iso", ["hard.img"], { "cpu.cores": 2, "device.lpt1.io": 0x278 }],
  ] as const
) {
  Deno.test(`what the BIOS leaves to the boot sector of ${what}`, async () => {
    const m = await rig(kernel, disks, set), differ: string[] = [];
    m.machine.run(1_000_000);
    assertEquals(m.machine.bus.readBytes(CODE, 512), SECTOR.subarray(0, 512), "the boot sector was not loaded");
    for (const line of machineLines(m)) {
      const [kind, at] = line.split(" ");
      compare(`${kernel} ${kind}${["memory", "rom", "tables", "port", "pci"].includes(kind) ? ` ${at}` : ""}`, [line], differ);
    }
    if (!update) assertEquals(differ, [], WHERE);
  });
}

for (const { vector, functions } of INTERRUPTS.filter((i) => i.vector < 256)) {
  const name = `${vector.toString(16).padStart(2, "0")}h`;
  Deno.test(`int ${name}: every function answers as before`, async () => {
    const m = await rig("hard.img", ["floppy.img", "cd.iso"]), differ: string[] = [];
    m.machine.run(1_000_000);
    const origin = m.machine.snapshot();
    // A number that is no function, and hardware interrupts, have answers, too.
    for (const key of [...Object.keys(functions), "7e"]) {
      const r = new Random(parseInt(key, 16) + 0x1_0000 * vector), seen: string[] = [];
      m.machine.restore(structuredClone(origin));
      m.machine.bus.writeBytes(BUFFER, FILES["cd.iso"].subarray(0, 0x1000));
      for (let n = 0; n < (key === "c2" ? 4 : 1) * CALLS; n++) {
        const ax = key.length === 4 ? parseInt(key, 16) : parseInt(key, 16) << 8 | r.pick([r.below(4), r.below(20), r.below(256)]);
        // Modes for what draws; keys for what waits.
        if (vector === 0x10 && r.one(2)) call(m, 0x10, { rax: r.pick([3, 1, 0x13, 0x12, 0x0d, 4, 6, 7, 0x11, 0x10]) }, []);
        if (vector === 0x16 || vector === 0x09) {
          // Shift, Ctrl, Alt and locks as the data area has them.
          m.machine.bus.write(0x417, 1, r.pick([0, 0, 1, 2, 4, 8, 0x20, 0x40, 12]));
          for (let k = r.below(3); k >= 0; k--) {
            m.machine.keyboard?.receive(r.one(4) ? 0x80 + r.below(0x59) : r.one(2) ? 0x47 + r.below(13) : 1 + r.below(0x58));
          }
        }
        // The count of ticks near midnight.
        if ((vector === 0x08 || vector === 0x1a) && r.one(2)) {
          m.machine.bus.write(0x46c, 4, r.pick([0x1800ae, 0x1800af, 0x1800b0, 0xffff, 0]));
        }
        call(m, vector, registersFor(r, vector, ax, m), seen, n % 3 === 2);
        if (m.machine.stopped) m.machine.restore(structuredClone(origin));
      }
      compare(`int ${name} ${key}`, seen, differ);
    }
    if (!update) assertEquals(differ, [], WHERE);
  });
}

Deno.test("every line of tests/golden/bios.txt was looked at", () => {
  if (update) Deno.writeTextFileSync(GOLDEN, [...written].map(([name, digest]) => `${name}: ${digest}\n`).join(""));
  else assertEquals([...golden.keys()], [...written.keys()]);
  assert(written.size > 250, `${written.size} lines`);
});
