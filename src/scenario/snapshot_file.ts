// Snapshots in files. A file is
//   12 bytes    the signature
//   u32         the version of this format
//   u32         bytes of the header
//   header      JSON: what the snapshot is of (machine, images), and for each part its bytes, unpacked and packed
//   parts       Zstandard (RFC 8878), each of at most 1 MiB unpacked: first the state (core/pack.ts), then the pages that it lists, 256 to a part
//   8 bytes     hash of all before
// all numbers little-endian. Equal states make equal files. A file is checked before anything of it is used, and nothing larger is made of it than
// the machine may have, whatever it says of itself.
import zlib from "node:zlib";
import { ConfigError } from "../core/errors.ts";
import { Hash } from "../core/hash.ts";
import { BadPack, pack, unpack } from "../core/pack.ts";
import { PAGE } from "../machine/pages.ts";
import { type Snapshot, VERSION as STATE } from "../machine/snapshot.ts";
import { HISTORY } from "./console.ts";
import { readFile, writeWhole } from "./host.ts";
import { type Basis, compareImages, describeBasis, difference, disksOf, filesOf, type ImageMark } from "./basis.ts";
import { BadState, fromStored, toStored } from "./saved_state.ts";
import type { SessionSnapshot } from "./session_snapshot.ts";

const SIGNATURE = Uint8Array.from("\x89bringup\r\n\x1a\n", (c) => c.charCodeAt(0));
const FORMAT = 1;
const HEAD = SIGNATURE.length + 8, TAIL = 8;
/** Bytes of a part, unpacked. */
const PART = 256 * PAGE;
/** Bytes of a header, and those of a state besides the histories and the disks. */
const MOST_HEADER = 16 * 2 ** 20, MOST_STATE = 64 * 2 ** 20;

interface Header {
  /** Version of the states of machines. */
  readonly state: number;
  readonly machine: unknown;
  readonly images: readonly ImageMark[];
  readonly parts: { readonly state: readonly Part[]; readonly pages: readonly Part[] };
}
type Part = readonly [unpacked: number, packed: number];

const { zstdCompressSync, zstdDecompressSync } = zlib;

/** Writes a state to a file; what is there stays until all of it is written. @throws {ConfigError} */
export function writeSnapshot(file: string, snapshot: SessionSnapshot, basis: Basis | undefined): void {
  if (!basis) throw new ConfigError("cannot be written: this session does not know what its machine was made of", { file });
  if (!zstdCompressSync) throw new ConfigError("cannot be written: this Deno has no Zstandard; a newer one has", { file });
  const machine = snapshot.machine as Snapshot, packed: Uint8Array[] = [];
  const part = (bytes: Uint8Array): Part => [bytes.length, packed[packed.push(zstdCompressSync(bytes)) - 1].length];
  const state = pack(toStored(snapshot, basis.failOn)), parts = { state: [] as Part[], pages: [] as Part[] };
  for (let at = 0; at < state.length; at += PART) parts.state.push(part(state.subarray(at, at + PART)));
  const pages = [...machine.pages.values()];
  for (let at = 0; at < pages.length; at += PART / PAGE) {
    const some = pages.slice(at, at + PART / PAGE), bytes = new Uint8Array(some.length * PAGE);
    for (const [i, page] of some.entries()) bytes.set(page, i * PAGE);
    parts.pages.push(part(bytes));
  }
  const images = [...filesOf(basis), ...disksOf(basis, machine.disks)];
  const header: Header = { state: STATE, machine: describeBasis(basis), images, parts };
  const head = new TextEncoder().encode(JSON.stringify(header)), start = new Uint8Array(HEAD), view = new DataView(start.buffer);
  start.set(SIGNATURE);
  view.setUint32(SIGNATURE.length, FORMAT, true);
  view.setUint32(SIGNATURE.length + 4, head.length, true);
  const whole = new Uint8Array(packed.reduce((n, p) => n + p.length, HEAD + head.length + TAIL));
  let at = 0;
  for (const piece of [start, head, ...packed]) {
    whole.set(piece, at);
    at += piece.length;
  }
  whole.set(seal(whole.subarray(0, at)), at);
  writeWhole(file, whole);
}

/** The hash of some bytes. */
function seal(bytes: Uint8Array): Uint8Array {
  const hash = new Hash();
  hash.bytes(bytes);
  return Uint8Array.from(hash.hex().match(/../g)!, (byte) => parseInt(byte, 16));
}

/**
 * The state that a file has, for a session of the same basis, which is in the state `here`.
 * @throws {ConfigError} it is no snapshot, damaged, or one of another machine or version.
 */
export function readSnapshot(file: string, here: SessionSnapshot, basis: Basis, history: number = HISTORY): SessionSnapshot {
  try {
    return read(readFile(file), file, here, basis, history);
  } catch (e) {
    if (!(e instanceof Damage || e instanceof BadPack || e instanceof BadState)) throw e;
    // Whoever changes what states consist of, and not their version, is told of here, too.
    const state = e instanceof BadState ? ", or of another version of bringup" : "";
    throw new ConfigError(`the snapshot is damaged${state}: ${e.message}`, { file });
  }
}

/** What is said of a state that looks like one of the machine's, and of which it could not make anything. */
export function refused(file: string, { message }: Error): ConfigError {
  return new ConfigError(`the snapshot is damaged, or of another version of bringup: ${message}`, { file });
}

/** What is wrong with a file. */
class Damage extends Error {}

function read(bytes: Uint8Array, file: string, here: SessionSnapshot, basis: Basis, history: number): SessionSnapshot {
  const { header, from } = readHeader(bytes, file), disks = basis.disks.all, { pages } = basis;
  if (header.state !== STATE) {
    throw new ConfigError(`the snapshot has states of version ${header.state}, and this program reads ${STATE}`, { file });
  }
  const other = difference(header.machine, describeBasis(basis));
  if (other) throw new ConfigError(`the snapshot is of another machine: ${other}`, { file });
  compareImages(header.images, [...filesOf(basis), ...disksOf(basis)], file);
  const onDisks = disks.reduce((n, d) => n + Math.min(d.sectors, d.mostWritten) * (d.sectorSize + 8), 0);
  const most = MOST_STATE + onDisks + history * (10 + 4 * Object.keys(here.consoles).length);
  const { state, contents } = unpackParts(bytes, from, header.parts, most, pages * PAGE);
  const like = { state: here, failOn: basis.failOn, disks, pages };
  const found = fromStored(unpack(state), like, (i) => {
    const part = contents[Math.floor(i * PAGE / PART)] ?? new Uint8Array(), page = part.subarray(i * PAGE % PART, i * PAGE % PART + PAGE);
    if (page.length < PAGE) throw new Damage("it lists more pages than it has");
    return page;
  });
  compareImages(header.images, disksOf(basis, (found.machine as Snapshot).disks), file, true);
  return found;
}

/** The header, and where the parts begin. */
function readHeader(bytes: Uint8Array, file: string): { readonly header: Header; readonly from: number } {
  if (bytes.length < HEAD + TAIL || SIGNATURE.some((b, i) => bytes[i] !== b)) throw new ConfigError("this is no snapshot", { file });
  const view = new DataView(bytes.buffer, bytes.byteOffset), format = view.getUint32(SIGNATURE.length, true);
  if (format !== FORMAT) throw new ConfigError(`the snapshot has format ${format}, and this program reads ${FORMAT}`, { file });
  const end = bytes.length - TAIL;
  if (seal(bytes.subarray(0, end)).some((b, i) => bytes[end + i] !== b)) throw new Damage("it is cut off, or has been changed");
  const length = view.getUint32(SIGNATURE.length + 4, true), from = HEAD + length;
  if (length > MOST_HEADER || from > end) throw new Damage("its header does not end");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(HEAD, from)));
  } catch {
    throw new Damage("its header is no JSON");
  }
  if (!isHeader(header)) throw new Damage("its header does not have what it should");
  return { header, from };
}

const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const isText = (v: unknown) => typeof v === "string";
const isPart = (v: unknown): v is Part => Array.isArray(v) && v.length === 2 && v.every((n) => Number.isSafeInteger(n) && n > 0);
const isImage = (v: unknown) => isRecord(v) && isText(v.what) && isText(v.file) && Number.isSafeInteger(v.bytes) && isText(v.hash);
const isList = (v: unknown, is: (v: unknown) => boolean) => Array.isArray(v) && v.every(is);
const isHeader = (v: unknown): v is Header =>
  isRecord(v) && Number.isSafeInteger(v.state) && isList(v.images, isImage) && isRecord(v.parts) && isList(v.parts.state, isPart) &&
  isList(v.parts.pages, isPart);

/** All parts, which have to fill the file. `mostState`, `mostPages`: bytes that they may have. */
function unpackParts(bytes: Uint8Array, from: number, parts: Header["parts"], mostState: number, mostPages: number) {
  if (!zstdDecompressSync) throw new Damage("it is packed by Zstandard, which this Deno does not have; a newer one has");
  const unpacked = (list: readonly Part[]) => list.reduce((n, [size]) => n + size, 0), stateBytes = unpacked(parts.state);
  if (stateBytes > mostState || unpacked(parts.pages) > mostPages) throw new Damage("it is larger than a state of this machine can be");
  let at = from;
  const next = ([size, packed]: Part, i: number, list: readonly Part[]): Uint8Array => {
    if (size > PART || (size < PART && i < list.length - 1)) throw new Damage("its parts are not as long as they should be");
    if (packed > bytes.length - TAIL - at) throw new Damage("it ends too early");
    let out: Uint8Array;
    try {
      out = zstdDecompressSync(bytes.subarray(at, at += packed), { chunkSize: Math.max(64, size), maxOutputLength: size });
    } catch {
      throw new Damage("what is packed in it cannot be unpacked");
    }
    if (out.length !== size) throw new Damage("what is packed in it has another length");
    // Words are looked at.
    return out.byteOffset % 8 ? new Uint8Array(out) : new Uint8Array(out.buffer, out.byteOffset, size);
  };
  const state = new Uint8Array(stateBytes);
  for (const [i, part] of parts.state.entries()) state.set(next(part, i, parts.state), i * PART);
  const contents = parts.pages.map(next);
  if (at !== bytes.length - TAIL) throw new Damage("there is something behind its end");
  return { state, contents };
}
