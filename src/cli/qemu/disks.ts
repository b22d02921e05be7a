// -drive, -blockdev, -hda and the like: images, and the drives of the machine file that they are in.
// Sources: QEMU 7.2, "Block device options"; blockdev.c for places that nobody names; docs/system/bootindex.rst.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { type Given, onlyKnown, type QemuLine, typed } from "./line.ts";
import { integer, isOn, type Properties, properties, refuse } from "./syntax.ts";

/** An image and how it is used. */
export interface Image {
  /** What named it. */
  readonly what: string;
  readonly file: string;
  readonly media: "disk" | "cdrom";
  readonly readonly: boolean;
  /** What is written stays in memory. */
  readonly overlay: boolean;
}

/** What may be said of a -drive; what is behind a dot is for the driver. */
const DRIVE = [
  "file",
  "if",
  "index",
  "bus",
  "unit",
  "media",
  "format",
  "id",
  "readonly",
  "read-only",
  "snapshot",
  "cache",
  "aio",
  "discard",
  "detect-zeroes",
  "werror",
  "rerror",
  "copy-on-read",
  "driver",
  "node-name",
  "auto-read-only",
  "locking",
  "throttling",
  "bps",
  "bps_rd",
  "bps_wr",
  "iops",
  "iops_rd",
  "iops_wr",
  "size",
  "offset",
  "force-share",
  "filename",
  "serial",
  "l2-cache-size",
  "cyls",
  "heads",
  "secs",
  "trans",
];
/** Buses of -drive, and what is missing of them. */
const BUSES: Readonly<Record<string, string>> = {
  ide: "",
  floppy: "",
  none: "",
  pflash: "",
  virtio: "disks by virtio over PCI are not there yet",
  scsi: "SCSI disks are not there yet; if=ide is",
  sd: "SD cards are not there yet",
  mtd: "flash memory is not there yet",
  xen: "Xen's disks are not there",
};
const QCOW2 = "images of the format qcow2 are not there yet; qemu-img convert -O raw makes a raw one";
const FORMATS: Readonly<Record<string, string>> = { raw: "", host_device: "", file: "", qcow2: QCOW2 };
/** Letters of -boot, and kinds in a machine file. */
const KINDS: Readonly<Record<string, string>> = { a: "floppy", b: "floppy", c: "hard", d: "cd" };
/** QEMU's order when nobody gives another. */
const ORDER = "cad";
const IDE = 4, FLOPPIES = 2, SLOTS = 8;
/** The boards that have slots for virtio in memory. */
const WITH_SLOTS = ["virt", "virt32"];
const FIXED: Readonly<Record<string, { readonly bus: string; readonly index: number; readonly media?: "cdrom" }>> = {
  hda: { bus: "ide", index: 0 },
  hdb: { bus: "ide", index: 1 },
  hdc: { bus: "ide", index: 2 },
  hdd: { bus: "ide", index: 3 },
  cdrom: { bus: "ide", index: 2, media: "cdrom" },
  fda: { bus: "floppy", index: 0 },
  fdb: { bus: "floppy", index: 1 },
};

export class Disks {
  /** Images that wait for a device, by their names. */
  readonly #named = new Map<string, Image>();
  readonly #claimed = new Map<string, string>();
  /** What is in which drive: "ide" or "floppy" and a number. */
  readonly #drives = new Map<string, Image>();
  readonly #firmware: Image[] = [];
  /** Slots of virtio that are taken, and by what. */
  readonly #slots = new Map<number, string>();
  /** Kinds of disks by the lowest `bootindex` of one. */
  readonly #indices = new Map<string, number>();

  constructor(readonly line: QemuLine) {
    for (const given of line.all("drive", "blockdev", "pflash", ...Object.keys(FIXED))) line.reading(given, () => this.#read(given));
  }

  #read(given: Given): void {
    const { name, value } = given, what = typed(given);
    if (name === "blockdev") return this.#node(value, what);
    if (Object.hasOwn(FIXED, name)) {
      const { bus, index, media = "disk" } = FIXED[name];
      return this.#put(bus, index, this.#image({ file: value, media }, what));
    }
    const props: Properties = name === "pflash" ? { file: value, if: "pflash" } : properties(value, "file");
    onlyKnown(props, DRIVE);
    const { if: bus = this.line.machine === "pc" ? "ide" : "none", index, unit, id } = props;
    if (!Object.hasOwn(BUSES, bus)) refuse(`there is no if=${bus}${didYouMean(bus, Object.keys(BUSES))}`);
    if (BUSES[bus]) refuse(BUSES[bus]);
    const channel = props.bus === undefined ? 0 : integer(props.bus, "bus"), at = index ?? unit;
    if (bus === "none") return void (id !== undefined ? this.#name(id, this.#image(props, what)) : this.#image(props, what));
    // An empty drive is there anyway.
    if (props.file === undefined && props["file.filename"] === undefined) {
      return props.media === "cdrom" ? undefined : refuse("file=... is missing");
    }
    const image = this.#image(props, what);
    if (bus === "pflash") return this.#flash(image, at === undefined ? this.#firmware.length : integer(at, "unit"));
    const of = bus === "ide" ? IDE : FLOPPIES, first = 2 * channel;
    const place = at !== undefined
      ? integer(at, "index") + (index === undefined ? first : 0)
      : Array.from({ length: of }, (_, n) => n).find((n) => !this.#drives.has(`${bus}${n}`));
    this.#put(bus, place ?? of, image);
    if (id !== undefined) this.#claimed.set(id, what);
  }

  /** A node of -blockdev: a file, or a format over one. */
  #node(value: string, what: string): void {
    const props = properties(value, "driver"), { driver, "node-name": name } = props;
    if (name === undefined) refuse("node-name=... is missing");
    const under = props.file ?? props["file.node-name"], below = under === undefined ? undefined : this.#named.get(under);
    if (under !== undefined && !below && props["file.filename"] === undefined) {
      refuse(`there is no node '${under}' before it${didYouMean(under, this.#named.keys())}`);
    }
    this.#name(
      name,
      below && driver === "raw"
        ? { ...below, readonly: below.readonly || isOn(props["read-only"]) }
        : this.#image({ ...props, file: props.filename ?? below?.file ?? "", format: driver }, what),
    );
  }

  #image(props: Properties, what: string): Image {
    const { media = "disk", format, readonly, "read-only": readOnly, snapshot } = props,
      given = props.file || props["file.filename"] || props.filename || "";
    if (!given) refuse("file=... is missing");
    if (media !== "disk" && media !== "cdrom") refuse(`there is no media=${media}; there are disk and cdrom`);
    if (/^fat:/.test(given)) refuse("a folder as a FAT disk is not there yet; mtools make an image of one");
    if (/^(nbd|https?|ftps?|ssh|iscsi|rbd|nfs|json|gluster|vvfat|blkdebug):/.test(given)) refuse("an image must be a file");
    const file = given.replace(/^file:/, ""), start = format === undefined ? this.line.files.start(file) : undefined;
    const kind = format ?? (start && start[0] === 0x51 && start[1] === 0x46 && start[2] === 0x49 && start[3] === 0xfb ? "qcow2" : "raw");
    if (!Object.hasOwn(FORMATS, kind)) refuse(`images of the format '${kind}' are not there; qemu-img convert -O raw makes a raw one`);
    if (FORMATS[kind]) refuse(FORMATS[kind]);
    return {
      what,
      file,
      media: media === "cdrom" ? media : "disk",
      readonly: isOn(readonly ?? readOnly),
      overlay: this.line.has("snapshot") || isOn(snapshot),
    };
  }

  #name(id: string, image: Image): void {
    if (this.#named.has(id)) refuse(`there are two called '${id}'`);
    this.#named.set(id, image);
  }

  /** The image that a device names. @throws {ConfigError} there is none, or another one has it. */
  claim(props: Properties, what: string): Image {
    const { drive } = props;
    if (drive === undefined) throw new ConfigError(`${what}: drive=... is missing`);
    const image = this.#named.get(drive), by = this.#claimed.get(drive);
    if (by !== undefined) throw new ConfigError(`${what}: '${drive}' is taken by ${by}; if=none in its -drive leaves it to a device`);
    if (!image) throw new ConfigError(`${what}: there is no -drive with id=${drive}${didYouMean(drive, this.#named.keys())}`);
    this.#claimed.set(drive, what);
    return image;
  }

  /** A disk, CD or floppy by -device. An empty CD drive may be meant. */
  plug(bus: "ide" | "floppy", props: Properties, what: string, media: Image["media"]): void {
    if (props.drive === undefined && (media === "cdrom" || bus === "floppy")) return;
    const image: Image = { ...this.claim(props, what), media }, [, channel] = /^ide\.([01])$/.exec(props.bus ?? "") ?? [];
    if (bus === "ide" && props.bus !== undefined && channel === undefined) {
      throw new ConfigError(`${what}: there is no bus '${props.bus}'; there are ide.0 and ide.1`);
    }
    const of = bus === "ide" ? IDE : FLOPPIES,
      first = 2 * Number(channel ?? 0),
      places = Array.from({ length: of }, (_, n) => n).filter((n) => channel === undefined || n >> 1 === Number(channel));
    const unit = props.unit === undefined ? places.find((n) => !this.#drives.has(`${bus}${n}`)) : first + integer(props.unit, "unit");
    this.line.reading(what, () => this.#put(bus, unit ?? of, image));
    this.bootIndex(props, bus === "floppy" ? "floppy" : media === "cdrom" ? "cd" : "hard");
  }

  /** A disk by virtio in a slot of its own. */
  plugVirtio(props: Properties, what: string): void {
    const image = this.claim(props, what),
      key = `device.virtio[${this.line.reading(what, () => this.slot(props, what))}]`,
      { set } = this.line;
    set.set(`${key}.disk.file`, image.file);
    if (image.readonly) set.set(`${key}.disk.readonly`, true);
    else if (!image.overlay) set.set(`${key}.disk.overlay`, false);
    if (props.serial !== undefined) set.set(`${key}.serial`, props.serial);
    if (props["num-queues"] !== undefined) {
      set.set(
        `${key}.queues`,
        this.line.reading(what, () => integer(props["num-queues"], "num-queues")),
      );
    }
    if (isOn(props.packed)) set.set(`${key}.packed`, true);
  }

  /** Whether the board has slots for virtio in memory. */
  get hasSlots(): boolean {
    return WITH_SLOTS.includes(this.line.machine);
  }

  /** The slot of a virtio device in memory: the one that it names, or the last that is free, as QEMU chooses. */
  slot({ bus }: Properties, what: string): number {
    if (!this.hasSlots) refuse(`the board ${this.line.machine} has no slots for virtio in memory`);
    const [, named] = /^virtio-mmio-bus\.(\d+)$/.exec(bus ?? "") ?? [];
    if (bus !== undefined && !(Number(named) < SLOTS)) {
      refuse(`there is no bus '${bus}'; there are virtio-mmio-bus.0 to virtio-mmio-bus.${SLOTS - 1}`);
    }
    const slot = named === undefined
      ? Array.from({ length: SLOTS }, (_, n) => SLOTS - 1 - n).find((n) => !this.#slots.has(n))
      : Number(named);
    if (slot === undefined) return refuse(`the ${SLOTS} slots for virtio are taken`);
    const there = this.#slots.get(slot);
    if (there !== undefined) refuse(`${there} is in that slot`);
    this.#slots.set(slot, what);
    return slot;
  }

  bootIndex({ bootindex }: Properties, kind: string): void {
    if (bootindex === undefined) return;
    const index = integer(bootindex, "bootindex");
    this.#indices.set(kind, Math.min(index, this.#indices.get(kind) ?? Infinity));
  }

  #put(bus: string, place: number, image: Image): void {
    if (this.line.machine !== "pc") refuse(`the board ${this.line.machine} has no ${bus === "ide" ? "IDE disks" : "floppies"}`);
    if (place >= (bus === "ide" ? IDE : FLOPPIES)) {
      refuse(bus === "ide" ? "there are four IDE drives, 0 to 3" : "there are two floppy drives, 0 and 1");
    }
    const name = `${bus}${place}`, there = this.#drives.get(name);
    if (there) refuse(`${there.what} is in that place`);
    this.#drives.set(name, image);
  }

  /** QEMU has UEFI's code and its variables in flash; a ROM is what is here. */
  #flash(image: Image, unit: number): void {
    if (this.line.machine !== "pc") refuse("flash memory is not there yet");
    if (unit > 1) refuse("there are two flash memories, 0 and 1");
    this.#firmware[unit] = image;
  }

  /** Keys of the machine file. */
  finish(): void {
    const { set } = this.line, empty = this.line.has("nodefaults");
    if (this.line.machine === "pc") {
      set.set("boot.order", this.#order());
      if (empty && !this.#drives.has("ide2")) set.set("device.ide.disk2", false);
      if (empty && !this.#drives.has("floppy0")) set.set("device.fdc.drive0", false);
    }
    for (const [place, image] of [...this.#drives].sort(([a], [b]) => a < b ? -1 : 1)) {
      const n = place.at(-1)!, key = place.startsWith("ide") ? `device.ide.disk${n}` : `device.fdc.drive${n}`, cd = image.media === "cdrom";
      set.set(`${key}.file`, image.file);
      if (place.startsWith("ide") && cd !== (n === "2")) set.set(`${key}.media`, cd ? "cd" : "hard");
      if (image.readonly) set.set(`${key}.readonly`, true);
      else if (!image.overlay && !cd) set.set(`${key}.overlay`, false);
    }
    const [code, variables] = this.#firmware;
    if (code) set.set("firmware.bios", code.file);
    if (variables) this.line.say("firmware does not change: its variables are not kept", variables.what);
    if (!this.line.kernel && this.line.family === "x86") this.#symbols();
  }

  #order(): string[] {
    const props = this.line.merged(["boot"], "order"), letters = props.once ?? props.order;
    const known = ["order", "once", "menu", "splash", "splash-time", "reboot-timeout", "strict"];
    this.line.reading("-boot", () => onlyKnown(props, known));
    const odd = letters && /[^a-dn-p]/.exec(letters)?.[0];
    if (odd) throw new ConfigError(`-boot ${letters}: there is no drive '${odd}'; a is a floppy, c a hard disk, d a CD, n the network`);
    if (letters && /[n-p]/.test(letters)) this.line.say("networks are not there yet", `-boot ${letters}`);
    const indexed = [...this.#indices].sort(([, a], [, b]) => a - b).map(([kind]) => kind);
    const asked = [...letters ?? ""].flatMap((c) => c in KINDS ? [KINDS[c]] : []);
    // A device's own place goes before the letters.
    return [...new Set([...indexed, ...asked, ...[...ORDER].map((c) => KINDS[c])])];
  }

  /** The ELF file that a disk image was made of may lie beside it, as beside a kernel: "bootimage-NAME.bin" of "NAME". */
  #symbols(): void {
    const image = this.#drives.get("ide0")?.file ?? this.#drives.get("floppy0")?.file;
    if (image === undefined) return;
    const [, folder = "", name] = /^(.*\/)?([^/]*)$/s.exec(image)!, stem = name.replace(/^bootimage-/, "").replace(/\.\w+$/, "");
    const found = [stem, `${stem}.elf`].filter((n) => n !== name).map((n) => folder + n).find((path) =>
      isX86Elf(this.line.files.start(path))
    );
    if (found !== undefined) this.line.set.set("boot.symbols", found);
  }
}

/** System V ABI: "\x7fELF", e_machine 3 or 62. */
const isX86Elf = (bytes: Uint8Array | undefined): boolean =>
  bytes !== undefined && bytes.length >= 20 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46 &&
  (bytes[18] === 3 || bytes[18] === 62);
