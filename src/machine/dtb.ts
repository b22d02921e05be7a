// A device tree of the user's own, with what a run adds to it. Source: Devicetree Specification v0.4, section 5 (DTB format, version 17).
import { ConfigError } from "../core/errors.ts";
import type { FdtOptions } from "./fdt.ts";

const MAGIC = 0xd00d_feed, VERSION = 17, HEADER = 40, BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9;
const aligned = (n: number) => (n + 3) & ~3;

/** The tree with command line and initial RAM disk in /chosen, in place of its own where they are given. @throws {ConfigError} it is no DTB. */
export function withChosen(dtb: Uint8Array, name: string, { bootargs, initrd }: FdtOptions): Uint8Array {
  const view = new DataView(dtb.buffer, dtb.byteOffset, dtb.byteLength),
    bad = (problem: string) => new ConfigError(problem, { file: name });
  if (dtb.length < HEADER || view.getUint32(0) !== MAGIC) {
    throw bad("must be a device tree blob (.dtb), as dtc makes it: its magic number is missing");
  }
  const [, total, structAt, stringsAt, reservedAt, , oldest, , stringsSize, structSize] = Array.from(
    { length: 10 },
    (_, i) => view.getUint32(4 * i),
  );
  if (oldest > VERSION) throw bad(`must be a device tree that version ${VERSION} can be read as, and it needs ${oldest}`);
  if (total > dtb.length || structAt + structSize > total || stringsAt + stringsSize > total || reservedAt > structAt) {
    throw bad("truncated device tree");
  }

  const text = (at: number) => new TextDecoder().decode(dtb.subarray(at, dtb.indexOf(0, at)));
  const cells = (n: number) => [n / 2 ** 32, n].flatMap((w) => [24, 16, 8, 0].map((s) => w >>> s & 0xff));
  const given: [name: string, value: Uint8Array][] = [];
  if (bootargs) given.push(["bootargs", new TextEncoder().encode(`${bootargs}\0`)]);
  if (initrd) initrd.forEach((at, i) => given.push([`linux,initrd-${i ? "end" : "start"}`, Uint8Array.from(cells(at))]));

  const out: Uint8Array[] = [], word = (n: number) => out.push(Uint8Array.from(cells(n).slice(4)));
  const copy = (from: number, to: number) => out.push(dtb.subarray(from, to));
  let names = "";
  const addGiven = () => {
    for (const [property, value] of given) {
      word(PROP);
      word(value.length);
      word(stringsSize + names.length);
      out.push(value, new Uint8Array(aligned(value.length) - value.length));
      names += `${property}\0`;
    }
  };
  const path: string[] = [], inChosen = () => path.length === 2 && path[1] === "chosen";
  let done = false;
  for (let at = structAt, token = 0; token !== END;) {
    const from = at;
    if (at + 4 > structAt + structSize) throw bad("truncated device tree");
    token = view.getUint32(at);
    at += 4;
    if (token === BEGIN_NODE) {
      path.push(text(at));
      at += aligned(path.at(-1)!.length + 1);
      copy(from, at);
      if (inChosen()) {
        addGiven();
        done = true;
      }
    } else if (token === PROP) {
      const length = view.getUint32(at), property = text(stringsAt + view.getUint32(at + 4));
      at += 8 + aligned(length);
      if (!inChosen() || !given.some(([n]) => n === property)) copy(from, at);
    } else if (token === END_NODE) {
      if (path.length === 1 && !done) {
        word(BEGIN_NODE);
        out.push(new TextEncoder().encode("chosen\0\0"));
        addGiven();
        word(END_NODE);
      }
      path.pop();
      copy(from, at);
    } else if (token === NOP || token === END) copy(from, at);
    else throw bad(`no device tree: token ${token} at byte ${from}`);
  }
  return assemble(dtb.subarray(reservedAt, structAt), out, [
    dtb.subarray(stringsAt, stringsAt + stringsSize),
    new TextEncoder().encode(names),
  ], view.getUint32(28));
}

/** Header, reservations, structure and strings. */
function assemble(reserved: Uint8Array, structure: readonly Uint8Array[], strings: readonly Uint8Array[], bootCpu: number): Uint8Array {
  const size = (parts: readonly Uint8Array[]) => parts.reduce((n, p) => n + p.length, 0);
  const structAt = HEADER + Math.ceil(reserved.length / 8) * 8,
    stringsAt = structAt + size(structure),
    total = Math.ceil((stringsAt + size(strings)) / 8) * 8;
  const out = new Uint8Array(total), view = new DataView(out.buffer);
  const header = [MAGIC, total, structAt, stringsAt, HEADER, VERSION, 16, bootCpu, size(strings), size(structure)];
  header.forEach((v, i) => view.setUint32(4 * i, v));
  out.set(reserved, HEADER);
  let at = structAt;
  for (const part of [...structure, ...strings]) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
