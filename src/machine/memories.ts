// The memories of a machine file: what is seen where of each, and which one is the main RAM.
import { type Place, placeAt } from "../core/errors.ts";
import { type ConfigReader, parseSize } from "./config.ts";
import * as format from "./format.ts";
import type { MemoryNode, MemoryPart } from "./machine_graph.ts";
import type { ConfigSections } from "./config_sections.ts";
import type { TomlNode, TomlTable } from "./toml.ts";

/** Processors look memory up by pages, so that is how it begins and ends. */
const PAGE = 4096;

export function memoriesOf(sections: ConfigSections): MemoryNode[] {
  const out: MemoryNode[] = [], r = sections.reader;
  for (const [id, node] of sections.get("memory")) {
    const table = sections.component("memory", id, node, "at");
    if (!table) continue;
    const errors = r.errors.length, m = r.table(table, format.MEMORY, node.place);
    if (r.errors.length > errors) continue;
    const bytes = m.file === undefined ? 0 : r.fileSize(m.file);
    if (bytes > m.size) r.error(`must fit the memory of ${m.size} bytes, but the file has ${bytes}`, table.get("file")!.place);
    const whole: MemoryPart = { base: m.at, length: m.size, offset: 0 };
    const parts = m.gap === undefined && !m.holes.length && !m.shadow.length
      ? { segments: [whole], shadows: [] }
      : partsOf(r, table, whole, m.gap, m.holes, m.shadow);
    out.push({
      id,
      kind: m.kind,
      fill: m.fill,
      main: m.main,
      ...(m.file !== undefined && { file: m.file }),
      size: m.size,
      ...parts,
      place: node.place,
    });
  }
  return chooseMain(sections, out);
}

/** The RAM that says `main`, else the largest: a board's SRAM may stand before it in the file. */
function chooseMain(sections: ConfigSections, memories: readonly MemoryNode[]): MemoryNode[] {
  const r = sections.reader,
    rams = memories.filter((m) => m.kind === "ram"),
    said = memories.filter((m) => m.main),
    [main = largest(rams)] = said;
  const bad = (m: MemoryNode, problem: string) =>
    r.error(problem, placeAt(m.place, (sections.get("memory").get(m.id)!.value as TomlTable).get("main")?.place));
  for (const m of said) if (m.kind === "rom") bad(m, `must be false: '${m.id}' is a ROM`);
  for (const m of said.slice(1)) bad(m, `must be false: '${said[0].id}' is the main RAM already`);
  if (main && main.kind === "ram" && !main.segments.length) bad(main, `the main RAM '${main.id}' is hidden by its holes`);
  if (!rams.length && !r.errors.length) r.error("missing: a machine needs RAM", sections.place("memory"));
  return memories.map((m) => ({ ...m, main: m === main }));
}

/** What is seen of a memory, and what a chipset may show. */
function partsOf(
  r: ConfigReader,
  table: TomlTable,
  whole: MemoryPart,
  gap: string | undefined,
  holes: readonly string[],
  shadow: readonly string[],
): { segments: MemoryPart[]; shadows: MemoryPart[] } {
  const moved = gap === undefined ? undefined : span(r, gap, table.get("gap")!.place);
  const all = segments(whole, spans(r, table, "holes", holes), moved), hidden = spans(r, table, "shadow", shadow);
  return { segments: cut(all, hidden), shadows: hidden.flatMap(([from, to]) => cut(all, [[0, from], [to, Infinity]])) };
}

function spans(r: ConfigReader, table: TomlTable, key: string, texts: readonly string[]): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < texts.length; i++) {
    const found = span(r, texts[i], (table.get(key)!.value as TomlNode[])[i].place);
    if (found) out.push(found);
  }
  return out;
}

function span(r: ConfigReader, text: string, place: Place): [number, number] | undefined {
  const [from, to] = text.split("..").map((t) => parseSize(t.trim()));
  if (from === undefined || to === undefined || from >= to || to > Number.MAX_SAFE_INTEGER) {
    r.error(`must be a range like "640KiB..1MiB" whose end is above its start, got "${text}"`, place);
  } else if (from % PAGE || to % PAGE) r.error(`must begin and end at multiples of 4 KiB, got "${text}"`, place);
  else return [from, to];
  return undefined;
}

/** Where the bytes of a memory are seen: a gap moves what follows upwards, a hole hides what is behind it. */
function segments(whole: MemoryPart, holes: readonly [number, number][], gap?: [number, number]): MemoryPart[] {
  const { base, length } = whole, below = gap ? gap[0] - base : 0;
  const split = gap && below > 0 && below < length;
  return cut(split ? [{ ...whole, length: below }, { base: gap[1], length: length - below, offset: below }] : [whole], holes);
}

/** What of these parts is outside of all the ranges. */
function cut(parts: readonly MemoryPart[], ranges: readonly [number, number][]): MemoryPart[] {
  let out = [...parts];
  for (const [from, to] of ranges) {
    out = out.flatMap((p) => {
      const end = p.base + p.length,
        left = Math.min(Math.max(from - p.base, 0), p.length),
        right = Math.min(Math.max(end - to, 0), p.length);
      const above = { base: end - right, length: right, offset: p.offset + p.length - right };
      return [{ ...p, length: left }, above].filter((s) => s.length > 0);
    });
  }
  return out;
}

/** The first of the largest. */
export function largest<M extends { readonly size: number }>(memories: readonly M[]): M | undefined {
  let best: M | undefined;
  for (const m of memories) if (!best || m.size > best.size) best = m;
  return best;
}
