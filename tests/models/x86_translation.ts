// A second model of x86's address translation, for tests only: slow, without a cache of anything, and written from the manual's tables, so
// that it shares no mistake with the one that both engines use.
// Source: Intel SDM volume 3A (253668-083), 4.3 (32-bit paging), 4.4 (PAE), 4.5 (4-level and 5-level), 4.6 (access rights), 4.7 (page-fault
// exceptions), 4.8 (accessed and dirty). MAXPHYADDR is 40. Addresses and entries are bigints.

export type Kind = "read" | "write" | "fetch";
export interface Control {
  /** 2: 32-bit paging; 3: PAE; 4 and 5. */
  readonly levels: number;
  readonly root: bigint;
  /** The PDPTE registers of PAE paging. */
  readonly pdptes: readonly bigint[];
  readonly pse: boolean;
  readonly nxe: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  /** CR4.SMAP is set and EFLAGS.AC does not lift it, or the access is implicit. */
  readonly smap: boolean;
  /** CR4.PKE with PKRU, CR4.PKS with IA32_PKRS; undefined while the bit is clear. */
  readonly pkru: number | undefined;
  readonly pkrs: number | undefined;
}
export interface Outcome {
  /** Undefined: a page fault with `error`. */
  readonly paddr?: bigint;
  readonly error?: number;
  /** Entries that get other bits: address and the whole low byte. */
  readonly updates: readonly (readonly [bigint, number])[];
  /** Level of the page: 1 for 4 KiB. */
  readonly level?: number;
  /** Level of the entry at which a walk failed. */
  readonly failed?: number;
}

const MAXPHYADDR = 40;
const bit = (value: bigint, n: number): boolean => (value >> BigInt(n) & 1n) === 1n;
const bits = (value: bigint, high: number, low: number): bigint => value >> BigInt(low) & ((1n << BigInt(high - low + 1)) - 1n);

/** What an access comes to. `entryAt` reads an entry from memory; undefined where there is none. The linear address is canonical. */
export function translate(c: Control, entryAt: (address: bigint) => bigint | undefined, la: bigint, kind: Kind, user: boolean): Outcome {
  const legacy = c.levels === 2, indexBits = legacy ? 10 : 9, updates: [bigint, number][] = [];
  const fault = (error: number, failed: number): Outcome => {
    const fetch = kind === "fetch" && (c.smep || (c.nxe && !legacy));
    return { error: error | (kind === "write" ? 2 : 0) | (user ? 4 : 0) | (fetch ? 16 : 0), updates, failed };
  };
  let table = c.root, writable = true, userPage = true, noExecute = false;
  for (let level = c.levels; level >= 1; level--) {
    const shift = 12 + (level - 1) * indexBits, register = c.levels === 3 && level === 3;
    const at = table + bits(la, shift + indexBits - 1, shift) * (legacy ? 4n : 8n);
    const entry = register ? c.pdptes[Number(bits(la, 31, 30))] : entryAt(at);
    // An entry that is in no memory is like one that is not present.
    if (entry === undefined || !bit(entry, 0)) return fault(0, level);
    if (register) {
      // 4.4.1: what is reserved was checked when CR3 was loaded; it has no rights, and no accessed bit.
      table = bits(entry, MAXPHYADDR - 1, 12) << 12n;
      continue;
    }
    const large = bit(entry, 7) && level > 1 && (!legacy || c.pse), page = level === 1 || large;
    // 4.3 (figure 4-4), 4.4.2, 4.5: reserved bits.
    let reserved = false;
    if (legacy) reserved = large && bit(entry, 21);
    else {
      reserved = bits(entry, c.levels === 3 ? 62 : 51, MAXPHYADDR) !== 0n;
      if (!c.nxe && bit(entry, 63)) reserved = true;
      if (level >= 4 && bit(entry, 7)) reserved = true;
      if (large && level < 4 && bits(entry, shift - 1, 13) !== 0n) reserved = true;
    }
    if (reserved) return fault(1 | 8, level);
    writable &&= bit(entry, 1);
    userPage &&= bit(entry, 2);
    noExecute ||= !legacy && bit(entry, 63);
    if (!page) {
      // 4.8: the accessed bit is set when the entry is used, whatever becomes of the access.
      if (!bit(entry, 5)) updates.push([at, Number(entry & 0xffn) | 0x20]);
      table = legacy ? bits(entry, 31, 12) << 12n : bits(entry, MAXPHYADDR - 1, 12) << 12n;
      continue;
    }
    // 4.6.1.
    let allowed = true;
    if (user) allowed = userPage && (kind !== "write" || writable) && !(kind === "fetch" && noExecute);
    else if (kind === "fetch") allowed = !(noExecute || (userPage && c.smep));
    else {
      if (userPage && c.smap) allowed = false;
      if (kind === "write" && !writable && c.wp) allowed = false;
    }
    // 4.6.2: 4-level and 5-level paging only, by the class of the page, and no fetches.
    const rights = c.levels < 4 || kind === "fetch" ? undefined : userPage ? c.pkru : c.pkrs;
    let keyForbids = false;
    if (rights !== undefined && !(user && !userPage)) {
      const key = Number(bits(entry, 62, 59)), disabled = (n: number) => bit(BigInt(rights >>> 0), 2 * key + n);
      keyForbids = disabled(0) || (disabled(1) && kind === "write" && (user || c.wp));
    }
    if (!allowed || keyForbids) return fault(keyForbids ? 1 | 32 : 1, level);
    const set = Number(entry & 0xffn) | 0x20 | (kind === "write" ? 0x40 : 0);
    if (set !== Number(entry & 0xffn)) updates.push([at, set]);
    const high = legacy && large ? bits(entry, 20, 13) << 32n : 0n, top = legacy ? 31 : MAXPHYADDR - 1;
    return { paddr: high | bits(entry, top, shift) << BigInt(shift) | bits(la, shift - 1, 0), updates, level };
  }
  throw new Error("a walk ends at a page");
}
