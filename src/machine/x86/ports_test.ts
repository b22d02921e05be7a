// Port accesses of an x86 processor: whatever its size and place, each byte is the port's own, and a device sees the accesses that it implements.
import { assert, assertEquals } from "@std/assert";
import type { Bus, BusTarget, Size } from "../../core/bus.ts";
import type { CpuPorts } from "../../x86/ports.ts";
import { HALTED, machineFrom } from "../testing/machine_from.ts";

const TOML = `schema = 1\n[cpu]\narch = "x86_64"\n[memory.ram]\nat = 0\nsize = "1MiB"\nholes = ["640KiB..1MiB"]\n`;

/** The ports of a machine that has none of its own. */
async function portsOf(): Promise<CpuPorts & { readonly bus: Bus }> {
  const m = await machineFrom(TOML, { kernel: HALTED });
  return (m.cpus[0] as unknown as { core: { config: { ports: CpuPorts & { readonly bus: Bus } } } }).core.config.ports;
}

/** A device that is plain memory; what it answers has more bits than it was asked for. */
class Cells implements BusTarget {
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  readonly access: BusTarget["access"];
  constructor(readonly base: number, length: number, min: Size, max: Size) {
    this.bytes = Uint8Array.from({ length }, (_, i) => base * 31 + i * 17 + 1);
    this.access = { min, max };
  }
  read(offset: number, size: Size): number {
    this.log.push(`${offset}.${size}`);
    let value = 0;
    for (let i = 3; i >= 0; i--) value = value << 8 | (i < size ? this.bytes[offset + i] : 0xa5);
    return value;
  }
  write(offset: number, size: Size, value: number): void {
    this.log.push(`${offset}.${size}`);
    assert(value >= 0 && value < 2 ** (8 * size), `${value}`);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = value >>> (8 * i);
  }
}

/** Base, length, and the sizes that they know. Some are next to each other, some at the ends of the space; two share the low bits of their ports. */
const DEVICES: [number, number, Size, Size][] = [
  [0, 2, 1, 4],
  [0x1000, 8, 1, 1],
  [0x1010, 8, 1, 2],
  [0x1020, 8, 1, 4],
  [0x1030, 8, 4, 4],
  [0x1040, 3, 1, 4],
  [0x1043, 5, 1, 2],
  [0x1420, 8, 1, 4],
  [0xfffd, 3, 1, 4],
];

Deno.test("every access at every port around devices of every kind is that of its bytes", async () => {
  const ports = await portsOf(), devices = DEVICES.map((d) => new Cells(...d));
  for (const d of devices) ports.bus.map(d.base, d.bytes.length, d, `d${d.base}`);
  const at = (port: number) => devices.find((d) => port >= d.base && port < d.base + d.bytes.length);
  const byte = (port: number) => at(port)?.bytes[port - at(port)!.base] ?? 0xff;
  const near = new Set(devices.flatMap((d) => Array.from({ length: d.bytes.length + 8 }, (_, i) => (d.base - 4 + i) & 0xffff)));
  let n = 0;
  // Twice, the second time from what was looked up before; forth and back, so that ports with the same low bits take turns.
  for (const list of [[...near], [...near].reverse()]) {
    for (const start of list) {
      for (const port of [start, start ^ 0x400]) {
        for (const size of [1, 2, 4]) {
          const bytes = Array.from({ length: size }, (_, i) => (port + i) & 0xffff), what = `${port.toString(16)}, ${size}`;
          // Registers of four bytes are looked at one at a time.
          const crosses = at(port)?.access.min === 4 && bytes.length > 1 && size < 4 && (port - at(port)!.base) % 4 + size > 4;
          if (crosses) continue;
          for (const d of devices) d.log.length = 0;
          const wanted = bytes.reduce((sum, p, i) => sum + byte(p) * 2 ** (8 * i), 0);
          assertEquals(ports.in(port, size), wanted, `in ${what}`);
          // What lies in one device goes there in the sizes that it has; what does not goes byte by byte.
          const d = at(port), inOne = d !== undefined && bytes.every((p, i) => at(p) === d && p === port + i);
          if (inOne) {
            const { min, max } = d.access, offset = port - d.base;
            const step = Math.min(size, max), seen = size < min ? [`${offset - offset % min}.${min}`] : [];
            if (size >= min) { for (let i = 0; i < size; i += step) seen.push(`${offset + i}.${step}`); }
            assertEquals(d.log.toSorted(), seen, `in ${what}`);
          } else {
            for (const other of new Set(bytes.map(at))) {
              for (const [i] of (other?.log ?? []).entries()) assert(other!.log[i].endsWith(`.${other!.access.min}`), `in ${what}`);
            }
          }
          const value = ((Math.imul(++n, 0x9e37_79b1) ^ 0xf0f0_f0f0) >>> 0) % 2 ** (8 * size),
            narrow = bytes.some((p) => (at(p)?.access.min ?? 1) > (inOne ? size : 1));
          if (narrow) continue;
          const before = devices.map((o) => o.bytes.slice());
          ports.out(port, size, value);
          bytes.forEach((p, i) => {
            const k = devices.indexOf(at(p)!);
            if (k >= 0) before[k][p - devices[k].base] = value >>> (8 * i);
          });
          assertEquals(devices.map((o) => o.bytes), before, `out ${what}`);
        }
      }
    }
  }
  assert(n > 1000, `${n}`);
});

Deno.test("a port that was looked up is looked up again when another device is there", async () => {
  const ports = await portsOf(), a = new Cells(0x50, 4, 1, 4), b = new Cells(0x70, 4, 1, 4);
  assertEquals([ports.in(0x50, 1), ports.in(0x50, 2), ports.in(0x50, 4)], [0xff, 0xffff, 0xffff_ffff]);
  ports.out(0x50, 4, 0);
  const region = ports.bus.mapBehind(0x50, 4, a, "a");
  assertEquals(ports.in(0x50, 1), a.bytes[0]);
  ports.bus.unmap(region);
  ports.bus.mapBehind(0x50, 4, b, "b");
  assertEquals([ports.in(0x50, 1), ports.in(0x51, 1)], [b.bytes[0], b.bytes[1]]);
});
