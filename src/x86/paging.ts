// HOT: no bigint, no closures, no allocation.
// Address translation: 32-bit, PAE, 4-level and 5-level paging with 4 KiB, 2 MiB (4 MiB) and 1 GiB pages. Intel SDM volume 3A (253668-083), chapter 4.
// Every walk goes to memory: the engine's TLB is the cache, and coherent with the tables (ir/walked_tables.ts). Physical addresses are doubles below 2^40.
// The accessed bit of an entry is set when the walk goes on by it, also when the next entry is absent (SDM 4.8; QEMU does the same, and
// kvm-unit-tests lets a processor do either).
// Not modelled: memory types, caching of paging structures (a change of an entry is seen at once).
import { type Access, type CoreEnv, FETCH, WRITE } from "../ir/frontend.ts";
import { WalkedTables } from "../ir/walked_tables.ts";

const P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80;
const XD = 0x8000_0000 | 0;
/** Address bits 39..32 in the upper half of an entry; those above MAXPHYADDR (40) are reserved, with PAE paging the ignored ones too. */
const ADDRESS_HI = 0xff, RESERVED_HI = 0x000f_ff00, RESERVED_PAE_HI = 0x7fff_ff00;
/** Page fault error code bits (SDM 4.7). */
export const PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 0x10, PF_PK = 0x20;

/** Why a walk failed; the index is `Paging.reason`. */
export const REASONS = [
  "",
  "the entry is not present",
  "the entry has reserved bits set",
  "the page table is not in RAM",
  "a supervisor page is closed to user mode",
  "the page is read-only",
  "the page may not be executed (XD)",
  "a user page may not be executed by the supervisor (SMEP)",
  "a user page is closed to the supervisor (SMAP)",
  "the protection key forbids it",
] as const;
const ABSENT = 1, RESERVED = 2, NO_RAM = 3, NOT_USER = 4, READ_ONLY = 5, NO_EXECUTE = 6, SMEP_FETCH = 7, SMAP_ACCESS = 8, KEY = 9;
/** Of a protection key: no access, no writing (SDM 4.6.2). */
const AD = 1, WD = 2;
/** Names of the levels, the leaf first. */
export const LEVEL_NAMES = ["page table", "page directory", "page directory pointer table", "PML4", "PML5"] as const;

export class Paging {
  /** 0: no paging; 2: 32-bit; 3: PAE; 4 and 5: the levels of long mode. */
  levels = 0;
  /** Physical address of the root table (not with PAE). */
  root = 0;
  /** The four PDPTE registers of PAE paging, halves. */
  readonly pdpteLo = new Int32Array(4);
  readonly pdpteHi = new Int32Array(4);
  pse = false;
  nxe = false;
  wp = false;
  smep = false;
  /**
   * Rights by protection key of user pages and of supervisor pages (PKRU, IA32_PKRS), two bits a key; 0, everything is allowed, also where
   * keys do not count: without CR4.PKE (CR4.PKS), and outside 4-level and 5-level paging.
   */
  userKeys = 0;
  systemKeys = 0;
  /** After a failed walk: the page fault's error code, index into REASONS, and the level. */
  errorCode = 0;
  reason = 0;
  level = 0;
  /** Entries of the last walk for a fetch or without effects, by level: physical address and value in halves. */
  readonly entryAddress = new Float64Array(5);
  /** Index in i32; below 0: a PDPTE register, inverted. */
  readonly entryIndex = new Int32Array(5);
  readonly entryLo = new Int32Array(5);
  readonly entryHi = new Int32Array(5);
  /** After a successful walk: a write would be allowed as well, and change nothing in the entries. */
  writable = false;
  /** After a successful walk: level of the leaf (0: 4 KiB). */
  leaf = 0;
  readonly tables: WalkedTables;

  constructor(readonly env: CoreEnv) {
    this.tables = new WalkedTables(env);
  }

  #fail(present: number, reason: number, level: number, access: Access, user: boolean): number {
    this.reason = reason;
    this.level = level;
    const instruction = access === FETCH && ((this.nxe && this.levels > 2) || this.smep);
    this.errorCode = present | (access === WRITE ? PF_W : 0) | (user ? PF_U : 0) | (instruction ? PF_I : 0);
    return -1;
  }

  /**
   * Physical address of a linear one, or -1 (see `reason`). `user`: an access with CPL 3's rights; `smap`: the supervisor may not touch user
   * pages. `dry`: changes nothing, and nobody is to remember the result. The address must be canonical.
   */
  walk(lo: number, hi: number, access: Access, user: boolean, smap: boolean, dry: boolean): number {
    if (this.levels === 2) return this.#walk32(lo, access, user, smap, dry);
    const { i32 } = this.env, pae = this.levels === 3, reserved = pae ? RESERVED_PAE_HI : RESERVED_HI, noted = dry || access === FETCH;
    // Pages of physical memory go by their numbers, below 2^28.
    let page = (this.root / 4096) | 0, rights = RW | US, never = 0, level = this.levels - 1;
    if (pae) {
      const n = lo >>> 30, pdpte = this.pdpteLo[n];
      this.entryAddress[2] = -1;
      this.entryIndex[2] = ~n;
      this.entryLo[2] = pdpte;
      this.entryHi[2] = this.pdpteHi[n];
      if (!(pdpte & P)) return this.#fail(0, ABSENT, 2, access, user);
      page = (this.pdpteHi[n] & ADDRESS_HI) << 20 | pdpte >>> 12;
      level = 1;
    }
    for (;; level--) {
      const number = pageNumber(lo, hi, 12 + 9 * level, 511), index = this.tables.find(page, level) + 2 * number;
      if (noted) this.#note(level, page, 8 * number, index);
      if (index < 0) return this.#fail(0, NO_RAM, level, access, user);
      const entry = i32[index], high = i32[index + 1];
      if (!(entry & P)) return this.#fail(0, ABSENT, level, access, user);
      if (high & reserved || (high & XD && !this.nxe) || (level > 2 && entry & PS)) {
        return this.#fail(PF_P | PF_RSVD, RESERVED, level, access, user);
      }
      rights &= entry;
      never |= high;
      page = (high & ADDRESS_HI) << 20 | entry >>> 12;
      if (level > 0 && !(entry & PS)) {
        if (!(entry & A) && !dry) this.#update(index, level, entry | A);
        continue;
      }
      // Bits below a large page's address, but for the PAT bit 12, are reserved.
      if ((level === 1 && entry & 0x1f_e000) || (level === 2 && entry & 0x3fff_e000)) {
        return this.#fail(PF_P | PF_RSVD, RESERVED, level, access, user);
      }
      const keys = rights & US ? this.userKeys : this.systemKeys, locked = keys === 0 ? 0 : keys >>> (high >>> 26 & 30) & (AD | WD);
      if (!this.#permitted(rights, never, locked, access, user, smap, level)) return -1;
      const set = entry | A | (access === WRITE ? D : 0);
      if (set !== entry && !dry) this.#update(index, level, set);
      if (!dry) this.tables.served(lo, hi, level, pae ? 1 : this.levels - 1, this.levels, 9, access);
      this.writable = (set & D) !== 0 && ((rights & RW) !== 0 || (!user && !this.wp)) &&
        (locked === 0 || (locked === WD && !user && !this.wp));
      this.leaf = level;
      // Of a large page the address has some bits of the number.
      const inside = level === 0 ? 0 : level === 1 ? 0x1ff : 0x3_ffff;
      return ((page & ~inside) | (lo >>> 12 & inside)) * 4096 + (lo & 0xfff);
    }
  }

  /** SDM 4.3. */
  #walk32(lo: number, access: Access, user: boolean, smap: boolean, dry: boolean): number {
    const { i32 } = this.env,
      noted = dry || access === FETCH,
      directory = (this.root / 4096) | 0,
      index = this.tables.find(directory, 1) + (lo >>> 22);
    if (noted) this.#note(1, directory, (lo >>> 22) * 4, index);
    if (index < 0) return this.#fail(0, NO_RAM, 1, access, user);
    const entry = i32[index];
    if (!(entry & P)) return this.#fail(0, ABSENT, 1, access, user);
    if (entry & PS && this.pse) {
      // PSE-36: bits 20..13 are address bits 39..32.
      if (entry & 0x20_0000) return this.#fail(PF_P | PF_RSVD, RESERVED, 1, access, user);
      if (!this.#permitted(entry, 0, 0, access, user, smap, 1)) return -1;
      const set = entry | A | (access === WRITE ? D : 0);
      if (set !== entry && !dry) this.#update(index, 1, set);
      if (!dry) this.tables.served(lo, 0, 1, 1, 2, 10, access);
      this.writable = (set & D) !== 0 && ((entry & RW) !== 0 || (!user && !this.wp));
      this.leaf = 1;
      return (entry >>> 13 & 0xff) * 2 ** 32 + (((entry & 0xffc0_0000) | (lo & 0x3f_ffff)) >>> 0);
    }
    if (!(entry & A) && !dry) this.#update(index, 1, entry | A);
    const number = lo >>> 12 & 0x3ff, leaf = this.tables.find(entry >>> 12, 0) + number;
    if (noted) this.#note(0, entry >>> 12, 4 * number, leaf);
    if (leaf < 0) return this.#fail(0, NO_RAM, 0, access, user);
    const pte = i32[leaf];
    if (!(pte & P)) return this.#fail(0, ABSENT, 0, access, user);
    if (!this.#permitted(entry & pte, 0, 0, access, user, smap, 0)) return -1;
    const set = pte | A | (access === WRITE ? D : 0);
    if (set !== pte && !dry) this.#update(leaf, 0, set);
    if (!dry) this.tables.served(lo, 0, 0, 1, 2, 10, access);
    this.writable = (set & D) !== 0 && ((entry & pte & RW) !== 0 || (!user && !this.wp));
    this.leaf = 0;
    return ((pte & -4096) >>> 0) + (lo & 0xfff);
  }

  /** SDM 4.6: `rights` is the AND of the entries' R/W and U/S bits, `never` the OR of their upper halves, `locked` what the key forbids. */
  #permitted(rights: number, never: number, locked: number, access: Access, user: boolean, smap: boolean, level: number): boolean {
    let reason = 0, key = 0;
    if (user) {
      if (!(rights & US)) reason = NOT_USER;
      else if (access === WRITE && !(rights & RW)) reason = READ_ONLY;
    } else {
      if (rights & US) {
        if (access === FETCH) { if (this.smep) reason = SMEP_FETCH; }
        else if (smap) reason = SMAP_ACCESS;
      }
      if (reason === 0 && access === WRITE && !(rights & RW) && this.wp) reason = READ_ONLY;
    }
    if (reason === 0 && access === FETCH && never & XD) reason = NO_EXECUTE;
    // The error code tells of the key also when something else forbids the access (4.7). Supervisor pages' keys are not for user mode.
    if (locked !== 0 && access !== FETCH && (!user || rights & US)) {
      if (locked & AD || (access === WRITE && (user || this.wp))) key = PF_PK;
      if (reason === 0 && key !== 0) reason = KEY;
    }
    if (reason === 0) return true;
    this.#fail(PF_P | key, reason, level, access, user);
    return false;
  }

  /** Sets accessed and dirty bits (SDM 4.8). */
  #update(index: number, level: number, entry: number): void {
    this.env.i32[index] = this.entryLo[level] = entry;
    this.env.walkerWrote(index << 2 >>> 0, 4);
  }
  /** Remembers an entry of the walk for whoever asks afterwards. */
  #note(level: number, page: number, offset: number, index: number): void {
    const { i32 } = this.env;
    this.entryAddress[level] = page * 4096 + offset;
    this.entryIndex[level] = index;
    this.entryLo[level] = index < 0 ? 0 : i32[index];
    this.entryHi[level] = index < 0 || this.levels === 2 ? 0 : i32[index + 1];
  }
}

/** Low bits (`mask`) of an address shifted right. */
function pageNumber(lo: number, hi: number, shift: number, mask: number): number {
  return (shift >= 32 ? hi >>> (shift - 32) : shift > 12 ? (lo >>> shift) | (hi << (32 - shift)) : lo >>> 12) & mask;
}
