// -device, -nic, -vga, -object, -global and -fw_cfg: what the machine file has, what is accepted without being there, and what is missing.
// Source: QEMU 7.2, "Device Emulation", and the names that `-device help` and `-object help` list.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import type { Consoles } from "./consoles.ts";
import type { Disks } from "./disks.ts";
import { onlyKnown, type QemuLine, typed } from "./line.ts";
import { integer, isOn, type Properties, properties } from "./syntax.ts";

/** The command line, with what the devices are plugged into. */
export interface Sockets {
  readonly line: QemuLine;
  readonly disks: Disks;
  readonly consoles: Consoles;
}

/** A device by its name. */
interface Model {
  /** Keys of the machine file for it. @throws {ConfigError} */
  readonly make?: (sockets: Sockets, props: Properties, what: string) => void;
  /** It is accepted with these words. */
  readonly said?: string;
  /** It is refused with these. */
  readonly missing?: string;
  /** Only with a disk: without one it is accepted. */
  readonly withDrive?: boolean;
}

const NO_NETWORK = "networks are not there yet: the guest finds no card";
const NO_SOUND = "sound is not there: the guest finds no card";
const NO_USB = "USB is not there: the guest finds none";
const NO_USB_INPUT = "USB is not there: the PS/2 keyboard and mouse are";
const NO_INPUT = "it is not there: what is typed goes to the serial port";
const NO_SCREEN = "that screen is not there";
const NO_CONSOLE = "consoles of virtio are not there yet: the serial port is";
const PLUMBING = "nothing is behind it";
const NO_PART = "it is not there: the guest finds none";

/** What is accepted, and why that does no harm; what is missing. "virtio-x" stands for each transport of it. */
// deno-fmt-ignore
const GROUPS: readonly (readonly [kind: "said" | "missing" | "drive", words: string, names: string])[] = [
  ["said", NO_NETWORK, "e1000 e1000-82544gc e1000-82545em e1000e igb rtl8139 ne2k_pci ne2k_isa pcnet i82550 i82551 i82557a i82557b i82557c i82558a i82558b i82559a i82559b i82559c " +
    "i82559er i82562 i82801 tulip vmxnet3 virtio-net usb-net rocker sungem"],
  ["said", NO_SOUND, "AC97 ES1370 adlib gus sb16 cs4231a intel-hda ich9-intel-hda hda-duplex hda-micro hda-output virtio-sound virtio-snd usb-audio pcspk isa-pcspk"],
  ["said", NO_USB, "qemu-xhci nec-usb-xhci usb-ehci ich9-usb-ehci1 ich9-usb-ehci2 ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3 ich9-usb-uhci4 ich9-usb-uhci5 ich9-usb-uhci6 piix3-usb-uhci " +
    "piix4-usb-uhci pci-ohci sysbus-ohci usb-hub usb-serial usb-host usb-redir usb-ccid usb-braille usb-mtp u2f-passthru ccid-card-emulated"],
  ["said", NO_USB_INPUT, "usb-kbd usb-mouse usb-tablet usb-wacom-tablet"],
  ["said", NO_INPUT, "virtio-keyboard virtio-mouse virtio-tablet virtio-input-host virtio-multitouch vmmouse"],
  ["said", NO_SCREEN, "virtio-gpu virtio-gpu-gl virtio-vga virtio-vga-gl ramfb bochs-display secondary-vga qxl ati-vga vhost-user-gpu"],
  ["said", NO_CONSOLE, "virtio-serial pci-serial pci-serial-2x pci-serial-4x"],
  ["said", PLUMBING, "pci-bridge pcie-root-port pcie-pci-bridge ioh3420 i82801b11-bridge x3130-upstream xio3130-downstream pxb pxb-pcie pci-testdev"],
  ["said", NO_PART, "intel-iommu amd-iommu virtio-iommu riscv-iommu-pci virtio-balloon virtio-rng virtio-crypto virtio-mem virtio-pmem nvdimm pc-dimm i6300esb ib700 pvpanic pvpanic-pci " +
    "vmcoreinfo vmgenid tpm-tis tpm-crb tpm-tis-device smbus-eeprom ipmi-bmc-sim isa-ipmi-kcs isa-ipmi-bt vhost-vsock vhost-user-vsock hv-syndbg isa-applesmc sga i8042 mc146818rtc isa-parallel isa-fdc acpi-erst " +
    "can-bus ctucan_pci kvaser_pci i2c-ddc at24c-eeprom"],
  ["drive", "disks by virtio over PCI are not there yet", "virtio-blk-pci"],
  ["drive", "SCSI is not there yet", "virtio-scsi lsi53c810 lsi53c895a am53c974 dc390 megasas megasas-gen2 mptsas1068 pvscsi scsi-hd scsi-cd scsi-block scsi-generic"],
  ["drive", "NVMe is not there yet; -drive if=ide is", "nvme nvme-ns nvme-subsys"],
  ["drive", "AHCI is not there yet; -drive if=ide is", "ahci ich9-ahci"],
  ["drive", "disks by USB are not there yet; -drive if=ide is", "usb-storage usb-bot usb-uas"],
  ["drive", "SD cards are not there yet", "sdhci-pci sd-card"],
  ["missing", "folders of the host (9p) are not there yet", "virtio-9p vhost-user-fs"],
  ["missing", "that device is not there", "edu ivshmem-plain ivshmem-doorbell vfio-pci pvrdma guest-loader x-pci-proxy-dev isa-cirrus-vga cxl-type3 cxl-rp ipoctal232 tpci200"],
];

/** Properties of a disk by virtio; those that are not looked at change nothing that a guest could count on. */
const VIRTIO_BLK =
  ("drive serial num-queues packed queue-size bootindex event_idx indirect_desc iommu_platform any_layout notify_on_empty discard write-zeroes config-wce report-discard-granularity " +
    "logical_block_size physical_block_size min_io_size opt_io_size discard_granularity max-discard-sectors max-write-zeroes-sectors request-merging backend_defaults scsi share-rw iothread queue_reset " +
    "seg-max-adjust write-cache rerror werror account-invalid account-failed x-enable-wce-if-config-wce use-started use-disabled-flag x-disable-legacy-check cyls heads secs")
    .split(" ");

/** Properties of every virtio device; guests find out what is there. */
const VIRTIO =
  "event_idx indirect_desc iommu_platform packed any_layout notify_on_empty queue_reset use-started use-disabled-flag x-disable-legacy-check disable-legacy disable-modern ats"
    .split(" ");

/** Properties of every drive at an IDE channel. */
const IDE = "drive bus unit bootindex serial model ver wwn share-rw write-cache physical_block_size logical_block_size rerror werror".split(
  " ",
);

/** What becomes keys of the machine file, and what properties that may have. */
const MADE: Readonly<Record<string, Model & { readonly keys: readonly string[]; readonly anywhere?: true }>> = {
  loader: { keys: ["file", "addr", "cpu-num", "force-raw", "data", "data-len", "data-be"], anywhere: true, make: loader },
  "virtio-rng-device": { keys: ["rng", "max-bytes", "period", ...VIRTIO], anywhere: true, make: inSlot("virtio.rng", NO_PART) },
  "virtio-keyboard-device": { keys: ["serial", "display", "head", ...VIRTIO], anywhere: true, make: inSlot("virtio.keyboard", NO_INPUT) },
  "virtio-serial-device": { keys: ["max_ports", "emergency-write", ...VIRTIO], anywhere: true, make: serialBus },
  virtconsole: { keys: ["chardev", "name", "nr"], anywhere: true, make: (sockets, props, what) => port(sockets, props, what, true) },
  virtserialport: { keys: ["chardev", "name", "nr"], anywhere: true, make: (sockets, props, what) => port(sockets, props, what, false) },
  "virtio-blk-device": { keys: VIRTIO_BLK, anywhere: true, make: ({ disks }, props, what) => disks.plugVirtio(props, what) },
  "isa-debug-exit": { keys: ["iobase", "iosize"], make: debugExit },
  "isa-debugcon": { keys: ["iobase", "chardev", "readback"], make: debugConsole },
  "isa-serial": { keys: ["index", "iobase", "irq", "chardev", "wakeup"], make: serial },
  "pc-testdev": { keys: [], make: ({ line }) => void line.set.set("device.testdev.type", "pc-testdev") },
  "ide-hd": {
    keys: [...IDE, ..."cyls heads secs rotation_rate discard_granularity".split(" ")],
    make: ({ disks }, props, what) => disks.plug("ide", props, what, "disk"),
  },
  "ide-cd": {
    keys: IDE,
    make: ({ disks }, props, what) => disks.plug("ide", props, what, "cdrom"),
  },
  floppy: {
    keys: ["drive", "unit", "bootindex", "drive-type", "bus"],
    make: ({ disks }, props, what) => disks.plug("floppy", props, what, "disk"),
  },
  VGA: {
    keys: [
      "vgamem_mb",
      "xres",
      "yres",
      "edid",
      "mmio",
      "qemu-extended-regs",
      "global-vmstate",
      "xmax",
      "ymax",
      "refresh_rate",
      "big-endian-framebuffer",
    ],
    make: vga,
  },
  "isa-vga": { keys: ["vgamem_mb"], make: vga },
  "cirrus-vga": { keys: ["vgamem_mb", "blitter", "global-vmstate"], make: otherVga },
  "vmware-svga": { keys: ["vgamem_mb", "global-vmstate"], make: otherVga },
  "qxl-vga": { keys: ["vgamem_mb", "ram_size", "vram_size", "revision", "xres", "yres"], make: otherVga },
};
/** Of every device. */
const COMMON = ["id", "bus", "addr", "multifunction", "rombar", "romfile", "acpi-index", "failover_pair_id"];

const MODELS: ReadonlyMap<string, Model> = new Map<string, Model>([
  ...GROUPS.flatMap(([kind, words, names]) =>
    names.split(" ").map((
      name,
    ): [string, Model] => [name, kind === "said" ? { said: words } : { missing: words, withDrive: kind === "drive" }])
  ),
  ...Object.entries(MADE),
]);

/** The device that a name means: transports of virtio are alike where they are not named. */
function modelOf(name: string): Model | undefined {
  const plain = name.replace(/-(pci|device|ccw)(-(non-)?transitional)?$/, "");
  return MODELS.get(name) ?? MODELS.get(plain) ??
    (name === "virtio-blk" || name.startsWith("virtio-blk-pci") ? MODELS.get("virtio-blk-pci") : undefined);
}

/** Those that there are, in all their spellings. */
export const deviceNames = (): string[] =>
  [...MODELS.keys()].flatMap((n) => n.startsWith("virtio-") && !/-(pci|device)$/.test(n) ? [n, `${n}-pci`, `${n}-device`] : [n]);

export function devices(sockets: Sockets): void {
  const { line } = sockets;
  graphics(line);
  if (line.machine === "pc" || line.machine === "microvm") line.set.set("device.debugexit", false);
  for (const { what, props: { driver, ...props } } of line.tables("device", "driver")) {
    if (!driver) throw new ConfigError(`${what}: expected a device's name, and its properties behind commas`);
    const model = modelOf(driver);
    if (!model) throw new ConfigError(`-device ${driver}: there is no such device${didYouMean(driver, deviceNames())}`);
    if (model.make) {
      const made = MADE[driver];
      line.reading(what, () => onlyKnown(props, [...COMMON, ...made.keys]));
      if (line.family !== "x86" && !made.anywhere) throw new ConfigError(`${what}: the board ${line.machine} has no such device`);
      model.make(sockets, props, what);
    } else if (model.said) {
      line.say(model.said, `-device ${driver}`);
      // It has its slot, so that the others have theirs.
      if (/^virtio-.*-device$/.test(driver) && line.family === "riscv") line.reading(what, () => sockets.disks.slot(props, what));
    } else if (model.withDrive && props.drive === undefined) line.say(model.missing!, `-device ${driver}`);
    else throw new ConfigError(`${what}: ${model.missing}`);
  }
  networks(line);
  for (const { value } of line.all("audio")) if (!value.startsWith("none")) line.say(NO_SOUND, "-audio");
  objects(line);
  firmwareItems(line);
  globals(line);
}

/** A device that is there with its slot; `said` where the board has none. */
function inSlot(type: string, said: string): NonNullable<Model["make"]> {
  return ({ line, disks }, props, what) => {
    if (!disks.hasSlots) return line.say(said, what);
    line.set.set(`device.virtio[${line.reading(what, () => disks.slot(props, what))}].type`, type);
  };
}

/** A console and named byte streams, which `virtconsole` and `virtserialport` are plugged into. */
function serialBus({ line, disks, consoles }: Sockets, props: Properties, what: string): void {
  if (!disks.hasSlots) return line.say(NO_CONSOLE, what);
  consoles.buses.push({ id: props.id, slot: line.reading(what, () => disks.slot(props, what)), ports: [] });
}

function port({ line, consoles }: Sockets, { bus, chardev, name }: Properties, what: string, console: boolean): void {
  const to = bus === undefined ? consoles.buses[0] : consoles.buses.find((b) => b.id !== undefined && bus === `${b.id}.0`);
  if (!to && line.family === "x86") return line.say(NO_CONSOLE, what);
  if (!to) {
    throw new ConfigError(`${what}: there is no virtio-serial-device${bus === undefined ? "" : ` with the bus '${bus}'`} in front of it`);
  }
  if (console && to.ports.some((p) => p.name === undefined)) throw new ConfigError(`${what}: a virtio-serial-device has one console`);
  if (!console && !name) throw new ConfigError(`${what}: name=... is missing`);
  to.ports.push({ name: console ? undefined : name, where: line.reading(what, () => consoles.named(chardev)) });
}

/** A file in memory. QEMU's loader can also store a number or set where a processor begins. */
function loader({ line }: Sockets, props: Properties, what: string): void {
  const { file, addr, "cpu-num": processor, "force-raw": raw } = props;
  if (props.data !== undefined) throw new ConfigError(`${what}: only files are loaded; put the number into one`);
  if (processor !== undefined) throw new ConfigError(`${what}: where a processor begins is not set by a file; -kernel or -bios start one`);
  if (!file) throw new ConfigError(`${what}: file=... is missing`);
  const elf = !isOn(raw) && isElf(line.files.start(file)),
    at = addr === undefined || elf ? undefined : line.reading(what, () => integer(addr, "addr"));
  const load = { file, ...at !== undefined && { at: `0x${at.toString(16)}` }, ...isOn(raw) && { format: "raw" } };
  line.set.set("load", [...line.set.get("load") as unknown[] | undefined ?? [], load]);
}

const isElf = (bytes: Uint8Array | undefined) => bytes?.[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

function debugExit({ line: { set } }: Sockets, { iobase = "0x501", iosize = "2" }: Properties, what: string): void {
  const io = integer(iobase, `${what}: iobase`), size = integer(iosize, `${what}: iosize`);
  // The machine files have one at this place.
  set.delete("device.debugexit");
  if (io !== 0xf4) set.set("device.debugexit.io", `0x${io.toString(16)}`);
  if (size !== 4) set.set("device.debugexit.size", size);
}

function debugConsole({ line, consoles }: Sockets, { iobase = "0xe9", chardev }: Properties, what: string): void {
  const port = integer(iobase, `${what}: iobase`);
  consoles.debug.push({ port, where: line.reading(what, () => consoles.named(chardev)) });
}

function serial({ line, consoles }: Sockets, { index, chardev }: Properties, what: string): void {
  consoles.serials.push({
    index: index === undefined ? undefined : integer(index, `${what}: index`),
    where: line.reading(what, () => consoles.named(chardev)),
  });
}

function vga({ line }: Sockets): void {
  if (line.machine === "pc") line.set.delete("device.vga");
}

function otherVga({ line }: Sockets, _props: Properties, what: string): void {
  line.set.delete("device.vga");
  line.say("in its place is the standard VGA", what);
}

/** -vga, and whether there is one when nobody says. */
function graphics(line: QemuLine): void {
  const kind = line.last("vga");
  if (line.machine !== "pc") {
    if (kind !== undefined && kind !== "none") line.say(NO_SCREEN, `-vga ${kind}`);
    return;
  }
  if (kind === "none" || kind === undefined && line.has("nodefaults")) line.set.set("device.vga", false);
  else if (kind !== undefined && kind !== "std") {
    if (!["cirrus", "vmware", "qxl", "virtio", "xenfb", "tcx", "cg3"].includes(kind)) {
      throw new ConfigError(`-vga ${kind}: there is no such card${didYouMean(kind, ["std", "none", "cirrus", "vmware", "qxl", "virtio"])}`);
    }
    line.say("in its place is the standard VGA", `-vga ${kind}`);
  }
}

const NETDEVS = [
  "user",
  "tap",
  "bridge",
  "socket",
  "stream",
  "dgram",
  "vde",
  "l2tpv3",
  "hubport",
  "vhost-user",
  "vhost-vdpa",
  "netmap",
  "none",
  "passt",
  "af-xdp",
];
function networks(line: QemuLine): void {
  for (const g of line.all("netdev", "nic", "net")) {
    const { type = "" } = line.reading(g, () => properties(g.value, "type"));
    if (type === "none") continue;
    if (type !== "nic" && !NETDEVS.includes(type) && g.name !== "nic") {
      throw new ConfigError(`${typed(g)}: there is no network of the kind '${type}'${didYouMean(type, NETDEVS)}`);
    }
    line.say(NO_NETWORK, `-${g.name} ${type}`);
  }
}

/** What devices refer to. Without those it does nothing. */
const OBJECTS = [
  "rng-random",
  "rng-builtin",
  "rng-egd",
  "memory-backend-ram",
  "memory-backend-file",
  "memory-backend-memfd",
  "memory-backend-shm",
  "iothread",
  "main-loop",
  "secret",
  "secret_keyring",
  "throttle-group",
  "tls-creds-anon",
  "tls-creds-psk",
  "tls-creds-x509",
  "thread-context",
  "can-bus",
  "can-host-socketcan",
  "cryptodev-backend-builtin",
  "authz-list",
  "authz-simple",
  "input-linux",
  "acpi-generic-initiator",
];
const FILTERS = ["filter-dump", "filter-buffer", "filter-mirror", "filter-redirector", "filter-replay", "filter-rewriter", "colo-compare"];
function objects(line: QemuLine): void {
  for (const { what, props } of line.tables("object", "qom-type")) {
    const type = props["qom-type"] ?? "";
    if (FILTERS.includes(type)) line.say(NO_NETWORK, `-object ${type}`);
    else if (!OBJECTS.includes(type)) {
      throw new ConfigError(`${what}: there is no such object${didYouMean(type, [...OBJECTS, ...FILTERS])}`);
    }
  }
}

/** -fw_cfg. */
function firmwareItems(line: QemuLine): void {
  const items: Record<string, unknown> = {};
  for (const { what, props: { name, file, string, ...odd } } of line.tables("fw_cfg", "name")) {
    line.reading(what, () => onlyKnown(odd, ["name", "file", "string"]));
    if (line.machine !== "pc") throw new ConfigError(`${what}: the board ${line.machine} has no firmware configuration device yet`);
    if (!name || (file === undefined) === (string === undefined)) {
      throw new ConfigError(`${what}: expected name=...,file=FILE or name=...,string=TEXT`);
    }
    if (name in items) throw new ConfigError(`${what}: there are two called '${name}'`);
    items[name] = file === undefined ? string : { file };
  }
  if (Object.keys(items).length > 0) line.set.set("device.fw_cfg.items", items);
}

/** Properties of all devices of a kind: those that mean something here are read where that is. */
function globals(line: QemuLine): void {
  for (const g of line.all("global")) {
    const { driver, property, value } = line.reading(g, () => properties(g.value, "")),
      [, short, name, rest] = /^([\w-]+(?:\.\w+)?)\.([^=.]+)=(.*)$/s.exec(g.value) ?? [];
    const of = driver ?? short, what = property ?? name;
    if (of === undefined || what === undefined) throw new ConfigError(`${typed(g)}: expected driver.property=value`);
    if (of === "riscv-cpu" || of === "isa-debugcon" && what === "iobase") continue;
    if (of === "virtio-mmio" && what === "force-legacy") {
      // A board without slots has none to say it of, and QEMU's says so, too.
      if (line.family === "riscv" && !isOn(value ?? rest)) line.set.set("device.virtio.force_legacy", false);
      continue;
    }
    line.say("nothing here has that property", `-global ${of}.${what}`);
  }
}
