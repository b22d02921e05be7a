// A second model of RISC-V's address translation and memory protection, for tests only: slow, byte by byte, without a cache of anything, and
// written from the manual's own steps, so that it shares no mistake with the one that both engines use.
// Source: RISC-V Privileged 20240411: 3.1.6.3 and 3.1.6.4 (MPRV, SUM, MXR), 3.1.18 (menvcfg), 3.7 (PMP), 10.3.2 (the algorithm), 11 (Svnapot),
// 12 (Svpbmt), 14 (Svadu); addresses and registers are bigints.

export type Kind = "read" | "write" | "fetch";
export interface Registers {
  readonly xlen: 32 | 64;
  /** 0 U, 1 S, 3 M. */
  readonly privilege: number;
  readonly mstatus: bigint;
  readonly satp: bigint;
  readonly menvcfg: bigint;
  /** Configuration bytes and addresses of the PMP entries; none: everything is open. */
  readonly pmpcfg: readonly number[];
  readonly pmpaddr: readonly bigint[];
}
export interface Memory {
  /** A byte; undefined where there is no memory. */
  read(address: bigint): number | undefined;
}
export type Outcome =
  | {
    readonly paddr: bigint; /** The entry that gets other bits: its address and its low byte. */
    readonly update?: readonly [bigint, number];
  }
  | { readonly fault: "page" | "access" };

const bit = (value: bigint, n: number): boolean => (value >> BigInt(n) & 1n) === 1n;
const field = (value: bigint, high: number, low: number): bigint => value >> BigInt(low) & ((1n << BigInt(high - low + 1)) - 1n);
const PAGE_FAULT: Outcome = { fault: "page" }, ACCESS_FAULT: Outcome = { fault: "access" };

/** Bytes `start` up to `end` of a PMP entry; undefined when it is off. 3.7.1.1. */
function rangeOf(r: Registers, i: number): readonly [bigint, bigint] | undefined {
  const mode = r.pmpcfg[i] >> 3 & 3, address = r.pmpaddr[i];
  if (mode === 0) return undefined;
  if (mode === 1) return [i === 0 ? 0n : r.pmpaddr[i - 1] << 2n, address << 2n];
  if (mode === 2) return [address << 2n, (address << 2n) + 4n];
  let ones = 0;
  while (bit(address, ones)) ones++;
  const size = 1n << BigInt(ones + 3), start = (address << 2n) / size * size;
  return [start, start + size];
}

/** Whether `size` bytes may be accessed with a privilege. 3.7.1.3: the first entry that matches any byte must match them all. */
function protectedAccess(r: Registers, at: bigint, size: number, kind: Kind, machine: boolean): boolean {
  for (let i = 0; i < r.pmpcfg.length; i++) {
    const range = rangeOf(r, i), bytes = Array.from({ length: size }, (_, n) => at + BigInt(n));
    const inside = bytes.filter((b) => range !== undefined && b >= range[0] && b < range[1]).length;
    if (inside === 0) continue;
    if (inside < size) return false;
    const cfg = r.pmpcfg[i], locked = (cfg & 0x80) !== 0;
    if (machine && !locked) return true;
    return (cfg & { read: 1, write: 2, fetch: 4 }[kind]) !== 0;
  }
  return machine || r.pmpcfg.length === 0;
}

/** What an access of `size` bytes, all in one page, comes to. */
export function translate(r: Registers, memory: Memory, va: bigint, kind: Kind, size: number): Outcome {
  // 3.1.6.3: with MPRV loads and stores have the privilege in MPP.
  const privilege = kind !== "fetch" && bit(r.mstatus, 17) ? Number(field(r.mstatus, 12, 11)) : r.privilege;
  const wide = r.xlen === 64, mode = wide ? field(r.satp, 63, 60) : field(r.satp, 31, 31), machine = privilege === 3;
  const levels = machine ? 0 : wide ? { 0: 0, 8: 3, 9: 4, 10: 5 }[Number(mode)]! : mode === 1n ? 2 : 0;
  if (levels === 0) return protectedAccess(r, va, size, kind, machine) ? { paddr: va } : ACCESS_FAULT;

  const indexBits = wide ? 9 : 10, entryBytes = wide ? 8 : 4, vaBits = 12 + levels * indexBits;
  if (wide && BigInt.asUintN(64, BigInt.asIntN(vaBits, va)) !== va) return PAGE_FAULT;
  let table = field(r.satp, wide ? 43 : 21, 0) << 12n;
  for (let level = levels - 1; level >= 0; level--) {
    const shift = 12 + level * indexBits, at = table + field(va, shift + indexBits - 1, shift) * BigInt(entryBytes);
    // 10.3.2, step 2: a violation of PMP or PMA is an access fault of the original kind.
    if (!protectedAccess(r, at, entryBytes, "read", false)) return ACCESS_FAULT;
    let pte = 0n;
    for (let i = 0; i < entryBytes; i++) {
      const byte = memory.read(at + BigInt(i));
      if (byte === undefined) return ACCESS_FAULT;
      pte |= BigInt(byte) << BigInt(8 * i);
    }
    const [v, read, write, execute, user, , accessed, dirty] = Array.from({ length: 8 }, (_, n) => bit(pte, n));
    const ppn = wide ? field(pte, 53, 10) : field(pte, 31, 10), pbmt = wide ? field(pte, 62, 61) : 0n, napot = wide && bit(pte, 63);
    // Step 3.
    if (!v || (write && !read)) return PAGE_FAULT;
    if (wide && field(pte, 60, 54) !== 0n) return PAGE_FAULT;
    if (!read && !execute) {
      // Step 4: a pointer; A, D, U, PBMT and N are reserved in it.
      if (accessed || dirty || user || pbmt !== 0n || napot) return PAGE_FAULT;
      table = ppn << 12n;
      continue;
    }
    // 12: without menvcfg.PBMTE the field is reserved, and its value 3 is always.
    if (pbmt !== 0n && (!bit(r.menvcfg, 62) || pbmt === 3n)) return PAGE_FAULT;
    // Steps 5 and 6, and 3.1.6.3.
    const sum = bit(r.mstatus, 18), mxr = bit(r.mstatus, 19);
    const mine = privilege === 0 ? user : !user || (sum && kind !== "fetch");
    const right = kind === "read" ? read || (mxr && execute) : kind === "write" ? write : execute;
    if (!mine || !right) return PAGE_FAULT;
    // Step 7: a superpage must be aligned.
    const low = BigInt(level * indexBits);
    if (ppn & ((1n << low) - 1n)) return PAGE_FAULT;
    // 11: the only encoding is 64 KiB, in the last level.
    if (napot && (level > 0 || field(ppn, 3, 0) !== 8n)) return PAGE_FAULT;
    const number = napot ? (ppn & ~15n) | field(va, 15, 12) : ppn | (field(va, 12 + level * indexBits - 1, 12) & ((1n << low) - 1n));
    // Step 9: without menvcfg.ADUE a clear bit is a page fault (14).
    let update: readonly [bigint, number] | undefined;
    if (!accessed || (kind === "write" && !dirty)) {
      if (!bit(r.menvcfg, 61)) return PAGE_FAULT;
      if (!protectedAccess(r, at, entryBytes, "write", false)) return ACCESS_FAULT;
      update = [at, Number(pte & 0xffn) | 0x40 | (kind === "write" ? 0x80 : 0)];
    }
    const paddr = number << 12n | va & 0xfffn;
    const allowed = protectedAccess(r, paddr, size, kind, false);
    // The update is made before the access itself is looked at.
    return allowed ? { paddr, ...(update && { update }) } : { fault: "access", ...(update && { update }) };
  }
  return PAGE_FAULT;
}
