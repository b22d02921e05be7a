// Compiled regions: what is hot is compiled, checked where it was compiled under a condition, and given up where it is not worth it. The JIT and
// this are loaded together: a guest that ends before anything is hot starts without them.
import { CONTINUE, FINISH, READ, WRITE } from "../ir/frontend.ts";
import { ANSWER, CONTEXT, PAGE } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
import type { Accesses } from "./accesses.ts";
import type { CodeCache } from "./code_cache.ts";
import { type Block, type CodeRange, type CompiledRegion, tailOf } from "./code_page.ts";
import type { Harts } from "./harts.ts";
import { compileRegion } from "./jit.ts";
import type { JitOption } from "./jit_options.ts";
import { type Pace, WORK_OF_REGION } from "./pace.ts";
import { findRegion } from "./region.ts";
import type { Source, Translator } from "./translator.ts";
import { H_HEAT, H_PC, UOP } from "./uops.ts";

export interface RegionOptions {
  readonly off: ReadonlySet<JitOption>;
  readonly verify: boolean;
  /** Address of an i64 that counts the instructions of regions; 0: they are not counted. */
  readonly count: number;
}

const offsetIn = (address: number) => address & (PAGE - 1);
/** A page's address as a number: exact, since its low bits are 0. */
const pageAddress = (lo: number, hi: number) => hi * 2 ** 32 + ((lo & -PAGE) >>> 0);

export class Regions {
  readonly #imports: WebAssembly.Imports;
  /** Helpers that have `value`. */
  #values: ReadonlySet<number> | undefined;
  readonly #source: Source;
  #next: () => number = () => -1;

  /** @param raise takes the exception of the instruction at the pc, the first of so many that are left */
  constructor(
    readonly cache: CodeCache,
    readonly harts: Harts,
    readonly translator: Translator,
    readonly accesses: Accesses,
    readonly pace: Pace,
    readonly raise: (left: number) => void,
    readonly limits: Limits,
    readonly options: RegionOptions,
  ) {
    // What is compiled may never run: looking for it must not walk page tables, which would be seen there.
    this.#source = { bytes: cache.memory.u8, at: 0, limit: 0, stop: 0, next: () => translator.second = this.#next() };
    this.#imports = this.#importsOfRegions();
  }

  /** Compiles the region that starts at a block, and leads the block to it. */
  compile(ip: number): void {
    const { cache, translator, limits } = this, { memory, stats } = cache, block = this.#blockAt(ip);
    if (!block || translator.breakpoints.size) return;
    if (cache.arenaAt + 8 > cache.selector.literalAt) {
      // Its guard has no place.
      cache.flushSoon = this.pace.attention = true;
      return;
    }
    const started = performance.now(), b = translator.builder, source = this.#source, { core } = this.harts.running;
    const flat = core.physical, pages = new Map<number, number>(), mode = core.mode();
    const pc = pageAddress(block.pcLo, block.pcHi) + offsetIn(block.pcLo);
    const ram = memory.views.find((r) =>
      block.at >= r.offset && block.at < r.offset + r.length && (!flat || pc === r.base + block.at - r.offset)
    );
    if (!ram) return;
    // Where a virtual page of the region is; -1 when the region must not go there.
    const hostPage = (lo: number, hi: number): number => {
      const key = pageAddress(lo, hi);
      let host = pages.get(key);
      if (host !== undefined) return host;
      if (pages.size >= limits.regionPages) return -1;
      const distance = key - pageAddress(block.pcLo, block.pcHi);
      if (distance === 0) host = block.at & -PAGE;
      else if (flat) host = (block.at & -PAGE) + distance;
      else {
        const paddr = core.probeFetch?.(lo, hi) ?? -1;
        host = paddr < 0 ? -1 : memory.hostOf(paddr - offsetIn(lo), PAGE);
      }
      if (host < ram.offset || host + PAGE > ram.offset + ram.length) host = distance === 0 ? host : -1;
      pages.set(key, host);
      return host;
    };
    const hosts = new Map<number, number>(), tails: CodeRange[] = [];
    this.#next = () => {
      const lo = ((b.startLo & -PAGE) + PAGE) | 0;
      return hostPage(lo, lo === 0 ? (b.startHi + 1) | 0 : b.startHi);
    };
    const nodes = findRegion(b, (distance, max) => {
      const low = (block.pcLo >>> 0) + distance, lo = low | 0, hi = (block.pcHi + Math.floor(low / 2 ** 32)) | 0, page = hostPage(lo, hi);
      if (page < 0 || (distance !== 0 && !this.#isWarm(page + offsetIn(lo), lo, hi, mode))) return false;
      source.at = page + offsetIn(lo);
      source.limit = Math.min(PAGE - offsetIn(lo), ram.offset + ram.length - source.at);
      // No longer than the block: a region whose first node has more instructions than are left goes back at once, for ever.
      source.stop = cache.stopFor(source.at, source.limit);
      hosts.set(distance, source.at);
      b.reset(lo, hi);
      b.memos = undefined;
      b.leavesBefore = true;
      translator.second = 0;
      core.translateBlock(b, source, max);
      if (translator.second > 0) tails.push(tailOf(translator.second));
      return translator.second >= 0;
    }, limits);
    if (!nodes) return;
    if (cache.regions.size >= limits.regions || cache.liveBytes >= limits.regionBytes) this.#evict();
    const used = [...pages].filter(([, host]) => host >= 0),
      guard = flat || used.length === 1 ? 0 : cache.newCell(memory.i32[CONTEXT >> 2]);
    const ranges = nodes.map((n): CodeRange => {
      const at = hosts.get(n.at)!;
      return { at, bytes: Math.min(n.bytes, PAGE - offsetIn(at)) };
    }).concat(tails);
    // Before the part without code is chosen.
    for (const { at } of ranges) cache.pageFor(at);
    const physical = flat && !ram.readonly, free = physical ? cache.freeOfCode(ram) : undefined, devices = this.#devicesOf(ranges);
    const compiled = compileRegion(nodes, {
      block: ip,
      guard,
      memoryPages: memory.pages,
      off: this.options.off,
      limits,
      verify: this.options.verify,
      count: this.options.count,
      isDevice: devices === 0 ? undefined : (node, offset) => {
        const at = hosts.get(node.at)! + offset;
        return cache.pages[at >>> 12]!.devices?.has(offsetIn(at)) ?? false;
      },
      values: this.#values ??= new Set(core.helpers.keys().filter((n) => core.helpers[n].value !== undefined)),
      ram: physical ? { ...ram, free, only: memory.views.filter((v) => !v.readonly).length === 1 } : undefined,
      isExtended: cache.unlike.has(ip) ? undefined : (slot) => this.#isExtended(slot),
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), this.#imports);
    cache.addRegion({
      block,
      element: cache.newElement(instance.exports.region as () => number),
      code: memory.u16[ip >> 1],
      operand: memory.i32[(ip + 8) >> 2],
      sides: 0,
      since: this.harts.running.instructions(),
      guard,
      pages: used,
      ranges,
      devices,
      trustsFree: free !== undefined,
      wasmBytes: compiled.size,
      assumes: compiled.assumes,
    });
    cache.pageCaches = Math.max(cache.pageCaches, compiled.pageCaches);
    this.pace.work -= WORK_OF_REGION;
    stats.regions++;
    stats.regionBytes += compiled.size;
    stats.compileMs += performance.now() - started;
  }
  /** The block that is about to run, by its first micro-op; undefined when it is dead. */
  #blockAt(ip: number): Block | undefined {
    const { i32 } = this.cache.memory, at = (ip + H_PC) >> 2, host = this.harts.running.fetch(i32[at], i32[at + 1]);
    const page = this.cache.pages[host >>> 12];
    if (page) { for (const first of page.blocks.values()) for (let b: Block | undefined = first; b; b = b.next) if (b.ip === ip) return b; }
    return undefined;
  }
  /** Whether the interpreter has been at a block often enough to compile it along. */
  #isWarm(host: number, lo: number, hi: number, mode: number): boolean {
    const { memory, pages } = this.cache, { heat } = this.translator;
    let b = pages[host >>> 12]?.blocks.get((mode << 1) * PAGE + offsetIn(host));
    while (b && (b.pcLo !== lo || b.pcHi !== hi)) b = b.next;
    return b !== undefined && b.second !== -1 &&
      (memory.u16[b.ip >> 1] === UOP.region || heat - memory.i32[(b.ip + H_HEAT) >> 2] >= heat / 128);
  }
  #isExtended(slot: number): boolean {
    const { i32 } = this.cache.memory;
    return i32[(slot >> 2) + 1] === i32[slot >> 2] >> 31;
  }
  /** How many instructions of some code are known to reach devices. */
  #devicesOf(ranges: readonly CodeRange[]): number {
    let n = 0;
    for (const { at, bytes } of ranges) {
      for (const d of this.cache.pages[at >>> 12]?.devices ?? []) if (d >= offsetIn(at) && d < offsetIn(at) + bytes) n++;
    }
    return n;
  }

  /** What compiled code calls; see region_function.ts. */
  #importsOfRegions(): WebAssembly.Imports {
    const { pace, harts, accesses } = this, { wasm, i32 } = this.cache.memory;
    const called = (left: number) => {
      pace.left = left;
      pace.spend(1);
      return harts.running.core.helpers;
    };
    return {
      e: {
        memory: wasm,
        table: this.cache.table,
        fill: (lo: number, hi: number, access: number) => accesses.fillFor(lo, hi, access & 1 ? WRITE : READ, access >> 1),
        regionHelper: (index: number, left: number) => {
          if (index < 0) {
            this.raise(left);
            return pace.attention || harts.running.core.waiting ? FINISH : CONTINUE;
          }
          const status = called(left)[index].run();
          return status === CONTINUE && pace.attention ? FINISH : status;
        },
        store: (lo: number, hi: number, size: number, left: number) => accesses.storeFor(lo, hi, size, left),
        load: (lo: number, hi: number, size: number, left: number) => accesses.loadFor(lo, hi, size, left),
        value: (helper: number, a: number, b: number, left: number) => {
          const value = called(left)[helper].value!(a, b);
          if (pace.attention && i32[ANSWER >> 2] === CONTINUE) i32[ANSWER >> 2] = FINISH;
          return value;
        },
      },
    };
  }

  /**
   * Whether registers are as a region takes them to be; if not, it is compiled anew without that. And whether its pages are where they were,
   * in the present context; if not, it is given up.
   */
  verify(ip: number): void {
    const { cache } = this, { memory } = cache, region = cache.regions.get(ip)!, { core } = this.harts.running;
    if (!region.assumes.every((slot) => this.#isExtended(slot))) {
      cache.interpret(region);
      cache.unlike.add(ip);
      return this.compile(ip);
    }
    for (const [page, host] of region.pages) {
      const paddr = core.probeFetch?.(page | 0, Math.floor(page / 2 ** 32)) ?? -1;
      if (paddr < 0 || memory.hostOf(paddr, 1) !== host) return this.#revert(region);
    }
    memory.i32[region.guard >> 2] = memory.i32[CONTEXT >> 2];
  }

  /**
   * A region, by its entry's micro-ops, has left an instruction to the interpreter. Where that is the rule it is compiled anew, so that the accesses
   * that reach devices go there at once; if there are none that it did not know, the interpreter is faster.
   */
  left(ip: number): void {
    const region = this.cache.regions.get(ip), { sides, sideWorth } = this.limits;
    if (!region || ++region.sides !== sides) return;
    const now = this.harts.running.instructions();
    if (this.#devicesOf(region.ranges) > region.devices) {
      this.cache.interpret(region);
      this.cache.memory.i32[(ip + H_HEAT) >> 2] = 1;
    } else if (now - region.since < sides * sideWorth) this.#revert(region);
    region.sides = 0;
    region.since = now;
  }
  /** The region's entry is interpreted for good. */
  #revert(region: CompiledRegion): void {
    this.cache.stats.regionsReverted++;
    this.cache.interpret(region);
  }
  /** Makes room: the older half of the regions goes; what is still hot is compiled again. Entering a region is not counted, so age decides. */
  #evict(): void {
    const { cache } = this, old = [...cache.regions.values()].slice(0, cache.regions.size + 1 >> 1);
    cache.stats.regionsEvicted += old.length;
    for (const region of old) {
      cache.interpret(region);
      cache.memory.i32[(region.block.ip + H_HEAT) >> 2] = this.translator.heat;
    }
  }
}
