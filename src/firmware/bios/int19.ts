// Int 19h and 18h: looks for a boot sector and starts it. Sources: BIOS Boot Specification 1.01 (January 1996), 6 and appendix D.
// Not modelled: network boot, El Torito.
import { BDA, type BiosHost, type BiosInterrupt, type Call } from "./host.ts";
import { diskOf } from "./int13.ts";
import { teletype } from "./video_text.ts";

const BOOT_SECTOR = 0x7c00, SIGNATURE = 0xaa55;
/** IF, and the bit that is always set. */
const FLAGS = 0x0202;

/** Drive numbers in the order in which they are tried. */
const ORDER = [0x00, 0x80, 0x81];

/** Starts the first disk from `state.bootNext` on that has a boot sector; says so and stops for good when there is none. */
function boot(c: Call): void {
  const { host } = c;
  while (host.state.bootNext < ORDER.length) {
    const drive = ORDER[host.state.bootNext++], sector = diskOf(c, drive)?.read(0, 1);
    if (!sector || (sector[510] | sector[511] << 8) !== SIGNATURE) continue;
    host.log("sbi", () => `booting from drive 0x${drive.toString(16)}`);
    host.writeBytes(BOOT_SECTOR, sector.subarray(0, 512));
    for (const name of ["eax", "ebx", "ecx", "esi", "edi", "ebp"] as const) host.setReg(name, 0);
    host.setReg("eax", SIGNATURE);
    host.setReg("edx", drive);
    for (const name of ["ds", "es"] as const) host.setSegment(name, 0);
    startAt(c, BOOT_SECTOR);
    return;
  }
  print(host, "No bootable device.\r\n");
  c.halt();
}

/** The stub's IRET goes to 0000:ip, with an empty stack below it. */
function startAt(c: Call, ip: number): void {
  const { host } = c;
  host.setSegment("ss", 0);
  host.setReg("esp", ip - 8);
  for (const [i, v] of [ip, 0, FLAGS].entries()) host.write(ip - 6 + 2 * i, 2, v);
  c.done();
}

export function print(host: BiosHost, text: string): void {
  for (const character of text) teletype(host, host.read(BDA.PAGE, 1), character.charCodeAt(0), 7);
}

export const int18: BiosInterrupt = { vector: 0x18, name: "boot failed", functions: {}, unknown: boot };
export const int19: BiosInterrupt = {
  vector: 0x19,
  name: "boot",
  functions: {},
  unknown: (c) => {
    c.host.state.bootNext = 0;
    boot(c);
  },
};
