// -machine: which machine file it is, and what its properties change. Source: QEMU 7.2, docs/system/target-i386.rst, target-riscv.rst, and what
// `-machine TYPE,help` lists.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import type { QemuLine } from "./line.ts";
import { harts, isOn, memory } from "./syntax.ts";

interface Board {
  /** The machine file that is the same. */
  readonly file?: string;
  /** Why there is none. */
  readonly missing?: string;
}

const NOT_THERE: Board = { missing: "that board is not there yet" };
/** By the names that QEMU has, of which some end in a version. */
const BOARDS: Readonly<Record<QemuLine["family"], Readonly<Record<string, Board>>>> = {
  x86: {
    pc: { file: "pc" },
    "pc-i440fx": { file: "pc" },
    microvm: { file: "microvm" },
    q35: { missing: "the board q35 is not there yet; -machine pc is" },
    "pc-q35": { missing: "the board q35 is not there yet; -machine pc is" },
    isapc: { missing: "the board isapc is not there; -machine pc is" },
    none: { missing: "an empty machine is not there" },
  },
  riscv: {
    virt: { file: "virt" },
    sifive_u: NOT_THERE,
    sifive_e: NOT_THERE,
    spike: { missing: "the board spike is not there; -machine virt is" },
    "microchip-icicle-kit": NOT_THERE,
    shakti_c: NOT_THERE,
    opentitan: NOT_THERE,
    none: { missing: "an empty machine is not there" },
  },
};
/** QEMU's default. */
const DEFAULT: Readonly<Record<QemuLine["family"], string>> = { x86: "pc", riscv: "spike" };

/** Properties that change nothing that a guest of ours could see. */
const NOTHING = [
  "accel",
  "kernel-irqchip",
  "usb",
  "dump-guest-core",
  "mem-merge",
  "vmport",
  "smm",
  "graphics",
  "acpi",
  "nvdimm",
  "memory-backend",
  "suppress-vmdesc",
  "aclint",
  "pcspk-audiodev",
  "x-option-roms",
  "auto-kernel-cmdline",
  "rtc",
  "phandle-start",
  "smbus",
  "sata",
  "max-ram-below-4g",
  "kvm-type",
  "ioapic2",
  "pcie",
  "default-bus-bypass-iommu",
  "gic-version",
  "smbios-entry-point-type",
  "hmat",
  "confidential-guest-support",
];
/** The same as an option. */
const OPTIONS: Readonly<Record<string, string>> = { kernel: "kernel", initrd: "initrd", append: "append", firmware: "bios", dtb: "dtb" };

/** What others do. */
const PROPERTIES: Readonly<Record<string, (line: QemuLine, value: string) => void>> = {
  ...Object.fromEntries(NOTHING.map((name) => [name, () => {}])),
  accel: (line, value) => {
    if (!/^tcg\b/.test(value)) line.say("the host's virtualization is not used", `accel=${value}`);
  },
  hpet: (line, value) => {
    if (!isOn(value)) withoutHpet(line);
  },
  i8042: (line, value) => {
    if (!isOn(value)) line.set.set("device.kbd", false);
  },
  "isa-serial": (line, value) => {
    if (!isOn(value)) line.set.set("device.com1", false);
  },
  pit: (line, value) => {
    if (!isOn(value)) line.say("the timer stays: nobody has to use it", `pit=${value}`);
  },
  pic: (line, value) => {
    if (!isOn(value)) line.say("the interrupt controller stays: nobody has to use it", `pic=${value}`);
  },
  aia: (line, value) => {
    if (value !== "none") line.say("the AIA is not there: interrupts go through the PLIC, which the device tree says", `aia=${value}`);
  },
  "aia-guests": () => {},
  pflash0: () => {},
  pflash1: () => {},
  dumpdtb: () => {
    throw new ConfigError("`bringup describe MACHINE --dtb FILE` writes the device tree");
  },
};

/** Without it the timer and the clock drive their lines themselves. */
function withoutHpet(line: QemuLine): void {
  if (line.machine !== "pc") return;
  line.set.set("device.hpet", false).set("device.pit.irq", "isa:0").set("device.cmos.irq", "isa:8");
}

/** The board, and its properties; those of -accel and -no-hpet, too. */
export function board(line: QemuLine, shipped: readonly string[]): Record<string, string> {
  const { type, ...props } = line.merged(["machine", "M"], "type"), typed = `-machine ${type ?? DEFAULT[line.family]}`;
  const boards = BOARDS[line.family], name = type ?? DEFAULT[line.family], plain = name.replace(/-\d+\.\d+$/, "");
  if (!Object.hasOwn(boards, plain)) {
    throw new ConfigError(
      `${typed}: there is no such board${didYouMean(plain, Object.keys(boards))}; there are ${
        Object.keys(boards).filter((b) => boards[b].file).join(", ")
      }`,
    );
  }
  // A machine file of the board's name may have come meanwhile.
  const file = boards[plain].file ?? (shipped.includes(plain) ? plain : undefined);
  if (file === undefined) {
    throw new ConfigError(
      `${type === undefined ? `no -machine is given, and QEMU's default is ${name}` : typed}: ${boards[plain].missing}`,
    );
  }
  line.machine = file === "virt" && line.target === "riscv32" ? "virt32" : file;
  for (const [key, value] of Object.entries(props)) {
    if (Object.hasOwn(OPTIONS, key)) line.given.push({ name: OPTIONS[key], value });
    else if (Object.hasOwn(PROPERTIES, key)) PROPERTIES[key](line, value);
    else {throw new ConfigError(
        `-machine ${key}=${value}: unknown property '${key}'${didYouMean(key, [...Object.keys(PROPERTIES), ...Object.keys(OPTIONS)])}`,
      );}
  }
  for (const { value } of line.all("accel")) PROPERTIES.accel(line, value);
  if (line.has("no-hpet")) withoutHpet(line);
  const ram = line.all("m").at(-1), processors = line.all("smp").at(-1);
  if (ram) line.set.set(line.family === "x86" ? "memory.ram.size" : "memory.dram.size", line.reading(ram, () => memory(ram.value)));
  if (processors) {
    const count = Number(line.reading(processors, () => harts(processors.value)));
    if (count !== 1) line.set.set(line.family === "x86" ? "cpu.cores" : "cpu.harts", count);
  }
  return props;
}

/** Those that there are. */
export const boardNames = (family: QemuLine["family"]): string[] =>
  Object.entries(BOARDS[family]).filter(([, b]) => b.file).map(([name]) => name);
