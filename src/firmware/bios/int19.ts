// Int 19h and 18h: looks for a boot sector and starts it. Sources: BIOS Boot Specification 1.01 (January 1996), 6 and appendix D.
// Not modelled: network boot.
import { BDA, type BiosHost, type BiosInterrupt, type Call } from "./host.ts";
import { countDrives, loadBootImage } from "./el_torito.ts";
import { diskOf } from "./int13.ts";
import { teletype } from "./video_text.ts";

const BOOT_SECTOR = 0x7c00, SIGNATURE = 0xaa55;
/** IF, and the bit that is always set. */
const FLAGS = 0x0202;

/** Loads what a disk is booted with: where to go on and the number of the drive for DL. Undefined: it cannot be booted. */
function load(c: Call, number: number): { readonly address: number; readonly drive: number } | undefined {
  const { host } = c, disk = diskOf(c, number);
  if (disk?.kind === "cd") {
    const booted = host.state.booted = loadBootImage(host, disk, number);
    if (!booted) return undefined;
    if (booted.active) countDrives(host, booted.drive, 1);
    return { address: booted.segment * 16, drive: booted.drive };
  }
  const sector = disk?.read(0, 1);
  if (!sector || (sector[510] | sector[511] << 8) !== SIGNATURE) return undefined;
  host.writeBytes(BOOT_SECTOR, sector);
  return { address: BOOT_SECTOR, drive: number };
}

/** Starts the first disk from `state.bootNext` on that has a boot sector; says so and stops for good when there is none. */
function boot(c: Call): void {
  const { host } = c;
  while (host.state.bootNext < host.bootOrder.length) {
    const number = host.bootOrder[host.state.bootNext++], loaded = load(c, number);
    if (!loaded) continue;
    host.log("sbi", () => `booting from drive 0x${number.toString(16)}`);
    for (const name of ["eax", "ebx", "ecx", "esi", "edi", "ebp"] as const) host.setReg(name, 0);
    host.setReg("eax", SIGNATURE);
    host.setReg("edx", loaded.drive);
    for (const name of ["ds", "es"] as const) host.setSegment(name, 0);
    startAt(c, loaded.address);
    return;
  }
  print(host, "No bootable device.\r\n");
  c.halt();
}

/** The stub's IRET goes there, with an empty stack below the place of a boot sector. */
function startAt(c: Call, address: number): void {
  const { host } = c, cs = address > 0xffff ? address >> 4 & 0xf000 : 0;
  host.setSegment("ss", 0);
  host.setReg("esp", BOOT_SECTOR - 8);
  for (const [i, v] of [address - cs * 16, cs, FLAGS].entries()) host.write(BOOT_SECTOR - 6 + 2 * i, 2, v);
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
    const { state } = c.host;
    if (state.booted?.active) countDrives(c.host, state.booted.drive, -1);
    Object.assign(state, { bootNext: 0, booted: undefined });
    boot(c);
  },
};
