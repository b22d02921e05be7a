// Translations that are remembered: random changes of page table entries at every level and of what rights depend on (WP, SMEP, SMAP and AC, NXE,
// PGE, PCIDs, protection keys), by the processor itself, by a device, with a fence and without, and accesses of every kind at both privileges in
// between, in either engine. What each access comes to, and each accessed and dirty bit, is what the slow model of tests/models finds in the
// tables at that moment. Every kind of change and of outcome must have come often enough, or the test has seen nothing.
import { assert, assertEquals } from "@std/assert";
import { FETCH, READ, WRITE } from "../src/ir/frontend.ts";
import { CS, SS } from "../src/x86/segments.ts";
import { Random } from "./fuzz/random.ts";
import { type Control, type Kind, translate } from "./models/x86_translation.ts";
import { CODE, code as codeSegment, DATA, data, HANDLERS, IDT_AT, Lab } from "./x86/lab.ts";

/** Physical: the tables of the pages that are looked at, and frames; all else is the lab's. */
const TABLES = 0x10_0000, FRAMES = 0x18_0000, FRAME_COUNT = 6;
const ROOTS = [TABLES, TABLES + 0x1000], IDENTITY = [2, 3, 4].map((n) => TABLES + 0x1000 * n);
/** The first 2 (4) MiB are always mapped, at 0 for the system, and once more for users. */
const ALIAS = 0x1000_0000;
/** Code: at SYSTEM of privilege 0, the same at the alias for users. */
const SPOT = 0x6000;
const CR0_WP = 0x1_0000,
  CR4_PGE = 0x80,
  CR4_SMEP = 0x10_0000,
  CR4_SMAP = 0x20_0000,
  CR4_PKE = 0x40_0000,
  CR4_PCIDE = 0x2_0000,
  AC = 0x4_0000;
/** Steps of a run. */
const STEPS = { 2: 1000, 3: 1000, 4: 1200, 5: 1400 } as const;
const hex = (v: bigint | number) => v.toString(16);

for (const [levels, name] of [[2, "32-bit paging"], [3, "PAE"], [4, "4-level paging"], [5, "5-level paging"]] as const) {
  for (const engine of ["interp", "jit"] as const) {
    Deno.test(`x86, ${engine}: ${name} by what is remembered is what the tables say`, async () => {
      const lab = await Lab.make(engine, "m.toml", { "cpu.model": "max" }), { cpu, machine } = lab, { bus } = machine;
      const random = new Random(100 * levels + 1),
        long = levels > 3,
        legacy = levels === 2,
        size = legacy ? 4 : 8,
        mode = long ? "64" : "32";
      const seen = new Map<string, number>(), count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
      lab.prepare(mode, 0);
      const entryAt = (at: bigint) => BigInt(bus.read(Number(at), 4)) | (legacy ? 0n : BigInt(bus.read(Number(at) + 4, 4)) << 32n);
      const put = (at: number, entry: bigint) => {
        bus.write(at, 4, Number(entry & 0xffff_ffffn));
        if (!legacy) bus.write(at + 4, 4, Number(entry >> 32n));
      };
      // Tables: two roots (PCIDs or CR3s), shared lower ones.
      const bits = legacy ? 10 : 9,
        index = (va: number | bigint, level: number) => Number(BigInt(va) >> BigInt(12 + bits * level) & BigInt((1 << bits) - 1));
      const top = levels - 1, big = 0x87n;
      for (const root of ROOTS) {
        if (legacy) {
          put(root, big & ~4n);
          put(root + 4 * index(ALIAS, 1), big);
          continue;
        }
        // The upper levels down to the directory: one chain, in a table each.
        let table = root;
        for (let level = top; level > 1; level--) {
          if (level === 2 && levels === 3) {
            put(table, BigInt(IDENTITY[0]) | 1n);
            table = IDENTITY[0];
            continue;
          }
          const next = IDENTITY[level === 4 ? 2 : level === 3 ? 1 : 0];
          put(table, BigInt(next) | 7n);
          table = next;
        }
        put(table, big & ~4n);
        put(table + 8 * index(ALIAS, 1), big);
      }
      // The pages that are looked at: in the same directories or beside them, the last ones large.
      const PAGES: readonly number[] = legacy
        ? [0x4000_0000, 0x4000_1000, 0x4040_0000, 0x4080_0000, 0x5000_0000]
        : levels === 3
        ? [0x2000_0000, 0x2000_1000, 0x2020_0000, 0x6000_0000, 0x7000_0000]
        : [0, 0x1000, 0x20_0000, 0x4000_0000, 0x6000_0000, 0x8000_0000, 2 ** (12 + 9 * top)].map((at) => 2 ** (12 + 9 * top) + at);
      const path = (root: number, page: number): [at: number, level: number][] => {
        const out: [number, number][] = [];
        let table = root;
        for (let level = top; level >= 0; level--) {
          const at = table + size * index(page, level);
          out.push([at, level]);
          const entry = entryAt(BigInt(at));
          if (!(entry & 1n) || level === 0) break;
          if (level > 0 && entry & 0x80n && !(levels === 3 && level === 2)) break;
          table = Number(entry & 0xff_f000n);
        }
        return out;
      };
      let free = 0;
      const spare = Array.from({ length: 40 }, (_, n) => TABLES + 0x1000 * (5 + n));
      const frame = () => FRAMES + 0x1000 * random.below(FRAME_COUNT);
      // Level of a page that is not of 4 KiB.
      const large = new Map<number, number>(
        long ? [[PAGES[4], 1], [PAGES[5], 2]] : [[PAGES[4], 1]],
      );
      for (const page of PAGES) {
        for (const root of ROOTS) {
          let table = root;
          for (let level = top; level > 0; level--) {
            const at = table + size * index(page, level), entry = entryAt(BigInt(at));
            if (large.get(page) === level) {
              put(at, 0x87n);
              break;
            }
            if (!(entry & 1n)) put(at, BigInt(spare[free++]) | (levels === 3 && level === 2 ? 1n : 7n));
            table = Number(entryAt(BigInt(at)) & 0xff_f000n);
          }
          if (!large.has(page)) put(table + size * index(page, 0), BigInt(frame()) | 7n);
        }
      }
      assert(free <= spare.length);
      // What stands at the start of each frame: an instruction that goes nowhere, its number.
      for (let n = 0; n < FRAME_COUNT; n++) bus.writeBytes(FRAMES + 0x1000 * n, Uint8Array.of(0xeb, 0xfe, n, 0));
      bus.writeBytes(0, Uint8Array.of(0xeb, 0xfe));
      const { s } = cpu;
      s.cr0 = 0x8000_0013 | 0;
      s.cr4 = (long ? 0x620 | 0x80 : legacy ? 0x10 : 0x20) | (levels === 5 ? 0x1000 : 0);
      s.cr3Lo = ROOTS[0];
      cpu.window.efer = (long ? 0x500 : 0) | 0x800;
      if (levels === 3) {
        cpu.derived.reload();
        for (let n = 0; n < 4; n++) {
          [cpu.paging.pdpteLo[n], cpu.paging.pdpteHi[n]] = [bus.read(ROOTS[0] + 8 * n, 4), bus.read(ROOTS[0] + 8 * n + 4, 4)];
        }
      }
      cpu.derived.reload();
      // A stack of its own for the handler, and for code at privilege 0.
      if (long) bus.write(IDT_AT + 16 * 14 + 4, 4, bus.read(IDT_AT + 16 * 14 + 4, 4) | 1);
      let pkru = 0, root = ROOTS[0];
      let pdptes = levels === 3 ? [0, 1, 2, 3].map((n) => entryAt(BigInt(ROOTS[0] + 8 * n))) : [];
      const go = (user: boolean, bytes: readonly number[], ticks: number) => {
        const cpl = user ? 3 : 0;
        bus.writeBytes(SPOT, Uint8Array.from(bytes));
        cpu.window.cpl = cpl;
        cpu.segments.set(CS, CODE[cpl], 0, 0, -1, codeSegment(mode, cpl)[1] & 0xf0_ff00);
        cpu.segments.set(SS, DATA[cpl], 0, 0, -1, data(mode, cpl)[1] & 0xf0_ff00);
        cpu.derived.refresh();
        cpu.setReg("rsp", BigInt(user ? 0x4f00 + ALIAS : 0x3f00));
        cpu.segments.setEip(user ? SPOT + ALIAS : SPOT, 0);
        machine.run(machine.clock.ticks + ticks);
      };
      const system = (bytes: readonly number[], a: bigint | number, d: bigint | number = 0, c: bigint | number = 0) => {
        for (const [r, v] of [["rax", a], ["rdx", d], ["rcx", c]] as const) cpu.setReg(r, BigInt.asUintN(64, BigInt(v)));
        const ac = cpu.window.flags & AC;
        cpu.window.setFlags(0, 0);
        go(false, bytes, 1);
        assertEquals(cpu.reg("rip"), BigInt(SPOT + bytes.length), `${bytes.map(hex)} of privilege 0 faults`);
        return ac;
      };
      const W = long ? [0x48] : [];
      const wrong: string[] = [];
      let last = "", page = PAGES[0];
      for (let step = 0; step < STEPS[levels] && wrong.length < 6; step++) {
        const what = random.below(10);
        if (random.one(5)) page = random.pick(PAGES);
        if (what < 3) {
          // An entry: a bit changes, or the frame; by a store of the processor or by a device.
          const chain = path(root, page).filter(([, level]) => !(levels === 3 && level === 2));
          const change = (at: number, level: number, bit: number, entry: bigint) => {
            const how = random.below(3);
            last = `bit ${bit} of level ${level}`;
            count(last);
            if (how === 0) put(at, entry);
            else if (long || legacy) system([...W, 0x89, 0x02], entry, at); // mov [rdx], rax
            else for (const half of [0, 4]) system([0x89, 0x02], Number(entry >> BigInt(8 * half) & 0xffff_ffffn), at + half);
            if (how === 2) system([0x0f, 0x01, 0x3a], 0, page); // invlpg [rdx]
          };
          // What is closed is mostly opened again.
          const open = (entry: bigint) => (entry | 7n) & ~(0x9fn << 59n);
          const closed = chain.filter(([at]) => entryAt(BigInt(at)) !== open(entryAt(BigInt(at))));
          if (closed.length > 0 && !random.one(3)) {
            for (const [at, level] of closed) change(at, level, 100, open(entryAt(BigInt(at))));
          } else {
            const [at, level] = random.one(3) ? chain.at(-1)! : random.pick(chain),
              entry = entryAt(BigInt(at)),
              leaf = level === 0 || (entry & 0x80n) !== 0n;
            const choices = [
              0,
              1,
              2,
              1,
              2,
              5,
              5,
              ...(leaf ? [6, 8, -1, -1] : []),
              ...(legacy ? [] : [63]),
              ...(long && leaf ? [59, 60] : []),
            ];
            const bit = random.pick(choices), other = BigInt(level === 0 ? frame() : Number(entry & 0xff_f000n));
            change(at, level, bit, bit === -1 ? entry & ~0xff_f000n | other : entry ^ 1n << BigInt(bit));
          }
        } else if (what === 3) {
          const kind = long ? random.pick([0, 1, 2, 3, 4, s.cr4 & CR4_PKE ? 6 : 5, 6, 6, 5, 7]) : random.below(legacy ? 4 : 5);
          last = `control ${kind}`;
          if (kind === 0) system([0x0f, 0x22, 0xc0], (s.cr0 ^ CR0_WP) >>> 0);
          else if (kind === 1) system([0x0f, 0x22, 0xe0], (s.cr4 ^ CR4_SMEP) >>> 0);
          else if (kind === 2) system([0x0f, 0x22, 0xe0], (s.cr4 ^ random.pick([CR4_SMAP, CR4_PGE])) >>> 0);
          else if (kind === 3) {
            root = root === ROOTS[0] ? ROOTS[1] : ROOTS[0];
            if (levels === 3) pdptes = [0, 1, 2, 3].map((n) => entryAt(BigInt(root + 8 * n)));
            const pcid = long && s.cr4 & CR4_PCIDE ? random.below(3) : 0;
            system([0x0f, 0x22, 0xd8], BigInt(root | pcid) | (pcid && random.one(2) ? 1n << 63n : 0n));
          } else if (kind === 4) system([0x0f, 0x30], cpu.window.efer ^ 0x800, 0, 0xc000_0080);
          else if (kind === 5) system([0x0f, 0x22, 0xe0], (s.cr4 ^ CR4_PKE) >>> 0);
          else if (kind === 6 && s.cr4 & CR4_PKE) {
            system([0x0f, 0x01, 0xef], pkru = random.pick([0, random.below(16), random.bits()]), 0, 0);
          } else if (kind === 7) {
            if (s.cr3Lo & 0xfff) system([0x0f, 0x22, 0xd8], root);
            system([0x0f, 0x22, 0xe0], (s.cr4 ^ CR4_PCIDE) >>> 0);
          }
          count(`control ${kind}`);
        } else {
          const user = random.one(2), kind = random.pick<Kind>(["read", "read", "write", "write", "fetch"]), ac = random.one(2);
          const va = BigInt(page) + BigInt(kind === "fetch" ? 0 : 0x100);
          const control: Control = {
            levels,
            root: BigInt(root),
            pdptes,
            pse: legacy,
            nxe: (cpu.window.efer & 0x800) !== 0,
            wp: (s.cr0 & CR0_WP) !== 0,
            smep: (s.cr4 & CR4_SMEP) !== 0,
            smap: (s.cr4 & CR4_SMAP) !== 0 && !user && !ac,
            pkru: long && s.cr4 & CR4_PKE ? pkru : undefined,
            pkrs: undefined,
          };
          const wanted = translate(control, entryAt, va, kind, user),
            before = new Map([...path(root, page)].map(([at]) => [at, entryAt(BigInt(at))]));
          // What a debugger finds, who is stopped by neither SMAP nor keys and changes nothing.
          cpu.window.cpl = user ? 3 : 0;
          const looked = translate({ ...control, smap: false, pkru: undefined }, entryAt, va, kind, user).paddr;
          const probed = cpu.probe(va, kind === "read" ? READ : kind === "write" ? WRITE : FETCH);
          if (probed !== (looked === undefined ? undefined : Number(looked))) {
            wrong.push(`step ${step}: probe of ${hex(va)}: ${probed}, not ${looked}`);
          }
          cpu.window.setFlags(ac ? AC : 0, AC);
          cpu.setReg("rsi", va);
          cpu.setReg("rcx", 3n);
          cpu.setReg("rax", 0x5aa5n + BigInt(step));
          cpu.setReg("cr2", 0n);
          const place = wanted.paddr === undefined ? undefined : Number(wanted.paddr);
          if (place !== undefined && place < 0x20_0000 && kind === "read") bus.write(place, 4, 0x1234_0000 + step);
          // Three times: mov eax, [esi]; mov [esi], eax; dec ecx; jnz. Or a jump there.
          const bytes = kind === "fetch" ? [0xff, 0xe6] : [kind === "read" ? 0x8b : 0x89, 0x06, 0xff, 0xc9, 0x75, 0xfa];
          go(user, bytes, kind === "fetch" ? 2 : wanted.paddr === undefined ? 1 : 9);
          const vector = Number(cpu.reg("rip")) - HANDLERS >> 4, faulted = vector >= 0 && vector < 32 && cpu.reg("rip") < 0x3000n;
          const got = faulted ? `fault ${vector} ${hex(lab.read(Number(cpu.reg("rsp"))))} at ${hex(cpu.reg("cr2"))}` : "ok";
          const wants = wanted.paddr === undefined ? `fault 14 ${hex(wanted.error!)} at ${hex(va)}` : "ok";
          const where = `step ${step}: ${user ? "user" : "system"} ${kind} at ${hex(va)} after ${last}`;
          count(`${user ? "user" : "system"} ${kind} ${wanted.paddr === undefined ? wanted.error : "ok"}`);
          if (got !== wants) wrong.push(`${where}: ${got}, not ${wants}`);
          else if (place !== undefined && place < 0x20_0000) {
            const value = bus.read(place, 4), eax = Number(cpu.reg("rax") & 0xffff_ffffn);
            if (kind !== "fetch" && value !== eax) wrong.push(`${where}: ${hex(value)} is there, ${hex(eax)} in EAX`);
          }
          for (const [at, low] of wanted.updates) before.set(Number(at), before.get(Number(at))! & ~0xffn | BigInt(low));
          for (const [at, entry] of before) {
            if (entryAt(BigInt(at)) !== entry) {
              wrong.push(`${where}: the entry at ${hex(at)} is ${hex(entryAt(BigInt(at)))}, not ${hex(entry)}`);
            }
          }
        }
      }
      assertEquals(wrong, []);
      const least = (what: string, n: number) => assert((seen.get(what) ?? 0) >= n, `${what}: ${seen.get(what) ?? 0}, not ${n}`);
      for (const who of ["system", "user"]) for (const kind of ["read", "write", "fetch"]) least(`${who} ${kind} ok`, 10);
      for (const what of ["user read 4", "user read 5", "user write 6", "user write 7", "system read 1", "system write 3"]) least(what, 2);
      for (const what of ["system fetch 17", ...(legacy ? [] : ["user fetch 21"])]) least(what, 5);
      if (long) { for (const what of ["user read 37", "user write 39"]) least(what, 2); }
      for (let level = 0; level < (levels === 3 ? 2 : levels); level++) {
        for (const bit of [0, 1, 2, 5]) least(`bit ${bit} of level ${level}`, 1);
      }
      for (let kind = 0; kind < (long ? 8 : legacy ? 4 : 5); kind++) least(`control ${kind}`, 3);
    });
  }
}
