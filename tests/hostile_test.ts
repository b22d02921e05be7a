// Guests that do to devices whatever comes to mind: random accesses to every port and register, with addresses for DMA that are nowhere, lengths
// beyond all reason, PCI windows on top of each other. Nothing of it may throw, hang, or open a file; and a machine that was saved in the midst of it goes on
// in another one exactly as before.
import { assert, assertEquals } from "@std/assert";
import type { Bus, Size } from "../src/core/bus.ts";
import { BusFault } from "../src/core/errors.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import type { X86Cpu } from "../src/x86/cpu.ts";
import { SOFTWARE } from "../src/x86/exceptions.ts";
import { CS, DS, ES, REAL_DATA, SS } from "../src/x86/segments.ts";
import { Random } from "./fuzz/random.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** Accesses of one test, and the ticks that pass now and then. */
const ACCESSES = 6_000, TICKS = 100_000;
/** No single access may take longer (ms): a busy machine gets some leave. */
const HANG = 2000;

interface Target {
  readonly machine: string;
  /** Endless loop: an image, and where it goes. */
  readonly kernel: Uint8Array;
  readonly set: MachineOptions["set"];
}
/** A boot sector of `jmp $`. */
const SECTOR = new Uint8Array(512 * 64);
SECTOR.set([0xfb, 0xeb, 0xfe]);
SECTOR.set([0x55, 0xaa], 510);
const TARGETS: readonly Target[] = [
  { machine: "pc", kernel: SECTOR, set: { "memory.ram.size": "8MiB" } },
  {
    machine: "virt",
    kernel: Uint8Array.from([0x6f, 0, 0, 0]),
    set: {
      "memory.dram.size": "8MiB",
      "cpu.harts": 2,
      "firmware.sbi": "none",
      "boot.load": 0x8000_0000,
      ...Object.fromEntries(["blk", "rng", "console", "keyboard"].map((name, n) => [`device.virtio[${n}].type`, `virtio.${name}`])),
      "device.virtio[2].force_legacy": false,
    },
  },
];

/** A machine, how often its files were asked for, and its address spaces. */
interface Rig {
  readonly machine: Machine;
  readonly spaces: readonly Bus[];
}

async function rig(target: Target): Promise<{ make: () => Rig; opened: () => number }> {
  let opened = 0;
  const readFile = (path: string) => {
    opened++;
    return path === "kernel" ? target.kernel : Deno.readFileSync(path);
  };
  const options: MachineOptions = { file: `${ROOT}machines/${target.machine}.toml`, kernel: "kernel", set: target.set! },
    host = { readFile, log: silent };
  const graph = await loadGraph(options, host);
  const make = (): Rig => {
    const machine = createMachine(options, host, graph), { core } = machine.cpus[0] as unknown as { core: X86Cpu };
    const ports = core.config.ports as unknown as { readonly bus: Bus } | undefined;
    return { machine, spaces: ports ? [ports.bus, machine.bus] : [machine.bus] };
  };
  return { make, opened: () => opened };
}

/** The `n`-th access: where, how wide, which value; what is there depends on the machine's state. */
function access({ machine, spaces }: Rig, r: Random): void {
  const space = r.pick(spaces), devices = space.regions.filter((region) => region.target), sizes: readonly Size[] = [1, 1, 2, 4];
  const region = r.pick(devices), size = r.pick(sizes);
  // Registers are mostly at the beginning of a window.
  const within = r.one(4) ? r.below(region.length) : r.below(Math.min(region.length, 64));
  let at = region.base + within - within % size;
  if (r.one(50)) at = r.pick([region.base + region.length - 1, region.base - 1, r.bits(), 0]);
  const ram = machine.bus.regions.find((m) => m.bytes && !m.readonly)!;
  const value = r.pick([
    () => r.bits(),
    () => r.below(256),
    () => 1 << r.below(32),
    () => ram.base + r.below(ram.length),
    () => ram.base + ram.length - r.below(16),
    () => r.pick([0, 0xffff_ffff, 0xf000_0000, 0x8000_0000 | r.below(0x1_0000)]),
  ])() >>> 0;
  const started = performance.now();
  try {
    if (space !== machine.bus) {
      // As the processor's IN and OUT do it.
      const { ports } = (machine.cpus[0] as unknown as { core: X86Cpu }).core.config;
      if (r.one(3)) ports.in(at & 0xffff, size);
      else ports.out(at & 0xffff, size, size === 4 ? value : value & (2 ** (8 * size) - 1));
    } else if (r.one(3)) space.read(Math.max(0, at), size);
    else space.write(Math.max(0, at), size, value);
  } catch (e) {
    // What the processor makes an exception of.
    if (!(e instanceof BusFault) || space !== machine.bus) throw e;
  }
  const ms = performance.now() - started;
  assert(ms < HANG, `${size} bytes at 0x${at.toString(16)} (${region.name}), value 0x${value.toString(16)}, took ${ms.toFixed(0)} ms`);
}

/** Many accesses with time passing in between. A run that has ended goes on all the same: power-off is one write of many. */
function torment(rig: Rig, r: Random, count: number): void {
  const { machine } = rig;
  for (let n = 0; n < count; n++) {
    access(rig, r);
    if (r.one(20)) machine.run(machine.clock.base + r.pick([1, 100, 5000, TICKS]));
    if (!machine.stopped) continue;
    if (machine.stopped.kind !== "exit") machine.reset();
    machine.restore({ ...machine.snapshot(), stopped: undefined });
  }
}

for (const target of TARGETS) {
  for (const seed of [1, 2, 3]) {
    Deno.test(`${target.machine}: random accesses to its devices (${seed}) never throw, hang or open files, and snapshots hold all of their state`, async () => {
      const { make, opened } = await rig(target), first = make(), second = make(), before = opened();
      torment(first, new Random(seed), ACCESSES / 2);
      // What a device has asked for (a reset) happens when the machine runs.
      first.machine.run(first.machine.clock.base + 1);
      second.machine.restore(structuredClone(first.machine.snapshot()));
      assertEquals(second.machine.digest(), first.machine.digest(), "restored");
      const half = new Random(seed + 1000);
      torment(first, new Random(half.state), ACCESSES / 2);
      torment(second, new Random(half.state), ACCESSES / 2);
      assertEquals(second.machine.digest(), first.machine.digest(), "restored and run");
      assertEquals(opened(), before, "files were opened");
    });
  }
}

/** Interrupts of the BIOS, each followed by an endless loop; function numbers that exist come up often. */
const CALLS = [0x05, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1a];

Deno.test("pc: BIOS calls with random registers never throw or hang", async () => {
  const kernel = SECTOR.slice();
  CALLS.forEach((n, i) => kernel.set([0xcd, n, 0xeb, 0xfe], 4 * i));
  const { make } = await rig({ ...TARGETS[0], kernel }), { machine } = make(), { core } = machine.cpus[0] as unknown as { core: X86Cpu };
  // The power-on self-test, up to the boot sector.
  machine.run(1_000_000);
  const r = new Random(7), origin = machine.snapshot();
  let calls = 0;
  for (let n = 0; n < 2000; n++) {
    if (n % 200 === 0) machine.restore(structuredClone(origin));
    machine.bus.writeBytes(0x7c00, kernel.subarray(0, 512));
    for (const name of ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp"]) {
      core.setReg(name, BigInt(r.pick([r.bits(), r.below(256), r.below(0x10000)])));
    }
    if (r.one(2)) {
      core.setReg("rax", BigInt(r.pick([0x4f00, 0x1000, 0x1100, 0x4200, 0xe800, 0xb100, 0]) + r.below(0x80) + (r.below(0x20) << 8)));
    }
    core.s.waiting = false;
    core.setReg("rsp", 0x7000n);
    for (const g of [ES, DS]) {
      const selector = r.pick([0, 0x40, 0x9000, 0xb800, 0xf000, 0xffff, r.below(0x1_0000)]);
      core.segments.set(g, selector, selector << 4, 0, 0xffff, REAL_DATA);
    }
    for (const g of [CS, SS]) core.segments.set(g, 0, 0, 0, 0xffff, REAL_DATA);
    core.derived.refresh();
    core.setReg("rip", BigInt(0x7c00 + 4 * r.below(CALLS.length)));
    const started = performance.now();
    machine.run(machine.clock.base + 3000);
    assert(performance.now() - started < HANG, `call ${n} hangs`);
    if (core.events.last().some((e) => e.kind === SOFTWARE && CALLS.includes(e.vector))) calls++;
    if (machine.stopped) machine.restore(structuredClone(origin));
    else core.events.clear();
  }
  assert(calls > 1500, `${calls} calls`);
});
