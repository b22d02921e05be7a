// The engine is told of each table that an address was translated by, for each kind of access and for each range that the table stands for; and
// not again while it remembers that. Against a model that keeps what was told as a list.
import { assert, assertEquals } from "@std/assert";
import { type CoreEnv, FETCH, READ, WRITE } from "./frontend.ts";
import { limitsOf } from "./limits.ts";
import { WalkedTables } from "./walked_tables.ts";

const PLACES = 4, SHAPES = [[3, 9], [4, 9], [5, 9], [2, 10], [3, 9]] as const;

/** Where a page is in the linear memory; its upper half is above 2 GiB, and every seventh page is no RAM. */
const ramAt = (page: number) => page % 7 === 6 ? -1 : (page % 2 ? 0x9000_0000 : 0x10_0000) + page * 4096;

interface Told {
  readonly table: number;
  readonly level: number;
  readonly address: bigint;
  readonly fetched: boolean;
}

function rig() {
  const calls: Told[] = [], asked: number[] = [];
  let shape: readonly [levels: number, bits: number] = SHAPES[0], during = () => {};
  const env = {
    limits: limitsOf({ walkedTables: PLACES }),
    ram: (paddr: number, size: number) => {
      assertEquals([paddr % 4096, size], [0, 4096]);
      asked.push(paddr / 4096);
      return ramAt(paddr / 4096);
    },
    table: (at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean) => {
      assertEquals([levels, bits], [...shape]);
      calls.push({ table: at, level, address: BigInt.asUintN(64, BigInt(hi) << 32n | BigInt(lo >>> 0)), fetched });
      during();
    },
  };
  const tables = new WalkedTables(env as unknown as CoreEnv);
  const walk = (pages: readonly number[], address: bigint, leaf: number, top: number, of: typeof shape, access: 0 | 1 | 2) => {
    shape = of;
    calls.length = 0;
    for (let level = top; level >= leaf; level--) assertEquals(tables.find(pages[level], level), ramAt(pages[level]) >>> 2);
    tables.served(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)), leaf, top, ...of, access);
    return [...calls];
  };
  return { tables, walk, asked, onTable: (f: () => void) => during = f };
}

Deno.test("each table is told of once for each kind of access and each range that it stands for", () => {
  let x = 1, told = 0, known = 0;
  const below = (n: number) => ((x = Math.imul(x, 1103515245) + 12345 | 0) >>> 16) % n;
  for (const of of SHAPES) {
    const [levels, bits] = of, { tables, walk, asked } = rig();
    // What is remembered, by level and place: the page, and what was told of it last.
    let model = new Map<string, { page: number; kinds: Set<boolean>; address: bigint }>();
    let address = 0n;
    for (let n = 0; n < 1500; n++) {
      if (below(40) === 0) {
        tables.forget();
        model = new Map();
      }
      // Mostly one bit of the last address is another.
      address = below(2) ? address ^ 1n << BigInt(12 + below(bits === 10 ? 20 : 52)) : below(6) ? address : 0n;
      const top = below(5) ? levels - 1 : below(levels), leaf = below(top + 1), access = ([READ, WRITE, FETCH] as const)[below(3)];
      const pages = Array.from({ length: levels }, (_, level) => 7 * (level + levels * below(2)) + below(2));
      asked.length = 0;
      const got = walk(pages, address, leaf, top, of, access), due: Told[] = [], looked: number[] = [];
      for (let level = top; level >= leaf; level--) {
        const place = `${level} ${pages[level] % PLACES}`;
        let entry = model.get(place);
        if (entry?.page !== pages[level]) {
          model.set(place, entry = { page: pages[level], kinds: new Set(), address: 0n });
          looked.push(pages[level]);
        }
        const same = level === levels - 1 || (entry.address ^ address) >> BigInt(12 + bits * (level + 1)) === 0n;
        if (same && entry.kinds.has(access === FETCH)) {
          known++;
          continue;
        }
        if (!same) entry.kinds.clear();
        entry.kinds.add(access === FETCH);
        entry.address = address;
        due.push({ table: ramAt(pages[level]), level, address, fetched: access === FETCH });
      }
      assertEquals(got, due, `${levels} levels, walk ${n}`);
      assertEquals(asked, looked, `${levels} levels, walk ${n}`);
      told += due.length;
    }
  }
  assert(told > 8000 && known > 1500, `${told} told, ${known} known`);
});

Deno.test("a page that is no RAM has an index from which no entry can be read", () => {
  const { tables } = rig();
  for (let again = 0; again < 2; again++) assert(tables.find(6, 0) + 1024 < 0);
});

Deno.test("while the engine is told of one table it may forget the others: those below are told of again", () => {
  const { tables, walk, onTable } = rig(), pages = [10, 11, 12];
  assertEquals(walk(pages, 0x1000n, 0, 2, [3, 9], READ).length, 3);
  assertEquals(walk(pages, 0x1000n, 0, 2, [3, 9], READ).length, 0);
  onTable(() => {
    onTable(() => {});
    tables.forget();
  });
  assertEquals(walk(pages, 0x1000n, 0, 2, [3, 9], FETCH).length, 3);
  onTable(() => {
    onTable(() => {});
    tables.forget();
  });
  while (walk(pages, 0x1000n, 0, 2, [3, 9], READ).length + walk(pages, 0x1000n, 0, 2, [3, 9], FETCH).length > 0);
  for (const access of [READ, FETCH] as const) {
    onTable(() => {
      onTable(() => {});
      tables.forget();
    });
    // Another root: while it is told of, what is known of those below is forgotten.
    assertEquals(walk([10, 11, 8], 0x1000n, 0, 2, [3, 9], access).map(({ level }) => level), [2, 1, 0]);
    while (walk(pages, 0x1000n, 0, 2, [3, 9], READ).length + walk(pages, 0x1000n, 0, 2, [3, 9], FETCH).length > 0);
  }
});
