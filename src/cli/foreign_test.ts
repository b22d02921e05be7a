import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { FOREIGN_OPTIONS, translate } from "./foreign.ts";
import { LIBTEST } from "./libtest/arguments.ts";
import { parseCommandLine } from "./options.ts";

const split = (text: string) => text.split(" ").filter(Boolean);
const ours = (line: string, cargo = false) => translate(["pc.toml", ...split(line)], cargo).args.slice(1);

/** What `-serial stdio ...` and so on become. */
const MAPPED: readonly [foreign: string, ours: string][] = [
  // What bootimage and the runners of "Writing an OS in Rust" append.
  [
    "k.bin -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x04 -serial stdio -display none",
    "k.bin --set boot.reset=stop --serial stdio --display none",
  ],
  ["k.bin --no-reboot -serial mon:stdio -nographic -monitor none -nic none -no-reboot", "k.bin --set boot.reset=stop --serial stdio"],
  [
    "-serial stdio -serial file:log -serial tcp::4555,server -serial null -serial stdio",
    "--serial stdio --serial log --serial 4555 --serial none",
  ],
  ["-device isa-debug-exit", "--set device.debugexit.io=0x501 --set device.debugexit.size=2"],
  ["-device isa-debug-exit,iobase=0x501,iosize=4", "--set device.debugexit.io=0x501 --set device.debugexit.size=4"],
  ["-s -S -kernel k.elf", "--gdb=1234 --wait k.elf"],
  ["-gdb tcp::4000 -gdb tcp:localhost:4001", "--gdb=4000 --gdb=4001"],
  ["-m 256 -smp 4", "--memory 256MiB --harts 4"],
  ["-m size=1G,slots=1 -smp cpus=2,cores=2", "--memory 1GiB --harts 2"],
  ["-drive format=raw,file=fs.img -drive file=a,,b.img,if=floppy -cdrom c.iso", "--disk fs.img --floppy a,b.img --cd c.iso"],
  ["-drive media=cdrom,file=c.iso -hda d.img -fda f.img", "--cd c.iso --disk d.img --floppy f.img"],
  ["-bios none -bios default -bios fw.bin", "--firmware none --firmware fw.bin"],
  ["-append -x -initrd rd -display curses -vga none", "--append=-x --initrd rd --display terminal --set device.vga=false"],
  ["-M pc -machine type=pc -accel tcg,thread=single -icount shift=0", ""],
  // Rust's test harness.
  ["k.elf --nocapture -q --test-threads 1 --test-threads=1 --exact -Z unstable-options", "k.elf"],
  // Values of our own options are left alone, whatever they look like.
  [
    "--append -no-reboot k.elf -no-reboot --gdb --wait --timeout=5s --expect -s",
    "--append -no-reboot k.elf --set boot.reset=stop --gdb --wait --timeout=5s --expect --gdb=1234",
  ],
];

Deno.test("QEMU's and the test harness's options become ours", () => {
  for (const [foreign, expected] of MAPPED) assertEquals(ours(foreign), split(expected), foreign);
});

const DISK = "x.img", ALONE = undefined;
const ELSEWHERE = "a device is a table of the machine file; `devices` lists what there is", NETWORK = "networks are not there yet";
/** Every option: a value that it takes, if any, and what it becomes, or (with an exclamation mark) why it does not. */
const EVERY: Readonly<Record<string, readonly (readonly [value: string | undefined, ours: string])[]>> = {
  ...Object.fromEntries(
    split(
      "no-acpi no-user-config nodefaults nographic snapshot no-kvm mem-prealloc no-fd-bootchk full-screen singlestep one-insn-per-tb only-migratable " +
        "win2k-hack enable-sync-profile async-teardown",
    ).map((n) => [n, [[ALONE, ""]]]),
  ),
  ...Object.fromEntries(
    split(
      "icount name L k mem-path watchdog-action tpmdev fsdev echr uuid seed compat msg sandbox runas chroot run-with overcommit tb-size add-fd",
    ).map((n) => [n, [["x", ""]]]),
  ),
  // Accepted with a word, as `bringup qemu` does.
  ...Object.fromEntries(split("numa usbdevice soundhw watchdog smbios acpitable qmp qmp-pretty dfilter").map((n) => [n, [["x", ""]]])),
  // What `bringup qemu` reads, and what is nowhere.
  "no-hpet": [[ALONE, "!use --set device.hpet=false, with device.pit.irq=isa:0 and device.cmos.irq=isa:8"]],
  audiodev: [["none,id=x", "!sound is not there"]],
  "option-rom": [["f", "!ROMs on cards are not there"]],
  blockdev: [["file,node-name=x", "!use --disk"]],
  pflash: [["f", "!use --firmware for a BIOS"]],
  sd: [["f", "!SD cards are not there"]],
  mtdblock: [["f", "!flash memory is not there"]],
  virtfs: [["local,path=x", "!folders of the host (9p) are not there"]],
  sdl: [[ALONE, "!there are no windows; use --display terminal or --screenshot"]],
  spice: [["port=5", "!use --display terminal or --screenshot"]],
  action: [["reboot=shutdown", "!use --set boot.reset=stop"]],
  plugin: [["f", "!plugins of QEMU cannot be loaded"]],
  pidfile: [["f", "!your shell knows the process's number: $!"]],
  ...Object.fromEntries(
    ["loadvm", "incoming"].map((n) => [n, [["x", "!states of QEMU's cannot be read; a scenario's m.snapshot() keeps one"]]]),
  ),
  readconfig: [["f", "!write its options on the command line"]],
  "no-reboot": [[ALONE, "--set boot.reset=stop"]],
  kernel: [["k", "k"]],
  initrd: [["rd", "--initrd rd"]],
  append: [["x", "--append=x"], ["", "--append="]],
  bios: [["default", ""], ["b", "--firmware b"]],
  m: [["256", "--memory 256MiB"], ["1G", "--memory 1GiB"], ["2k", "--memory 2KiB"], ["3MB", "--memory 3MiB"], [
    "x",
    "!expected a size such as 256M",
  ]],
  smp: [["2", "--harts 2"], ["sockets=2,cores=2", "--harts 4"], ["maxcpus=2", "!expected a number of processors, such as 4"]],
  s: [[ALONE, "--gdb=1234"]],
  S: [[ALONE, "--wait"]],
  gdb: [["tcp::5", "--gdb=5"], ["tcp:127.0.0.1:6,x", "--gdb=6"], ["tcp:far:6", "!expected tcp::PORT; here --gdb takes the port's number"]],
  serial: [
    ["stdio", "--serial stdio"],
    ["mon:stdio", "--serial stdio"],
    ["none", "--serial none"],
    ["null", "--serial none"],
    ["file:f", "--serial f"],
    ["tcp::5", "--serial 5"],
    ["tcp:x", "!expected tcp::PORT; here --serial takes the port's number"],
    ["vc", "!use --serial FILE, a port number, or stdio"],
  ],
  display: [
    ["none", "--display none"],
    ["curses", "--display terminal"],
    ["curses,charset=x", "--display terminal"],
    ["type=none", "--display none"],
    ["sdl", "!there are no windows; use --display terminal or --screenshot"],
  ],
  curses: [[ALONE, "--display terminal"]],
  drive: [
    ["file=x.img", "--disk x.img"],
    ["x.img", "--disk x.img"],
    ["file=a=b", "--disk a=b"],
    ["file=x,if=ide,media=disk,readonly", "--disk x"],
    ["file=x,if=floppy", "--floppy x"],
    ["file=x,media=cdrom", "--cd x"],
    ["file=x,if=pflash", "!use --firmware for a BIOS"],
    ["file=x,if=scsi", "!'scsi' is not there; without if= it is an IDE disk"],
    ["=x", "!file=... is missing"],
  ],
  ...Object.fromEntries(["hda", "hdb", "hdc", "hdd"].map((n) => [n, [[DISK, `--disk ${DISK}`]]])),
  ...Object.fromEntries(["fda", "fdb"].map((n) => [n, [[DISK, `--floppy ${DISK}`]]])),
  cdrom: [[DISK, `--cd ${DISK}`]],
  device: [
    ["isa-debug-exit,iobase=0xf4", ""],
    ["isa-debug-exit,iobase=5", "--set device.debugexit.io=0x5 --set device.debugexit.size=2"],
    ["isa-debug-exit,iosize=x", "!iobase and iosize must be numbers"],
    ["isa-debug-exit,iobase=0xf4,iosize=x", "!iobase and iosize must be numbers"],
    ["rtl8139", `!${ELSEWHERE}`],
  ],
  vga: [["none", "--set device.vga=false"], ["std", ""], ["qxl", "!only 'std' is there"]],
  ...Object.fromEntries(["machine", "M"].map((n) => [n, [
    ["pc", ""],
    ["type=pc", ""],
    ["virt", "!the machine file in the first place says which machine it is"],
    ["pc,hpet=off", "!'hpet' is a key of the machine file, if it is there"],
  ]])),
  accel: [["tcg", ""], ["tcg,x=y", ""], ["kvm", "!the host's virtualization is not used; leave it out"], [
    "tcgx",
    "!the host's virtualization is not used; leave it out",
  ]],
  monitor: [["none", ""], ["null", ""], ["stdio", "!Ctrl-A C opens the monitor; leave it out"]],
  net: [["none", ""], ["user", `!${NETWORK}`]],
  nic: [["none", ""], ["null", ""], ["user", `!${NETWORK}`]],
  parallel: [["none", ""], ["stdio", "!leave it out: what is printed on lpt1 goes nowhere"]],
  audio: [["none", ""], ["pa", "!sound is not there"]],
  "enable-kvm": [[ALONE, "!the host's virtualization is not used; leave it out"]],
  "no-shutdown": [[ALONE, "!--gdb holds the machine when it stops"]],
  boot: [["d", "!the image in the kernel's place is booted"]],
  cpu: [["max", "!use --set cpu.isa=rv64gc_zbb (RISC-V) or --set cpu.model=max (x86)"]],
  d: [["int", "!use --trace; --trace help lists its channels"]],
  D: [["f", "!use --trace and send stderr to a file: 2>FILE"]],
  trace: [],
  dtb: [["f", "!the device tree is made from the machine file; `describe` shows it"]],
  rtc: [["base=utc", "!use --set clock.rtc=2026-01-01T00:00:00Z"]],
  debugcon: [["stdio", "!use --set device.debugcon.console=true and --serial"]],
  chardev: [["stdio,id=x", "!use --serial FILE, a port number, or stdio"]],
  mon: [["x", "!Ctrl-A C opens the monitor"]],
  netdev: [["user,id=x", `!${NETWORK}`]],
  global: [["x", "!use --set with a key of the machine file"]],
  object: [["x", `!${ELSEWHERE}`]],
  fw_cfg: [["x", "!only the files of the firmware are there"]],
  usb: [[ALONE, "!USB is not there"]],
  vnc: [[":0", "!use --display terminal or --screenshot"]],
  daemonize: [[ALONE, "!start it in the background: bringup ... &"]],
  semihosting: [[ALONE, "!semihosting is not there"]],
  "semihosting-config": [["x", "!semihosting is not there"]],
  // Rust's test harness.
  ...Object.fromEntries(
    Object.entries(LIBTEST).flatMap(([name, { value, short }]) => [name, short ?? name].map((n) => [n, [[value ? "1" : ALONE, ""]]])),
  ),
};
/** These are ours as well, with two dashes. */
const OURS_TOO = ["initrd", "append", "gdb", "serial", "display", "trace"];

Deno.test("every foreign option: with its value in both ways, without one, and with one that it does not take", () => {
  assertEquals(Object.keys(EVERY).sort(), [...FOREIGN_OPTIONS].sort());
  const line = (...args: string[]) => translate(["pc.toml", ...args], false).args.slice(1).join(" ");
  const said = (...args: string[]) => assertThrows(() => line(...args), ConfigError, "", args.join(" ")).message;
  for (const [name, cases] of Object.entries(EVERY)) {
    const taken = cases[0]?.[0] !== ALONE;
    for (const dashed of OURS_TOO.includes(name) ? [`-${name}`].filter(() => name.length === 1) : [`-${name}`, `--${name}`]) {
      if (taken && cases.length) assertEquals(said(dashed), `${dashed} needs a value`);
      if (!taken) assertEquals(said(`${dashed}=x`), `${dashed} takes no value`);
      for (const [value, ours] of cases) {
        for (const args of value === undefined ? [[dashed]] : [[dashed, value], [`${dashed}=${value}`]]) {
          const text = args.join(" ");
          if (ours[0] !== "!") assertEquals(line(...args, "k2"), `${ours} k2`.trim(), text);
          else {
            // What is never there needs no value to be told of.
            const told = said(...args), behind = `${dashed} ${value}: `, place = told.startsWith(behind) ? behind : `${dashed}: `;
            assertEquals(told, place + ours.slice(1));
          }
        }
      }
    }
  }
});

const REFUSED: readonly [foreign: string, message: string][] = [
  ["-frobnicate", "unknown option '-frobnicate'"],
  ["-serial", "-serial needs a value"],
  ["-serial pty", "-serial pty: use --serial FILE, a port number, or stdio"],
  ["-nographic=yes", "-nographic takes no value"],
  ["-d int", "-d: use --trace; --trace help lists its channels"],
  ["-M q35", "-M q35: the machine file in the first place says which machine it is"],
  ["-machine pc,usb=on", "-machine pc,usb=on: 'usb' is a key of the machine file, if it is there"],
  ["-device e1000", "-device e1000: a device is a table of the machine file; `devices` lists what there is"],
  ["-device isa-debug-exit,iobase=x", "-device isa-debug-exit,iobase=x: iobase and iosize must be numbers"],
  [
    "-drive file=a.qcow2,format=qcow2",
    "-drive file=a.qcow2,format=qcow2: images of format 'qcow2' are not there; qemu-img convert -O raw makes a raw one",
  ],
  ["-drive if=none,id=x", "-drive if=none,id=x: file=... is missing"],
  ["-drive if=virtio,file=x", "-drive if=virtio,file=x: 'virtio' is not there; without if= it is an IDE disk"],
  ["-m lots", "-m lots: expected a size such as 256M"],
  ["-smp many", "-smp many: expected a number of processors, such as 4"],
  ["-gdb unix:x", "-gdb unix:x: expected tcp::PORT; here --gdb takes the port's number"],
  ["-display gtk", "-display gtk: there are no windows; use --display terminal or --screenshot"],
  ["-enable-kvm", "-enable-kvm: the host's virtualization is not used; leave it out"],
  ["-netdev user,id=n0", "-netdev: networks are not there yet"],
];

Deno.test("what cannot be served is refused with what to use instead", () => {
  for (const [foreign, message] of REFUSED) assertEquals(assertThrows(() => ours(foreign), ConfigError).message, message);
});

Deno.test("what selects test cases is told apart; under Cargo, what is behind the kernel does, from others behind an option of the harness", () => {
  const cases = (line: string, cargo: boolean) => {
    const { args, cases, notes } = translate(["virt", ...split(line)], cargo);
    assertEquals(notes, []);
    return { args, cases };
  };
  const args = ["virt", "k.elf"];
  assertEquals(cases("k.elf boots --exact", true), { args, cases: [[undefined, "boots"], ["exact", ""]] });
  assertEquals(cases("k.elf --exact boots --nocapture", false), { args, cases: [["exact", ""], [undefined, "boots"], ["nocapture", ""]] });
  assertEquals(cases("k.elf boots", true), { args, cases: [[undefined, "boots"]] });
  assertEquals(cases("k.elf boots -no-reboot", false), { args: ["virt", "k.elf", "--set", "boot.reset=stop", "boots"], cases: undefined });
  assertEquals(cases("k.elf --list --format=terse", true), { args, cases: [["list", ""], ["format", "terse"]] });
  for (const line of ["--nocapture", "-q", "--quiet", "--test-threads 1", "--color always", "--test", "-Z x", "--show-output"]) {
    assertEquals(cases(`k.elf ${line}`, true), { args, cases: undefined }, `${line}: the kernel's own runner runs`);
  }
  for (const line of ["--list", "--exact", "--ignored", "--include-ignored", "--skip x", "--format pretty", "--exclude-should-panic"]) {
    assert(cases(`k.elf ${line}`, false).cases, line);
  }
});

Deno.test("an option of ours keeps its value, and what follows is read on", () => {
  const line = (...args: string[]) => translate(["pc.toml", ...args], false).args.slice(1).join(" ");
  assertEquals(line("--timeout", "-s"), "--timeout --gdb=1234", "what begins with a dash is no time");
  assertEquals(line("--expect", "x", "-s", "k"), "--expect x --gdb=1234 k");
  assertEquals(line("--expect=x", "-s"), "--expect=x --gdb=1234");
  assertEquals(line("--expect=x", "k", "-q"), "--expect=x k", "this one is a kernel, not a value");
  assertEquals(line("--stats", "k", "-q"), "--stats k");
  assertEquals(line("--expect"), "--expect");
  assertEquals(line("-q", "--", "-s"), "--gdb=1234", "two dashes end nothing for the harness");
  assertEquals(translate(["pc.toml", "-kernel", "k", "boots"], true), {
    args: ["pc.toml", "k"],
    notes: [],
    cases: [[undefined, "boots"]],
  }, "a kernel by QEMU's option is in the kernel's place");
  // Once is enough where the same is said; not where it is not.
  assertEquals(line("-display", "none", "-display", "none", "-hda", "a", "-hda", "a"), "--display none --disk a --disk a");
});

Deno.test("values of options: empty, with a dash in front, left out", () => {
  const values = (line: readonly string[]) => parseCommandLine(["virt.toml", ...line]).values;
  assertEquals(values(["--append="]), { append: "" });
  assertEquals(values(["--append", ""]), { append: "" });
  assertEquals(values(["--append", "-x"]), { append: "-x" });
  assertEquals(values(["--append", "--debug"]), { append: "--debug" });
  assertEquals(values(["--append=--stats", "--stats"]), { append: "--stats", stats: true });
  assertEquals(values(["--gdb", "--wait"]), { gdb: "", wait: true });
  assertEquals(values(["--gdb", "5", "--expect", "a", "--expect=-b=c"]), { gdb: "5", expect: ["a", "-b=c"] });
  assertEquals(parseCommandLine(["virt.toml", "-", "--", "--stats", "-x"]).positional, ["virt.toml", "-", "--stats", "-x"]);
});
