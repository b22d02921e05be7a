import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { translate } from "./foreign.ts";
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
  ["k.elf --list", "--list: tests cannot be listed: what a kernel's own test runner runs, it alone decides"],
];

Deno.test("what cannot be served is refused with what to use instead", () => {
  for (const [foreign, message] of REFUSED) assertEquals(assertThrows(() => ours(foreign), ConfigError).message, message);
});

Deno.test("under Cargo, arguments behind the kernel are the test harness's, and their user is told", () => {
  assertEquals(translate(["virt", "k.elf", "boots", "--exact"], true), {
    args: ["virt", "k.elf"],
    notes: ["'boots' has no effect: what a kernel's own test runner runs, it alone decides"],
  });
  assertEquals(ours("k.elf boots", false), ["k.elf", "boots"]);
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
