// A disk. Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 5.2; what it leaves to the device, as QEMU's.
// Not modelled: zones, secure erase, SCSI commands (all three are not offered). What is discarded stays as it was, which 5.2.6 allows and QEMU does by default.
import { defineDevice, type Device, type DeviceEnv, type DevicePorts } from "../../core/device.ts";
import type { Disk } from "../../core/disk.ts";
import type { Config } from "../../core/schema.ts";
import { DISK_KEYS, SLOT_KEYS } from "../virtio_mmio.ts";
import type { Model, VirtioDevice } from "./device.ts";
import { SLOT_TYPE, virtioDevice } from "./mmio.ts";
import { type Chain, Malformed } from "./queue.ts";

const keys = { ...SLOT_KEYS, ...DISK_KEYS };

export default defineDevice({
  type: "virtio.blk",
  doc: "A virtio disk.",
  spec: "Virtual I/O Device (VIRTIO) Version 1.2, 5.2",
  keys,
  drives: ["disk"],
  padsDrives: true,
  ...SLOT_TYPE,
  create: createDisk,
});

export function createDisk(env: DeviceEnv, config: Config<typeof keys>, ports: DevicePorts): Device {
  return virtioDevice(env, config, ports, (device) => new Blk(device, ports.drives?.disk?.disk, config.serial, config.queues));
}

const SECTOR = 512, HEADER = 16;
/** Entries of a queue unless the driver chooses; and how many buffers of data fit beside header and status. */
const ENTRIES = 256, SEGMENTS = ENTRIES - 2;
/** Bytes of a disk that are moved at once. */
const PIECE = 1 << 20;

const SEG_MAX = 1 << 2, GEOMETRY = 1 << 4, READONLY = 1 << 5, BLK_SIZE = 1 << 6, FLUSH = 1 << 9, TOPOLOGY = 1 << 10, CONFIG_WCE = 1 << 11;
const MQ = 1 << 12, DISCARD = 1 << 13, WRITE_ZEROES = 1 << 14;

const OK = 0, IOERR = 1, UNSUPP = 2;
/** Bytes of the identity, of a range to be discarded, and the most sectors of one. */
const ID_BYTES = 20, RANGE = 16, MOST_SECTORS = 0x3f_ffff, UNMAP = 1;
/** The driver chooses between write-back and write-through in this byte of the configuration. */
const WRITEBACK = 32, CONFIG_BYTES = 57;

/** A request of which a part is done. */
interface Job {
  readonly chain: Chain;
  readonly type: number;
  /** Bytes of the disk that it is about. */
  readonly from: number;
  readonly length: number;
  readonly status: number;
  done: number;
}
const powerOn = (queues: number) => ({
  writeback: true,
  /** By queue. */
  jobs: Array<Job | undefined>(queues).fill(undefined),
});

/** Bytes of the disk that a request is about, or the status that it ends with at once. */
type Begun = { readonly from: number; readonly length: number } | number;
interface Request {
  readonly name: string;
  readonly writes?: boolean;
  begin(b: Blk, chain: Chain, sector: number): Begun;
  /** Does so many bytes of it. */
  piece?(b: Blk, disk: Disk, job: Job, bytes: number): void;
}

const REQUESTS: Readonly<Record<number, Request>> = {
  0: {
    name: "read",
    begin: (b, chain, sector) => b.range(sector, chain.inBytes - 1),
    piece: ({ device }, disk, { chain, from, done }, bytes) =>
      device.writeIn(chain, done, disk.read((from + done) / SECTOR, bytes / SECTOR)!),
  },
  1: {
    name: "write",
    writes: true,
    begin: (b, chain, sector) => b.range(sector, chain.outBytes - HEADER),
    piece: ({ device }, disk, { chain, from, done }, bytes) =>
      void disk.write((from + done) / SECTOR, device.readOut(chain, HEADER + done, bytes)),
  },
  4: {
    name: "flush",
    begin: ({ disk }) => {
      disk?.flush();
      return OK;
    },
  },
  8: {
    name: "get identity",
    begin: ({ device, serial }, chain) => {
      device.writeIn(chain, 0, new TextEncoder().encode(serial.padEnd(ID_BYTES, "\0")).subarray(0, chain.inBytes - 1));
      return OK;
    },
  },
  11: {
    name: "discard",
    writes: true,
    begin: (b, chain) => {
      const range = b.rangeIn(chain, 0);
      return typeof range === "number" ? range : OK;
    },
  },
  13: {
    name: "write zeroes",
    writes: true,
    begin: (b, chain) => b.rangeIn(chain, UNMAP),
    piece: ({ device }, disk, { from, done }, bytes) => {
      device.budget -= bytes;
      writeZeroes(disk, (from + done) / SECTOR, bytes / SECTOR);
    },
  },
};

/** What is zero already is not written: it would take memory. */
function writeZeroes(disk: Disk, lba: number, count: number): void {
  const now = disk.read(lba, count)!, zeros = new Uint8Array(SECTOR);
  for (let i = 0; i < count; i++) {
    if (now.subarray(i * SECTOR, (i + 1) * SECTOR).some((byte) => byte !== 0)) disk.write(lba + i, zeros);
  }
}

export class Blk implements Model<ReturnType<typeof powerOn>> {
  state: ReturnType<typeof powerOn>;
  readonly deviceId = 2;
  readonly queues: readonly number[];
  readonly features: number;

  constructor(readonly device: VirtioDevice, readonly disk: Disk | undefined, readonly serial: string, queues: number) {
    this.queues = Array<number>(queues).fill(ENTRIES);
    this.state = powerOn(queues);
    this.features = SEG_MAX | GEOMETRY | BLK_SIZE | FLUSH | TOPOLOGY | CONFIG_WCE | DISCARD | WRITE_ZEROES | (queues > 1 ? MQ : 0) |
      (this.readonly ? READONLY : 0);
  }
  /** A drive that is empty is one that cannot be written. */
  get readonly(): boolean {
    return this.disk?.readonly ?? true;
  }
  get sectors(): number {
    return this.disk?.sectors ?? 0;
  }

  reset(): void {
    this.state = powerOn(this.queues.length);
  }

  /** 5.2.4. */
  get config(): Uint8Array {
    const out = new Uint8Array(CONFIG_BYTES), v = new DataView(out.buffer), g = this.disk?.geometry;
    v.setBigUint64(0, BigInt(this.sectors), true);
    v.setUint32(12, SEGMENTS, true);
    v.setUint16(16, g?.cylinders ?? 0, true);
    out[18] = g?.heads ?? 0;
    out[19] = g?.sectors ?? 0;
    v.setUint32(20, SECTOR, true);
    out[WRITEBACK] = this.state.writeback ? 1 : 0;
    v.setUint16(34, this.queues.length, true);
    v.setUint32(36, MOST_SECTORS, true);
    v.setUint32(40, 1, true);
    v.setUint32(44, 1, true);
    v.setUint32(48, MOST_SECTORS, true);
    v.setUint32(52, 1, true);
    out[56] = 1;
    return out;
  }
  configure(at: number, bytes: Uint8Array): void {
    const value = bytes[WRITEBACK - at];
    if (value !== undefined && this.device.has(CONFIG_WCE)) this.#cache(value !== 0);
  }
  /** 5.2.5.1, 5.2.5.2: a driver that knows nothing of flushes gets a disk that needs none. */
  negotiated(): void {
    this.#cache(this.device.has(CONFIG_WCE) || this.device.has(FLUSH));
  }
  #cache(writeback: boolean): void {
    if (this.state.writeback && !writeback) this.disk?.flush();
    this.state.writeback = writeback;
  }

  serve(queue: number): boolean {
    const { device, state: { jobs } } = this;
    let ended = false;
    while (device.budget >= 0) {
      const job = jobs[queue] ??= this.#begin(queue);
      if (!job) break;
      if (job.done < job.length) this.#piece(job);
      if (job.done < job.length) continue;
      jobs[queue] = undefined;
      this.#end(queue, job);
      ended = true;
    }
    if (ended) device.tell(queue);
    return device.budget < 0;
  }

  /** Takes the next request of a queue. */
  #begin(queue: number): Job | undefined {
    const { device } = this, chain = device.pop(queue);
    if (!chain) return undefined;
    if (chain.outBytes < HEADER || chain.inBytes < 1) throw new Malformed("a request of a disk without its header or its status");
    const header = new DataView(device.readOut(chain, 0, HEADER).buffer), type = header.getUint32(0, true);
    const sector = header.getUint32(12, true) * 2 ** 32 + header.getUint32(8, true), request = REQUESTS[type];
    device.env.log("trace", () => `${request?.name ?? `request ${type}`}, sector ${sector}`);
    const begun = !request ? UNSUPP : request.writes && this.readonly ? IOERR : request.begin(this, chain, sector);
    return { chain, type, done: 0, ...(typeof begun === "number" ? { from: 0, length: 0, status: begun } : { ...begun, status: OK }) };
  }
  #piece(job: Job): void {
    const bytes = Math.min(PIECE, job.length - job.done);
    REQUESTS[job.type].piece!(this, this.disk!, job, bytes);
    job.done += bytes;
  }
  /** The status is the last byte that the device writes. */
  #end(queue: number, { chain, type, status }: Job): void {
    if (REQUESTS[type]?.writes && !this.state.writeback) this.disk?.flush();
    this.device.writeIn(chain, chain.inBytes - 1, Uint8Array.of(status));
    this.device.push(queue, chain, chain.inBytes);
  }

  /** Whole sectors that the disk has. */
  range(sector: number, length: number): Begun {
    return length % SECTOR || sector + length / SECTOR > this.sectors ? IOERR : { from: sector * SECTOR, length };
  }
  /** The range that a request names in its data, of which there is one (5.2.6.2); `flags`: those that it may have. */
  rangeIn(chain: Chain, flags: number): Begun {
    const bytes = this.device.readOut(chain, HEADER, RANGE), v = new DataView(bytes.buffer);
    if (chain.outBytes !== HEADER + RANGE || v.getUint32(12, true) & ~flags) return UNSUPP;
    const sectors = v.getUint32(8, true);
    return sectors > MOST_SECTORS ? IOERR : this.range(v.getUint32(4, true) * 2 ** 32 + v.getUint32(0, true), sectors * SECTOR);
  }
}
