// One drive of an IDE channel: its registers' bits, its state, and what it is.
// Source: ATA/ATAPI-7 (T13/1532D revision 4b), volume 1, 5.
import type { Disk, Geometry } from "../../../core/disk.ts";
import { cdPowerOn } from "./atapi.ts";
import { MULTIPLE_MAX } from "./identify.ts";

/** Bits of the status, error and device registers. */
export const BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, ERR = 0x01;
export const ABRT = 0x04, IDNF = 0x10;
export const LBA = 0x40, SLAVE = 0x10;
export const SECTOR = 512;

/** What the drive waits for. */
export type Phase = "idle" | "busy" | "in" | "out" | "packet" | "dma";

export const drivePowerOn = (cd: boolean, geometry: Geometry = { cylinders: 0, heads: 0, sectors: 0 }) => ({
  // Registers are two deep; the older byte is in bits 8 to 15.
  feature: 0,
  count: 0x01,
  low: 0x01,
  mid: cd ? 0x14 : 0,
  high: cd ? 0xeb : 0,
  device: 0,
  /** Power-on leaves the result of the diagnostics: passed. */
  error: 0x01,
  status: cd ? 0 : DRDY | DSC,
  /** The command under way, or the last one. */
  command: 0,
  phase: "idle" as Phase,
  /** What the data port is filled from or goes to, and how far it is. */
  data: new Uint8Array(),
  at: 0,
  /** The rest of the transfer: bytes of the disk from `from` on, or of `reply`. */
  from: 0,
  left: 0,
  reply: undefined as Uint8Array | undefined,
  /** Bytes for each interrupt. */
  block: SECTOR,
  heads: geometry.heads,
  sectors: geometry.sectors,
  multiple: MULTIPLE_MAX,
  transferMode: 0,
  writeCache: true,
  cd: cdPowerOn(),
});
export type DriveState = ReturnType<typeof drivePowerOn>;

/** A drive that is there. */
export interface Unit {
  readonly cd: boolean;
  readonly disk: Disk | undefined;
  readonly serial: string;
}
