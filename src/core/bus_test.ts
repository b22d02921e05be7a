// Windows that overlap: shadow RAM in front, devices' own memory, BARs behind, and what remains when they go.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Bus, type BusTarget, readTarget, type ShadowAccess, writeTarget } from "./bus.ts";
import { BusFault, ConfigError } from "./errors.ts";
import { Random } from "../../tests/fuzz/random.ts";

/** Bytes as a text, one character each: compared at once. */
const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

const target = (value: number): BusTarget => ({ access: { min: 1, max: 4 }, read: (offset) => value + offset, write: () => {} });
const map = (bus: Bus) => bus.regions.map((r) => `${r.name} ${r.base.toString(16)}+${r.length.toString(16)}${r.readonly ? " ro" : ""}`);

Deno.test("windows of map may not overlap", () => {
  const bus = new Bus();
  bus.map(0x1000, 0x1000, target(0), "a");
  const error = assertThrows(() => bus.map(0x1fff, 1, target(0), "b"), ConfigError);
  assertEquals(error.message, "'b' (0x1fff..0x1fff) overlaps 'a' (0x1000..0x1fff)");
  for (const [base, length] of [[0xfff, 2], [0, 0x1001], [0, 0x9000], [0x1000, 1], [0x1800, 0x10]]) {
    assertThrows(() => bus.map(base, length, target(0), "c"), ConfigError);
  }
  for (const [base, length] of [[0xff0, 0x10], [0x2000, 0x10]]) bus.map(base, length, target(0), "d");
  assertEquals(map(bus), ["d ff0+10", "a 1000+1000", "d 2000+10"]);
});

Deno.test("shadow RAM comes in front of ROM page by page, read-only or writable, and goes again", () => {
  const bus = new Bus(), rom = new Uint8Array(0x4000).fill(0xaa), shadow = new Uint8Array(0x8000);
  let changes = 0;
  bus.mapRam(0x4000, rom, { readonly: true, name: "rom" });
  bus.mapShadow(0, shadow);
  bus.onRemap = () => changes++;
  bus.write(0x4000, 1, 1);
  bus.shadow(0x5000, 0x2000, "write");
  assertEquals(map(bus), ["rom 4000+1000 ro", "shadow 5000+2000", "rom 7000+1000 ro"]);
  bus.write(0x5004, 4, 0x1234_5678);
  assertEquals([bus.read(0x4000, 1), bus.read(0x5004, 4), bus.read(0x7fff, 1)], [0xaa, 0x1234_5678, 0xaa]);
  bus.shadow(0x5000, 0x1000, "read");
  assertEquals(map(bus), ["rom 4000+1000 ro", "shadow 5000+1000 ro", "shadow 6000+1000", "rom 7000+1000 ro"]);
  bus.write(0x5004, 4, 0);
  assertEquals(bus.read(0x5004, 4), 0x1234_5678);
  bus.shadow(0x5000, 0x1000, "read");
  assertEquals(changes, 2, "what changes nothing is no change");
  bus.shadow(0, 0x10000, "off");
  assertEquals(map(bus), ["rom 4000+4000 ro"]);
  assertEquals(bus.read(0x5004, 1), 0xaa);
});

Deno.test("windows behind fill what others leave, in the order of their names", () => {
  const bus = new Bus();
  bus.map(0x1400, 0x100, target(0x1000), "fixed");
  // The order of mapping does not count: after a snapshot it may be another.
  bus.mapBehind(0x1800, 0x1000, target(0x4000), "second");
  const first = bus.mapBehind(0x1000, 0x1000, target(0x2000), "first");
  assertEquals(map(bus), ["first 1000+400", "fixed 1400+100", "first 1500+b00", "second 2000+800"]);
  assertEquals([bus.read(0x1410, 4), bus.read(0x1510, 4), bus.read(0x2004, 4)], [0x1010, 0x2510, 0x4804]);
  bus.unmap(first);
  assertEquals(map(bus), ["fixed 1400+100", "second 1800+1000"]);
  assertEquals(bus.read(0x1804, 4), 0x4004);
});

Deno.test("memory that a device shows is RAM in its window, wherever the window is", () => {
  const bus = new Bus(), bytes = new Uint8Array(16).fill(7), t: BusTarget = { ...target(0), direct: [{ offset: 0x10, bytes }] };
  const bar = bus.mapBehind(0x8000, 0x100, t, "lfb");
  let told = 0;
  bus.onRemap = () => told++;
  t.onDirect!();
  assertEquals(told, 1);
  assertEquals(map(bus), ["lfb 8000+10", "lfb 8010+10", "lfb 8020+e0"]);
  assertEquals([bus.read(0x8014, 1), bus.read(0x8020, 1)], [7, 0x20]);
  bus.unmap(bar);
  assertEquals(map(bus), []);
});

Deno.test("an access that leaves its window goes byte by byte; a model's answer has no more bits than were asked for", () => {
  const bus = new Bus(), ram = new Uint8Array(0x1000).fill(0x11), written: number[] = [];
  bus.mapRam(0x1000, ram);
  bus.map(0x2000, 0x10, { access: { min: 1, max: 4 }, read: () => 0xffff_ff22, write: (...access) => written.push(...access) });
  assertEquals([bus.read(0x1ffe, 4), bus.read(0x2000, 2)], [0x2222_1111, 0xff22]);
  bus.write(0x1fff, 2, 0x4433);
  assertEquals([ram[0xfff], written], [0x33, [0, 1, 0x44]]);
  assertThrows(() => bus.read(0x200e, 4), BusFault);
});

Deno.test("a device window that nothing hides is passed on as it is; unmapping again changes nothing else; offsets are the window's", () => {
  const bus = new Bus(), offsets: number[] = [], far: BusTarget = { ...target(0), read: (offset) => (offsets.push(offset), 0) };
  const [a, b] = [target(1), target(2)], behind = bus.mapBehind(0x3000, 0x1000, b, "b");
  bus.map(0x2000, 0x1000, a, "a");
  bus.map(0x4000, 0x1000, target(3), "c");
  assertEquals([bus.find(0x2000)!.target === a, bus.find(0x3fff)!.target === b], [true, true]);
  bus.map(2 ** 40, 2 ** 33, far, "far");
  for (const offset of [0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 33 - 1]) {
    bus.read(2 ** 40 + offset, 1);
    assertEquals([offsets.pop(), bus.find(2 ** 40 + offset)!.name], [offset, "far"]);
  }
  bus.mapBehind(0x6000, 0x1000, target(4), "d");
  for (let again = 0; again < 2; again++) bus.unmap(behind);
  assertEquals(map(bus), ["a 2000+1000", "c 4000+1000", "d 6000+1000", "far 10000000000+200000000"]);
});

Deno.test("what answers where nothing is mapped gets the address, and nothing of what is", () => {
  const bus = new Bus(),
    seen: number[] = [],
    ram = new Uint8Array(0x10),
    t: BusTarget = { ...target(0), read: (at) => (seen.push(at), 0x5a) };
  bus.mapRam(0x1000, ram);
  bus.elsewhere = { base: 0, length: 2 ** 32, target: t, name: "elsewhere", readonly: false };
  assertEquals([bus.read(0x1000, 1), bus.read(0x1010, 1), bus.read(0xffff_fff0, 1), bus.read(0, 1)], [0, 0x5a, 0x5a, 0x5a]);
  assertEquals(seen, [0x1010, 0xffff_fff0, 0]);
});

Deno.test("windows behind are in the order of their names whatever the order in which they came", () => {
  const names = ["a", "b", "c", "d", "e"], random = new Random(2);
  for (let n = 0; n < 40; n++) {
    const bus = new Bus(), order = random.order(5);
    for (const i of order) bus.mapBehind(0x1000 * i, 0x8000, target(0), names[i]);
    assertEquals(map(bus).map((r) => r.slice(0, 6)), ["a 0+80", "b 8000", "c 9000", "d a000", "e b000"], `${order}`);
  }
});

/** A part of the address space that one window answers in: of memory, or of a device whose bytes are all its own. */
interface Owner {
  readonly name: string;
  readonly readonly: boolean;
  readonly base: number;
  readonly bytes?: Uint8Array;
  readonly device?: number;
}

Deno.test("random arrangements and accesses, against a map of each byte's owner", () => {
  const SIZE = 0x9000, random = new Random(9), below = (n: number) => random.below(n);
  let changes = 0, faults = 0, across = 0;
  for (let round = 0; round < 4; round++) {
    const bus = new Bus(), log: string[] = [], due: string[] = [];
    const behind: { base: number; length: number; name: string; device: number; region: ReturnType<Bus["mapBehind"]> }[] = [];
    const fixed: (Owner & { length: number; direct: { offset: number; bytes: Uint8Array }[] })[] = [];
    const shadow = { base: 0x2000, bytes: new Uint8Array(0x4000), pages: Array<ShadowAccess>(4).fill("off") };
    const byteOf = (device: number, offset: number) => (device * 101 + offset * 7) & 0xff;
    const device = (id: number): BusTarget & { direct: { offset: number; bytes: Uint8Array }[] } => ({
      access: { min: 1, max: 4 },
      direct: [],
      read: (offset, size) => Array.from({ length: size }, (_, i) => byteOf(id, offset + i) * 2 ** (8 * i)).reduce((a, b) => a + b),
      write: (offset, size, value) => {
        for (let i = 0; i < size; i++) log.push(`${id} ${offset + i} ${value >>> 8 * i & 0xff}`);
      },
      writeBytes: (offset, data) => void log.push(`${id} ${offset} ${data}`),
    });
    bus.onDmaWrite = (at, length) => log.push(`dma ${at} ${length}`);
    bus.mapShadow(shadow.base, shadow.bytes);
    const targets = new Map<number, ReturnType<typeof device>>();
    for (let at = below(0x400), id = 1; at < 0x7000; at += below(3) ? 0 : below(0x800), id++) {
      const length = 0x10 + below(0x1800), name = `w${id}`, kind = below(3), readonly = kind === 0;
      if (kind < 2) {
        const bytes = Uint8Array.from({ length }, (_, i) => i * 3 + id);
        bus.mapRam(at, bytes, { readonly, name });
        fixed.push({ name, readonly, base: at, length, bytes, direct: [] });
      } else {
        const t = device(id);
        targets.set(id, t);
        bus.map(at, length, t, name);
        fixed.push({ name, readonly: false, base: at, length, device: id, direct: t.direct });
      }
      at += length;
    }
    /** What is in each memory. */
    const memory = new Map<Uint8Array, Uint8Array>();
    let told = 0;
    bus.onRemap = () => told++;
    for (let step = 0; step < 14; step++) {
      told = 0;
      let changed = 1;
      const what = below(4);
      if (what === 0 || step === 0) {
        const from = below(5), count = below(5), access = random.pick(["off", "read", "write"] as const), before = shadow.pages.slice();
        bus.shadow(shadow.base + 0x1000 * from, 0x1000 * count, access);
        shadow.pages.fill(access, from, from + count);
        changed = `${before}` === `${shadow.pages}` ? 0 : 1;
      } else if (what === 1) {
        const name = `b${below(1000)}`, base = below(0x8000), length = 1 + below(0x1000), id = 100 + step;
        if (behind.some((b) => b.name === name)) continue;
        behind.push({ base, length, name, device: id, region: bus.mapBehind(base, length, device(id), name) });
      } else if (what === 2 && behind.length > 0) {
        const [gone] = behind.splice(below(behind.length), 1);
        bus.unmap(gone.region);
      } else {
        const [t] = [...targets.values()].slice(below(targets.size || 1));
        if (!t) continue;
        t.direct.splice(0, t.direct.length, ...below(2) ? [{ offset: 8, bytes: new Uint8Array(8).fill(0x77) }] : []);
        t.onDirect!();
      }
      assertEquals(told, changed, "told of each change once");
      changes++;
      // Who owns each byte: the first that has it.
      const owner = new Array<Owner | undefined>(SIZE).fill(undefined);
      const own = (from: number, length: number, o: Owner) => {
        for (let i = from; i < Math.min(SIZE, from + length); i++) owner[i] ??= o;
      };
      for (const access of ["read", "write"] as const) {
        for (let page = 0; page < 4; page++) {
          if (shadow.pages[page] !== access || shadow.pages[page - 1] === access) continue;
          const run = shadow.pages.slice(page).findIndex((a) => a !== access), at = 0x1000 * page;
          const o = { name: "shadow", readonly: access === "read", base: shadow.base, bytes: shadow.bytes };
          own(shadow.base + at, 0x1000 * (run < 0 ? 4 - page : run), o);
        }
      }
      for (const { direct, base, name } of fixed) {
        for (const { offset, bytes } of direct) own(base + offset, bytes.length, { name, readonly: false, base: base + offset, bytes });
      }
      for (const f of fixed) own(f.base, f.length, f);
      for (const b of behind.toSorted((x, y) => x.name < y.name ? -1 : 1)) own(b.base, b.length, { ...b, readonly: false });
      const runs: string[] = [];
      for (let at = 0, from = 0; at <= SIZE; at++) {
        if (at < SIZE && owner[at] === owner[from]) continue;
        const o = owner[from];
        if (o) runs.push(`${o.name} ${from.toString(16)}+${(at - from).toString(16)}${o.readonly ? " ro" : ""}`);
        from = at;
      }
      assertEquals(map(bus), runs);
      for (const o of new Set(owner)) if (o?.bytes && !memory.has(o.bytes)) memory.set(o.bytes, o.bytes.slice());
      // Accesses where something begins or ends, and anywhere.
      const edges = bus.regions.flatMap(({ base, length }) => [base, base + length]);
      for (let n = 0; n < 30; n++) {
        const at = Math.max(0, below(3) ? random.pick(edges) - 4 + below(8) : below(SIZE - 8)), size = random.pick([1, 2, 4] as const);
        const parts = Array.from({ length: size }, (_, i) => owner[at + i]), one = parts.every((o) => o === parts[0]);
        if (!one) across++;
        const byte = (o: Owner, i: number) => o.bytes ? memory.get(o.bytes)![at + i - o.base] : byteOf(o.device!, at + i - o.base);
        const hole = parts.findLastIndex((o) => o === undefined), first = parts[0] === undefined ? 0 : hole;
        const value = parts.map((o, i) => o ? byte(o, i) * 2 ** (8 * i) : 0).reduce((a, b) => a + b);
        let got: unknown;
        try {
          got = bus.read(at, size);
        } catch (e) {
          assert(e instanceof BusFault && e.access === "read");
          got = e.paddr - at;
          faults++;
        }
        assertEquals(got, hole < 0 ? value : first, `${size} bytes at ${at.toString(16)}`);
        const written = random.bits();
        log.length = due.length = 0;
        const missing = parts.findIndex((o) => o === undefined), reach = missing < 0 ? size : missing;
        for (let i = 0; i < reach; i++) {
          const o = parts[i]!, v = written >>> 8 * i & 0xff;
          if (o.device !== undefined) due.push(`${o.device} ${at + i - o.base} ${v}`);
          else if (!o.readonly) {
            due.push(one ? i === 0 ? `dma ${at} ${size}` : "" : `dma ${at + i} 1`);
            memory.get(o.bytes!)![at + i - o.base] = v;
          }
        }
        try {
          bus.write(at, size, written | 0);
          assertEquals(missing, -1);
        } catch (e) {
          assert(e instanceof BusFault && e.access === "write", `${e}`);
          assertEquals(e.paddr - at, missing);
        }
        assertEquals(log, due.filter(Boolean), `write of ${size} bytes at ${at.toString(16)}`);
        // Longer pieces of memory, for loaders and DMA.
        const length = below(40), range = Array.from({ length }, (_, i) => owner[at + i]), end = range.findIndex((o) => !o?.bytes);
        try {
          assertEquals([...bus.readBytes(at, length)], range.map((o, i) => byte(o!, i)));
          assertEquals(end, -1);
        } catch (e) {
          assert(e instanceof BusFault && e.access === "read", `${e}`);
          assertEquals(e.paddr - at, end);
        }
        const data = Uint8Array.from({ length }, () => random.bits()), rom = below(2) === 1;
        const stop = range.findIndex((o) => !o?.bytes || (o.readonly && !rom));
        log.length = 0;
        try {
          bus.writeBytes(at, data, rom ? { rom } : {});
          assertEquals(stop, -1);
        } catch (e) {
          assert(e instanceof BusFault && e.access === "write", `${e}`);
          assertEquals(e.paddr - at, stop);
        }
        const done = stop < 0 ? length : stop;
        for (let i = 0; i < done; i++) memory.get(range[i]!.bytes!)![at + i - range[i]!.base] = data[i];
        assertEquals(log.map((l) => Number(l.split(" ")[2])).reduce((a, b) => a + b, 0), done, "all of it is told of");
        // A device's window, or a piece of one, may take bytes at once.
        const region = bus.find(at), piece = region?.target;
        if (!region || !piece) continue;
        log.length = 0;
        piece.writeBytes!(at - region.base, Uint8Array.of(1, 2));
        assertEquals(log, [`${owner[at]!.device} ${at - owner[at]!.base} 1,2`]);
      }
      // Memory has what was written, and nothing else has changed.
      for (const [bytes, due] of memory) assert(text(bytes) === text(due), "another byte was written");
    }
  }
  assert(changes > 40 && faults > 50 && across > 50, `${changes} changes, ${faults} faults, ${across} accesses of two windows`);
});

Deno.test("what DMA has written is told, window by window, also when it then meets something else than RAM", () => {
  const bus = new Bus(), told: number[][] = [];
  bus.mapRam(0x1000, new Uint8Array(0x100));
  bus.mapRam(0x1100, new Uint8Array(0x100));
  bus.onDmaWrite = (...range) => told.push(range);
  bus.writeBytes(0x10f0, new Uint8Array(0x20));
  assertThrows(() => bus.writeBytes(0x11f0, new Uint8Array(0x20)), BusFault);
  assertEquals(told, [[0x10f0, 0x10], [0x1100, 0x10], [0x11f0, 0x10]]);
});

Deno.test("every width of access to every width of register: split low half first, cut out of a wider one, zeros beside", () => {
  const size = [1, 2, 4] as const;
  for (const [min, max] of [[1, 1], [1, 2], [1, 4], [2, 2], [2, 4], [4, 4]] as const) {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => 0x81 + 0x13 * i), calls: string[] = [];
    const get = (at: number, n: number) => Array.from({ length: n }, (_, i) => bytes[at + i] * 2 ** (8 * i)).reduce((a, b) => a + b);
    const t: BusTarget = {
      access: { min, max },
      read: (at, n) => (calls.push(`${at}:${n}`), n === 4 ? get(at, 4) | 0 : get(at, n) + 0x5500_0000),
      write: (at, n, value) => calls.push(`${at}:${n}=${value.toString(16)}`),
    };
    for (const n of size) {
      for (let at = 0; at < 8; at += n < min ? n : 1) {
        const each = Math.max(min, Math.min(max, n)),
          starts = n < min ? [at - at % min] : Array.from({ length: n / each }, (_, i) => at + i * each);
        calls.length = 0;
        assertEquals(readTarget(t, at, n), get(at, n), `${n} bytes at ${at} of ${min}..${max}`);
        assertEquals(calls, starts.map((s) => `${s}:${each}`).reverse());
        calls.length = 0;
        const value = [0, 0xfb, 0xfbd9, 0, 0xfbd9_b795][n];
        writeTarget(t, at, n, value | 0);
        const parts = n < min
          ? [value * 2 ** (8 * (at % min))]
          : starts.map((s) => Math.floor(value / 2 ** (8 * (s - at))) % 2 ** (8 * each));
        assertEquals(calls, starts.map((s, i) => `${s}:${each}=${parts[i].toString(16)}`), `write of ${n} at ${at} to ${min}..${max}`);
      }
    }
  }
});
