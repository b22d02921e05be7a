// Int 15h: system services: memory map, A20, block moves, waiting. Sources: IBM PS/2 and PC BIOS Interface Technical Reference,
// "INT 15H"; ACPI Specification 6.3, 15.1 (E820); Ralf Brown's Interrupt List, release 61.
// The pointing device and power management have files of their own.
import { apm } from "./apm.ts";
import { BDA, type BiosInterrupt, type Call, EBDA_SEGMENT, ROM_SEGMENT } from "./host.ts";
import { periodic } from "./int1a.ts";
import { pointingDevice } from "./mouse.ts";
import { PROTECT } from "./rom_code.ts";

const UNSUPPORTED = 0x86, MIB = 2 ** 20, SMAP = 0x534d_4150;
const PORT_92 = 0x92, PORT_92_A20 = 0x02;
/** The configuration table (AH=C0h): its offset in the ROM segment, and what it says: model FCh, two PICs, RTC, keyboard intercept. */
export const CONFIGURATION_AT = 0x7ee0;
export const CONFIGURATION = [8, 0, 0xfc, 0, 1, 0x74, 0x40, 0, 0, 0];

function fail(c: Call, status = UNSUPPORTED): void {
  c.ah = status;
  c.carry = true;
}
function ok(c: Call): void {
  c.ah = 0;
  c.carry = false;
}

/** Bytes of usable memory that begin at an address without a gap. */
function memoryFrom(c: Call, address: number): number {
  let end = address;
  for (const e of [...c.host.memoryMap].sort((a, b) => a.base - b.base)) {
    if (e.type === 1 && e.base <= end && e.base + e.length > end) end = e.base + e.length;
  }
  return end - address;
}

/** ACPI 15.1: one entry for each call; EBX is the next one's number, 0 after the last. */
function memoryMap(c: Call): void {
  const { host } = c, map = host.memoryMap, index = host.reg("ebx"), entry = map[index], room = host.reg("ecx");
  if (host.reg("edx") !== SMAP || !entry || room < 20) return fail(c);
  const block = new DataView(new ArrayBuffer(20));
  block.setBigUint64(0, BigInt(entry.base), true);
  block.setBigUint64(8, BigInt(entry.length), true);
  block.setUint32(16, entry.type, true);
  host.writeBytes(c.at(c.es, c.di), new Uint8Array(block.buffer));
  host.setReg("eax", SMAP);
  host.setReg("ebx", index + 1 < map.length ? index + 1 : 0);
  host.setReg("ecx", 20);
  c.carry = false;
}

/** KiB between 1 MiB and 16 MiB, and blocks of 64 KiB above. */
function twoSizes(c: Call): readonly [low: number, high: number] {
  const all = memoryFrom(c, MIB), below = Math.min(all, 15 * MIB);
  return [below / 1024, Math.floor(Math.min(all - below, 0xffff * 0x1_0000) / 0x1_0000)];
}

/** ES:SI has descriptors: the third is the source, the fourth the destination. */
function moveBlock(c: Call): void {
  const { host } = c, table = c.at(c.es, c.si), bytes = 2 * c.cx;
  const base = (at: number) => (host.read(at + 2, 4) & 0xff_ffff | host.read(at + 7, 1) << 24) >>> 0;
  if (c.cx > 0x8000) return fail(c, 1);
  host.writeBytes(base(table + 0x18), host.readBytes(base(table + 0x10), bytes));
  ok(c);
}

/** AH=86h: CX:DX microseconds. */
function wait(c: Call): void {
  const { state, nowNs } = c.host;
  if (state.waitUntilNs < 0) {
    state.waitUntilNs = nowNs + (c.cx * 0x1_0000 + c.dx) * 1000;
    periodic(c.host, true);
  }
  if (nowNs < state.waitUntilNs) return c.again();
  state.waitUntilNs = -1;
  periodic(c.host, c.host.state.eventAtNs >= 0);
  c.carry = false;
}

/** AH=83h: after CX:DX microseconds int 70h sets bit 7 of the byte at ES:BX. */
function event(c: Call): void {
  const { state, nowNs } = c.host;
  if (c.al > 1 || (c.al === 0 && state.eventAtNs >= 0)) return fail(c);
  state.eventAtNs = c.al === 0 ? nowNs + (c.cx * 0x1_0000 + c.dx) * 1000 : -1;
  if (c.al === 0) state.eventByte = c.at(c.es, c.bx);
  periodic(c.host, c.al === 0);
  c.carry = false;
}

/** Descriptor of the BIOS's code, and a table's entry for it: ROM segment, 64 KiB, 16 bits. */
const CODE_DESCRIPTOR = 0x38, CODE_LOW = 0x0000_ffff, CODE_HIGH = 0x0000_9b0f;

/** AH=89h: BH and BL are the first vectors of the two interrupt controllers; ES:SI the table of descriptors. */
function protect(c: Call): void {
  const { host } = c, table = c.at(c.es, c.si);
  host.out(PORT_92, 1, (host.in(PORT_92, 1) | PORT_92_A20) & ~1);
  for (const [port, vector, wiring] of [[0x20, c.bh, 0x04], [0xa0, c.bl, 0x02]]) {
    host.out(port, 1, 0x11);
    for (const v of [vector, wiring, 0x01, 0xff]) host.out(port + 1, 1, v);
  }
  host.write(table + CODE_DESCRIPTOR, 4, CODE_LOW);
  host.write(table + CODE_DESCRIPTOR + 4, 4, CODE_HIGH);
  c.jump(PROTECT);
}

function gateA20(c: Call): void {
  const { host } = c, value = host.in(PORT_92, 1);
  if (c.al === 0) host.out(PORT_92, 1, value & ~PORT_92_A20 & ~1);
  else if (c.al === 1) host.out(PORT_92, 1, (value | PORT_92_A20) & ~1);
  else if (c.al === 2) c.al = value & PORT_92_A20 ? 1 : 0;
  else if (c.al === 3) c.bx = 3; // by the keyboard controller and by port 0x92
  else return fail(c);
  ok(c);
}

export const int15: BiosInterrupt = {
  vector: 0x15,
  name: "system",
  functions: {
    "24": { name: "A20", call: gateA20 },
    "4f": { name: "key", call: (c) => c.carry = true },
    "52": { name: "eject", call: ok },
    "53": { name: "power management", call: apm },
    "83": { name: "event", call: event },
    "86": { name: "wait", call: wait },
    "87": { name: "move block", call: moveBlock },
    "88": {
      name: "extended memory",
      call: (c) => {
        c.ax = Math.min(memoryFrom(c, MIB) / 1024, 63 * 1024);
        c.carry = false;
      },
    },
    "89": { name: "protected mode", call: protect },
    "90": { name: "device busy", call: ok },
    "91": { name: "device ready", call: ok },
    "c0": {
      name: "configuration",
      call: (c) => {
        c.es = ROM_SEGMENT;
        c.bx = CONFIGURATION_AT;
        ok(c);
      },
    },
    "c1": {
      name: "EBDA",
      call: (c) => {
        c.es = c.host.read(BDA.EBDA, 2) || EBDA_SEGMENT;
        c.carry = false;
      },
    },
    "c2": { name: "pointing device", call: pointingDevice },
    "e801": {
      name: "memory sizes",
      call: (c) => {
        [c.ax, c.bx] = twoSizes(c);
        [c.cx, c.dx] = [c.ax, c.bx];
        c.carry = false;
      },
    },
    "e820": { name: "memory map", call: memoryMap },
    "e881": {
      name: "memory sizes",
      call: (c) => {
        const [low, high] = twoSizes(c);
        for (const name of ["eax", "ecx"] as const) c.host.setReg(name, low);
        for (const name of ["ebx", "edx"] as const) c.host.setReg(name, high);
        c.carry = false;
      },
    },
  },
  unknown: (c) => fail(c),
};
