// Every kind of access at every offset across the boundaries of addresses: pages of every size, holes, 2 GiB, 4 GiB, both ends of the canonical
// addresses, 2^64 and the end of memory; in 64-bit code with four and five levels, in 32-bit code with two and with PAE; over frames that are not
// neighbours, in loops, in either engine. The reference goes byte by byte.
// Intel SDM volume 1 (253665-083), 3.3.7.1: an operand that is not canonical in any byte is #GP(0), or #SS(0) by RSP.
import { assertEquals } from "@std/assert";
import { CODE, HANDLERS, IDT_AT, Lab } from "./x86/lab.ts";

/** Virtual address of a boundary; the frames below and above it, undefined where nothing is mapped, "none" where no address is. */
interface Boundary {
  readonly name: string;
  readonly at: bigint;
  /** Levels of paging; 4 if absent. */
  readonly levels?: 2 | 3 | 4 | 5;
  /** Bytes of both pages; 4 KiB if absent. */
  readonly bytes?: number;
  readonly below?: number;
  readonly above?: number | "none";
}
const END = 0x100_0000, BELOW = 0x18_0000, ABOVE = 0x18_8000, TOP = END - 0x1000, KIB4 = 0x1000, MIB2 = 0x20_0000, MIB4 = 0x40_0000;
/** Frames of large pages. */
const BELOW_LARGE = 0x40_0000, ABOVE_LARGE = 0xc0_0000;
const BOUNDARIES: readonly Boundary[] = [
  { name: "a page", at: 0x4000_1000n, below: BELOW, above: ABOVE },
  { name: "a page, the frames the other way round", at: 0x4000_1000n, below: ABOVE, above: BELOW },
  { name: "a hole behind", at: 0x4000_1000n, below: BELOW },
  { name: "a hole in front", at: 0x4000_1000n, above: ABOVE },
  { name: "2 GiB", at: 0x8000_0000n, below: BELOW, above: ABOVE },
  { name: "4 GiB", at: 0x1_0000_0000n, below: BELOW, above: ABOVE },
  { name: "4 GiB, a hole behind", at: 0x1_0000_0000n, below: BELOW },
  { name: "the end of the lower canonical addresses", at: 1n << 47n, below: BELOW, above: "none" },
  { name: "the end of the lower canonical addresses, a hole in front", at: 1n << 47n, above: "none" },
  { name: "the start of the upper ones", at: 0xffff_8000_0000_0000n, above: ABOVE },
  { name: "2 GiB below 2^64", at: 0xffff_ffff_8000_0000n, below: BELOW, above: ABOVE },
  { name: "the end of memory", at: 0x4000_1000n, below: TOP, above: END },
  { name: "a page of 2 MiB", at: 0x4020_0000n, below: BELOW_LARGE, above: ABOVE_LARGE, bytes: MIB2 },
  { name: "a page, five levels", at: 0x4000_1000n, below: BELOW, above: ABOVE, levels: 5 },
  { name: "2^47, five levels", at: 1n << 47n, below: BELOW, above: ABOVE, levels: 5 },
  { name: "the end of the lower canonical addresses, five levels", at: 1n << 56n, below: BELOW, above: "none", levels: 5 },
  { name: "the end of the lower canonical addresses, five levels, a hole in front", at: 1n << 56n, above: "none", levels: 5 },
  { name: "the start of the upper ones, five levels", at: 0xff00_0000_0000_0000n, above: ABOVE, levels: 5 },
  ...([[2, "32-bit paging"], [3, "PAE"]] as const).flatMap(([levels, name]): Boundary[] => [
    { name: `a page, ${name}`, at: 0x4000_1000n, below: BELOW, above: ABOVE, levels },
    { name: `a hole behind, ${name}`, at: 0x4000_1000n, below: BELOW, levels },
    { name: `a hole in front, ${name}`, at: 0x4000_1000n, above: ABOVE, levels },
    { name: `2 GiB, ${name}`, at: 0x8000_0000n, below: ABOVE, above: BELOW, levels },
    { name: `4 GiB and 0, ${name}`, at: 0x1_0000_0000n, below: BELOW, above: 0, levels },
    { name: `the end of memory, ${name}`, at: 0x4000_1000n, below: TOP, above: END, levels },
    { name: `a large page, ${name}`, at: 0x8080_0000n, below: BELOW_LARGE, above: ABOVE_LARGE, levels, bytes: levels === 2 ? MIB4 : MIB2 },
    { name: `a hole behind a large page, ${name}`, at: 0x8080_0000n, below: BELOW_LARGE, levels, bytes: levels === 2 ? MIB4 : MIB2 },
  ]),
];
/** By size: opcodes of a load to A (of 16 bytes to XMM0), a store of C or XMM1, and an addition of C, at [rsi]. */
interface Access {
  readonly name: string;
  readonly size: number;
  readonly code: readonly number[];
  readonly kind: "load" | "store" | "add" | "push";
}
const sized = (size: number, byte: number, wide: number): number[] =>
  size === 1 ? [byte] : [...size === 2 ? [0x66] : size === 8 ? [0x48] : [], wide];
const ACCESSES: readonly Access[] = [
  ...[1, 2, 4, 8].flatMap((size): Access[] => [
    { name: "load", size, code: [...sized(size, 0x8a, 0x8b), 0x06], kind: "load" },
    { name: "store", size, code: [...sized(size, 0x88, 0x89), 0x0e], kind: "store" },
    { name: "add to memory", size, code: [...sized(size, 0x00, 0x01), 0x0e], kind: "add" },
    { name: "locked add", size, code: [0xf0, ...sized(size, 0x00, 0x01), 0x0e], kind: "add" },
  ]),
  { name: "movups load", size: 16, code: [0x0f, 0x10, 0x06], kind: "load" },
  { name: "movups store", size: 16, code: [0x0f, 0x11, 0x0e], kind: "store" },
  // mov rsp, rsi below; push rcx
  { name: "push", size: 8, code: [0x51], kind: "push" },
];
const C = 0x8877_6655_4433_2211n, TABLES = 0x10_0000;

for (const engine of ["interp", "jit"] as const) {
  let kept: Lab | undefined;
  for (const { name, at, below, above, levels = 4, bytes: page = KIB4 } of BOUNDARIES) {
    Deno.test(`x86, ${engine}: accesses across ${name}`, async () => {
      // Made once: what is in the way is cleared.
      const lab = kept && !kept.machine.stopped
        ? kept
        : await Lab.make(engine, "m.toml", { "memory.ram.size": "16MiB", "cpu.model": "max" });
      const { cpu, machine: { bus } } = kept = lab;
      bus.writeBytes(TABLES, new Uint8Array(0x1_0000));
      const wrong: string[] = [], long = levels > 3, width = long ? 64 : 32, wrap = (v: bigint) => BigInt.asUintN(width, v);
      // Handlers with a stack of their own, since a push may fault: of the IST, or of privilege 0.
      lab.prepare(long ? "64" : "32", long ? 0 : 3);
      if (!long) lab.vector(14, CODE[0]);
      if (long) { for (const n of [12, 13, 14]) bus.write(IDT_AT + 16 * n + 4, 4, bus.read(IDT_AT + 16 * n + 4, 4) | 1); }
      let free = TABLES;
      const root = free, bits = levels === 2 ? 10 : 9, size = levels === 2 ? 4 : 8;
      const map = (va: bigint, frame: number, pageBytes: number) => {
        let table = root;
        for (let level = levels - 1;; level--) {
          const entry = table + size * Number(va >> BigInt(12 + bits * level) & BigInt((1 << bits) - 1)),
            last = pageBytes === 2 ** (12 + bits * level);
          if (last) return bus.write(entry, 4, frame | (level > 0 ? 0x87 : 7));
          if (!(bus.read(entry, 4) & 1)) bus.write(entry, 4, (free += 0x1000) | (levels === 3 && level === 2 ? 1 : 7));
          table = bus.read(entry, 4) & ~0xfff;
        }
      };
      // The lab's own memory, without its first page.
      for (let n = 0x1000; n < 0x8_0000; n += KIB4) map(BigInt(n), n, KIB4);
      if (below !== undefined) map(wrap(at - BigInt(page)), below, page);
      if (typeof above === "number") map(wrap(at), above, page);
      cpu.s.cr3Lo = root;
      cpu.s.cr0 |= 0x8000_0000;
      cpu.s.cr4 = 0x600 | (levels === 2 ? 0x10 : 0x20) | (levels === 5 ? 0x1000 : 0);
      for (let n = 0; n < 4; n++) cpu.paging.pdpteLo[n] = bus.read(root + 8 * n, 4);
      cpu.derived.reload();
      const begin = cpu.save();
      /** Place in memory of an address, or what an access there gives: 13, 14. */
      const place = (va: bigint): number | "gp" | "pf" => {
        const side = va < at ? below : above, inside = Number(va < at ? va - at + BigInt(page) : va - at);
        if (side === "none" || (va < at && at === (levels === 5 ? 0xff00_0000_0000_0000n : 0xffff_8000_0000_0000n))) return "gp";
        return side === undefined ? "pf" : side + inside;
      };
      for (const { name: access, size: bytesOf64, code, kind } of ACCESSES) {
        const size = kind === "push" && !long ? 4 : bytesOf64;
        if (size === 8 && !long) continue;
        for (let k = 0; k <= size; k++) {
          const first = at - BigInt(k), bytes = Array.from({ length: size }, (_, i) => first + BigInt(i)), places = bytes.map(place);
          for (const from of [below === undefined ? undefined : below + page - KIB4, above]) {
            if (typeof from === "number" && from < END) {
              bus.writeBytes(
                from,
                Uint8Array.from({ length: KIB4 }, (_, i) => i * 5 + (from >> 12)),
              );
            }
          }
          const peek = (p: number | string) => typeof p === "number" && p < END ? BigInt(bus.read(p, 1)) : 0xffn;
          const before = places.reduce((v, p, i) => v | peek(p) << 8n * BigInt(i), 0n),
            value = size === 16 ? C : BigInt.asUintN(8 * size, C);
          const fault = places.includes("gp") ? kind === "push" ? 12 : 13 : places.includes("pf") ? 14 : -1;
          // Three times, as compiled code and its caches would have it.
          const times = 3, mask = 8 * size;
          let wanted = kind === "load" ? before : kind === "add" ? BigInt.asUintN(mask, before + BigInt(times) * value) : value;
          // What is written beyond memory is lost.
          if (kind === "add" && places.some((p) => typeof p === "number" && p >= END)) wanted = -1n;
          cpu.load(begin);
          for (const [r, v] of [["rsi", first], ["rcx", C], ["rbx", 3n], ["rax", 0n], ["xmm1", C], ["cr2", 0n]] as const) {
            cpu.setReg(r, r === "xmm1" ? v : wrap(v));
          }
          // [mov rsp, rsi; add rsp, 8]; the access; dec ebx; jnz
          const W = long ? [0x48] : [], toStack = kind === "push" ? [...W, 0x89, 0xf4, ...W, 0x83, 0xc4, size] : [];
          const body = [...toStack, ...code, 0xff, 0xcb];
          lab.start([...body, 0x75, 0x100 - body.length - 2, 0xf4]);
          lab.machine.run(lab.machine.clock.ticks + 3 * (kind === "push" ? 5 : 3));
          const vector = Number(cpu.reg("rip")) - HANDLERS >> 4, faulted = vector >= 0 && vector < 32 ? vector : -1;
          const after = places.reduce((v, p, i) => v | peek(p) << 8n * BigInt(i), 0n);
          const got = kind === "load" ? size === 16 ? cpu.reg("xmm0") : cpu.reg("rax") : after;
          const where = `${access} of ${size}, ${k} bytes below`;
          if (faulted !== fault) wrong.push(`${where}: fault ${faulted}, not ${fault}`);
          else if (fault === 14) {
            const cr2 = wrap(bytes[places.indexOf("pf")]);
            if (cpu.reg("cr2") !== cr2) wrong.push(`${where}: CR2 ${cpu.reg("cr2").toString(16)}, not ${cr2.toString(16)}`);
          }
          const lost = (v: bigint) => places.reduce((m, p, i) => typeof p === "number" && p >= END ? m | 0xffn << 8n * BigInt(i) : m, v);
          const expected = fault >= 0 ? kind === "load" ? 0n : before : kind === "load" ? wanted : lost(wanted);
          if (wanted !== -1n && got !== expected && !(fault >= 0 && size === 16 && kind === "load")) {
            wrong.push(`${where}: ${got.toString(16)}, not ${expected.toString(16)}`);
          }
        }
      }
      // An instruction across it: mov eax, 0x44332211; hlt.
      for (let k = 1; k <= 5; k++) {
        const first = at - BigInt(k), code = [0xb8, 0x11, 0x22, 0x33, 0x44, 0xf4], places = code.map((_, i) => place(first + BigInt(i)));
        if (places.some((p) => typeof p === "number" && p >= END)) continue;
        places.forEach((p, i) => typeof p === "number" && bus.write(p, 1, code[i]));
        cpu.load(begin);
        cpu.setReg("rax", 0n);
        cpu.segments.setEip(Number(BigInt.asIntN(32, first)), Number(BigInt.asIntN(32, first >> 32n)));
        lab.machine.run(lab.machine.clock.ticks + 1);
        const vector = Number(cpu.reg("rip")) - HANDLERS >> 4, faulted = vector >= 0 && vector < 32 ? vector : -1;
        // Bytes are fetched one after the other.
        const bad = places.slice(0, 5).findIndex((p) => typeof p === "string"), fault = bad < 0 ? -1 : places[bad] === "gp" ? 13 : 14;
        const cr2 = fault === 14 ? wrap(first + BigInt(bad)) : 0n;
        const seen = [faulted, cpu.reg("rax"), fault === 14 ? cpu.reg("cr2") : 0n], wants = [fault, fault < 0 ? 0x4433_2211n : 0n, cr2];
        if (`${seen}` !== `${wants}`) wrong.push(`fetch, ${k} bytes below: ${seen}, not ${wants}`);
      }
      assertEquals(wrong, []);
    });
  }
}
