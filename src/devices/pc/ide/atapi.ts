// The packet commands of a CD drive.
// Sources: INF-8020i (ATA Packet Interface for CD-ROMs, revision 2.6), 10; MMC-3 (T10/1363-D revision 10g), 5 and 6; SPC-3 (T10/1416-D), 6.
// Not modelled: audio, raw sectors, sub-channels, the full table of contents, several sessions, changing the disc.
import type { Disk } from "../../../core/disk.ts";

export const cdPowerOn = () => ({
  /** Sense key, additional sense code and its qualifier. */
  sense: [0, 0, 0] as [number, number, number],
  locked: false,
  open: false,
});
export type CdState = ReturnType<typeof cdPowerOn>;

/** What becomes of a packet: bytes for the host, bytes of the disc, nothing, or an error that REQUEST SENSE explains. */
export type PacketOutcome =
  | { readonly reply: Uint8Array }
  | { readonly from: number; readonly length: number }
  | "done"
  | { readonly sense: readonly [key: number, code: number, qualifier: number] };

const NOT_READY = 2, ILLEGAL_REQUEST = 5;
const fail = (key: number, code: number, qualifier = 0): PacketOutcome => ({ sense: [key, code, qualifier] });
const INVALID_COMMAND = fail(ILLEGAL_REQUEST, 0x20),
  OUT_OF_RANGE = fail(ILLEGAL_REQUEST, 0x21),
  INVALID_FIELD = fail(ILLEGAL_REQUEST, 0x24);
const NO_MEDIUM = fail(NOT_READY, 0x3a), LOCKED = fail(ILLEGAL_REQUEST, 0x53, 0x02);

const BLOCK = 2048;
/** Blocks of the largest CD; what is larger is a DVD. */
const CD_BLOCKS = 80 * 60 * 75;
const PROFILE_CD = 0x08, PROFILE_DVD = 0x10;
const TRACK = 0x14, LEAD_OUT = 0xaa;

interface Packet {
  readonly cdb: DataView;
  readonly cd: CdState;
  /** The disc, while the tray is closed. */
  readonly disk: Disk | undefined;
}
/** Name, and what it does; `ready`: there must be a disc. */
interface Command {
  readonly name: string;
  readonly ready?: boolean;
  run(p: Packet): PacketOutcome;
}

/** Bytes of a reply, no more than the command allows. */
const reply = (bytes: readonly number[] | Uint8Array, limit: number): PacketOutcome => ({
  reply: Uint8Array.from(bytes).subarray(0, limit),
});
const be16 = (n: number) => [n >> 8 & 0xff, n & 0xff];
const be32 = (n: number) => [n >>> 24, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff];
const ascii = (text: string, length: number) => [...text.padEnd(length)].map((c) => c.charCodeAt(0));

function read({ disk }: Packet, lba: number, blocks: number): PacketOutcome {
  if (lba + blocks > disk!.sectors) return OUT_OF_RANGE;
  return blocks ? { from: lba * BLOCK, length: blocks * BLOCK } : "done";
}

function toc({ cdb, disk }: Packet): PacketOutcome {
  const msf = !!(cdb.getUint8(1) & 2),
    format = cdb.getUint8(2) & 0xf || cdb.getUint8(9) >> 6,
    track = cdb.getUint8(6),
    limit = cdb.getUint16(7);
  const address = (lba: number) => {
    if (!msf) return be32(lba);
    const frames = lba + 150;
    return [0, Math.floor(frames / 4500), Math.floor(frames / 75) % 60, frames % 75];
  };
  if (format === 1) return reply([...be16(10), 1, 1, 0, TRACK, 1, 0, ...address(0)], limit);
  if (format !== 0 || (track > 1 && track !== LEAD_OUT)) return INVALID_FIELD;
  const entries = [
    ...(track <= 1 ? [0, TRACK, 1, 0, ...address(0)] : []),
    ...[0, TRACK, LEAD_OUT, 0, ...address(disk!.sectors)],
  ];
  return reply([...be16(entries.length + 2), 1, 1, ...entries], limit);
}

function modeSense({ cdb, cd, disk }: Packet): PacketOutcome {
  const page = cdb.getUint8(2) & 0x3f, all = page === 0x3f;
  // Changeable values (1) are none; saved values (3) there are not.
  const which = cdb.getUint8(2) >> 6;
  if (which === 3) return fail(ILLEGAL_REQUEST, 0x39);
  const pages = [
    ...(all || page === 0x01 ? [0x01, 6, 0, 5, 0, 0, 0, 0] : []),
    // Reads CD-R, CD-RW, DVD; can be locked, ejects by itself; 50 times the speed of a CD, 512 KiB of buffer.
    ...(all || page === 0x2a
      ? [
        0x2a,
        20,
        0x3b,
        0,
        0x70,
        0,
        0x29 | (cd.locked ? 2 : 0),
        0,
        ...be16(8820),
        ...be16(2),
        ...be16(512),
        ...be16(8820),
        0,
        0,
        0,
        0,
        0,
        0,
      ]
      : []),
  ];
  if (pages.length === 0) return INVALID_FIELD;
  return reply([...be16(pages.length + 6), disk ? 0x01 : 0x70, 0, 0, 0, 0, 0, ...pages], cdb.getUint16(7));
}

function configuration({ cdb, disk }: Packet): PacketOutcome {
  const kind = cdb.getUint8(1) & 3, first = cdb.getUint16(2), limit = cdb.getUint16(7);
  const current = !disk ? 0 : disk.sectors > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
  const profile = (n: number) => [...be16(n), n === current ? 1 : 0, 0];
  const features: [number, number[]][] = [
    [0, [0x03, 8, ...profile(PROFILE_DVD), ...profile(PROFILE_CD)]],
    [1, [0x0b, 8, ...be32(2), 1, 0, 0, 0]], // core: ATAPI
    [3, [0x03, 4, 0x29, 0, 0, 0]], // removable: a tray, lockable, ejects
  ];
  const chosen = features.filter(([n]) => kind === 2 ? n === first : n >= first).flatMap(([n, bytes]) => [...be16(n), ...bytes]);
  return reply([...be32(chosen.length + 4), 0, 0, ...be16(current), ...chosen], limit);
}

function eventStatus({ cdb, cd, disk }: Packet): PacketOutcome {
  if (!(cdb.getUint8(1) & 1)) return INVALID_FIELD; // asynchronous
  const limit = cdb.getUint16(7);
  if (!(cdb.getUint8(4) & 0x10)) return reply([0, 0, 0x80, 0x10], limit);
  return reply([0, 4, 4, 0x10, 0, (cd.open ? 1 : 0) | (disk ? 2 : 0), 0, 0], limit);
}

function startStop({ cdb, cd }: Packet): PacketOutcome {
  const how = cdb.getUint8(4);
  if (!(how & 2)) return "done";
  if (!(how & 1) && cd.locked) return LOCKED;
  cd.open = !(how & 1);
  return "done";
}

function readCd(p: Packet): PacketOutcome {
  const { cdb } = p, blocks = cdb.getUint16(6) * 256 + cdb.getUint8(8), what = cdb.getUint8(9) & 0xf8;
  if (what === 0) return "done";
  return what === 0x10 ? read(p, cdb.getUint32(2), blocks) : INVALID_FIELD;
}

const COMMANDS: Readonly<Record<number, Command>> = {
  0x00: { name: "test unit ready", ready: true, run: () => "done" },
  0x03: {
    name: "request sense",
    run: ({ cdb, cd }) => {
      const [key, code, qualifier] = cd.sense;
      cd.sense = [0, 0, 0];
      return reply([0xf0, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0], cdb.getUint8(4));
    },
  },
  0x12: {
    name: "inquiry",
    run: ({ cdb }) => {
      if (cdb.getUint8(1) & 1) return INVALID_FIELD; // vital product data
      return reply([5, 0x80, 0, 0x21, 31, 0, 0, 0, ...ascii("BRINGUP", 8), ...ascii("CD-ROM", 16), ...ascii("1.0", 4)], cdb.getUint8(4));
    },
  },
  0x1b: { name: "start stop unit", run: startStop },
  0x1e: {
    name: "prevent allow medium removal",
    run: ({ cdb, cd }) => {
      cd.locked = !!(cdb.getUint8(4) & 1);
      return "done";
    },
  },
  0x25: { name: "read capacity", ready: true, run: ({ disk }) => reply([...be32(disk!.sectors - 1), ...be32(BLOCK)], 8) },
  0x28: { name: "read (10)", ready: true, run: (p) => read(p, p.cdb.getUint32(2), p.cdb.getUint16(7)) },
  0x2b: { name: "seek", ready: true, run: ({ cdb, disk }) => cdb.getUint32(2) < disk!.sectors ? "done" : OUT_OF_RANGE },
  0x43: { name: "read toc", ready: true, run: toc },
  0x46: { name: "get configuration", run: configuration },
  0x4a: { name: "get event status", run: eventStatus },
  0x51: {
    name: "read disc information",
    ready: true,
    run: ({ cdb }) => reply([...be16(32), 0x0e, 1, 1, 1, 1, 0x20, ...Array<number>(26).fill(0)], cdb.getUint16(7)),
  },
  0x5a: { name: "mode sense (10)", run: modeSense },
  0xa8: { name: "read (12)", ready: true, run: (p) => read(p, p.cdb.getUint32(2), p.cdb.getUint32(6)) },
  0xbd: { name: "mechanism status", run: ({ cdb }) => reply([0, 0, 0, 0, 0, 1, 0, 0], cdb.getUint16(8)) },
  0xbe: { name: "read cd", ready: true, run: readCd },
};

/** Carries out a packet of 12 bytes; an error is noted for REQUEST SENSE. */
export function packet(cdb: Uint8Array, cd: CdState, disk: Disk | undefined): PacketOutcome {
  const command = COMMANDS[cdb[0]], disc = cd.open ? undefined : disk;
  const outcome = !command
    ? INVALID_COMMAND
    : command.ready && !disc
    ? NO_MEDIUM
    : command.run({ cdb: new DataView(cdb.buffer, cdb.byteOffset, cdb.length), cd, disk: disc });
  // Any command but REQUEST SENSE begins with a clean slate.
  if (outcome !== "done" && "sense" in outcome) cd.sense = [...outcome.sense];
  else if (cdb[0] !== 0x03) cd.sense = [0, 0, 0];
  return outcome;
}

/** "read (10)", for traces. */
export const packetName = (cdb: Uint8Array) => COMMANDS[cdb[0]]?.name ?? `packet ${cdb[0].toString(16).padStart(2, "0")}h`;
