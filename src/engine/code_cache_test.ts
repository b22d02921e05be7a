// What is dropped when memory is written, and the part of a RAM without code, against their definitions: random blocks, instructions across pages
// and regions, writes beside them and into them.
import { assert, assertEquals } from "@std/assert";
import { CONTEXT, CURRENT, PAGE } from "../ir/layout.ts";
import { limitsOf } from "../ir/limits.ts";
import { CodeCache } from "./code_cache.ts";
import type { Block, CodeRange, CompiledRegion } from "./code_page.ts";
import { IS_CODE, IS_TABLE, Layout, LinearMemory } from "./memory.ts";
import { Counters } from "./profile.ts";
import { Selector, SMALL } from "./select.ts";
import { Dice } from "./testing/random_region.ts";
import { LONGEST_INSTRUCTION } from "../ir/builder.ts";
import { UOP } from "./uops.ts";
import { Asm, I32, wasmModule } from "./wasm.ts";

const PAGES = 24, LIMITS = limitsOf({ arena: 1 << 18, freeMoves: 3, preciseAfter: 2, patience: 4 });

/** A cache over two RAMs, with a function that stands for every region's. */
function setUp() {
  const layout = new Layout(), small = layout.take(16 * SMALL), arena = layout.take(LIMITS.arena);
  const rams = [0x8000_0000, 0x4000_0000].map((base, n) => ({ base, length: (n ? 4 : PAGES) * PAGE, readonly: false }));
  const memory = new LinearMemory(layout, rams), table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const selector = new Selector(memory.wasm.buffer as ArrayBuffer, small, arena + LIMITS.arena, 8);
  const type = { params: [], results: [I32] }, body = new Asm().i32(0).bytes;
  const module = new WebAssembly.Module(wasmModule([], [{ type, locals: [], body, export: "region" }], memory.pages));
  const region = new WebAssembly.Instance(module, { e: { memory: memory.wasm } }).exports.region as () => number;
  return { memory, table, region, cache: new CodeCache(memory, [], table, selector, arena, LIMITS, new Counters()) };
}
const overlap = (a: CodeRange, at: number, bytes: number) => a.at < at + bytes && at < a.at + a.bytes;
/** What a block came from: its own bytes, and in the page behind what its instruction may have there. */
const rangesOf = (b: Block): CodeRange[] => b.second! > 0 ? [b, { at: b.second!, bytes: LONGEST_INSTRUCTION }] : [b];

Deno.test("a write drops what was translated from its bytes, and of a page that has code and data nothing else", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 40; seed++) {
    const r = new Dice(seed), { memory, table, region: run, cache } = setUp(), [{ offset }] = memory.rams, { u16, i32 } = memory;
    const blocks = new Set<Block>(), regions = new Set<CompiledRegion>();
    let ip = cache.arena;
    // At the ends of pages, and in all of them: also where one half of the marks ends and the other begins.
    const place = () => offset + r.below(4) * PAGE + r.pick([r.below(64), PAGE - 1 - r.below(100), 2040 + r.below(90), r.below(PAGE)]);
    const range = (): CodeRange => {
      const at = place();
      return { at, bytes: 1 + r.below(Math.min(60, PAGE - (at & (PAGE - 1)))) };
    };
    const isDead = (b: Block) => u16[b.ip >> 1] === UOP.stale;
    for (let step = 0; step < 150; step++) {
      const what = r.below(6), message = `seed ${seed}, step ${step}`;
      if (what < 2) {
        const second = r.one(4) ? r.pick([-1, offset + r.below(4) * PAGE]) : undefined;
        const block: Block = { ...range(), ip: ip += 64, pcLo: 0, pcHi: r.below(2), second, key: r.below(3), next: undefined };
        u16[ip >> 1] = UOP.nop;
        cache.addBlock(block);
        blocks.add(block);
      } else if (what === 2 && blocks.size) {
        const block = r.pick([...blocks]), guard = r.one(2) ? cache.newCell(5) : 0;
        if (cache.regions.has(block.ip)) continue;
        const ranges = [...rangesOf(block).map(({ at, bytes }) => ({ at, bytes })), ...Array.from({ length: r.below(3) }, range)];
        for (const { at } of ranges) cache.pageFor(at);
        const element = cache.newElement(run), rest = { pages: [], trustsFree: false, assumes: [], sides: 0, since: 0, devices: 0 };
        const region: CompiledRegion = { ...rest, block, element, guard, ranges, wasmBytes: 10, code: UOP.nop, operand: 77 };
        assertEquals(table.get(element), run);
        cache.addRegion(region);
        assertEquals([u16[block.ip >> 1], i32[(block.ip + 8) >> 2]], [UOP.region, element], message);
        regions.add(region);
      } else if (what === 3 && regions.size && r.one(3)) {
        const region = r.pick([...regions]);
        cache.interpret(region);
        regions.delete(region);
        assertEquals([u16[region.block.ip >> 1], i32[(region.block.ip + 8) >> 2], table.get(region.element)], [UOP.nop, 77, null], message);
      } else if (r.one(30)) {
        cache.remember(8, 0, 16, cache.arena);
        i32[CONTEXT >> 2] = 16;
        cache.forgetContexts();
        assertEquals(cache.remembered(8, 0), 0, message);
        for (const { guard } of regions) if (guard) assertEquals(i32[guard >> 2], 0, message);
      } else if (r.one(31)) {
        const { generation, selector } = cache, elements = table.length, pages = [...cache.pages.keys()].filter((p) => cache.pages[p]);
        const translated = pages.map((p) => cache.pages[p]!.translated);
        let cleared = 0;
        selector.templates.clear = () => void cleared++;
        cache.flushSoon = true;
        cache.unlike.add(7);
        cache.remember(8, 0, 16, cache.arena);
        i32[CONTEXT >> 2] = 16;
        assertEquals(cache.remembered(8, 0), cache.arena);
        if (r.one(2)) cache.reset();
        else {
          cache.flush();
          // How much was translated of a page lasts.
          assertEquals(pages.map((p) => cache.pageFor(p * PAGE).translated), translated);
          cache.flush();
        }
        assertEquals([cache.flushSoon, cache.unlike.size, cleared > 0, cache.generation > generation], [false, 0, true, true]);
        assertEquals(cache.remembered(8, 0), 0);
        // The literals' room is empty, and elements are used again.
        assertEquals(cache.newCell(5), cache.arena + LIMITS.arena - 8);
        if (elements > 1) assert(cache.newElement(run) < elements);
        cache.flush();
        blocks.clear();
        regions.clear();
        assertEquals([cache.regions.size, cache.liveBytes, cache.arenaAt], [0, 0, cache.arena]);
        for (let n = 1; n < table.length; n++) assertEquals(table.get(n), null);
        count("flush");
      } else {
        // A write, often close to code.
        const near = blocks.size && !r.one(4) ? r.pick(r.pick([...blocks].map(rangesOf))) : range();
        let host = near.at + r.pick([-8, -1, 0, 1, near.bytes - 1, near.bytes, near.bytes + 1]), size = r.pick([1, 2, 4, 8]);
        if (r.one(20)) [host, size] = [host & -PAGE, PAGE];
        host = Math.max(offset, Math.min(host, offset + 4 * PAGE - 1));
        if ((host & (PAGE - 1)) + size > PAGE) host = (host & -PAGE) + PAGE - size;
        const p = host >>> 12, page = cache.pages[p], current = blocks.size ? r.pick([...blocks]).ip : 0;
        i32[CURRENT >> 2] = current;
        const hit = (ranges: readonly CodeRange[]) => ranges.some((x) => overlap(x, host, size));
        const isIn = (ranges: readonly CodeRange[]) => ranges.some(({ at }) => at >>> 12 === p);
        const hits = [...blocks].some((b) => hit(rangesOf(b))) || [...regions].some((g) => hit(g.ranges));
        const precise = hits && page!.hits >= LIMITS.preciseAfter, passed = page?.passed ?? 0, patience = page?.patience ?? 0;
        const isEmpty = page === undefined || page.regions.size > 0;
        const inPage = (b: Block) => isIn(rangesOf(b)) || [...regions].some((g) => g.block === b && isIn(g.ranges));
        const atHost = (b: Block) => hit(rangesOf(b)) || [...regions].some((g) => g.block === b && hit(g.ranges));
        const were = [...blocks].map((b) => [b, inPage(b), atHost(b)] as const), said = cache.invalidate(host, size);
        for (const [b, isThere, isHit] of were) {
          if (!isThere || isHit) assertEquals(isDead(b), isHit, message);
          else if (hits) assertEquals(isDead(b), !precise, `${message}: beside what was hit`);
        }
        if (hits) count(precise ? "only what was hit" : "all of the page");
        else if (were.some(([b, isThere]) => isThere && isDead(b))) {
          // Enough writes beside the code; or what they hit has gone already, with a block that is in another page, too.
          count("all after writes beside");
          assert(!isEmpty && passed + 1 >= patience || page!.hits > 0, message);
        } else count("nothing");
        assertEquals(said, current !== 0 && were.some(([b]) => b.ip === current && isDead(b)), message);
        for (const [b] of were) if (isDead(b)) blocks.delete(b);
        for (const g of regions) if (!blocks.has(g.block)) regions.delete(g);
      }
      // What holds always.
      assertEquals([...cache.regions.keys()].sort(), [...regions].map((g) => g.block.ip).sort(), message);
      assertEquals(cache.liveBytes, 10 * regions.size, message);
      const elements = [...regions].map((g) => g.element);
      for (let n = 1; n < table.length; n++) assertEquals(table.get(n) !== null, elements.includes(n), message);
      for (const b of blocks) {
        let known = cache.pages[b.at >>> 12]?.blocks.get(b.key);
        while (known && known.ip !== b.ip) known = known.next;
        assert(known !== undefined && !isDead(b), `${message}: a block is forgotten`);
        if (b.second! > 0) assert(cache.pages[b.second! >>> 12]?.tails.has(b.ip), `${message}: a tail is forgotten`);
      }
      for (const g of regions) {
        for (const { at } of g.ranges) {
          assert([...cache.pages[at >>> 12]!.regions].some((x) => x.block.ip === g.block.ip), `${message}: a region is forgotten`);
        }
      }
      for (let n = 0; n < PAGES; n++) {
        const at = offset + n * PAGE;
        assertEquals(memory.why(at), cache.pages[at >>> 12] ? IS_CODE : 0, `${message}: page ${n}`);
      }
    }
  }
  const FLOORS = { "only what was hit": 100, "all of the page": 100, "all after writes beside": 10, nothing: 300, flush: 10 };
  for (const [what, floor] of Object.entries(FLOORS)) assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
});

Deno.test("the part without code has none, is the largest, and whoever trusted it is dropped when some comes", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 60; seed++) {
    const r = new Dice(seed), { memory, region: run, cache } = setUp(), [ram, other] = memory.views, first = ram.offset >>> 12;
    const home = other.offset + 3 * PAGE;
    let part: ReturnType<typeof cache.freeOfCode>, moves = 0, ip = cache.arena;
    const trusting = new Set<number>(), others = new Set<number>();
    for (let step = 0; step < 80; step++) {
      const message = `seed ${seed}, step ${step}`, what = r.below(5), watched = () => [...memory.watchedIn(ram)];
      if (what === 0) {
        const now = cache.freeOfCode(ram);
        if (part) assertEquals(now, part, message);
        else if (moves > LIMITS.freeMoves) assertEquals(now, undefined, message);
        else {
          // Runs of pages that are not watched; but for a first one, each begins the later the more often this had to move.
          const pages = watched(), runs: number[] = [];
          for (let n = 0, from = 0; n <= pages.length; n++) {
            if (n < pages.length && pages[n] === 0) continue;
            runs.push(n - from - (from === 0 ? 0 : 2 ** moves - 1));
            from = n + 1;
          }
          assertEquals(now!.length, PAGE * Math.max(0, ...runs), message);
          assertEquals(now!.from % PAGE, 0);
          count("found");
        }
        part = now;
        if (part) assertEquals(cache.freeOfCode(other), undefined, message);
      } else if (what === 1) {
        const page = first + r.below(PAGES), why = r.pick([IS_CODE, IS_TABLE]), at = page * PAGE + r.below(PAGE);
        const isIn = part !== undefined && page * PAGE >= ram.offset + part.from && page * PAGE < ram.offset + part.from + part.length;
        if (why === IS_CODE) cache.pageFor(at);
        else cache.watch(at, why);
        if (isIn) {
          count(trusting.size ? "trusted in vain" : "taken");
          if (trusting.size) moves++;
          trusting.clear();
          part = undefined;
        }
      } else if (what === 2) memory.unwatch(first + r.below(PAGES), IS_TABLE);
      else if (part || r.one(2)) {
        const trusts = part !== undefined,
          block: Block = { at: home, bytes: 4, ip: ip += 64, pcLo: 0, pcHi: 0, second: undefined, key: ip, next: undefined };
        cache.addBlock(block);
        cache.addRegion({
          block,
          element: cache.newElement(run),
          guard: 0,
          pages: [],
          ranges: [{ at: home, bytes: 4 }],
          trustsFree: trusts,
          wasmBytes: 1,
          assumes: [],
          code: UOP.nop,
          operand: 0,
          sides: 0,
          since: 0,
          devices: 0,
        });
        (trusts ? trusting : others).add(ip);
      }
      assertEquals([...cache.regions.keys()].sort(), [...trusting, ...others].sort(), message);
      if (part) {
        assert(!watched().slice(part.from / PAGE, (part.from + part.length) / PAGE).some((w) => w), `${message}: a page of it is watched`);
      }
    }
    count(moves > LIMITS.freeMoves ? "given up" : "goes on");
  }
  const FLOORS = { found: 100, taken: 30, "trusted in vain": 100, "given up": 5, "goes on": 10 };
  for (const [what, floor] of Object.entries(FLOORS)) assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
});
