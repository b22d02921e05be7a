// PCI at POST, and int 1Ah, AH=B1h: PCI BIOS.
// Sources: PCI BIOS Specification 2.1; addresses, interrupts and what else the chipset needs: as SeaBIOS 1.16 (src/fw/pciinit.c) leaves QEMU's
// `pc`. Not modelled: bridges, the protected-mode entry point, special cycles, setting interrupt lines (AX=B10Fh).
import { PM_BASE } from "../tables/mod.ts";
import type { BiosFunction, BiosHost, Call } from "./host.ts";

const ADDRESS = 0xcf8, DATA = 0xcfc, ENABLE = 0x8000_0000, SLOTS = 32, FUNCTIONS = 8;
const VENDOR = 0x00, COMMAND = 0x04, CLASS = 0x08, HEADER = 0x0e, BAR0 = 0x10, ROM_BAR = 0x30, LINE = 0x3c, PIN = 0x3d;
const MULTI_FUNCTION = 0x80, COMMAND_ON = 0x0103, IO = 1, IS_64 = 4, PREFETCHABLE = 8;
/** Ports are given out from here upwards; memory downwards from the I/O APIC. */
const IO_BASE = 0xc000, MEM_TOP = 0xfec0_0000;
/** Interrupt of each PIRQ: PIRQRC of the PIIX, and level-triggered in the 8259s. */
const PIRQ_IRQ = [10, 10, 11, 11], PIRQRC = 0x60, ELCR = 0x4d0;
/** Power management registers of the PIIX4. */
const SMB_BASE = 0x700, SCI_IRQ = 9;
export const NONE = 0xffff_ffff;

type Size = 1 | 2 | 4;

/** Reads a register of the function with this number (8 * device + function). */
export function readPci(host: BiosHost, devfn: number, at: number, size: Size): number {
  host.out(ADDRESS, 4, (ENABLE | devfn << 8 | at & 0xfc) >>> 0);
  return host.in(DATA + (at & 3), size);
}
export function writePci(host: BiosHost, devfn: number, at: number, size: Size, value: number): void {
  host.out(ADDRESS, 4, (ENABLE | devfn << 8 | at & 0xfc) >>> 0);
  host.out(DATA + (at & 3), size, value >>> 0);
}

/** Numbers of all functions on the bus. */
function functions(host: BiosHost): number[] {
  const out: number[] = [];
  for (let device = 0; device < SLOTS; device++) {
    if (readPci(host, 8 * device, VENDOR, 4) === NONE) continue;
    const count = readPci(host, 8 * device, HEADER, 1) & MULTI_FUNCTION ? FUNCTIONS : 1;
    for (let n = 0; n < count; n++) if (n === 0 || readPci(host, 8 * device + n, VENDOR, 4) !== NONE) out.push(8 * device + n);
  }
  return out;
}

/** What a chip needs beside addresses: by vendor and device. */
const CHIPS: Readonly<Record<number, (host: BiosHost, devfn: number) => void>> = {
  /** PIIX3: interrupts of the PIRQs. */
  0x7000_8086: (host, devfn) => {
    for (const [i, irq] of PIRQ_IRQ.entries()) writePci(host, devfn, PIRQRC + i, 1, irq);
    const levels = PIRQ_IRQ.reduce((bits, irq) => bits | 1 << irq, 0);
    host.out(ELCR, 1, levels & 0xff);
    host.out(ELCR + 1, 1, levels >> 8);
  },
  /** PIIX3 IDE: both channels are decoded. */
  0x7010_8086: (host, devfn) => writePci(host, devfn, 0x40, 4, 0x8000_8000),
  /** PIIX4 power management: addresses of its registers and of its SMBus. */
  0x7113_8086: (host, devfn) => {
    writePci(host, devfn, LINE, 1, SCI_IRQ);
    writePci(host, devfn, 0x40, 4, PM_BASE | 1);
    writePci(host, devfn, 0x80, 1, 1);
    writePci(host, devfn, 0x90, 4, SMB_BASE | 1);
    writePci(host, devfn, 0xd2, 1, 0x09);
  },
};

interface Range {
  readonly devfn: number;
  readonly at: number;
  readonly kind: "io" | "mem" | "prefetchable";
  readonly size: number;
}

/** Gives every function its addresses and its interrupt, and switches it on. A machine without PCI is left alone. */
export function startPci(host: BiosHost): void {
  const all = functions(host), ranges = all.flatMap((devfn) => rangesOf(host, devfn)).sort((a, b) => b.size - a.size);
  const of = (kind: Range["kind"]) => ranges.filter((r) => r.kind === kind);
  place(host, of("io"), IO_BASE);
  const mem = place(host, of("mem"), below(of("mem"), MEM_TOP));
  place(host, of("prefetchable"), below(of("prefetchable"), mem));
  for (const devfn of all) {
    const pin = readPci(host, devfn, PIN, 1);
    if (pin) writePci(host, devfn, LINE, 1, PIRQ_IRQ[(pin - 1 + (devfn >> 3) - 1) & 3]);
    CHIPS[readPci(host, devfn, VENDOR, 4)]?.(host, devfn);
    writePci(host, devfn, COMMAND, 2, readPci(host, devfn, COMMAND, 2) | COMMAND_ON);
  }
}

/** Where ranges begin that end at `top`: the largest has the strictest alignment. */
function below(ranges: readonly Range[], top: number): number {
  const total = ranges.reduce((n, r) => n + r.size, 0), align = ranges[0]?.size ?? 1;
  return Math.floor((top - total) / align) * align;
}

/** Writes addresses from `base` on, the largest range first; returns `base`. */
function place(host: BiosHost, ranges: readonly Range[], base: number): number {
  let next = base;
  for (const { devfn, at, size } of ranges) {
    writePci(host, devfn, at, 4, next);
    next += size;
  }
  return base;
}

/** Sizes of a function's BARs: the bits that ones do not stay in. */
function rangesOf(host: BiosHost, devfn: number): Range[] {
  const out: Range[] = [];
  for (let at = BAR0; at <= ROM_BAR; at += 4) {
    if (at > BAR0 + 20 && at < ROM_BAR) continue;
    const before = readPci(host, devfn, at, 4);
    writePci(host, devfn, at, 4, at === ROM_BAR ? 0xffff_f800 : NONE);
    const ones = readPci(host, devfn, at, 4);
    if (ones !== before) writePci(host, devfn, at, 4, before);
    const io = at !== ROM_BAR && (ones & IO) !== 0, bits = io ? ones & 0xfffc | 0xffff_0000 : ones & ~0xf;
    if (bits === (io ? 0xffff_0000 | 0 : 0)) continue;
    const kind = io ? "io" : at !== ROM_BAR && ones & PREFETCHABLE ? "prefetchable" : "mem";
    out.push({ devfn, at, kind, size: -bits >>> 0 });
    if (!io && ones & IS_64) at += 4;
  }
  return out;
}

const OK = 0x00, UNSUPPORTED = 0x81, BAD_VENDOR = 0x83, NOT_FOUND = 0x86, BAD_REGISTER = 0x87;

/** The number of a bus, device and function in BX. There is bus 0 only. */
function numbered(c: Call, then: (devfn: number) => number): number {
  return c.bh === 0 ? then(c.bl) : then(-1);
}

function find(c: Call, matches: (devfn: number) => boolean): number {
  const found = functions(c.host).filter(matches)[c.si];
  if (found === undefined) return NOT_FOUND;
  c.bx = found;
  return OK;
}

/** Serves a read or write of DI's register; a function that is not there reads as ones. */
function register(size: Size, access: (c: Call, devfn: number, at: number) => void): (c: Call) => number {
  return (c) => {
    const at = c.di;
    if (at >= 0x100 || at % size) return BAD_REGISTER;
    return numbered(c, (devfn) => {
      access(c, devfn, at);
      return OK;
    });
  };
}
const reading = (size: Size, put: (c: Call, value: number) => void) =>
  register(size, (c, devfn, at) => put(c, devfn < 0 ? 2 ** (8 * size) - 1 : readPci(c.host, devfn, at, size)));
const writing = (size: Size, take: (c: Call) => number) =>
  register(size, (c, devfn, at) => {
    if (devfn >= 0) writePci(c.host, devfn, at, size, take(c));
  });

/** By AL. */
const CALLS: Readonly<Record<string, readonly [name: string, serve: (c: Call) => number]>> = {
  "01": ["PCI BIOS present", (c) => {
    if (readPci(c.host, 0, VENDOR, 4) === NONE) return UNSUPPORTED;
    c.host.setReg("edx", 0x2049_4350); // "PCI "
    c.host.setReg("edi", 0);
    c.al = 0x01; // configuration mechanism 1
    c.bx = 0x0210;
    c.cl = 0;
    return OK;
  }],
  "02": ["find PCI device", (c) => {
    if (c.dx === 0xffff) return BAD_VENDOR;
    const id = (c.cx << 16 | c.dx) >>> 0;
    return find(c, (devfn) => readPci(c.host, devfn, VENDOR, 4) === id);
  }],
  "03": ["find PCI class", (c) => {
    const wanted = c.host.reg("ecx") & 0xff_ffff;
    return find(c, (devfn) => readPci(c.host, devfn, CLASS, 4) >>> 8 === wanted);
  }],
  "08": ["read PCI byte", reading(1, (c, v) => c.cl = v)],
  "09": ["read PCI word", reading(2, (c, v) => c.cx = v)],
  "0a": ["read PCI dword", reading(4, (c, v) => c.host.setReg("ecx", v))],
  "0b": ["write PCI byte", writing(1, (c) => c.cl)],
  "0c": ["write PCI word", writing(2, (c) => c.cx)],
  "0d": ["write PCI dword", writing(4, (c) => c.host.reg("ecx"))],
};

/** AH=B1h of int 1Ah. AH is the status, and carry says that it is no success. */
export const PCI_FUNCTIONS: Readonly<Record<string, BiosFunction>> = Object.fromEntries(
  Object.entries(CALLS).flatMap(([al, [name, serve]]) => {
    const f: BiosFunction = {
      name,
      call: (c) => {
        c.ah = serve(c);
        c.carry = c.ah !== OK;
      },
    };
    // 81h and so on are the same for callers in protected mode.
    return [[`b1${al}`, f], [`b1${(parseInt(al, 16) | 0x80).toString(16)}`, f]];
  }),
);
