// One channel of the IDE controller with its two drives: registers, the protocols of commands, and its half of the bus master.
// Sources: ATA/ATAPI-7 (T13/1532D revision 4b), volume 2, 11 (reset, PIO, DMA, PACKET); Programming Interface for Bus Master IDE Controller 1.0
// (Intel, 1994). An absent drive reads as zeros, as in QEMU. A command takes 1 us, and so does each block that asks for another interrupt.
import type { BusTarget, Size } from "../../../core/bus.ts";
import type { Alarm } from "../../../core/clock.ts";
import type { DeviceEnv } from "../../../core/device.ts";
import type { Disk } from "../../../core/disk.ts";
import { BusFault } from "../../../core/errors.ts";
import type { IrqLine } from "../../../core/irq.ts";
import { packet, packetName } from "./atapi.ts";
import { CD_COMMANDS, type CommandChannel, DISK_COMMANDS, isWrite, lbaOf, setLba } from "./commands.ts";
import { ABRT, BSY, DRDY, drivePowerOn, type DriveState, DRQ, DSC, ERR, IDNF, SECTOR, SLAVE, type Unit } from "./drive.ts";

const DATA = 0, ERROR = 1, COUNT = 2, LOW = 3, MID = 4, HIGH = 5, DEVICE = 6, STATUS = 7;
const DEVICE_ONES = 0xa0;
const CONTROL_HOB = 0x80, CONTROL_RESET = 0x04, CONTROL_NO_IRQ = 0x02;
/** Interrupt reasons of PACKET, in the count register. */
const REASON_COMMAND = 0x01, REASON_IN = 0x02;
const BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4;
const BM_START = 0x01, BM_TO_MEMORY = 0x08, BM_ACTIVE = 0x01, BM_FAILED = 0x02, BM_INTERRUPT = 0x04, BM_DRIVES = 0x60;
/** A descriptor table may not cross 64 KiB. */
const DESCRIPTORS = 0x1_0000 / 8;
const COMMAND_NS = 1000;
/** Bytes of a read that the bus master moves at a time. */
const PIECE = 8 << 20;

const channelPowerOn = (drives: readonly (Unit | undefined)[]) => ({
  selected: 0,
  control: 0,
  /** INTRQ, before it is masked. */
  irq: false,
  /** A software reset is under way. */
  resetting: false,
  /** When the drive that is busy is done, in ticks, or -1; and which one it is. */
  dueAt: -1,
  due: 0,
  bmCommand: 0,
  bmStatus: 0,
  bmTable: 0,
  /** The descriptor with which a long transfer goes on. */
  bmNext: 0,
  drives: drives.map((u) => drivePowerOn(u?.cd ?? false, u?.disk?.geometry)),
});
export type ChannelState = ReturnType<typeof channelPowerOn>;

/** Bytes of a wide access to registers of one byte, the lowest first. */
export const bytewise = (size: Size, byte: (i: number) => number): number => {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + byte(i);
  return value;
};

export class Channel implements CommandChannel {
  state: ChannelState;
  readonly #alarm: Alarm;

  readonly commandBlock: BusTarget = {
    access: { min: 1, max: 4 },
    read: (offset, size) => offset === DATA ? this.#readData(size) : bytewise(size, (i) => this.#read(offset + i)),
    write: (offset, size, value) => {
      if (offset === DATA) this.#writeData(size, value);
      else for (let i = 0; i < size; i++) this.#write(offset + i, value >>> 8 * i & 0xff);
    },
  };
  readonly controlBlock: BusTarget = {
    access: { min: 1, max: 1 },
    read: () => this.#status(),
    write: (_offset, _size, value) => this.#writeControl(value),
  };

  constructor(readonly env: DeviceEnv, name: string, readonly units: readonly (Unit | undefined)[], readonly line: IrqLine) {
    this.state = channelPowerOn(units);
    this.#alarm = env.alarm(name, () => this.#isDue());
  }

  reset(): void {
    this.state = channelPowerOn(this.units);
    this.#alarm.cancel();
    this.#updateLine();
  }

  restored(state: ChannelState): void {
    this.state = state;
    if (state.dueAt < 0) this.#alarm.cancel();
    else this.#alarm.scheduleAt(state.dueAt);
    this.#updateLine();
  }

  // Registers

  get #unit(): Unit | undefined {
    return this.units[this.state.selected];
  }
  get #drive(): DriveState {
    return this.state.drives[this.state.selected];
  }

  #status(): number {
    return this.#unit ? this.#drive.status : 0;
  }

  #read(offset: number): number {
    if (!this.#unit) return 0;
    const d = this.#drive, byte = (register: number) => this.state.control & CONTROL_HOB ? register >> 8 : register & 0xff;
    switch (offset) {
      case ERROR:
        return d.error;
      case COUNT:
        return byte(d.count);
      case LOW:
        return byte(d.low);
      case MID:
        return byte(d.mid);
      case HIGH:
        return byte(d.high);
      case DEVICE:
        return d.device | DEVICE_ONES;
      case STATUS:
        this.#setIrq(false);
        return d.status;
      default:
        return 0; // the rest of a wide access that began before the data port's end
    }
  }

  #write(offset: number, value: number): void {
    const { state } = this;
    if (offset === STATUS) return this.#command(value);
    state.control &= ~CONTROL_HOB;
    if (this.#status() & (BSY | DRQ)) return;
    if (offset === DEVICE) state.selected = value & SLAVE ? 1 : 0;
    // Both drives listen.
    for (const d of state.drives) {
      switch (offset) {
        case ERROR:
          d.feature = (d.feature << 8 | value) & 0xffff;
          break;
        case COUNT:
          d.count = (d.count << 8 | value) & 0xffff;
          break;
        case LOW:
          d.low = (d.low << 8 | value) & 0xffff;
          break;
        case MID:
          d.mid = (d.mid << 8 | value) & 0xffff;
          break;
        case HIGH:
          d.high = (d.high << 8 | value) & 0xffff;
          break;
        case DEVICE:
          d.device = value;
      }
    }
  }

  #writeControl(value: number): void {
    const { state } = this, before = state.control;
    state.control = value;
    if (value & CONTROL_RESET) {
      this.#cancel();
      state.resetting = true;
      for (const d of state.drives) Object.assign(d, { phase: "busy", status: BSY });
      state.irq = false;
    } else if (before & CONTROL_RESET) this.#schedule(0);
    this.#updateLine();
  }

  #setIrq(on: boolean): void {
    this.state.irq = on;
    if (on) this.state.bmStatus |= BM_INTERRUPT;
    this.#updateLine();
  }
  #updateLine(): void {
    this.line.set(this.state.irq && !(this.state.control & CONTROL_NO_IRQ));
  }

  // Commands

  #command(command: number): void {
    const unit = this.#unit, d = this.#drive;
    if (!unit || this.state.resetting) return;
    // Only DEVICE RESET interrupts another command.
    if (d.status & (BSY | DRQ) && !(command === 0x08 && unit.cd)) return;
    if (d.phase === "dma" || d.phase === "busy") this.#cancel();
    this.#setIrq(false);
    d.command = command;
    d.error = 0;
    this.env.log("trace", () => `${unit.cd ? "CD" : "disk"} command ${command.toString(16).padStart(2, "0")}h, sector ${lbaOf(d, 28)}`);
    const run = (unit.cd ? CD_COMMANDS : DISK_COMMANDS)[command];
    if (run) run(this, d, unit);
    else this.abort(d);
  }

  /** Ends a command after its time. */
  later(d: DriveState): void {
    Object.assign(d, { phase: "busy", status: BSY, left: 0, reply: undefined });
    this.#schedule(this.state.drives.indexOf(d));
  }
  /** Ends a command with an error; `error` is for the register of that name. */
  abort(d: DriveState, error = ABRT): void {
    Object.assign(d, { phase: "idle", status: DRDY | ERR, error, left: 0, data: new Uint8Array(), reply: undefined });
    this.#setIrq(true);
  }
  /** The drive sends `length` bytes of the disk from byte `from` on, `block` of them for each interrupt. */
  send(d: DriveState, from: number, length: number, block: number): void {
    Object.assign(d, { phase: "busy", status: BSY, from, left: length, block });
    this.#schedule(this.state.drives.indexOf(d));
  }
  /** The drive sends bytes of its own. */
  sendReply(d: DriveState, reply: Uint8Array, block = reply.length): void {
    this.send(d, 0, reply.length, block);
    d.reply = reply;
  }
  /** The drive takes bytes for the disk. The first block is asked for without an interrupt. */
  receive(d: DriveState, from: number, length: number, block: number): void {
    Object.assign(d, { phase: "out", from, left: length, block });
    this.#askFor(d, Math.min(block, length));
  }
  receivePacket(d: DriveState): void {
    d.phase = "packet";
    d.count = REASON_COMMAND;
    this.#askFor(d, 12);
  }
  #askFor(d: DriveState, bytes: number): void {
    Object.assign(d, { data: new Uint8Array(bytes), at: 0, status: DRDY | DSC | DRQ });
  }
  /** Waits for the bus master to move `length` bytes. */
  dma(d: DriveState, from: number, length: number, reply?: Uint8Array): void {
    Object.assign(d, { phase: "dma", status: BSY, from, left: length, reply });
    if (this.state.bmCommand & BM_START) this.#schedule(this.state.drives.indexOf(d));
  }

  #schedule(drive: number): void {
    this.state.due = drive;
    this.#alarm.schedule(COMMAND_NS);
    this.state.dueAt = this.#alarm.at;
  }
  #cancel(): void {
    this.state.dueAt = -1;
    this.#alarm.cancel();
  }

  /** The time of a command, or of one block of it, is over. */
  #isDue(): void {
    const { state } = this, d = state.drives[state.due], unit = this.units[state.due];
    state.dueAt = -1;
    if (state.resetting) return this.#hasReset();
    if (!unit) return;
    if (d.phase === "dma") this.#runDma(d, unit);
    else if (unit.cd && d.command === 0xa0 && d.data.length) this.#runPacket(d, unit);
    else if (d.left > 0 && d.data.length) this.#stored(d, unit);
    else if (d.left > 0) this.#sendBlock(d, unit);
    else this.#done(d, unit);
  }

  /** ATA/ATAPI-7, volume 2, 11.3: after a software reset the registers tell the kind of the drive, the error register that it is well. */
  #hasReset(): void {
    const { state } = this;
    state.resetting = false;
    state.selected = 0;
    for (const [i, d] of state.drives.entries()) this.setSignature(d, this.units[i]?.cd ?? false);
  }
  setSignature(d: DriveState, cd: boolean): void {
    Object.assign(d, { phase: "idle", status: cd ? 0 : DRDY | DSC, error: 0x01, left: 0, data: new Uint8Array(), reply: undefined });
    Object.assign(d, { count: 1, low: 1, mid: cd ? 0x14 : 0, high: cd ? 0xeb : 0, device: d.device & SLAVE });
  }
  /** The diagnostics of both drives have passed. */
  diagnose(): void {
    const { state } = this;
    for (const [i, d] of state.drives.entries()) this.setSignature(d, this.units[i]?.cd ?? false);
    state.selected = 0;
    for (const d of state.drives) d.device = 0;
    this.#setIrq(true);
  }

  #done(d: DriveState, unit: Unit): void {
    Object.assign(d, { phase: "idle", status: DRDY | DSC, data: new Uint8Array(), reply: undefined });
    if (unit.cd && d.command === 0xa0) Object.assign(d, { count: REASON_COMMAND | REASON_IN, status: DRDY });
    this.#setIrq(true);
  }

  // Data through the port

  /** The next block is there to be read. */
  #sendBlock(d: DriveState, unit: Unit): void {
    const n = Math.min(d.block, d.left), bytes = d.reply?.slice(d.from, d.from + n) ?? bytesOf(unit.disk, d.from, n);
    if (!bytes) return this.#notFound(d);
    Object.assign(d, { phase: "in", data: bytes, at: 0, from: d.from + n, left: d.left - n, status: DRDY | DSC | DRQ });
    if (unit.cd && d.command === 0xa0) Object.assign(d, { count: REASON_IN, mid: n & 0xff, high: n >> 8 });
    this.#setIrq(true);
  }

  /** The disk ends before what was asked for: the registers name the sector. */
  #notFound(d: DriveState): void {
    setLba(d, Math.floor(d.from / SECTOR));
    this.abort(d, IDNF);
  }

  #readData(size: Size): number {
    const d = this.#drive, { data, at } = d;
    if (d.phase !== "in" || !this.#unit) return 0;
    let value = data[at];
    for (let i = 1; i < size && at + i < data.length; i++) value += data[at + i] * 2 ** (8 * i);
    d.at = at + size;
    if (d.at < data.length) return value;
    d.data = new Uint8Array();
    if (d.left > 0 || (this.#unit.cd && d.command === 0xa0)) {
      Object.assign(d, { phase: "busy", status: BSY });
      this.#schedule(this.state.selected);
    } else Object.assign(d, { phase: "idle", status: DRDY | DSC, reply: undefined });
    return value;
  }

  #writeData(size: Size, value: number): void {
    const d = this.#drive, { data } = d;
    if (!this.#unit || (d.phase !== "out" && d.phase !== "packet")) return;
    for (let i = 0; i < size && d.at < data.length; i++) data[d.at++] = value >>> 8 * i;
    if (d.at < data.length) return;
    Object.assign(d, { phase: "busy", status: BSY });
    this.#schedule(this.state.selected);
  }

  /** A block has come from the host. */
  #stored(d: DriveState, unit: Unit): void {
    if (!unit.disk!.write(d.from / SECTOR, d.data)) return this.#writeFailed(d, unit);
    d.from += d.data.length;
    d.left -= d.data.length;
    if (d.left === 0) return this.#done(d, unit);
    d.phase = "out";
    this.#askFor(d, Math.min(d.block, d.left));
    this.#setIrq(true);
  }
  #writeFailed(d: DriveState, unit: Unit): void {
    if (unit.disk!.readonly) this.abort(d);
    else this.#notFound(d);
  }

  // Packets

  #runPacket(d: DriveState, unit: Unit): void {
    const cdb = d.data;
    d.data = new Uint8Array();
    this.env.log("trace", () => `CD: ${packetName(cdb)}`);
    const outcome = packet(cdb, d.cd, unit.disk);
    if (outcome === "done") return this.#done(d, unit);
    if ("sense" in outcome) {
      d.count = REASON_COMMAND | REASON_IN;
      this.abort(d, outcome.sense[0] << 4);
      return;
    }
    const { from, length, reply } = "reply" in outcome
      ? { from: 0, length: outcome.reply.length, reply: outcome.reply }
      : { ...outcome, reply: undefined };
    if (length === 0) return this.#done(d, unit);
    if (d.feature & 1) return this.dma(d, from, length, reply);
    // The most that the host takes at a time; an odd limit counts only for the last part.
    const limit = (d.high & 0xff) << 8 | d.mid & 0xff;
    Object.assign(d, { from, left: length, reply, block: Math.min(0xfffe, limit & ~1) || 0xfffe });
    this.#sendBlock(d, unit);
  }

  // Bus master

  readMaster(offset: number): number {
    const { state } = this;
    if (offset === BM_COMMAND) return state.bmCommand;
    if (offset === BM_STATUS) return state.bmStatus;
    return offset >= BM_TABLE ? state.bmTable >>> 8 * (offset - BM_TABLE) & 0xff : 0;
  }

  writeMaster(offset: number, value: number): void {
    const { state } = this;
    if (offset === BM_COMMAND) {
      const started = value & ~state.bmCommand & BM_START, stopped = ~value & state.bmCommand & BM_START;
      state.bmCommand = value & (BM_START | BM_TO_MEMORY);
      if (started) {
        state.bmStatus |= BM_ACTIVE;
        const waiting = state.drives.findIndex((d) => d.phase === "dma");
        if (waiting >= 0) this.#schedule(waiting);
      } else if (stopped) {
        state.bmStatus &= ~BM_ACTIVE;
        if (state.drives[state.due].phase === "dma") this.#cancel();
      }
    } else if (offset === BM_STATUS) {
      const cleared = value & (BM_INTERRUPT | BM_FAILED);
      state.bmStatus = value & BM_DRIVES | state.bmStatus & ~cleared & (BM_INTERRUPT | BM_FAILED | BM_ACTIVE);
    } else if (offset >= BM_TABLE) {
      const shift = 8 * (offset - BM_TABLE);
      state.bmTable = (state.bmTable & ~(0xff << shift) | value << shift) >>> 0;
      state.bmTable -= state.bmTable % 4;
    }
  }

  /** Moves what the descriptors say, or as much as the transfer needs: at once, but for reads of more than PIECE bytes. */
  #runDma(d: DriveState, unit: Unit): void {
    const { state, env } = this, out = isWrite(d.command), { from, left, reply } = d, first = state.bmNext;
    state.bmNext = 0;
    if (!reply && from + left > unit.disk!.sectors * unit.disk!.sectorSize) {
      state.bmStatus &= ~BM_ACTIVE;
      return this.#notFound(d);
    }
    const written = new Uint8Array(out ? left : 0);
    let at = 0, last = false;
    try {
      for (let n = first; at < left && !last; n++) {
        if (n === DESCRIPTORS) throw new BusFault(state.bmTable, "read");
        const entry = new DataView(env.dma.readBytes(state.bmTable + 8 * n, 8).buffer);
        const address = entry.getUint32(0, true) & ~1, size = entry.getUint16(4, true) & ~1 || 0x1_0000, length = Math.min(size, left - at);
        last = !!(entry.getUint16(6, true) & 0x8000) && at + size <= left;
        if (out) written.set(env.dma.readBytes(address >>> 0, length), at);
        else env.dma.writeBytes(address >>> 0, reply?.subarray(at, at + length) ?? bytesOf(unit.disk, from + at, length)!);
        at += length;
        // READ (12) may ask for a whole DVD, and nobody is to wait for that.
        if (at < PIECE || out || reply || last || at === left) continue;
        Object.assign(d, { from: from + at, left: left - at });
        state.bmNext = n + 1;
        return this.#schedule(state.drives.indexOf(d));
      }
    } catch (e) {
      if (!(e instanceof BusFault)) throw e;
      env.log("guest", () => `DMA: ${e.message}`);
      state.bmStatus = state.bmStatus & ~BM_ACTIVE | BM_FAILED;
      return this.abort(d);
    }
    if (at === left && out && !unit.disk!.write(from / SECTOR, written)) {
      state.bmStatus &= ~BM_ACTIVE;
      return this.abort(d);
    }
    // Descriptors for more than the drive has leave the bus master active; for less, the drive waits for ever.
    if (last) state.bmStatus &= ~BM_ACTIVE;
    if (at < left) {
      env.log("guest", () => `DMA: the descriptors end after ${at} of ${left} bytes`);
      return;
    }
    d.left = 0;
    this.#done(d, unit);
  }
}

/** Bytes of a disk in a buffer of their own; undefined when it ends before. */
function bytesOf(disk: Disk | undefined, from: number, length: number): Uint8Array | undefined {
  if (!disk) return undefined;
  const size = disk.sectorSize, first = Math.floor(from / size), sectors = disk.read(first, Math.ceil((from + length) / size) - first);
  return sectors?.slice(from - first * size, from - first * size + length);
}
