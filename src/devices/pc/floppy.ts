// 82077AA floppy disk controller with up to two drives, by DMA or through its FIFO.
// Source: Intel 82077AA data sheet (290166-007, 1994): 2 (registers), 5 (commands), 6 (status registers).
// Not modelled: turning, stepping and head times (a command takes 20 us), deleted data marks, CRC errors, tape drives, power down, formats other
// than 512-byte sectors in the order of the medium. A format command fills the sectors that its list names.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { type Disk, type Drive, drive } from "../../core/disk.ts";
import type { DmaChannel } from "../../core/dma.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

const SRA = 0, SRB = 1, DOR = 2, TDR = 3, MSR = 4, FIFO = 5;
const DOR_DRIVE = 0x03, DOR_RUN = 0x04, DOR_GATE = 0x08, DOR_MOTOR = 0x10;
const MSR_RQM = 0x80, MSR_TO_HOST = 0x40, MSR_NO_DMA = 0x20, MSR_BUSY = 0x10;
const DSR_RESET = 0x80, DIR_CHANGED = 0x80;
const ST0_FAILED = 0x40, ST0_INVALID = 0x80, ST0_READY_CHANGED = 0xc0, ST0_SEEK = 0x20;
const ST1_MISSING = 0x01, ST1_PROTECTED = 0x02, ST1_NO_DATA = 0x04, ST1_END = 0x80;
const ST2_WRONG_CYLINDER = 0x10, ST2_SCAN_HIT = 0x08, ST2_SCAN_MISS = 0x04;
const ST3_PROTECTED = 0x40, ST3_ALWAYS = 0x28, ST3_TRACK_0 = 0x10;
const MULTI_TRACK = 0x80, IMPLIED_SEEK = 0x40, NO_POLLING = 0x10;
const SECTOR = 512, COMMAND_NS = 20_000;
/** Command codes without their flags. */
const CODE = 0x1f;
const READ_TRACK = 0x02, WRITE = 0x05, READ = 0x06, WRITE_DELETED = 0x09, READ_DELETED = 0x0c, FORMAT = 0x0d, VERIFY = 0x16;
const SCAN_EQUAL = 0x11, SCAN_LOW = 0x19, SCAN_HIGH = 0x1d;

/** "command": bytes come; "busy": it works; "in", "out": data through the FIFO; "dma": the channel is not ready; "result": bytes to be read. */
type Phase = "command" | "busy" | "in" | "out" | "dma" | "result";

const drivePowerOn = () => ({
  /** Where the head is. */
  cylinder: 0,
  /** The disk was changed, and the head has not moved since. */
  changed: true,
});
const powerOn = () => ({
  dor: 0x0c,
  tdr: 0,
  /** Data rate of DSR or CCR, whichever was written last. */
  rate: 2,
  phase: "command" as Phase,
  /** Bytes of the command that have come, or of the result that are left. */
  bytes: [] as number[],
  /** The command under way. */
  command: [] as number[],
  /** Interrupt pin before the gate. */
  irq: false,
  /** SENSE INTERRUPT STATUS: status 0 of each drive that has something to say, in order. */
  interrupts: [] as number[],
  seeking: 0,
  specify: [0, 0],
  configuration: [0, 0x20, 0],
  locked: false,
  perpendicular: 0,
  /** The sector (or the list of a format command) that moves, and how much of it has. */
  data: new Uint8Array(),
  at: 0,
  /** Sector of the present transfer; `scanHit`: every byte so far was equal. */
  cylinder: 0,
  head: 0,
  sector: 0,
  scanHit: true,
  /** Of the last transfer's track. */
  lastSector: 0,
  dueAt: -1,
  resetting: false,
  drives: [drivePowerOn(), drivePowerOn()],
});
type State = ReturnType<typeof powerOn>;

const DRIVES = ["drive0", "drive1"] as const;
const keys = { drive0: drive("the first drive", ["floppy"]), drive1: drive("the second drive", ["floppy"]) };

export default defineDevice({
  type: "i82077aa",
  doc: "82077AA floppy disk controller with two drives.",
  spec: "Intel 82077AA data sheet 290166-007",
  keys,
  drives: DRIVES,
  windows: () => [{ bus: "io", name: "regs", length: 6, at: 0x3f0 }, { bus: "io", name: "dir", length: 1, at: 0x3f7 }],
  outputs: () => ["irq"],
  create: (env, _config, ports) => new Floppy(env, DRIVES.map((name) => ports.drives?.[name]), ports.irq[0] ?? unconnected(), ports.dma),
});

/** Data rates at which a medium can be read: 0 is 500 kbit/s, 1 300, 2 250, 3 1000. */
const ratesOf = (disk: Disk): readonly number[] => disk.chs.sectors >= 36 ? [3] : disk.chs.sectors >= 15 ? [0] : [2, 1];

export class Floppy implements Device<State> {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly #alarm: Alarm;

  constructor(
    readonly env: DeviceEnv,
    readonly drives: readonly (Drive | undefined)[],
    readonly line: IrqLine,
    readonly channel: DmaChannel | undefined,
  ) {
    this.#alarm = env.alarm("command", () => this.#isDue());
    if (channel) {
      channel.onReady = () => {
        if (this.state.phase === "dma") this.#schedule("busy");
      };
    }
    const access = { min: 1, max: 1 } as const;
    this.windows = [
      { access, read: (offset) => this.#read(offset), write: (offset, _size, value) => this.#write(offset, value) },
      { access, read: () => this.#changed() ? DIR_CHANGED : 0, write: (_offset, _size, value) => void (this.state.rate = value & 3) },
    ];
  }

  reset(): void {
    this.state = powerOn();
    this.#alarm.cancel();
    this.#updateLine();
  }
  restored(): void {
    if (this.state.dueAt < 0) this.#alarm.cancel();
    else this.#alarm.scheduleAt(this.state.dueAt);
    this.#updateLine();
  }

  #disk(n: number): Disk | undefined {
    return this.drives[n]?.disk;
  }

  // Registers

  #read(offset: number): number {
    const s = this.state;
    switch (offset) {
      case SRA:
        return (s.irq ? 0x80 : 0) | (this.drives[1] ? 0 : 0x40);
      case SRB:
        return 0xc0 | (s.dor & 1 ? 0x20 : 0) | s.dor >> 4 & 3;
      case DOR:
        return s.dor;
      case TDR:
        return s.tdr;
      case MSR:
        return this.#mainStatus();
      default:
        return this.#readFifo();
    }
  }

  #mainStatus(): number {
    const s = this.state;
    if (s.resetting || !(s.dor & DOR_RUN)) return 0;
    const flags: Record<Phase, number> = {
      command: MSR_RQM | (s.bytes.length ? MSR_BUSY : 0),
      busy: MSR_BUSY,
      dma: MSR_BUSY,
      in: MSR_RQM | MSR_TO_HOST | MSR_NO_DMA | MSR_BUSY,
      out: MSR_RQM | MSR_NO_DMA | MSR_BUSY,
      result: MSR_RQM | MSR_TO_HOST | MSR_BUSY,
    };
    return s.seeking || flags[s.phase];
  }

  /** The drive's signal that its disk was changed; only while it is selected and turns. */
  #changed(): boolean {
    const { dor, drives } = this.state, n = dor & DOR_DRIVE;
    return n < 2 && !!this.drives[n] && !!(dor & DOR_MOTOR << n) && (drives[n].changed || !this.#disk(n));
  }

  #write(offset: number, value: number): void {
    const s = this.state;
    switch (offset) {
      case DOR: {
        const started = ~s.dor & value & DOR_RUN;
        s.dor = value;
        if (!(value & DOR_RUN)) this.#stop();
        else if (started) this.#begin();
        this.#updateLine();
        break;
      }
      case TDR:
        s.tdr = value & 3;
        break;
      case MSR: // the data rate select register
        s.rate = value & 3;
        if (value & DSR_RESET) {
          this.#stop();
          this.#begin();
        }
        break;
      case FIFO:
        this.#writeFifo(value);
    }
  }

  /** A reset: what SPECIFY and a locked CONFIGURE have set stays. */
  #stop(): void {
    const s = this.state;
    Object.assign(s, {
      phase: "command",
      bytes: [],
      command: [],
      irq: false,
      interrupts: [],
      seeking: 0,
      data: new Uint8Array(),
      at: 0,
      dueAt: -1,
      resetting: true,
    });
    if (!s.locked) s.configuration = [0, 0x20, 0];
    s.perpendicular = 0;
    this.#alarm.cancel();
    this.#updateLine();
  }
  #begin(): void {
    this.#alarm.schedule(COMMAND_NS);
    this.state.dueAt = this.#alarm.at;
  }

  #setIrq(on: boolean): void {
    this.state.irq = on;
    this.#updateLine();
  }
  #updateLine(): void {
    this.line.set(this.state.irq && !!(this.state.dor & DOR_GATE));
  }

  // Commands

  #writeFifo(value: number): void {
    const s = this.state;
    if (s.resetting || !(s.dor & DOR_RUN)) return;
    if (s.phase === "out") {
      s.data[s.at++] = value;
      if (s.at === s.data.length) this.#schedule("busy");
      return;
    }
    // Another seek, or a look at an interrupt, may be asked for while a drive seeks.
    if (s.phase !== "command") return;
    s.bytes.push(value);
    const command = commandOf(s.bytes[0]);
    if (s.bytes.length <= (command?.bytes ?? 0)) return;
    s.command = s.bytes;
    s.bytes = [];
    this.env.log("trace", () => `${command?.name ?? "invalid command"} ${s.command.map((b) => b.toString(16).padStart(2, "0")).join(" ")}`);
    if (command) command.run(this, s);
    else this.result([ST0_INVALID]);
  }

  #readFifo(): number {
    const s = this.state;
    if (s.phase === "in") {
      const value = s.data[s.at++];
      if (s.at === s.data.length) this.#schedule("busy");
      return value;
    }
    if (s.phase !== "result") return 0;
    const value = s.bytes.shift()!;
    this.#setIrq(false);
    if (s.bytes.length === 0) s.phase = "command";
    return value;
  }

  /** The result phase; `irq`: of a command that ends with an interrupt. */
  result(bytes: readonly number[], irq = false): void {
    Object.assign(this.state, { phase: "result", bytes: [...bytes], data: new Uint8Array(), at: 0 });
    if (irq) this.#setIrq(true);
  }
  /** The end of a command without results. */
  finish(): void {
    this.state.phase = "command";
  }
  #schedule(phase: Phase): void {
    this.state.phase = phase;
    this.#begin();
  }
  later(): void {
    this.#schedule("busy");
  }

  #isDue(): void {
    const s = this.state;
    s.dueAt = -1;
    if (s.resetting) {
      s.resetting = false;
      // With polling, every drive reports that it has become ready.
      s.interrupts = s.configuration[1] & NO_POLLING ? [] : [0, 1, 2, 3].map((n) => ST0_READY_CHANGED | n);
      return this.#setIrq(s.interrupts.length > 0);
    }
    const code = s.command[0] & CODE;
    if (code === 0x07 || code === 0x0f) return this.#hasMoved(code);
    if (code === 0x0a) return this.#readId();
    if (code === FORMAT) return this.#format();
    this.#transfer();
  }

  /** RECALIBRATE, SEEK. The head of an absent drive never finds track 0. */
  #hasMoved(code: number): void {
    const s = this.state, n = s.command[1] & DOR_DRIVE, there = n < 2 && !!this.drives[n], relative = s.command[0] & 0x80;
    if (there) {
      // RECALIBRATE names no cylinder: 0.
      const d = s.drives[n], by = s.command[2] ?? 0;
      d.cylinder = !relative ? by : Math.max(0, Math.min(255, d.cylinder + (s.command[0] & 0x40 ? by : -by)));
      if (this.#disk(n)) d.changed = false;
    }
    s.seeking = 0;
    s.phase = "command";
    s.interrupts = [...s.interrupts, ST0_SEEK | s.command[1] & 7 | (there || code !== 0x07 ? 0 : ST0_FAILED | 0x10)];
    this.#setIrq(true);
  }

  /** What is wrong with the disk that the command names, as status 1; 0 when it can be read. */
  #unreadable(): number {
    const s = this.state, disk = this.#disk(s.command[1] & DOR_DRIVE);
    return disk && ratesOf(disk).includes(s.rate) ? 0 : ST1_MISSING;
  }

  #readId(): void {
    const s = this.state,
      n = s.command[1] & DOR_DRIVE,
      st1 = this.#unreadable(),
      cylinder = s.drives[n & 1].cylinder,
      head = s.command[1] >> 2 & 1;
    s.cylinder = cylinder;
    s.head = head;
    s.sector = 1;
    this.#end(st1 || (cylinder < this.#disk(n)!.chs.cylinders ? 0 : ST1_MISSING));
  }

  /** The end of a transfer: three status bytes and where it ended. */
  #end(st1: number, st2 = 0): void {
    const s = this.state, failed = st1 || st2 & ~ST2_SCAN_HIT & ~ST2_SCAN_MISS ? ST0_FAILED : 0;
    this.result([failed | s.command[1] & 7, st1, st2, s.cylinder, s.head, s.sector, 2], true);
  }

  /** Takes the place of a transfer from the command. */
  startTransfer(): void {
    const s = this.state, [code, unit, cylinder, head, , , lastSector] = s.command, d = s.drives[unit & 1];
    const sector = (code & CODE) === READ_TRACK ? 1 : s.command[4];
    Object.assign(s, { cylinder, head, sector, lastSector, scanHit: true, data: new Uint8Array(), at: 0 });
    if (s.configuration[1] & IMPLIED_SEEK && (unit & DOR_DRIVE) < 2 && this.#disk(unit & DOR_DRIVE)) {
      Object.assign(d, { cylinder, changed: false });
    }
    this.later();
  }

  /** Goes on with a transfer: sector by sector, until terminal count or the last sector. */
  #transfer(): void {
    const s = this.state, code = s.command[0] & CODE, n = s.command[1] & DOR_DRIVE, disk = this.#disk(n), byDma = !(s.specify[1] & 1);
    const st1 = this.#unreadable();
    if (st1) return this.#end(st1);
    const out = code === WRITE || code === WRITE_DELETED || code === SCAN_EQUAL || code === SCAN_LOW || code === SCAN_HIGH;
    if ((code === WRITE || code === WRITE_DELETED) && disk!.readonly) return this.#end(ST1_PROTECTED);
    for (;;) {
      let done = false;
      if (!s.data.length) {
        const { cylinders, heads, sectors } = disk!.chs;
        if (s.cylinder !== s.drives[n].cylinder || s.cylinder >= cylinders) return this.#end(ST1_NO_DATA, ST2_WRONG_CYLINDER);
        if (s.head >= heads || s.head !== (s.command[1] >> 2 & 1) || s.sector === 0 || s.sector > sectors || s.command[5] !== 2) {
          return this.#end(ST1_NO_DATA);
        }
        s.data = out ? new Uint8Array(SECTOR) : disk!.read(this.#lba(disk!), 1)!.slice();
        s.at = 0;
        if (!byDma && code !== VERIFY) {
          s.phase = out ? "out" : "in";
          return this.#setIrq(true);
        }
      }
      if (s.at < SECTOR && code !== VERIFY) {
        const moved = this.channel?.move(s.data.subarray(s.at), !out);
        if (!moved) return void (s.phase = "dma");
        s.at += moved.moved;
        done = moved.done;
      }
      if (code === WRITE || code === WRITE_DELETED) disk!.write(this.#lba(disk!), s.data);
      else if (out) this.#scan(disk!, code);
      s.data = new Uint8Array();
      const last = this.#nextSector(disk!);
      const scanned = out && code !== WRITE && code !== WRITE_DELETED ? (s.scanHit ? ST2_SCAN_HIT : done || last ? ST2_SCAN_MISS : 0) : 0;
      if (done || scanned === ST2_SCAN_HIT || scanned === ST2_SCAN_MISS) return this.#end(0, scanned);
      if (last) return this.#end(code === VERIFY ? 0 : ST1_END);
    }
  }

  #lba(disk: Disk): number {
    const { cylinder, head, sector } = this.state, { heads, sectors } = disk.chs;
    return (cylinder * heads + head) * sectors + sector - 1;
  }

  /** To the sector behind this one; true when the command's last one was reached. */
  #nextSector(disk: Disk): boolean {
    const s = this.state, end = s.command[6];
    if (s.sector !== end) {
      s.sector = s.sector + 1 & 0xff;
      return false;
    }
    s.sector = 1;
    if (s.command[0] & MULTI_TRACK && s.head === 0 && disk.chs.heads > 1) {
      s.head = 1;
      s.command[1] |= 4;
      return false;
    }
    s.cylinder++;
    if (s.command[0] & MULTI_TRACK) s.head ^= 1;
    return true;
  }

  /** Compares a sector with what the host has sent; 0xff on either side fits anything. */
  #scan(disk: Disk, code: number): void {
    const s = this.state, own = disk.read(this.#lba(disk), 1)!;
    s.scanHit = s.data.every((host, i) => {
      if (host === 0xff || own[i] === 0xff) return true;
      return code === SCAN_EQUAL ? own[i] === host : code === SCAN_LOW ? own[i] <= host : own[i] >= host;
    });
  }

  startFormat(): void {
    const s = this.state;
    Object.assign(s, {
      cylinder: s.drives[s.command[1] & 1].cylinder,
      head: s.command[1] >> 2 & 1,
      sector: 1,
      data: new Uint8Array(),
      at: 0,
    });
    this.later();
  }

  /** The host sends four bytes for each sector: cylinder, head, sector, size. */
  #format(): void {
    const s = this.state, disk = this.#disk(s.command[1] & DOR_DRIVE), st1 = this.#unreadable(), [, , size, count, , fill] = s.command;
    if (st1) return this.#end(st1);
    if (disk!.readonly) return this.#end(ST1_PROTECTED);
    const { heads, sectors } = disk!.chs, bytes = 4 * count;
    if (size !== 2 || count === 0 || count > sectors || s.head >= heads || s.cylinder >= disk!.chs.cylinders) return this.#end(ST1_NO_DATA);
    if (!s.data.length) {
      s.data = new Uint8Array(bytes);
      if (s.specify[1] & 1) {
        s.phase = "out";
        return this.#setIrq(true);
      }
    }
    if (s.at < bytes) {
      const moved = this.channel?.move(s.data.subarray(s.at), false);
      if (!moved) return void (s.phase = "dma");
      s.at += moved.moved;
    }
    for (let i = 0; i < bytes; i += 4) {
      const sector = s.data[i + 2];
      if (sector === 0 || sector > sectors) continue;
      disk!.write((s.cylinder * heads + s.head) * sectors + sector - 1, new Uint8Array(SECTOR).fill(fill));
    }
    this.#end(0);
  }

  /** SENSE INTERRUPT STATUS: one drive's news and where its head is. */
  senseInterrupt(): void {
    const s = this.state, [st0, ...others] = s.interrupts;
    if (st0 === undefined) return this.result([ST0_INVALID]);
    s.interrupts = others;
    this.#setIrq(false);
    this.result([st0, s.drives[st0 & 1].cylinder]);
  }

  senseDrive(): void {
    const s = this.state, unit = s.command[1], n = unit & DOR_DRIVE, disk = this.#disk(n);
    const track0 = s.drives[n & 1].cylinder === 0 && n < 2 ? ST3_TRACK_0 : 0;
    this.result([ST3_ALWAYS | unit & 7 | track0 | (disk?.readonly ? ST3_PROTECTED : 0)]);
  }
}

/** A command by its code: how many bytes follow, and what it does. */
interface Command {
  readonly name: string;
  readonly bytes: number;
  /** Bits of the first byte that must be as in the table. */
  readonly mask: number;
  run(f: Floppy, s: State): void;
}

const transfer = (name: string): Command => ({ name, bytes: 8, mask: CODE, run: (f) => f.startTransfer() });
const move: Command["run"] = (f, s) => {
  s.seeking = 1 << (s.command[1] & DOR_DRIVE);
  f.later();
};

const COMMANDS: Readonly<Record<number, Command>> = {
  [READ_TRACK]: transfer("read track"),
  0x03: {
    name: "specify",
    bytes: 2,
    mask: 0xff,
    run(f, s) {
      s.specify = s.command.slice(1);
      f.finish();
    },
  },
  0x04: { name: "sense drive status", bytes: 1, mask: 0xff, run: (f) => f.senseDrive() },
  [WRITE]: transfer("write"),
  [READ]: transfer("read"),
  0x07: { name: "recalibrate", bytes: 1, mask: 0xff, run: move },
  0x08: { name: "sense interrupt", bytes: 0, mask: 0xff, run: (f) => f.senseInterrupt() },
  [WRITE_DELETED]: transfer("write deleted"),
  0x0a: { name: "read id", bytes: 1, mask: CODE, run: (f) => f.later() },
  [READ_DELETED]: transfer("read deleted"),
  [FORMAT]: { name: "format", bytes: 5, mask: CODE, run: (f) => f.startFormat() },
  0x0e: {
    name: "dump registers",
    bytes: 0,
    mask: 0xff,
    run: (f, s) =>
      f.result([
        ...s.drives.map((d) => d.cylinder),
        0,
        0,
        ...s.specify,
        s.lastSector,
        (s.locked ? 0x80 : 0) | s.perpendicular & 0x7f,
        s.configuration[1],
        s.configuration[2],
      ]),
  },
  0x0f: { name: "seek", bytes: 2, mask: CODE, run: move },
  0x10: { name: "version", bytes: 0, mask: 0xff, run: (f) => f.result([0x90]) },
  [SCAN_EQUAL]: transfer("scan equal"),
  0x12: {
    name: "perpendicular mode",
    bytes: 1,
    mask: 0xff,
    run(f, s) {
      s.perpendicular = s.command[1];
      f.finish();
    },
  },
  0x13: {
    name: "configure",
    bytes: 3,
    mask: 0xff,
    run(f, s) {
      s.configuration = s.command.slice(1);
      f.finish();
    },
  },
  0x14: {
    name: "lock",
    bytes: 0,
    mask: 0x7f,
    run(f, s) {
      s.locked = !!(s.command[0] & 0x80);
      f.result([s.locked ? 0x10 : 0]);
    },
  },
  [VERIFY]: transfer("verify"),
  0x18: { name: "part id", bytes: 0, mask: 0xff, run: (f) => f.result([0x41]) },
  [SCAN_LOW]: transfer("scan low or equal"),
  [SCAN_HIGH]: transfer("scan high or equal"),
};
/** The command that a first byte begins. */
function commandOf(byte: number): Command | undefined {
  const command = COMMANDS[byte & CODE];
  return command && (byte & command.mask) === (byte & CODE) ? command : undefined;
}
