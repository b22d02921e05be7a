// What page tables say of an address, whoever asks: the walk of scripts and reports, which needs no right and changes nothing. What a processor
// does with the tables is its own (riscv/mmu.ts, x86/paging.ts); tests hold the two against each other.
import type { Bus } from "../core/bus.ts";

/** What one entry means. */
export interface PageEntry {
  /** Why it leads nowhere, if so. */
  readonly bad?: string | undefined;
  /** It maps a page, and is no pointer to the next table. */
  readonly leaf: boolean;
  /** Physical address that it holds. */
  readonly to: bigint;
  readonly rights: Rights;
  /** Bytes of the page that it maps, where that is not what its level says. */
  readonly bytes?: bigint;
}

export interface Rights {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly user: boolean;
  readonly global: boolean;
  readonly accessed: boolean;
  readonly dirty: boolean;
}

/** The tables that a processor uses now. */
export interface PageTables {
  readonly root: bigint;
  /** Bits of an address that each table's index takes, the root's first. */
  readonly indices: readonly number[];
  readonly entryBytes: 4 | 8;
  /** Names of the tables, the root's first. */
  readonly names: readonly string[];
  /** Why such an address has no translation, whatever the tables hold. */
  refuses(address: bigint): string | undefined;
  entry(value: bigint, level: number): PageEntry;
  /** Rights of a page by those of the entries on the way. */
  combine(above: Rights, below: Rights): Rights;
}

/** An entry on the way: the level counts down to 0 at the last table. */
export interface WalkedEntry {
  readonly level: number;
  readonly table: string;
  readonly at: bigint;
  readonly value: bigint;
}

export type Mapping =
  | ({ readonly pa: bigint; readonly pageBytes: bigint; readonly entries: readonly WalkedEntry[] } & Rights)
  | { readonly pa: undefined; readonly why: string; readonly entries: readonly WalkedEntry[] };

const PAGE_BITS = 12n;

/** Where an address leads by the tables, and with which rights. */
export function mappingOf(tables: PageTables, bus: Bus, address: bigint): Mapping {
  const entries: WalkedEntry[] = [], refused = tables.refuses(address);
  if (refused !== undefined) return { pa: undefined, why: refused, entries };
  let table = tables.root, rights: Rights | undefined, below = BigInt(tables.indices.reduce((a, b) => a + b, 0)) + PAGE_BITS;
  for (const [i, bits] of tables.indices.entries()) {
    below -= BigInt(bits);
    const index = address >> below & ((1n << BigInt(bits)) - 1n), at = table + index * BigInt(tables.entryBytes);
    const value = wordAt(bus, at, tables.entryBytes), level = tables.indices.length - 1 - i;
    if (value === undefined) return { pa: undefined, why: `the ${tables.names[i]} is not in memory (0x${at.toString(16)})`, entries };
    entries.push({ level, table: tables.names[i], at, value });
    const entry = tables.entry(value, level);
    if (entry.bad !== undefined) return { pa: undefined, why: `the ${tables.names[i]}: ${entry.bad}`, entries };
    rights = rights ? tables.combine(rights, entry.rights) : entry.rights;
    if (entry.leaf) {
      const pageBytes = entry.bytes ?? 1n << below, mask = pageBytes - 1n;
      return { pa: (entry.to & ~mask) | (address & mask), pageBytes, entries, ...rights };
    }
    table = entry.to;
  }
  return { pa: undefined, why: "the last table holds a pointer", entries };
}

/** A word of memory; undefined where there is none. */
function wordAt(bus: Bus, at: bigint, bytes: number): bigint | undefined {
  if (at > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const paddr = Number(at), region = bus.find(paddr);
  if (!region?.bytes || paddr + bytes > region.base + region.length) return undefined;
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = value << 8n | BigInt(region.bytes[paddr - region.base + i]);
  return value;
}

/** "rw-u": rights as one looks at them. */
export const rightsText = ({ readable, writable, executable, user }: Rights): string =>
  `${readable ? "r" : "-"}${writable ? "w" : "-"}${executable ? "x" : "-"}${user ? "u" : "-"}`;
