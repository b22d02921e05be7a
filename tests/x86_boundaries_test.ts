// Every kind of access of 64-bit code at every offset across the boundaries of addresses: pages, holes, 2 GiB, 4 GiB, both ends of the canonical
// addresses, 2^64 and the end of memory; over frames that are not neighbours, in loops, in either engine. The reference goes byte by byte.
// Intel SDM volume 1 (253665-083), 3.3.7.1: an operand that is not canonical in any byte is #GP(0), or #SS(0) by RSP.
import { assertEquals } from "@std/assert";
import { HANDLERS, IDT_AT, Lab } from "./x86/lab.ts";

/** Virtual address of a boundary; the frames below and above it, undefined where nothing is mapped, "none" where no address is. */
interface Boundary {
  readonly name: string;
  readonly at: bigint;
  readonly below?: number;
  readonly above?: number | "none";
}
const END = 0x20_0000, BELOW = 0x18_0000, ABOVE = 0x18_8000, TOP = END - 0x1000;
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
  for (const { name, at, below, above } of BOUNDARIES) {
    Deno.test(`x86, ${engine}: accesses across ${name}`, async () => {
      const lab = await Lab.make(engine), { cpu, machine: { bus } } = lab, wrong: string[] = [];
      lab.prepare("64", 0);
      // Handlers with a stack of their own: a push may fault.
      for (const n of [12, 13, 14]) bus.write(IDT_AT + 16 * n + 4, 4, bus.read(IDT_AT + 16 * n + 4, 4) | 1);
      const begin = cpu.save(), cr3 = Number(cpu.reg("cr3"));
      let free = TABLES;
      const map = (va: bigint, frame: number) => {
        let table = cr3;
        for (const shift of [39n, 30n, 21n]) {
          const entry = table + 8 * Number(va >> shift & 511n);
          if (!(bus.read(entry, 4) & 1)) bus.write(entry, 4, (free += 0x1000) | 7);
          table = bus.read(entry, 4) & ~0xfff;
        }
        bus.write(table + 8 * Number(va >> 12n & 511n), 4, frame | 7);
      };
      if (below !== undefined) map(at - 0x1000n, below);
      if (typeof above === "number") map(BigInt.asUintN(64, at), above);
      /** Place in memory of an address, or what an access there gives: 13, 14. */
      const place = (va: bigint): number | "gp" | "pf" => {
        const side = va < at ? below : above, inside = Number(va & 0xfffn);
        if (side === "none" || (va < at && at === 0xffff_8000_0000_0000n)) return "gp";
        return side === undefined ? "pf" : side + inside;
      };
      for (const { name: access, size, code, kind } of ACCESSES) {
        for (let k = 0; k <= size; k++) {
          const first = at - BigInt(k), bytes = Array.from({ length: size }, (_, i) => first + BigInt(i)), places = bytes.map(place);
          for (const side of [below, above]) {
            if (typeof side === "number" && side < END) {
              bus.writeBytes(
                side,
                Uint8Array.from({ length: 0x1000 }, (_, i) => i * 5 + (side >> 12)),
              );
            }
          }
          const peek = (p: number | string) => typeof p === "number" && p < END ? BigInt(bus.read(p, 1)) : 0xffn;
          const before = places.reduce((v, p, i) => v | peek(p) << 8n * BigInt(i), 0n),
            value = kind === "push" || size === 16 ? C : BigInt.asUintN(8 * size, C);
          const fault = places.includes("gp") ? kind === "push" ? 12 : 13 : places.includes("pf") ? 14 : -1;
          // Three times, as compiled code and its caches would have it.
          const times = 3, mask = 8 * size;
          let wanted = kind === "load" ? before : kind === "add" ? BigInt.asUintN(mask, before + BigInt(times) * value) : value;
          // What is written beyond memory is lost.
          if (kind === "add" && places.some((p) => typeof p === "number" && p >= END)) wanted = -1n;
          cpu.load(begin);
          for (const [r, v] of [["rsi", first], ["rcx", C], ["rbx", 3n], ["rax", 0n], ["xmm1", C], ["cr2", 0n]] as const) {
            cpu.setReg(r, BigInt.asUintN(r === "xmm1" ? 128 : 64, v));
          }
          // [mov rsp, rsi; add rsp, 8]; the access; dec ebx; jnz
          const body = [...kind === "push" ? [0x48, 0x89, 0xf4, 0x48, 0x83, 0xc4, 0x08] : [], ...code, 0xff, 0xcb];
          lab.start([...body, 0x75, 0x100 - body.length - 2, 0xf4]);
          lab.machine.run(lab.machine.clock.ticks + 3 * (kind === "push" ? 5 : 3));
          const vector = Number(cpu.reg("rip")) - HANDLERS >> 4, faulted = vector >= 0 && vector < 32 ? vector : -1;
          const after = places.reduce((v, p, i) => v | peek(p) << 8n * BigInt(i), 0n);
          const got = kind === "load" ? size === 16 ? cpu.reg("xmm0") : cpu.reg("rax") : after;
          const where = `${access} of ${size}, ${k} bytes below`;
          if (faulted !== fault) wrong.push(`${where}: fault ${faulted}, not ${fault}`);
          else if (fault === 14) {
            const cr2 = BigInt.asUintN(64, bytes[places.indexOf("pf")]);
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
        cpu.setEip(Number(BigInt.asIntN(32, first)), Number(BigInt.asIntN(32, first >> 32n)));
        lab.machine.run(lab.machine.clock.ticks + 1);
        const vector = Number(cpu.reg("rip")) - HANDLERS >> 4, faulted = vector >= 0 && vector < 32 ? vector : -1;
        // Bytes are fetched one after the other.
        const bad = places.slice(0, 5).findIndex((p) => typeof p === "string"), fault = bad < 0 ? -1 : places[bad] === "gp" ? 13 : 14;
        const cr2 = fault === 14 ? BigInt.asUintN(64, first + BigInt(bad)) : 0n;
        const seen = [faulted, cpu.reg("rax"), fault === 14 ? cpu.reg("cr2") : 0n], wants = [fault, fault < 0 ? 0x4433_2211n : 0n, cr2];
        if (`${seen}` !== `${wants}`) wrong.push(`fetch, ${k} bytes below: ${seen}, not ${wants}`);
      }
      assertEquals(wrong, []);
    });
  }
}
