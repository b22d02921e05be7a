// What a snapshot has, a restored machine has: every leaf of the state of every device, processor and firmware is set to another value, saved
// and restored into a fresh machine, and compared there leaf by leaf. A field that `load` forgets stays at its power-on value and is named. And
// what no snapshot has: a machine that ran something else before is after a restore as a fresh one is, and after a reset as at power-on.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions, type Snapshot } from "../src/machine/machine.ts";
import { GUEST } from "../src/ir/layout.ts";
import { HELD } from "../src/riscv/slots.ts";
import type { X86Cpu } from "../src/x86/cpu.ts";
import { CC_RESULT, CODE_END, INTR, SEG_BASE, SEG_READ_TOP, TSC_OFFSET } from "../src/x86/slots.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** Endless loops. */
const SECTOR = new Uint8Array(512 * 64);
SECTOR.set([0xfb, 0xeb, 0xfe]);
SECTOR.set([0x55, 0xaa], 510);
const LOOP = Uint8Array.from([0x6f, 0, 0, 0]);
/** Leaves that a restore makes anew from others, by their paths without numbers. Everything else must come back as it was saved. */
const DERIVED: Readonly<Record<string, string>> = {
  ".devices.lapic.lint.*": "levels of wires that interrupt controllers drive",
  ".devices.vga.flat": "where display memory is mapped, by its other registers",
};
/** The same for bytes of a processor's register window: slots that are derived from other registers. */
type Slots = readonly (readonly [from: number, bytes: number, reason: string])[];
const RISCV_SLOTS: Slots = [[HELD, 4, "from the interrupts that are pending"]];
const X86_SLOTS: Slots = [
  [CC_RESULT, 32, "the record of the flags is brought into one form"],
  [SEG_BASE(0), 32, "what code adds, from the bases as they were loaded"],
  [INTR, 4, "the level of a wire"],
  [TSC_OFFSET, 16, "from the time-stamp counter's own state"],
  [SEG_READ_TOP(0), CODE_END + 4 - SEG_READ_TOP(0), "from limits and attributes"],
];
const isDerived = (path: string, slots: Slots): boolean => {
  const slot = Number(/^\.cpus\.\d+\.core\.registers\[(\d+)\]$/.exec(path)?.[1] ?? -1);
  return path.replace(/\.\d+|\[\d+\]/g, ".*") in DERIVED ||
    (slot >= 0 && slots.some(([from, bytes]) => slot + GUEST >= from && slot + GUEST < from + bytes));
};

const MACHINES: readonly {
  readonly name: string;
  readonly kernel: Uint8Array;
  readonly slots: Slots;
  readonly set: Readonly<Record<string, unknown>>;
}[] = [
  { name: "pc", kernel: SECTOR, slots: X86_SLOTS, set: { "memory.ram.size": "4MiB", "cpu.cores": 2 } },
  { name: "virt", kernel: LOOP, slots: RISCV_SLOTS, set: { "memory.dram.size": "8MiB", "cpu.harts": 2 } },
  {
    name: "virt32",
    kernel: LOOP,
    slots: RISCV_SLOTS,
    set: { "memory.dram.size": "8MiB", "cpu.harts": 2, "firmware.sbi": "none", "boot.load": 0x8000_0000 },
  },
];

async function maker({ name, kernel, set }: Omit<typeof MACHINES[number], "slots">): Promise<() => Machine> {
  const options: MachineOptions = { file: `${ROOT}machines/${name}.toml`, kernel: "kernel", set };
  const host = { readFile: (path: string) => path === "kernel" ? kernel : Deno.readFileSync(path), log: silent };
  const graph = await loadGraph(options, host);
  return () => createMachine(options, host, graph);
}

type Tree = Record<string, unknown>;
/** Calls `each` for every leaf (numbers, bigints, booleans, bytes of arrays) with its path and a way to set it. */
function leaves(tree: unknown, path: string, each: (path: string, value: unknown, set: (value: unknown) => void) => void): void {
  if (ArrayBuffer.isView(tree)) {
    const list = tree as Uint8Array;
    // Of large memories some bytes.
    for (let i = 0; i < list.length; i += list.length > 4096 ? 997 : 1) each(`${path}[${i}]`, list[i], (v) => list[i] = v as number);
  } else if (tree instanceof Map) {
    for (const [k, v] of tree) {
      if (typeof v === "object" && v !== null) leaves(v, `${path}<${k}>`, each);
      else each(`${path}<${k}>`, v, (value) => tree.set(k, value));
    }
  } else if (typeof tree === "object" && tree !== null) {
    for (const [k, v] of Object.entries(tree)) {
      if (typeof v === "object" && v !== null) leaves(v, `${path}.${k}`, each);
      else each(`${path}.${k}`, v, (value) => (tree as Tree)[k] = value);
    }
  }
}

/** Lists without members, such as queues, get one, so that it is seen whether they come back. */
function fillEmptyLists(tree: unknown): void {
  if (Array.isArray(tree) && tree.length === 0) tree.push(0);
  else if (typeof tree === "object" && tree !== null && !ArrayBuffer.isView(tree)) {
    for (const value of tree instanceof Map ? tree.values() : Object.values(tree)) fillEmptyLists(value);
  }
}

const parts = (s: Snapshot) => ({ cpus: s.cpus, devices: s.devices, firmware: s.firmware });
function values(s: Snapshot): Map<string, unknown> {
  const out = new Map<string, unknown>();
  leaves(parts(s), "", (path, value) => out.set(path, value));
  return out;
}
/** Another legal value: small numbers stay small, since many of them are indices, lengths or modes. */
function other(value: unknown): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "bigint") return value ^ 1n;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value % 2 === 0 ? value + 1 : value - 1;
  return value;
}

for (const target of MACHINES) {
  Deno.test(`${target.name}: a restored machine has every leaf of the snapshot`, async () => {
    const make = await maker(target), from = make(), { slots } = target;
    from.run(300_000);
    const snapshot = from.snapshot(), wanted = new Map<string, unknown>();
    // One device or processor at a time: what one of them has must not depend on the others.
    const roots = [...Object.keys(snapshot.devices).map((id) => `.devices.${id}`), ".cpus.0", ".cpus.1", ".firmware"];
    let changed = 0;
    const lost: string[] = [];
    const to = make();
    for (const root of roots) {
      const s = structuredClone(snapshot);
      wanted.clear();
      fillEmptyLists(root.slice(1).split(".").reduce((tree, key) => (tree as Tree)[key], parts(s) as unknown));
      leaves(parts(s), "", (path, value, set) => {
        if (!path.startsWith(root + ".") && path !== root) return;
        const next = other(value);
        if (next === value) return;
        set(next);
        wanted.set(path, next);
        changed++;
      });
      to.restore(s);
      const got = values(to.snapshot());
      for (const [path, value] of wanted) {
        if (!Object.is(got.get(path), value) && !isDerived(path, slots)) {
          lost.push(`${path}: ${String(got.get(path))}, not ${String(value)}`);
        }
      }
    }
    assert(changed > 500, `only ${changed} leaves`);
    assertEquals(lost, []);
  });
}

/** Guests that print, set timers and touch memory, each with ticks at which they are in the midst of it. */
const BUSY: readonly (readonly [machine: string, kernel: string, at: number, later: number])[] = [
  ["pc", "x86_shell.img", 9_000_000, 12_000_000],
  ["virt", "timer.rv64.elf", 2_000_000, 30_000_000],
  ["virt32", "timer.rv32.elf", 2_000_000, 30_000_000],
];
for (const [name, kernel, at, later] of BUSY) {
  Deno.test(`${name}: a machine that ran on goes on after a restore as a fresh one does, and is new after a reset`, async () => {
    const make = await maker({ name, kernel: Deno.readFileSync(`${ROOT}tests/guests/bin/${kernel}`), set: {} });
    const [first, used, fresh] = [make(), make(), make()], powerOn = first.snapshot();
    await Promise.all([first, used, fresh].map((m) => m.complete()));
    for (const m of [first, used]) m.run(at);
    const snapshot = first.snapshot();
    used.run(later);
    assert(used.digest() !== first.digest());
    used.restore(snapshot);
    fresh.restore(snapshot);
    assertEquals([used.digest(), fresh.digest()], [first.digest(), first.digest()]);
    for (let i = 1; i <= 5; i++) {
      for (const m of [first, used, fresh]) m.run(at + i * 1_000_003);
      assertEquals([used.digest(), fresh.digest()], [first.digest(), first.digest()], `part ${i}`);
    }
    for (let again = 0; again < 2; again++) {
      used.reset();
      // The output goes on where it was, and so does its age.
      assertEquals({ ...used.snapshot(), output: {}, before: 0 }, { ...powerOn, output: {} });
      used.restore(snapshot);
      used.run(later);
    }
  });
}

/** Parts of a processor that its registers do not show, set and saved: what the restored one does with them. */
Deno.test("an x86 processor keeps its PDPTEs and its FERR line over a restore; a snapshot is not changed by what follows", async () => {
  const make = await maker(MACHINES[0]), from = make(), to = make();
  from.run(300_000);
  const { core } = from.cpus[0] as unknown as { core: X86Cpu };
  for (let n = 0; n < 4; n++) [core.paging.pdpteLo[n], core.paging.pdpteHi[n]] = [0x1001 + 0x1000 * n, 7 + n];
  core.s.ferr = true;
  const snapshot = from.snapshot(), copy = structuredClone(snapshot);
  for (let again = 0; again < 2; again++) {
    to.restore(snapshot);
    const restored = (to.cpus[0] as unknown as { core: X86Cpu }).core;
    assertEquals([[...restored.paging.pdpteLo], [...restored.paging.pdpteHi]], [[0x1001, 0x2001, 0x3001, 0x4001], [7, 8, 9, 10]]);
    assertEquals(restored.ferr.line?.level, true);
    assertEquals(to.snapshot().cpus, snapshot.cpus);
    for (const g of [0, 1, 2, 3]) restored.segments.set(g, 8 * g, 0, 0, 0xffff, 0x93);
    restored.s.idtLimit = 0x123;
    to.run(to.clock.base + 100_000);
    assertEquals(snapshot, copy, "the run has changed the snapshot");
  }
});

Deno.test("a snapshot of another machine is refused, and the machine is as it was", async () => {
  const target = MACHINES[0], m = (await maker(target))(), before = m.digest();
  const larger = (await maker({ ...target, set: { ...target.set, "memory.ram.size": "8MiB" } }))();
  const other = (await maker(MACHINES[1]))();
  const one =
    (await maker({ ...target, set: { ...target.set, "device.hpet": false, "device.pit.irq": "isa:0", "device.cmos.irq": "isa:8" } }))();
  for (const s of [larger.snapshot(), other.snapshot(), one.snapshot()]) {
    assertThrows(() => m.restore(s), ConfigError, "the snapshot is of another machine: ");
  }
  for (const s of [{}, undefined, null]) assertThrows(() => m.restore(s as unknown as Snapshot), ConfigError, "this is no snapshot");
  assertEquals(m.digest(), before);
});
