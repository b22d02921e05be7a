// `[[load]]` of a machine file: files that are put into memory at power-on beside kernel and firmware. ELF, Intel hex, or raw bytes.
// Sources: Intel, "Hexadecimal Object File Format Specification", revision A (1988-01-06); QEMU 7.2, docs/system/generic-loader.rst.
import type { Bus } from "../core/bus.ts";
import { ConfigError } from "../core/errors.ts";
import { architectureOf } from "./architectures.ts";
import { type ImageSegment, isElf, notInMemory, Symbols } from "./elf.ts";
import { readImage } from "./image.ts";
import { type LoadNode, type MachineGraph, mainRam } from "./machine_graph.ts";

/** A file with the places of its bytes. */
export interface LoadedFile {
  readonly name: string;
  readonly kind: "elf" | "hex" | "raw";
  readonly segments: readonly ImageSegment[];
  readonly symbols: Symbols;
  /** The machine starts there, in the place of a kernel. */
  readonly entry?: bigint;
}

/** @throws {ConfigError} a file cannot be read, is damaged, or goes where there is no memory or another one. */
export function readLoads(graph: MachineGraph, readFile: (path: string) => Uint8Array, bus: Bus): LoadedFile[] {
  const files = (graph.loads ?? []).map((node) => readLoad(node, graph, readFile(node.file)));
  for (const [i, { name, segments }] of files.entries()) {
    for (const s of segments) {
      const r = bus.find(s.paddr), end = s.paddr + s.size;
      if (!r?.bytes || end > r.base + r.length) throw new ConfigError(notInMemory(s), { file: name });
      const other = files.slice(0, i).find((f) => f.segments.some((o) => o.paddr < end && s.paddr < o.paddr + o.size));
      if (other) {
        throw new ConfigError(`it goes to 0x${s.paddr.toString(16)}..0x${(end - 1).toString(16)}, where '${other.name}' is`, {
          file: name,
        });
      }
    }
  }
  return files;
}

function readLoad({ file, at, entry, format, place }: LoadNode, graph: MachineGraph, bytes: Uint8Array): LoadedFile {
  if (bytes.length === 0) throw new ConfigError("the file is empty", { file });
  const kind = format === "auto" ? isElf(bytes) ? "elf" : isHex(bytes) ? "hex" : "raw" : format;
  if (kind === "raw" ? at === undefined : at !== undefined) {
    const must = kind === "raw"
      ? "missing: 'at' must say where raw bytes go"
      : `'at' must be absent: the file says itself where it goes (it is ${KINDS[kind]})`;
    throw new ConfigError(`'${file}': ${must}`, place);
  }
  const found = kind === "elf" ? readElf(bytes, file, graph) : kind === "hex" ? readHex(bytes, file) : rawBytes(bytes, at!);
  if (entry === undefined || entry === false) return { name: file, kind, segments: found.segments, symbols: found.symbols };
  const start = entry === true ? found.entry : BigInt(entry);
  if (start === undefined) throw new ConfigError(`'${file}' does not say where it starts: 'entry' must be an address`, place);
  return { name: file, kind, segments: found.segments, symbols: found.symbols, entry: start };
}

const KINDS = { elf: "an ELF file", hex: "Intel hex" };
/** What a file says. */
interface Found {
  readonly segments: readonly ImageSegment[];
  readonly symbols: Symbols;
  readonly entry?: bigint | undefined;
}

function readElf(bytes: Uint8Array, name: string, graph: MachineGraph): Found {
  const { cpu } = graph, machines = architectureOf(cpu).elf, ram = mainRam(graph).segments[0].base;
  return readImage(bytes, name, { machines, arch: cpu.arch, load: 0, ram, protocol: "elf" });
}

const rawBytes = (bytes: Uint8Array, at: number): Found => ({ segments: [segment(at, bytes)], symbols: new Symbols(), entry: BigInt(at) });

const segment = (paddr: number, bytes: Uint8Array): ImageSegment => ({ paddr, vaddr: BigInt(paddr), bytes, size: bytes.length });

/** Whether the first line is a record. */
const isHex = (bytes: Uint8Array): boolean =>
  /^\s*:[0-9a-f]{10,}\s*?$/im.test(new TextDecoder("latin1").decode(bytes.subarray(0, 600)).split("\n")[0]);

/** Types of records (the specification's chapters 2 to 6). */
const DATA = 0, END = 1, EXTENDED_SEGMENT = 2, START_SEGMENT = 3, EXTENDED_LINEAR = 4, START_LINEAR = 5;
/** Bytes of what a record of each type holds; data has any number. */
const LENGTHS: Readonly<Record<number, number>> = {
  [END]: 0,
  [EXTENDED_SEGMENT]: 2,
  [START_SEGMENT]: 4,
  [EXTENDED_LINEAR]: 2,
  [START_LINEAR]: 4,
};

/** @throws {ConfigError} a record is damaged; the line is named. */
function readHex(bytes: Uint8Array, file: string): Found {
  const runs: { at: number; readonly bytes: number[] }[] = [];
  let base = 0, segmented = false, entry: bigint | undefined, ended = false;
  for (const [i, text] of new TextDecoder("latin1").decode(bytes).split(/\r?\n/).entries()) {
    const bad = (problem: string) => new ConfigError(problem, { file, line: i + 1 }), record = text.trim();
    if (record === "") continue;
    if (ended) throw bad("there is something behind the record of the end");
    if (!/^:([0-9a-f]{2}){5,}$/i.test(record)) throw bad("is no record of Intel hex: a colon and at least ten hexadecimal digits");
    const values = Array.from({ length: (record.length - 1) / 2 }, (_, n) => parseInt(record.slice(1 + 2 * n, 3 + 2 * n), 16));
    const [length, high, low, type] = values, data = values.slice(4, -1);
    if (values.reduce((sum, b) => sum + b, 0) & 0xff) throw bad("the checksum is wrong");
    if (data.length !== length) throw bad(`the record has ${data.length} bytes and says ${length}`);
    if (type !== DATA && LENGTHS[type] !== length) {
      throw bad(type in LENGTHS ? `a record of type ${type} has ${LENGTHS[type]} bytes` : `there is no record of type ${type}`);
    }
    const number = data.reduce((n, b) => n * 256 + b, 0);
    if (type === END) ended = true;
    else if (type === EXTENDED_SEGMENT || type === EXTENDED_LINEAR) {
      [base, segmented] = [number * (type === EXTENDED_LINEAR ? 0x1_0000 : 16), type === EXTENDED_SEGMENT];
    } else if (type === START_LINEAR) entry = BigInt(number);
    else if (type === START_SEGMENT) entry = BigInt(Math.floor(number / 0x1_0000) * 16 + number % 0x1_0000);
    else add(runs, base, high * 256 + low, data, segmented);
  }
  if (!ended) throw new ConfigError("the record of the end is missing", { file });
  const segments = runs.map((r) => segment(r.at, Uint8Array.from(r.bytes)));
  if (segments.length === 0) throw new ConfigError("it has no bytes to load", { file });
  return { segments, symbols: new Symbols(), entry };
}

/** Bytes at an offset from a base: in a segment they go round at 64 KiB (chapter 2). Those that follow each other are one run. */
function add(
  runs: { at: number; readonly bytes: number[] }[],
  base: number,
  offset: number,
  data: readonly number[],
  segmented: boolean,
): void {
  for (const [i, b] of data.entries()) {
    const at = base + (segmented ? (offset + i) % 0x1_0000 : offset + i), last = runs.at(-1);
    if (last && last.at + last.bytes.length === at) last.bytes.push(b);
    else runs.push({ at, bytes: [b] });
  }
}
