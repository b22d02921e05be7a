// Loads and stores where the fast path does not reach: misses of the TLB, devices, ends of pages, pages whose writes are looked at.
import { BITS, type Bus, readTarget, type Size, windowOffset, writeTarget } from "../core/bus.ts";
import { BusFault } from "../core/errors.ts";
import { type Access, CONTINUE, FAULT, FINISH, READ, type Status, WRITE } from "../ir/frontend.ts";
import { ANSWER, PAGE, RESULT, TLB, TLB_HALF } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
import type { CodeCache } from "./code_cache.ts";
import type { Harts } from "./harts.ts";
import { IS_CODE, IS_TABLE, type LinearMemory, type Ram } from "./memory.ts";
import { BYTES_OF_WORK, type Pace } from "./pace.ts";
import type { Counters } from "./profile.ts";
import type { PageTables } from "./tables.ts";
import { UOPS } from "./uops.ts";

/** In a TLB entry's page: writes to it are looked at. No address's page has such a bit, so that compiled code misses the entry. */
const WATCHED = 2;
/** The same: it has no memory alone, and in place of an addend the number of the physical page is there. */
const DEVICE = 4;

// For each micro-op that accesses memory: bytes, whether it stores, whether it needs write permission, how a load extends.
const SIZE = new Uint8Array(UOPS.length), STORES = new Uint8Array(UOPS.length), WRITES = new Uint8Array(UOPS.length);
const SIGNED = new Uint8Array(UOPS.length), LONG = new Uint8Array(UOPS.length);
for (let i = 0; i < UOPS.length; i++) {
  const { kind, root } = UOPS[i];
  if (kind !== "load" && kind !== "store") continue;
  SIZE[i] = root!.size!;
  if (kind === "store") STORES[i] = WRITES[i] = 1;
  else if (root!.rmw) WRITES[i] = 1;
  if (root!.signed) SIGNED[i] = 1;
  if (root!.result === "l") LONG[i] = 1;
}

/** Byte `i` of a value in halves. */
const byteOf = (low: number, high: number, i: number): number => (i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32)) & 0xff;

export class Accesses {
  // The value of the access under way, zero-extended.
  #low = 0;
  #high = 0;
  readonly #memory: LinearMemory;
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #stats: Counters;
  readonly #tlbMask: number;

  constructor(
    readonly cache: CodeCache,
    readonly harts: Harts,
    readonly tables: PageTables,
    readonly bus: Bus,
    readonly pace: Pace,
    limits: Limits,
  ) {
    this.#memory = cache.memory;
    this.#u8 = cache.memory.u8;
    this.#i32 = cache.memory.i32;
    this.#stats = cache.stats;
    this.#tlbMask = limits.tlbEntries - 1;
  }

  // --- what the engines call

  /** The access of the micro-op at `ip`, which missed the TLB: fills it, does what is rare, or reaches a device. */
  slow(ip: number, budget: number, lo: number, hi: number): Status {
    const { u16 } = this.#memory, { pace } = this, i32 = this.#i32, code = u16[ip >> 1], size = SIZE[code];
    pace.left = budget + u16[(ip + 14) >> 1];
    pace.spend(1);
    if (STORES[code]) {
      const at = u16[(ip + 6) >> 1] >> 2;
      this.#low = i32[at];
      this.#high = i32[at + 1];
      const status = this.#store(lo, hi, size);
      return status === CONTINUE && pace.attention ? FINISH : status;
    }
    const status = this.#load(lo, hi, size, WRITES[code] ? WRITE : READ);
    if (status === FAULT) return status;
    const dst = u16[(ip + 2) >> 1] >> 2;
    let value = this.#low, high = this.#high;
    if (size < 8) {
      if (SIGNED[code] && size < 4) value = (value << (32 - 8 * size)) >> (32 - 8 * size);
      high = SIGNED[code] ? value >> 31 : 0;
    }
    i32[dst] = value;
    if (LONG[code]) i32[dst + 1] = high;
    return pace.attention ? FINISH : CONTINUE;
  }

  /** See LOAD in region_function.ts. */
  loadFor(lo: number, hi: number, size: number, left: number): number {
    const { pace } = this;
    pace.left = left;
    pace.spend(1);
    const status = this.#load(lo, hi, size, READ);
    this.#i32[ANSWER >> 2] = status === CONTINUE && pace.attention ? FINISH : status;
    this.#i32[(RESULT >> 2) + 1] = this.#high;
    return this.#low;
  }
  /** See FILL in region_function.ts. */
  fillFor(lo: number, hi: number, access: Access, size: number): number {
    const { pace } = this;
    pace.spend(1);
    // The interpreter does the access, and comes back to the run loop behind it.
    if (pace.work < 0) return 0;
    const { core } = this.harts.running;
    if (this.#has(this.#entry(lo, access), lo, hi, DEVICE)) return 0;
    const paddr = core.translate(lo, hi, access, size);
    if (paddr < 0) return 2;
    const ram = this.#memory.ramAt(paddr);
    if (!ram || !core.pageCacheable) return 0;
    const host = ram.offset + (paddr - ram.base);
    if (access === READ && core.writable) this.#fill(lo, hi, host, ram, WRITE);
    return this.#fill(lo, hi, host, ram, access) ? 1 : 0;
  }
  /** See STORE in region_function.ts: the store missed the TLB. */
  storeFor(lo: number, hi: number, size: number, left: number): number {
    if ((lo & (PAGE - 1)) + size > PAGE) return 3;
    const { pace } = this, i32 = this.#i32, entry = this.#entry(lo, WRITE);
    const known = this.#has(entry, lo, hi, DEVICE) || this.#has(entry, lo, hi, WATCHED),
      filled = known ? 0 : this.fillFor(lo, hi, WRITE, size);
    if (filled === 2) return 1;
    pace.spend(1);
    pace.left = left;
    if (filled === 0 && !this.#has(entry, lo, hi, WATCHED)) {
      this.#low = i32[RESULT >> 2];
      this.#high = i32[(RESULT >> 2) + 1];
      return this.#store(lo, hi, size) === FAULT ? 1 : pace.attention ? 2 : 0;
    }
    // What is to be left is the region, if it was hit, not the slice.
    const asked = pace.attention, host = (lo + i32[entry + 2]) >>> 0;
    pace.attention = false;
    this.#storeHost(host, size, i32[RESULT >> 2], i32[(RESULT >> 2) + 1]);
    const hit = pace.attention;
    pace.attention = asked;
    this.#letBy(host, entry, lo);
    return hit || asked ? 2 : 0;
  }

  // --- memory that something else than a store instruction writes

  /** Physical memory was written. */
  wrote(paddr: number, size: number): void {
    if (size >= BYTES_OF_WORK) this.pace.spend(size / BYTES_OF_WORK);
    const host = this.#memory.hostOf(paddr, size);
    if (host < 0) return;
    for (let at = host, end = host + size; at < end;) {
      const next = Math.min((Math.floor(at / PAGE) + 1) * PAGE, end);
      this.wroteAt(at, next - at);
      at = next;
    }
  }
  /** The same for bytes within a page, by their index in the linear memory. */
  wroteAt(host: number, size: number): void {
    const why = this.#memory.why(host);
    if (why & IS_TABLE && this.tables.written(host, size)) this.pace.attention = true;
    if (why & IS_CODE && this.cache.invalidate(host, size)) this.pace.attention = true;
  }
  /** The same when the page walker has set bits of an entry: translations that came from it are as they were. */
  walkerWrote(host: number, size: number): void {
    if (this.cache.pages[host >>> 12] && this.cache.invalidate(host, size)) this.pace.attention = true;
  }

  // --- loads

  #load(lo: number, hi: number, size: number, access: Access): Status {
    const { core } = this.harts.running, rest = PAGE - (lo & (PAGE - 1));
    if (rest < size) return this.#loadAcross(lo, hi, size, rest, access);
    const entry = this.#entry(lo, access), i32 = this.#i32;
    if (this.#has(entry, lo, hi, DEVICE)) {
      return this.#loadDevice(i32[entry + 2] * PAGE + (lo & (PAGE - 1)), size) ? CONTINUE : this.#busFault(lo, hi, access);
    }
    if (access === WRITE && this.#has(entry, lo, hi, WATCHED)) {
      this.#loadHost((lo + i32[entry + 2]) >>> 0, size);
      return CONTINUE;
    }
    const paddr = core.translate(lo, hi, access, size);
    if (paddr < 0) return FAULT;
    const ram = this.#memory.ramAt(paddr);
    if (!ram || paddr + size > ram.base + ram.length) {
      this.#fillDevice(entry, lo, hi, paddr);
      return this.#loadDevice(paddr, size) ? CONTINUE : this.#busFault(lo, hi, access);
    }
    const host = ram.offset + (paddr - ram.base);
    if (core.pageCacheable) {
      this.#fill(lo, hi, host, ram, access);
      if (access === READ && core.writable) this.#fill(lo, hi, host, ram, WRITE);
    }
    this.#loadHost(host, size);
    return CONTINUE;
  }
  #loadHost(host: number, size: number): void {
    const u8 = this.#u8;
    this.#high = 0;
    this.#low = u8[host];
    if (size > 1) this.#low |= u8[host + 1] << 8;
    if (size > 2) this.#low |= (u8[host + 2] << 16) | (u8[host + 3] << 24);
    if (size > 4) this.#high = u8[host + 4] | (u8[host + 5] << 8) | (u8[host + 6] << 16) | (u8[host + 7] << 24);
  }
  /** Both pages are translated before either is read. */
  #loadAcross(lo: number, hi: number, size: number, rest: number, access: Access): Status {
    this.#stats.pageCrossings++;
    const { core } = this.harts.running, nextLo = (lo + rest) | 0, nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
    const first = core.translate(lo, hi, access, size);
    if (first < 0) return FAULT;
    const second = core.translate(nextLo, nextHi, access, size - rest);
    if (second < 0) return FAULT;
    let low = 0, high = 0;
    for (let i = 0; i < size; i++) {
      if (!this.#loadPhysical(i < rest ? first + i : second + i - rest, 1)) {
        return i < rest ? this.#busFault(lo, hi, access) : this.#busFault(nextLo, nextHi, access);
      }
      if (i < 4) low |= this.#low << (8 * i);
      else high |= this.#low << (8 * i - 32);
    }
    this.#low = low;
    this.#high = high;
    return CONTINUE;
  }
  #loadPhysical(paddr: number, size: number): boolean {
    const host = this.#memory.hostOf(paddr, size);
    if (host < 0) return this.#loadDevice(paddr, size);
    this.#loadHost(host, size);
    return true;
  }
  #loadDevice(paddr: number, size: number): boolean {
    const r = this.bus.find(paddr);
    if (!r?.target) return false;
    this.#stats.deviceAccesses++;
    const offset = windowOffset(r, paddr), aligned = paddr % size === 0;
    try {
      if (size === 8 && aligned) {
        this.#low = readTarget(r.target, offset, 4) | 0;
        this.#high = readTarget(r.target, offset + 4, 4) | 0;
      } else if (aligned) this.#low = readTarget(r.target, offset, size as Size) | 0;
      else {
        let low = 0, high = 0;
        for (let i = 0; i < size; i++) {
          const byte = readTarget(r.target, offset + i, 1);
          if (i < 4) low |= byte << (8 * i);
          else high |= byte << (8 * i - 32);
        }
        this.#low = low;
        this.#high = high;
      }
    } catch (e) {
      if (e instanceof BusFault) return false;
      throw e;
    }
    return true;
  }

  // --- stores

  #store(lo: number, hi: number, size: number): Status {
    const { core } = this.harts.running, rest = PAGE - (lo & (PAGE - 1));
    if (rest < size) return this.#storeAcross(lo, hi, size, rest);
    const entry = this.#entry(lo, WRITE), i32 = this.#i32;
    if (this.#has(entry, lo, hi, DEVICE)) {
      const paddr = i32[entry + 2] * PAGE + (lo & (PAGE - 1));
      return this.#storeDevice(paddr, size, this.#low, this.#high) ? CONTINUE : this.#busFault(lo, hi, WRITE);
    }
    if (this.#has(entry, lo, hi, WATCHED)) {
      const host = (lo + i32[entry + 2]) >>> 0;
      this.#storeHost(host, size, this.#low, this.#high);
      this.#letBy(host, entry, lo);
      return CONTINUE;
    }
    const paddr = core.translate(lo, hi, WRITE, size);
    if (paddr < 0) return FAULT;
    const ram = this.#memory.ramAt(paddr);
    if (!ram || paddr + size > ram.base + ram.length) {
      this.#fillDevice(entry, lo, hi, paddr);
      return this.#storeDevice(paddr, size, this.#low, this.#high) ? CONTINUE : this.#busFault(lo, hi, WRITE);
    }
    if (ram.readonly) return CONTINUE;
    const host = ram.offset + (paddr - ram.base);
    // First the TLB: the store may change what maps its own page.
    if (core.pageCacheable) this.#fill(lo, hi, host, ram, WRITE);
    this.#storeHost(host, size, this.#low, this.#high);
    return CONTINUE;
  }
  #storeHost(host: number, size: number, low: number, high: number): void {
    const u8 = this.#u8, why = this.#memory.why(host);
    if (why & IS_TABLE) this.tables.before(host);
    if (size >= 4 && (host & 3) === 0) {
      this.#i32[host >>> 2] = low;
      if (size === 8) this.#i32[(host >>> 2) + 1] = high;
    } else for (let i = 0; i < size; i++) u8[host + i] = byteOf(low, high, i);
    if (why === 0) return;
    if (why & IS_TABLE) {
      this.#stats.tableStores++;
      if (this.tables.after(host, size)) this.pace.attention = this.pace.moved = true;
    }
    if (!(why & IS_CODE)) return;
    this.#stats.codePageStores++;
    if (this.cache.invalidate(host, size)) this.pace.attention = true;
  }
  #storeAcross(lo: number, hi: number, size: number, rest: number): Status {
    this.#stats.pageCrossings++;
    const { core } = this.harts.running, nextLo = (lo + rest) | 0, nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
    const first = core.translate(lo, hi, WRITE, size);
    if (first < 0) return FAULT;
    const second = core.translate(nextLo, nextHi, WRITE, size - rest);
    if (second < 0) return FAULT;
    const low = this.#low, high = this.#high, at = (i: number) => i < rest ? first + i : second + i - rest;
    // A fault changes nothing, so what may refuse comes first: places where nothing is, then devices, then memory.
    for (let i = 0; i < size; i++) {
      if (this.#memory.ramAt(at(i)) || this.bus.find(at(i))?.target) continue;
      return i < rest ? this.#busFault(lo, hi, WRITE) : this.#busFault(nextLo, nextHi, WRITE);
    }
    for (const inMemory of [false, true]) {
      for (let i = 0; i < size; i++) {
        const paddr = at(i), ram = this.#memory.ramAt(paddr), byte = byteOf(low, high, i);
        if ((ram !== undefined) !== inMemory || ram?.readonly) continue;
        if (ram) this.#storeHost(ram.offset + (paddr - ram.base), 1, byte, 0);
        else if (!this.#storeDevice(paddr, 1, byte, 0)) {
          return i < rest ? this.#busFault(lo, hi, WRITE) : this.#busFault(nextLo, nextHi, WRITE);
        }
      }
    }
    return CONTINUE;
  }
  #storeDevice(paddr: number, size: number, low: number, high: number): boolean {
    const r = this.bus.find(paddr);
    if (!r?.target) return false;
    this.#stats.deviceAccesses++;
    const offset = windowOffset(r, paddr), aligned = paddr % size === 0;
    try {
      if (size === 8 && aligned) {
        writeTarget(r.target, offset, 4, low >>> 0);
        writeTarget(r.target, offset + 4, 4, high >>> 0);
      } else if (aligned) writeTarget(r.target, offset, size as Size, (low & BITS[size as Size]) >>> 0);
      else for (let i = 0; i < size; i++) writeTarget(r.target, offset + i, 1, byteOf(low, high, i));
    } catch (e) {
      if (e instanceof BusFault) return false;
      throw e;
    }
    return true;
  }
  #busFault(lo: number, hi: number, access: Access): Status {
    this.harts.running.core.busFault(lo, hi, access);
    return FAULT;
  }

  // --- TLB entries, by their index in i32

  /** The entry that a page has its place in. */
  #entry(lo: number, access: Access): number {
    return (this.#i32[TLB >> 2] + (access === WRITE ? TLB_HALF : 0) + (((lo >>> 12) & this.#tlbMask) << 4)) >> 2;
  }
  /** Whether an entry is that of a page, and of a kind: DEVICE or WATCHED. */
  #has(entry: number, lo: number, hi: number, kind: number): boolean {
    return this.#i32[entry] === ((lo & -PAGE) | kind) && this.#i32[entry + 1] === hi;
  }
  /** Lets the fast path have a page, unless writes to it must be seen: then the entry is for `#store` alone. */
  #fill(lo: number, hi: number, host: number, ram: Ram, access: Access): boolean {
    const page = host & -PAGE;
    if (page < ram.offset || page + PAGE > ram.offset + ram.length) return false;
    if (access === WRITE && ram.readonly) return false;
    if (access === WRITE) this.#stats.tlbWrites++;
    else this.#stats.tlbReads++;
    const watched = access === WRITE && this.#memory.why(host) !== 0;
    this.harts.running.fill(this.#entry(lo, access) << 2, (lo & -PAGE) | (watched ? WATCHED : 0), hi, page - (lo & -PAGE));
    return !watched;
  }
  /** Keeps where a page of devices is: accesses that the fast path misses need no walk. */
  #fillDevice(entry: number, lo: number, hi: number, paddr: number): void {
    const { running } = this.harts, page = Math.floor(paddr / PAGE), from = page * PAGE;
    if (!running.core.pageCacheable || page > 0x7fff_ffff) return;
    for (const { base, length } of this.#memory.views) if (base < from + PAGE && from < base + length) return;
    running.fill(entry << 2, (lo & -PAGE) | DEVICE, hi, page);
  }
  /** After a store by an entry for `#store` alone: writes to its page need not be seen any more, maybe. The store may have dropped the entry. */
  #letBy(host: number, entry: number, lo: number): void {
    if (this.#memory.why(host) === 0 && this.#i32[entry] === ((lo & -PAGE) | WATCHED)) this.#i32[entry] = lo & -PAGE;
  }
}
