// Saving, restoring and the digest, over a machine that is nothing but its parts: what each of them holds is saved, comes back, and counts.
import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { forEachTouchedPage, PAGE } from "./pages.ts";
import { fillRandom } from "./ram.ts";
import { digest, restore, save, type Snapshot, type Stateful } from "./snapshot.ts";

const SIZES = [3 * PAGE, PAGE / 2, 2 * PAGE];

/** Three windows of memory, two processors, two devices, a disk. */
function parts(harts = 2) {
  const starts = SIZES.map((_, i) => SIZES.slice(0, i).reduce((a, b) => a + b, 0)),
    wasm = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const memory = new Uint8Array(wasm.buffer, 0, SIZES.reduce((a, b) => a + b));
  const calls: string[] = [], disk = new Map<number, Uint8Array>();
  const cpu = (index: number) => {
    const state = { x: index, wide: 1n << 60n, bytes: new Uint8Array(4) };
    return {
      state,
      save: () => structuredClone(state),
      load: (s: unknown) => (calls.push(`cpu${index}`), Object.assign(state, structuredClone(s))),
    };
  };
  const device = (name: string) => ({
    state: { name, level: 0, queue: [1, 2], map: new Map([[1, 2]]), set: new Set([5]) },
    restored: () => void calls.push(`${name} restored`),
  });
  const cpus = Array.from({ length: harts }, (_, i) => cpu(i)), devices = new Map([["uart", device("uart")], ["plic", device("plic")]]);
  const firmware = { queue: [0] }, clock = { ticks: 5 };
  const schedule = {
    clock,
    save: () => ({ clock: clock.ticks, alarms: { a: 7 }, slice: undefined, stopped: undefined }),
    load: (s: { clock: number }, between: () => void) => {
      calls.push("schedule");
      between();
      clock.ticks = s.clock;
    },
  };
  const m = {
    graph: { cpu: { harts, arch: "riscv64" }, devices: [{ id: "uart", type: "ns16550a" }, { id: "plic", type: "plic" }] },
    engine: {
      memory: { wasm },
      rams: SIZES.map((length, i) => ({ length, offset: starts[i] })),
      ramBytes: (i: number) => memory.subarray(starts[i], starts[i] + SIZES[i]),
      reset: () => void calls.push("engine"),
    },
    cpus,
    devices,
    platform: { save: () => structuredClone(firmware), load: (s: unknown) => (calls.push("firmware"), Object.assign(firmware, s)) },
    disks: {
      save: () => [new Map(disk)],
      load: ([d]: Map<number, Uint8Array>[]) => (calls.push("disks"), disk.clear(), d.forEach((v, k) => disk.set(k, v))),
    },
    schedule,
    output: { uart: 3 } as Record<string, number>,
  };
  return { m: m as unknown as Stateful, memory, calls, disk, cpus, devices, firmware, clock, output: m.output };
}

/** One change of every kind of state. */
const CHANGES: Readonly<Record<string, (p: ReturnType<typeof parts>) => void>> = {
  ...Object.fromEntries(
    [0, 3, 4, PAGE - 1, PAGE, 3 * PAGE - 1, 3 * PAGE, 3.5 * PAGE - 1, 3.5 * PAGE, 5.5 * PAGE - 1].map((
      at,
    ) => [`byte ${at}`, (p: ReturnType<typeof parts>) => void (p.memory[at] ^= 0x80)]),
  ),
  "a processor's number": (p) => void p.cpus[1].state.x++,
  "a processor's bigint": (p) => void p.cpus[0].state.wide++,
  "a processor's bytes": (p) => void (p.cpus[0].state.bytes[3] = 1),
  "a device's number": (p) => void p.devices.get("plic")!.state.level++,
  "a device's list": (p) => void p.devices.get("uart")!.state.queue.push(3),
  "a device's map": (p) => void p.devices.get("uart")!.state.map.set(1, 3),
  "a device's set": (p) => void p.devices.get("uart")!.state.set.add(6),
  "the firmware": (p) => void p.firmware.queue.push(1),
  "the clock": (p) => void p.clock.ticks++,
  "output": (p) => void p.output.uart++,
  "a console more": (p) => void (p.output.tty = 1),
  "a sector": (p) => void p.disk.set(9, new Uint8Array(512).fill(1)),
  "a sector's last byte": (p) => void p.disk.set(9, new Uint8Array(512).with(511, 1)),
};

Deno.test("the digest counts everything, and where it is; equal machines have equal ones", () => {
  const seen = new Map([[digest(parts().m), "nothing"]]);
  assertEquals(digest(parts().m), digest(parts().m));
  for (const [what, change] of Object.entries(CHANGES)) {
    const p = parts();
    change(p);
    const now = digest(p.m);
    assertMatch(now, /^[0-9a-f]{16}$/);
    assertEquals(seen.get(now), undefined, what);
    seen.set(now, what);
  }
  // The same words in other places: neighbours, pages, sectors. Either half tells.
  const digestOf = (change: (p: ReturnType<typeof parts>) => void) => {
    const p = parts();
    change(p);
    return digest(p.m);
  };
  const pairs = [[0, 4], [0, PAGE], [4, 8], [PAGE, 2 * PAGE]].map((places) => places.map((at) => digestOf((p) => void (p.memory[at] = 1))));
  for (const [a, b] of pairs) assert(a.slice(0, 8) !== b.slice(0, 8) && a.slice(8) !== b.slice(8));
  assertNotEquals(digestOf((p) => p.disk.set(1, new Uint8Array(512).fill(1))), digestOf((p) => p.disk.set(2, new Uint8Array(512).fill(1))));
});

Deno.test("each change is undone by an earlier snapshot and brought by a later one, and snapshots share nothing with what goes on", () => {
  for (const [what, change] of Object.entries(CHANGES)) {
    const p = parts(), before = digest(p.m), first = save(p.m);
    change(p);
    const after = digest(p.m), second = structuredClone(save(p.m));
    const fresh = parts();
    fresh.memory.fill(0xee); // what a snapshot has no page of is 0
    restore(fresh.m, second);
    assertEquals(digest(fresh.m), after, what);
    assertEquals(save(fresh.m), save(p.m), what);
    restore(p.m, first);
    assertEquals(digest(p.m), before, what);
    change(fresh);
    assertEquals(digest(p.m), before, what);
  }
});

Deno.test("engine, schedule, processors, firmware and disks are restored, then devices are told", () => {
  const p = parts();
  restore(p.m, save(p.m));
  assertEquals(p.calls, ["engine", "schedule", "cpu0", "cpu1", "firmware", "disks", "uart restored", "plic restored"]);
});

Deno.test("pages of a snapshot: those with anything in them, numbered over all windows", () => {
  const p = parts();
  for (const at of [PAGE, 3 * PAGE, 4.5 * PAGE]) p.memory[at + 1] = 1;
  const s = save(p.m);
  assertEquals([...s.pages].map(([n, bytes]) => [n, bytes.length, bytes[1]]), [[1, PAGE, 1], [3, PAGE / 2, 1], [5, PAGE, 1]]);
  p.memory[PAGE + 1] = 2;
  assertEquals(s.pages.get(1)![1], 1);
});

Deno.test("snapshots of other machines, of other versions, and what is none", () => {
  const message = (change: (s: Snapshot) => unknown) => {
    const p = parts();
    return assertThrows(() => restore(p.m, change(save(p.m)) as Snapshot), ConfigError).message;
  };
  const make = "2 riscv64; 12 KiB + 2 KiB + 8 KiB; uart ns16550a, plic plic";
  assertEquals(message(() => save(parts(1).m)), `the snapshot is of another machine: ${make.replace("2", "1")}; this machine is ${make}`);
  assertEquals(message(() => ({})), `this is no snapshot; this machine is ${make}`);
  assertEquals(message(() => undefined), `this is no snapshot; this machine is ${make}`);
  assertEquals(message((s) => ({ ...s, version: 2 })), "the snapshot is of version 2, and this program reads version 3");
  assertEquals(message(({ version: _, ...s }) => s), "the snapshot is of version 1, and this program reads version 3");
});

/** A memory of so many bytes, of which one behind it is not zero. */
function memoryOf(length: number) {
  const wasm = new WebAssembly.Memory({ initial: 1, maximum: 1 }), bytes = new Uint8Array(wasm.buffer, 0, length);
  new Uint8Array(wasm.buffer)[length] = 1;
  return { m: { rams: [{ length, offset: 0 }], ramBytes: () => bytes, memory: { wasm } } as unknown as Stateful["engine"], bytes };
}

Deno.test("touched pages: any byte, whatever it is, and the last piece of a window", () => {
  for (const at of [0, 1, 7, 8, PAGE - 1, PAGE, 2 * PAGE, 2.5 * PAGE - 1]) {
    for (const value of [1, 0x80, 0xff]) {
      const { m, bytes } = memoryOf(2.5 * PAGE), pages: number[] = [];
      bytes[at] = value;
      forEachTouchedPage(m, (page) => pages.push(page));
      assertEquals(pages, [Math.floor(at / PAGE)]);
    }
  }
  const all = memoryOf(3 * PAGE), pages: number[] = [];
  all.bytes.fill(1);
  forEachTouchedPage(all.m, (page) => pages.push(page));
  assertEquals(pages, [0, 1, 2]);
});

Deno.test("random contents: xorshift32 from the seed, word by word", () => {
  for (const seed of [0, 1, 12345]) {
    const bytes = new Uint8Array(64);
    fillRandom(bytes, seed);
    let x = (BigInt(seed + 1) * 0x9e37_79b9n | 1n) & 0xffff_ffffn;
    for (const word of new Uint32Array(bytes.buffer)) {
      x = (x ^ x << 13n) & 0xffff_ffffn;
      x ^= x >> 17n;
      x = (x ^ x << 5n) & 0xffff_ffffn;
      assertEquals(BigInt(word), x);
    }
  }
});
