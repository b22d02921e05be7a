// Guest memory as a report reads it: without side effects, and devices never.
import type { Bus } from "../../core/bus.ts";
import type { Cpu } from "../../core/cpu.ts";

/** A byte of RAM or ROM at a physical address. */
export function physicalByte(bus: Bus, paddr: number): number | undefined {
  const region = bus.find(paddr);
  return region?.bytes?.[paddr - region.base];
}

/** A byte at the address that a processor would use now. */
export function byteAt(cpu: Pick<Cpu, "translate">, bus: Bus, address: bigint): number | undefined {
  const paddr = cpu.translate(address, "read");
  return paddr === undefined ? undefined : physicalByte(bus, paddr);
}

/** A little-endian word of so many bytes. */
export function wordAt(cpu: Pick<Cpu, "translate">, bus: Bus, address: bigint, bytes: number): bigint | undefined {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) {
    const byte = byteAt(cpu, bus, BigInt.asUintN(64, address + BigInt(i)));
    if (byte === undefined) return undefined;
    value = value << 8n | BigInt(byte);
  }
  return value;
}
