// The pages of a machine's memories that have anything in them: found, kept and put back. All memories are counted through as one list of pages,
// of which each memory's last may be a part of one. Looking at 256 MiB takes 8 ms, and 50 ms more when most of it was never looked at before: the
// host has to say of each page that it is zero.
import type { Engine } from "../engine/engine.ts";
import { Asm, I32, wasmModule } from "../engine/wasm.ts";

/** Bytes that are looked at, kept and cleared together. */
export const PAGE = 4096;

/** What has the memories. */
export type Memories = Pick<Engine, "rams" | "ramBytes" | "memory">;
/** Contents of pages that are not all zero, by number. They are never changed: several snapshots may share them. */
export type Pages = ReadonlyMap<number, Uint8Array>;

/** Bytes that are compared at once: sixteen vectors. */
const PART = 256;

/** `next(from, end)`: where the first page from `from` on begins that has a byte other than 0; `end`, a number of pages behind, if none has. */
function scannerModule(memoryPages: number): Uint8Array<ArrayBuffer> {
  const a = new Asm(),
    load = (at: number) => a.get(0).ops([0xfd, 0]).u(0).u(at),
    or = () => a.op(0xfd).u(80),
    anyTrue = () => a.op(0xfd).u(83);
  const [add, subtract, lessU, atLeastU, leave] = [0x6a, 0x6b, 0x49, 0x4f, 0x0f];
  a.block("none").loop("page").get(0).get(1).op(atLeastU).brIf("none").get(0).i32(PAGE).op(add).set(2).loop("part");
  load(0);
  for (let at = 16; at < PART; at += 16) {
    load(at);
    or();
  }
  anyTrue().if().get(2).i32(PAGE).op(subtract).op(leave).end();
  a.get(0).i32(PART).op(add).tee(0).get(2).op(lessU).brIf("part").end().br("page").end().end().get(1);
  return wasmModule([], [{ type: { params: [I32, I32], results: [I32] }, locals: [I32], body: a.bytes, export: "next" }], memoryPages);
}

/** By the size of the memory. */
const MODULES = new Map<number, WebAssembly.Module>();
type Scanner = (from: number, end: number) => number;
const SCANNERS = new WeakMap<WebAssembly.Memory, Scanner>();

function scannerOf(memory: WebAssembly.Memory): Scanner {
  const known = SCANNERS.get(memory);
  if (known) return known;
  const size = memory.buffer.byteLength / 65536, module = MODULES.get(size) ?? new WebAssembly.Module(scannerModule(size));
  MODULES.set(size, module);
  const scanner = new WebAssembly.Instance(module, { e: { memory } }).exports.next as Scanner;
  SCANNERS.set(memory, scanner);
  return scanner;
}

/** How many pages a memory has, its last part of one included. */
const pagesIn = (length: number) => Math.ceil(length / PAGE);
/** How many pages there are in all. */
export const pagesOfAll = ({ rams }: Pick<Memories, "rams">): number => rams.reduce((n, { length }) => n + pagesIn(length), 0);

/** Calls `f` with the number and the bytes of each page that has a byte other than 0. */
export function forEachTouchedPage(
  m: Memories,
  f: (page: number, bytes: Uint8Array) => void,
  memories: Iterable<number> = m.rams.keys(),
): void {
  const next = scannerOf(m.memory.wasm);
  for (const i of memories) {
    const bytes = m.ramBytes(i),
      first = firstPage(m, i),
      from = bytes.byteOffset,
      whole = bytes.length - bytes.length % PAGE,
      end = from + whole;
    for (let at = from; (at = next(at | 0, end | 0) >>> 0) < end; at += PAGE) {
      f(first + (at - from) / PAGE, bytes.subarray(at - from, at - from + PAGE));
    }
    const rest = bytes.subarray(whole);
    if (rest.some((byte) => byte !== 0)) f(first + whole / PAGE, rest);
  }
}

/** The number of a memory's first page. */
function firstPage({ rams }: Memories, memory: number): number {
  let first = 0;
  for (let i = 0; i < memory; i++) first += pagesIn(rams[i].length);
  return first;
}

/** The pages, each with its number, that these bytes of the linear memory are in. */
export function pagesOf(
  m: Memories,
  ranges: Iterable<{ readonly at: number; readonly length: number }>,
): [page: number, bytes: Uint8Array][] {
  const out = new Map<number, Uint8Array>();
  for (const { at, length } of ranges) {
    const memory = m.rams.findIndex((r) => at >= r.offset && at < r.offset + r.length), { offset } = m.rams[memory];
    const first = firstPage(m, memory), bytes = m.ramBytes(memory);
    for (let p = Math.floor((at - offset) / PAGE); p * PAGE < at - offset + length; p++) {
      out.set(first + p, bytes.subarray(p * PAGE, p * PAGE + PAGE));
    }
  }
  return [...out];
}

/** Bytes of pages that are allocated together. */
const SLAB = 256 * PAGE;

export function savePages(m: Memories): Pages {
  const pages = new Map<number, Uint8Array>();
  let slab = new Uint8Array(SLAB), used = 0;
  forEachTouchedPage(m, (page, bytes) => {
    if (used === SLAB) [slab, used] = [new Uint8Array(SLAB), 0];
    slab.set(bytes, used);
    pages.set(page, slab.subarray(used, used + bytes.length));
    used += PAGE;
  });
  return pages;
}

/** The memories have these pages, and zeros elsewhere. `touched`: pages that may have something in them; when absent all are looked at. */
export function loadPages(m: Memories, pages: Pages, touched?: Iterable<readonly [page: number, bytes: Uint8Array]>): void {
  const clear = (page: number, bytes: Uint8Array) => void (pages.has(page) || bytes.fill(0));
  if (!touched) forEachTouchedPage(m, clear);
  else for (const [page, bytes] of touched) clear(page, bytes);
  forEachPage(m, pages, (to, content) => to.set(content));
}

/** Calls `f` with the bytes of each of these pages in the memories, and with what it has in the list. */
function forEachPage(m: Memories, pages: Pages, f: (to: Uint8Array, content: Uint8Array) => void): void {
  let memory = 0, first = 0, bytes = m.ramBytes(0);
  for (const [page, content] of pages) {
    for (; page < first; bytes = m.ramBytes(memory)) first -= pagesIn(m.rams[--memory].length);
    for (; page >= first + pagesIn(bytes.length); bytes = m.ramBytes(memory)) first += pagesIn(m.rams[memory++].length);
    const at = (page - first) * PAGE, to = bytes.subarray(at, at + PAGE);
    f(to, content.subarray(0, to.length));
  }
}

/** The same, but only what differs is written; `changed` is told where, by index in the linear memory. */
export function changePages(m: Memories, pages: Pages, changed: (at: number, length: number) => void): void {
  const zeros = new Uint8Array(PAGE), toClear: Uint8Array[] = [];
  forEachTouchedPage(m, (page, bytes) => void (pages.has(page) || toClear.push(bytes)));
  const write = (to: Uint8Array, content: Uint8Array) => {
    const [from, end] = difference(to, content);
    if (from === end) return;
    to.set(content.subarray(from, end), from);
    changed(to.byteOffset + from, end - from);
  };
  for (const bytes of toClear) write(bytes, zeros.subarray(0, bytes.length));
  forEachPage(m, pages, write);
}

/** From the first word that differs to the last. */
function difference(a: Uint8Array, b: Uint8Array): [from: number, end: number] {
  const [v, w] = [a, b].map((x) => new Int32Array(x.buffer, x.byteOffset, x.length >> 2));
  let from = 0, end = v.length;
  while (from < end && v[from] === w[from]) from++;
  while (end > from && v[end - 1] === w[end - 1]) end--;
  return [4 * from, 4 * end];
}
