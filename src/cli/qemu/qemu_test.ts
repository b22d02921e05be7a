// What command lines of QEMU's become: options, devices, disks and consoles in the combinations that kernels' Makefiles have.
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { silent } from "../../core/log.ts";
import { loadGraph } from "../../machine/machine.ts";
import { Random } from "../../../tests/fuzz/random.ts";
import { findShipped, readFile } from "../../scenario/host.ts";
import { EXTENSION_NAMES } from "../../riscv/instruction_set.ts";
import { FEATURE_NAMES } from "../../x86/cpuid.ts";
import { makePlan } from "../plan.ts";
import { parseSet } from "../set.ts";
import type { Files } from "./line.ts";
import { commandLine, qemuStatus, understand } from "./mod.ts";
import { EXTENSIONS, FEATURES } from "./processor.ts";
import { QEMU } from "./table.ts";
import { machineFile, tomlValue } from "./toml.ts";

/** The words of a line; quotes hold some together. */
const words = (line: string): string[] => Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), (m) => m[1] ?? m[2]);

/** Files that there are: an ELF file beside a disk image, a qcow2 image, firmware. */
const X86_ELF = Uint8Array.from({ length: 64 }, (_, i) => [0x7f, 0x45, 0x4c, 0x46][i] ?? (i === 18 ? 62 : 0));
const THERE: Readonly<Record<string, Uint8Array>> = {
  os: X86_ELF,
  "new.img": Uint8Array.of(0x51, 0x46, 0x49, 0xfb),
  "/usr/share/qemu/fw.bin": new Uint8Array(512),
  "roms/bios.rom": new Uint8Array(512),
};
const files = (terminal = false): Files => ({ start: (path) => THERE[path], terminal });

const read = (line: string, terminal = false) => understand(words(line), files(terminal));
/** Machine, kernel, keys and options in one line. */
function ours(line: string, terminal = false): string {
  const { machine, kernel, initrd, append, set, options, own } = read(line, terminal);
  const keys = [...set].map(([key, value]) => `${key}=${tomlValue(value).replaceAll('"', "")}`);
  return [
    machine,
    ...kernel ? [kernel] : [],
    ...initrd ? [`initrd=${initrd}`] : [],
    ...append !== undefined ? [`append=${append}`] : [],
    ...keys,
    ...options,
    ...own,
  ]
    .join(" ");
}

/** What every PC of QEMU's is that has no debug exit, one serial port, and no debug console, unlike pc.toml. */
const PC = "device.com2=false device.com3=false device.com4=false device.debugcon=false";
const FIRST = "boot.order=[hard, floppy, cd]";

/** Lines and what they become; what is said of them. */
const LINES: readonly (readonly [line: string, ours: string, ...notes: string[]])[] = [
  // Disk images of boot loaders.
  [
    "qemu-system-x86_64 -drive format=raw,file=bootimage-os.bin -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x04 -serial stdio -display none",
    `pc ${FIRST} device.ide.disk0.file=bootimage-os.bin device.ide.disk0.overlay=false boot.symbols=os ${PC} boot.reset=stop cpu.triple_fault=stop --display=none`,
  ],
  [
    "qemu-system-x86_64 -drive format=raw,file=out/disk.img -bios roms/bios.rom",
    `pc firmware.bios=roms/bios.rom device.debugexit=false ${FIRST} device.ide.disk0.file=out/disk.img device.ide.disk0.overlay=false ${PC} cpu.triple_fault=reset`,
  ],
  [
    "qemu-system-i386 -drive file=root.img,index=1,media=disk,format=raw -drive file=os.img,index=0,media=disk,format=raw -smp 2 -m 512 -nographic -snapshot",
    `pc memory.ram.size=512MiB cpu.cores=2 cpu.features=[-lm] device.debugexit=false ${FIRST} device.ide.disk0.file=os.img device.ide.disk1.file=root.img boot.symbols=os ${PC} ` +
    "firmware.serial=true cpu.triple_fault=reset --display=none",
  ],
  [
    "qemu-system-i386 -s -fda os-image.bin -boot a -d guest_errors,int -D log.txt",
    `pc cpu.features=[-lm] device.debugexit=false boot.order=[floppy, hard, cd] device.fdc.drive0.file=os-image.bin device.fdc.drive0.overlay=false ${PC} cpu.triple_fault=reset ` +
    "--gdb=1234 --trace=guest,trap,irq --trace-file=log.txt",
  ],
  [
    "qemu-system-x86_64 -cdrom os.iso -hda /dev/null -boot order=d,menu=off -smp cores=2,sockets=2 -m size=1G -vga std -net none -parallel none -rtc base=2024-02-03T04:05:06 -no-hpet",
    `pc device.hpet=false device.pit.irq=isa:0 device.cmos.irq=isa:8 memory.ram.size=1GiB cpu.cores=4 device.debugexit=false boot.order=[cd, hard, floppy] device.ide.disk0.file=/dev/null ` +
    `device.ide.disk0.overlay=false device.ide.disk2.file=os.iso ${PC} device.lpt1=false cpu.triple_fault=reset clock.rtc=2024-02-03T04:05:06.000Z`,
  ],
  [
    "qemu-system-x86_64 os.img",
    `pc device.debugexit=false ${FIRST} device.ide.disk0.file=os.img device.ide.disk0.overlay=false boot.symbols=os ${PC} cpu.triple_fault=reset`,
  ],
  // Images that devices name.
  [
    "qemu-system-x86_64 -drive if=none,format=raw,id=c,file=c.iso -drive if=none,id=h,file=h.img,readonly=on -device ide-cd,drive=c,bus=ide.0,bootindex=1 -device ide-hd,drive=h,bus=ide.1,unit=0 " +
    "-device ide-cd -drive if=floppy,file=f.img,snapshot=on -device floppy,unit=1,drive=g -blockdev file,node-name=gf,filename=g.img -blockdev driver=raw,node-name=g,file=gf",
    `pc device.debugexit=false boot.order=[cd, hard, floppy] device.fdc.drive0.file=f.img device.fdc.drive1.file=g.img device.fdc.drive1.overlay=false device.ide.disk0.file=c.iso ` +
    `device.ide.disk0.media=cd device.ide.disk2.file=h.img device.ide.disk2.media=hard device.ide.disk2.readonly=true ${PC} cpu.triple_fault=reset`,
  ],
  [
    "qemu-system-x86_64 -drive if=pflash,format=raw,readonly=on,file=CODE.fd -drive if=pflash,format=raw,file=VARS.fd -drive if=ide,index=0,media=disk,format=raw,file=a,,b.img",
    `pc device.debugexit=false ${FIRST} device.ide.disk0.file=a,b.img device.ide.disk0.overlay=false firmware.bios=CODE.fd ${PC} cpu.triple_fault=reset`,
    "-drive if=pflash,format=raw,file=VARS.fd: firmware does not change: its variables are not kept",
  ],
  ["qemu-system-x86_64 -pflash UEFI.fd", `pc device.debugexit=false ${FIRST} firmware.bios=UEFI.fd ${PC} cpu.triple_fault=reset`],
  // Kernels without a boot loader.
  [
    "qemu-system-x86_64 -display none -serial stdio -kernel loader -initrd app -cpu Skylake-Client -device isa-debug-exit,iobase=0xf4,iosize=0x04 -smp 4 -m 1024M " +
    "-global virtio-mmio.force-legacy=off -netdev user,id=n0,hostfwd=tcp::9975-:9975 -device virtio-net-pci,netdev=n0,disable-legacy=on,packed=on",
    `pc loader initrd=app memory.ram.size=1024MiB cpu.cores=4 cpu.model=max ${FIRST} ${PC} cpu.triple_fault=reset --display=none`,
    "-cpu Skylake-Client: named processors are not there yet: it has the features of 'max'",
    "-device virtio-net-pci, -netdev user: networks are not there yet: the guest finds no card",
  ],
  [
    "qemu-system-x86_64 -kernel app -M microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off,acpi=off -nodefaults -no-user-config -device isa-debug-exit,iobase=0xf4,iosize=0x04 " +
    '-m 1G -append "-freq 3000" -serial stdio -icount shift=3',
    "microvm app append=-freq 3000 memory.ram.size=1GiB cpu.triple_fault=reset clock.cpu_hz=125000000 clock.tsc_hz=1000000000",
    "pit=off: the timer stays: nobody has to use it",
    "pic=off: the interrupt controller stays: nobody has to use it",
  ],
  [
    "qemu-system-x86_64 --no-reboot -nodefaults -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 -display none -serial stdio -device pci-testdev -machine accel=tcg -kernel t.flat -smp 2",
    `pc t.flat cpu.cores=2 device.vga=false device.testdev.type=pc-testdev ${FIRST} device.ide.disk2=false device.fdc.drive0=false ${PC} device.lpt1=false boot.reset=stop cpu.triple_fault=stop --display=none`,
    "-device pci-testdev: nothing is behind it",
  ],
  [
    "qemu-system-x86_64 -kernel k -device isa-debug-exit -cpu qemu64,+x2apic,-nx,+avx2,check,pni=on,vmx=off -accel kvm -accel tcg -enable-kvm -k de -name x -action reboot=shutdown,shutdown=pause",
    `pc k cpu.features=[+x2apic, -nx, +sse3] device.debugexit.io=0x501 device.debugexit.size=2 ${FIRST} ${PC} boot.reset=stop cpu.triple_fault=stop`,
    "-enable-kvm, accel=kvm: the host's virtualization is not used",
    "-cpu +avx2: the processor does not have that",
    "-action shutdown=pause: a run that has stopped ends; with -s or -gdb the debugger can look first",
  ],
  [
    "qemu-system-x86_64 -kernel k -fw_cfg name=opt/org.example/mode,string=normal -fw_cfg opt/key,file=key.bin",
    `pc k device.debugexit=false device.fw_cfg.items={ opt/org.example/mode = normal, opt/key = { file = key.bin } } ${FIRST} ${PC} cpu.triple_fault=reset`,
  ],
  // Consoles.
  [
    "qemu-system-x86_64 -kernel k -serial file:a -serial chardev:c -serial none -serial null -chardev stdio,id=c,signal=off,mux=on,logfile=all.log -mon chardev=c -debugcon file:d.log -device isa-debugcon,iobase=0x402,chardev=f -chardev file,id=f,path=f.log",
    `pc k device.debugexit=false ${FIRST} device.com2.console=true device.com3=false device.com4.console=true device.debugcon.io=233 device.debugcon.seabios=false device.debugcon.console=true ` +
    "device.debugcon1.type=port-console device.debugcon1.io=1026 device.debugcon1.seabios=false device.debugcon1.console=true cpu.triple_fault=reset --serial=a --serial=stdio,log=all.log --serial=none --serial=d.log --serial=f.log",
    "-monitor: Ctrl-A C opens the monitor on the terminal; nothing else does",
  ],
  [
    "qemu-system-x86_64 -kernel k -debugcon stdio -global isa-debugcon.iobase=0x402 -display none -vga cirrus -device VGA",
    `pc k device.debugexit=false ${FIRST} device.com2=false device.com3=false device.com4=false device.debugcon.io=1026 device.debugcon.seabios=false device.debugcon.console=true cpu.triple_fault=reset ` +
    "--serial=none --serial=stdio --display=none",
    "-vga cirrus: in its place is the standard VGA",
  ],
  [
    "qemu-system-x86_64 -kernel k -nodefaults -device isa-serial,chardev=s -chardev socket,id=s,host=localhost,port=5000,server=on,wait=off -vga none -monitor telnet:0.0.0.0:4444,server,nowait",
    `pc k device.vga=false device.debugexit=false ${FIRST} device.ide.disk2=false device.fdc.drive0=false ${PC} device.lpt1=false cpu.triple_fault=reset --serial=5000`,
    "-monitor: Ctrl-A C opens the monitor on the terminal; nothing else does",
  ],
  // RISC-V.
  [
    "qemu-system-riscv64 -machine virt -bios none -kernel kernel/kernel -m 128M -smp 3 -nographic -global virtio-mmio.force-legacy=false " +
    "-drive file=fs.img,if=none,format=raw,id=x0 -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0",
    "virt kernel/kernel memory.dram.size=128MiB cpu.harts=3 firmware.sbi=none boot.load=0x80000000 device.virtio[0].disk.file=fs.img device.virtio[0].disk.overlay=false " +
    "device.virtio.force_legacy=false --display=none",
  ],
  [
    "qemu-system-riscv32 -machine virt -bios default -nographic -serial mon:stdio --no-reboot -d unimp,guest_errors,int,cpu_reset -D qemu.log -kernel kernel.elf",
    "virt32 kernel.elf boot.reset=stop --display=none --trace=unimp,guest,trap,irq --trace-file=qemu.log",
    "-d cpu_reset: no channel is like it: `trace help` lists them".replace("`trace", "`--trace"),
  ],
  [
    'qemu-system-riscv64 -machine virt -cpu rv64 -bios fw.bin -nodefaults -m 1024 -kernel Image -append "console=ttyS0 root=/dev/vda" -no-reboot -nographic -serial stdio',
    "virt Image append=console=ttyS0 root=/dev/vda memory.dram.size=1024MiB firmware.sbi=/usr/share/qemu/fw.bin boot.reset=stop --display=none",
  ],
  [
    "qemu-system-riscv64 -semihosting -M virt,aclint=on,aia=aplic-imsic,aia-guests=1 -cpu rv64,svpbmt=false,zkr=true,zicond=on,mmu=off -global driver=riscv-cpu,property=smepmp,value=true -smp 8 -bios none -kernel nuttx -nographic " +
    "-device virtio-rng-device,rng=r -object rng-random,filename=/dev/urandom,id=r -device virtio-gpu-device -device virtio-keyboard-device",
    "virt nuttx cpu.harts=8 firmware.sbi=none boot.load=0x80000000 cpu.mmu=bare cpu.isa=rv64imafdc_zicsr_zifencei_zicbom_zicboz_zicntr_zihintpause_zba_zbb_zbc_zbs_sstc_svinval_svnapot_zicond device.virtio[7].type=virtio.rng device.virtio[5].type=virtio.keyboard --display=none",
    "-semihosting: semihosting is not there: a call traps as the breakpoint that it is",
    "aia=aplic-imsic: the AIA is not there: interrupts go through the PLIC, which the device tree says",
    "-cpu zkr, -cpu smepmp: the processor does not have that",
    "-device virtio-gpu-device: that screen is not there",
  ],
  [
    "qemu-system-riscv64 -M virt -kernel k -gdb tcp:localhost:4000 -S -device AC97 -audio pa -audiodev none,id=a -nic user,model=virtio-net-pci -usb -object filter-dump,id=f,netdev=n,file=x -monitor none -display gtk,zoom-to-fit=off -serial stdio -serial file:x",
    "virt k --gdb=4000 --wait",
    "-usb: USB is not there",
    "-device AC97, -audio: sound is not there: the guest finds no card",
    "-nic user, -object filter-dump: networks are not there yet: the guest finds no card",
    "-serial file:x: the board has one serial port",
    "-display gtk: there are no windows: --display terminal shows a text screen in the terminal, --screenshot FILE.png writes a picture",
  ],
  // Slots of virtio as QEMU gives them: from the last one on, whatever is in them.
  [
    "qemu-system-riscv64 -machine virt -bios fw.bin -serial stdio -display none -device loader,file=os.bin,addr=0x80200000 -drive file=fs.img,if=none,format=raw,id=x0 -device virtio-gpu-device " +
    "-device virtio-blk-device,drive=x0,serial=root,num-queues=4,packed=on -drive file=b.img,readonly=on,id=x1 -device virtio-blk-device,drive=x1 " +
    "-device loader,file=os,addr=0x81000000 -device loader,file=os,addr=0x82000000,force-raw=on -global virtio-mmio.force-legacy=on",
    "virt firmware.sbi=/usr/share/qemu/fw.bin load=[{ file = os.bin, at = 0x80200000 }, { file = os }, { file = os, at = 0x82000000, format = raw }] device.virtio[6].disk.file=fs.img " +
    "device.virtio[6].disk.overlay=false device.virtio[6].serial=root device.virtio[6].queues=4 device.virtio[6].packed=true device.virtio[5].disk.file=b.img device.virtio[5].disk.readonly=true --display=none",
    "-device virtio-gpu-device: that screen is not there",
  ],
  [
    "qemu-system-riscv64 -M virt -kernel k -display none -device virtio-serial-device,id=s -device virtserialport,bus=s.0,chardev=f,name=org.a.b -chardev file,id=f,path=y -chardev stdio,id=m,mux=on " +
    "-device virtconsole,chardev=m -mon m -serial file:x -device virtio-serial-device",
    "virt k device.virtio[6].type=virtio.console device.virtio[6].console=true device.virtio[7].type=virtio.console device.virtio[7].console=true device.virtio[7].ports=[org.a.b] " +
    "--serial=x --serial=none --serial=stdio --serial=y --display=none",
    "-monitor: Ctrl-A C opens the monitor on the terminal; nothing else does",
  ],
  [
    "qemu-system-x86_64 -kernel k -M microvm -device virtio-rng-device -device virtio-keyboard-device -device virtio-serial-device -device virtconsole -device virtio-serial-pci",
    "microvm k device.debugexit=false cpu.triple_fault=reset",
    "-device virtio-rng-device: it is not there: the guest finds none",
    "-device virtio-keyboard-device: it is not there: what is typed goes to the serial port",
    "-device virtio-serial-device, -device virtconsole, -device virtio-serial-pci: consoles of virtio are not there yet: the serial port is",
  ],
  [
    "qemu-system-riscv64 -M virt -kernel k -display none -device virtio-serial-device -device virtconsole,chardev=m -serial chardev:m -chardev stdio,id=m,mux=on,logfile=l",
    "virt k device.virtio[7].type=virtio.console device.virtio[7].console=true --serial=stdio,log=l --serial=none --display=none",
    "-chardev m: one console is there at a time",
  ],
  ["qemu-system-riscv64 -M virt -kernel k -dtb my.dtb", "virt k boot.dtb=my.dtb"],
  [
    "qemu-system-x86_64 -hdb b -hdc c -hdd d -fdb f -sdl -vnc :0 -spice port=1 -pidfile pid",
    `pc device.debugexit=false ${FIRST} device.fdc.drive1.file=f device.fdc.drive1.overlay=false device.ide.disk1.file=b device.ide.disk1.overlay=false ` +
    `device.ide.disk2.file=c device.ide.disk2.media=hard device.ide.disk2.overlay=false device.ide.disk3.file=d device.ide.disk3.overlay=false ${PC} cpu.triple_fault=reset`,
    "-vnc, -spice, -sdl: there are no windows: --display terminal shows a text screen in the terminal, --screenshot FILE.png writes a picture",
  ],
  ["qemu-system-x86_64 -kernel k -curses", `pc k device.debugexit=false ${FIRST} ${PC} cpu.triple_fault=reset --display=terminal`],
  // Ours among them.
  ["qemu-system-riscv64 -M virt --timeout 5s -kernel k --expect=done -L roms", "virt k --timeout 5s --expect=done"],
];

Deno.test("command lines of QEMU's become machines of ours, with what is said of the rest", () => {
  for (const [line, expected, ...notes] of LINES) {
    assertEquals(ours(line), expected, line);
    assertEquals(read(line).notes.toSorted(), notes.toSorted(), line);
    // They are command lines of ours.
    makePlan(commandLine(read(line)), []);
  }
});

/** A graph without places, and what a command line says beside the machine. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(plain);
  const entries = Object.entries(value).filter(([key]) =>
    !["place", "file", "cpuPlaces", "firmwarePlaces", "kernel", "initrd", "cmdline"].includes(key)
  );
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
}

Deno.test("machines that come of them are whole, and so are their machine files", async () => {
  const sector = Uint8Array.from({ length: 1 << 20 }, (_, i) => i === 510 ? 0x55 : i === 511 ? 0xaa : 0);
  for (const [line] of LINES.filter(([line]) => !line.includes("-dtb"))) {
    const found = read(line), file = findShipped(`${found.machine}.toml`)!, text = machineFile(found, line);
    const host = {
      readFile: (path: string) => path === "m.toml" ? new TextEncoder().encode(text) : path.endsWith(".toml") ? readFile(path) : sector,
      findShipped,
      log: silent,
    };
    const set = parseSet(commandLine(found).values.set as string[] | undefined ?? []);
    const [graph, fromFile] = [await loadGraph({ file, set }, host, true), await loadGraph({ file: "m.toml" }, host, true)];
    assertEquals(plain(fromFile), plain(graph), line);
    assertEquals(
      [fromFile.boot.kernel, fromFile.boot.initrd, fromFile.boot.cmdline],
      [found.kernel, found.initrd, found.append ?? ""],
      line,
    );
  }
});

Deno.test("JSON is taken where QEMU takes it", () => {
  const node = { driver: "raw", "node-name": "n", "read-only": true, file: { driver: "file", filename: "a,b.img" } };
  const device = { driver: "ide-hd", drive: "n" };
  const { set } = understand(["qemu-system-x86_64", "-blockdev", JSON.stringify(node), "-device", JSON.stringify(device)], files());
  assertEquals([set.get("device.ide.disk0.file"), set.get("device.ide.disk0.readonly")], ["a,b.img", true]);
  assertThrows(() => understand(["qemu-system-x86_64", "-device", "{x"], files()), ConfigError, "-device {x: is no JSON");
});

Deno.test("a window is the terminal's text screen, where nothing else is on the terminal", () => {
  const shown = (more: string, terminal = true) => read(`qemu-system-x86_64 -hda d ${more}`, terminal).options;
  assertEquals(shown(""), ["--display=terminal"]);
  assertEquals(shown("-display gtk"), ["--display=terminal"]);
  assertEquals(shown("", false), []);
  assertEquals(shown("-serial stdio"), []);
  assertEquals(shown("-vga none"), []);
  assertEquals(shown("-nographic"), ["--display=none"]);
  assertEquals(shown("-display curses", false), ["--display=terminal"]);
  assertEquals(shown("-curses", false), ["--display=terminal"]);
  assertEquals(read("qemu-system-riscv64 -M virt -kernel k", true).options, []);
});

/** What cannot be, in one line that names it. */
const REFUSED: readonly (readonly [line: string, message: string])[] = [
  [
    "",
    "which program? usage: bringup qemu qemu-system-x86_64 ...; there are qemu-system-x86_64, qemu-system-i386, qemu-system-riscv64, qemu-system-riscv32",
  ],
  [
    "-kernel k",
    "which program? usage: bringup qemu qemu-system-x86_64 ...; there are qemu-system-x86_64, qemu-system-i386, qemu-system-riscv64, qemu-system-riscv32",
  ],
  [
    "qemu-system-riscv46",
    "'qemu-system-riscv46' is not there (did you mean 'qemu-system-riscv64'?); there are qemu-system-x86_64, qemu-system-i386, qemu-system-riscv64, qemu-system-riscv32",
  ],
  ["qemu-system-riscv64 -kernel k", "no -machine is given, and QEMU's default is spike: the board spike is not there; -machine virt is"],
  ["qemu-system-x86_64 -M q35", "-machine q35: the board q35 is not there yet; -machine pc is"],
  ["qemu-system-x86_64 -M pc-q35-6.2", "-machine pc-q35-6.2: the board q35 is not there yet; -machine pc is"],
  ["qemu-system-x86_64 -M pcc", "-machine pcc: there is no such board (did you mean 'pc'?); there are pc, pc-i440fx, microvm"],
  ["qemu-system-x86_64 -M pc,hpt=on", "-machine hpt=on: unknown property 'hpt' (did you mean 'hpet'?)"],
  ["qemu-system-riscv64 -M virt,dumpdtb=x", "`bringup describe MACHINE --dtb FILE` writes the device tree"],
  ["qemu-system-x86_64 -frobnicate", "unknown option '-frobnicate'"],
  ["qemu-system-x86_64 -no-reboo", "unknown option '-no-reboo' (did you mean '-no-reboot'?)"],
  ["qemu-system-x86_64 --time-out", "unknown option '--time-out' (did you mean '--timeout'?)"],
  ["qemu-system-x86_64 -m=256", "unknown option '-m=256': QEMU has the value in an argument of its own, -m 256"],
  ["qemu-system-x86_64 -kernel", "-kernel needs a value: FILE"],
  ["qemu-system-x86_64 -m x", "-m x: expected a size such as 256M"],
  ["qemu-system-x86_64 -smp x", "-smp x: expected a number of processors, such as 4"],
  ["qemu-system-x86_64 -cpu Hazwell", "-cpu Hazwell: there is no such processor (did you mean 'Haswell'?)"],
  ["qemu-system-x86_64 -cpu max,+x2apik", "-cpu max,+x2apik: there is no feature 'x2apik' (did you mean 'x2apic'?)"],
  ["qemu-system-riscv64 -M virt -cpu rv65", "-cpu rv65: there is no such processor (did you mean 'rv64'?)"],
  ["qemu-system-riscv64 -M virt -cpu rv64,zbq=on", "-cpu rv64,zbq=on: there is no property 'zbq' (did you mean 'zba'?)"],
  ["qemu-system-x86_64 -device isa-debug-exitt", "-device isa-debug-exitt: there is no such device (did you mean 'isa-debug-exit'?)"],
  ["qemu-system-x86_64 -device virtio-blkk-pci", "-device virtio-blkk-pci: there is no such device (did you mean 'virtio-blk-pci'?)"],
  [
    "qemu-system-x86_64 -device isa-debug-exit,iobse=4",
    "-device isa-debug-exit,iobse=4: unknown property 'iobse' (did you mean 'iobase'?)",
  ],
  ["qemu-system-x86_64 -device isa-debug-exit,iobase=x", "-device isa-debug-exit,iobase=x: iobase must be a number such as 0xf4, got 'x'"],
  ["qemu-system-riscv64 -M virt -device isa-debug-exit", "-device isa-debug-exit: the board virt has no such device"],
  ["qemu-system-x86_64 -device edu", "-device edu: that device is not there"],
  [
    "qemu-system-x86_64 -drive file=d,if=none,id=x -device nvme,serial=s,drive=x",
    "-device nvme,serial=s,drive=x: NVMe is not there yet; -drive if=ide is",
  ],
  ["qemu-system-x86_64 -drive file=d,if=virtio", "-drive file=d,if=virtio: disks by virtio over PCI are not there yet"],
  ["qemu-system-x86_64 -drive file=d,if=ied", "-drive file=d,if=ied: there is no if=ied (did you mean 'ide'?)"],
  ["qemu-system-x86_64 -drive fil=d", "-drive fil=d: unknown property 'fil' (did you mean 'file'?)"],
  ["qemu-system-x86_64 -drive index=0", "-drive index=0: file=... is missing"],
  [
    "qemu-system-x86_64 -drive file=d,format=qcow2",
    "-drive file=d,format=qcow2: images of the format qcow2 are not there yet; qemu-img convert -O raw makes a raw one",
  ],
  [
    "qemu-system-x86_64 -hda new.img",
    "-hda new.img: images of the format qcow2 are not there yet; qemu-img convert -O raw makes a raw one",
  ],
  [
    "qemu-system-x86_64 -drive file=d,format=vmdk",
    "-drive file=d,format=vmdk: images of the format 'vmdk' are not there; qemu-img convert -O raw makes a raw one",
  ],
  [
    "qemu-system-x86_64 -drive file=fat:rw:esp,format=raw",
    "-drive file=fat:rw:esp,format=raw: a folder as a FAT disk is not there yet; mtools make an image of one",
  ],
  ["qemu-system-x86_64 -hda a -drive file=b,index=0", "-drive file=b,index=0: -hda a is in that place"],
  ["qemu-system-x86_64 -drive file=a,index=4", "-drive file=a,index=4: there are four IDE drives, 0 to 3"],
  ["qemu-system-riscv64 -M virt -hda a", "-hda a: the board virt has no IDE disks"],
  ["qemu-system-riscv64 -M virt -drive if=pflash,file=a,unit=1", "-drive if=pflash,file=a,unit=1: flash memory is not there yet"],
  ["qemu-system-x86_64 -device ide-hd,drive=x", "-device ide-hd,drive=x: there is no -drive with id=x"],
  ["qemu-system-x86_64 -device ide-hd", "-device ide-hd: drive=... is missing"],
  [
    "qemu-system-x86_64 -drive file=a,id=x -device ide-hd,drive=x",
    "-device ide-hd,drive=x: 'x' is taken by -drive file=a,id=x; if=none in its -drive leaves it to a device",
  ],
  ["qemu-system-x86_64 -drive file=a,id=x,if=none -drive file=b,id=x,if=none", "-drive file=b,id=x,if=none: there are two called 'x'"],
  [
    "qemu-system-x86_64 -drive file=a,id=x,if=none -device ide-hd,drive=x,bus=ahci.0",
    "-device ide-hd,drive=x,bus=ahci.0: there is no bus 'ahci.0'; there are ide.0 and ide.1",
  ],
  ["qemu-system-riscv64 -M virt -device virtio-blk-device,drive=x", "-device virtio-blk-device,drive=x: there is no -drive with id=x"],
  [
    "qemu-system-riscv64 -M virt -drive file=a,id=x -device virtio-blk-device,drive=x,bus=virtio-mmio-bus.8",
    "-device virtio-blk-device,drive=x,bus=virtio-mmio-bus.8: there is no bus 'virtio-mmio-bus.8'; there are virtio-mmio-bus.0 to virtio-mmio-bus.7",
  ],
  [
    "qemu-system-riscv64 -M virt -device virtio-rng-device,bus=virtio-mmio-bus.1 -device virtio-net-device,bus=virtio-mmio-bus.1",
    "-device virtio-net-device,bus=virtio-mmio-bus.1: -device virtio-rng-device,bus=virtio-mmio-bus.1 is in that slot",
  ],
  ["qemu-system-riscv64 -M virt -device virtconsole", "-device virtconsole: there is no virtio-serial-device in front of it"],
  [
    "qemu-system-riscv64 -M virt -device virtio-serial-device -device virtconsole -device virtconsole",
    "-device virtconsole: a virtio-serial-device has one console",
  ],
  ["qemu-system-riscv64 -M virt -device virtio-serial-device -device virtserialport", "-device virtserialport: name=... is missing"],
  ["qemu-system-riscv64 -M virt" + " -device virtio-rng-device".repeat(9), "-device virtio-rng-device: the 8 slots for virtio are taken"],
  [
    "qemu-system-x86_64 -drive file=a,id=x,if=none -device virtio-blk-device,drive=x",
    "-device virtio-blk-device,drive=x: the board pc has no slots for virtio in memory",
  ],
  [
    "qemu-system-riscv64 -M virt -device loader,data=1,data-len=4,addr=0x80000000",
    "-device loader,data=1,data-len=4,addr=0x80000000: only files are loaded; put the number into one",
  ],
  ["qemu-system-riscv64 -M virt -device loader,file=a,addr=x", "-device loader,file=a,addr=x: addr must be a number such as 0xf4, got 'x'"],
  ["qemu-system-x86_64 -fw_cfg opt/a", "-fw_cfg opt/a: expected name=...,file=FILE or name=...,string=TEXT"],
  ["qemu-system-x86_64 -fw_cfg opt/a,string=x,fil=y", "-fw_cfg opt/a,string=x,fil=y: unknown property 'fil' (did you mean 'file'?)"],
  ["qemu-system-x86_64 -fw_cfg opt/a,string=x -fw_cfg opt/a,string=y", "-fw_cfg opt/a,string=y: there are two called 'opt/a'"],
  ["qemu-system-riscv64 -M virt -fw_cfg opt/a,string=x", "-fw_cfg opt/a,string=x: the board virt has no firmware configuration device yet"],
  ["qemu-system-x86_64 -boot x", "-boot x: there is no drive 'x'; a is a floppy, c a hard disk, d a CD, n the network"],
  ["qemu-system-x86_64 -bios none", "-bios none: a PC begins in its BIOS"],
  [
    "qemu-system-x86_64 -serial sdtio",
    "-serial sdtio: there are stdio, file:FILE, tcp::PORT,server, null, none and chardev:id (did you mean 'stdio'?)",
  ],
  ["qemu-system-x86_64 -serial chardev:x", "-serial chardev:x: there is no -chardev with id=x"],
  [
    "qemu-system-x86_64 -serial tcp:localhost:5",
    "-serial tcp:localhost:5: connecting to others is not there; with 'server' it listens on the port",
  ],
  ["qemu-system-x86_64 -serial tcp:far:5,server", "-serial tcp:far:5,server: 'far' is not this host"],
  [
    "qemu-system-x86_64 -chardev pty,id=x -serial chardev:x",
    "-serial chardev:x: the backend 'pty' is not there; there are stdio, file, socket with a TCP port, and null",
  ],
  ["qemu-system-x86_64 -chardev ptty,id=x", "-chardev ptty,id=x: there is no backend 'ptty' (did you mean 'pty'?)"],
  ["qemu-system-x86_64 -display gkt", "-display gkt: there is no such display (did you mean 'gtk'?)"],
  ["qemu-system-x86_64 -vga sdt", "-vga sdt: there is no such card (did you mean 'std'?)"],
  ["qemu-system-x86_64 -netdev usr,id=x", "-netdev usr,id=x: there is no network of the kind 'usr' (did you mean 'user'?)"],
  ["qemu-system-x86_64 -object rng-randm,id=x", "-object rng-randm,id=x: there is no such object (did you mean 'rng-random'?)"],
  ["qemu-system-x86_64 -global x", "-global x: expected driver.property=value"],
  ["qemu-system-x86_64 -d in", "-d in: there is no such item (did you mean 'int'?)"],
  ["qemu-system-x86_64 -S -kernel k", "-S: nobody could let the guest go on; -s or -gdb tcp::PORT lets a debugger"],
  ["qemu-system-x86_64 -gdb unix:x", "-gdb unix:x: expected tcp::PORT"],
  ["qemu-system-x86_64 -rtc base=soon", "-rtc base=soon: expected utc, localtime, or a date such as 2026-01-01T00:00:00"],
  ["qemu-system-x86_64 -icount shift=11", "-icount shift=11: expected 0 to 10, or auto"],
  [
    "qemu-system-x86_64 -icount shift=3,rr=record",
    "-icount rr=record: records of QEMU's cannot be made or read; runs are the same each time",
  ],
  ["qemu-system-x86_64 -readconfig f", "-readconfig f: write its options on the command line"],
  ["qemu-system-x86_64 -loadvm s", "-loadvm s: states of QEMU's cannot be read; a scenario's m.snapshot() keeps one"],
];

Deno.test("what cannot be is one line that names it, and the nearest that is known", () => {
  for (const [line, message] of REFUSED) assertEquals(assertThrows(() => read(line), ConfigError, "", line).message, message, line);
});

Deno.test("every option of the table is in a line here, or changes nothing", () => {
  const used = new Set(
    [...LINES, ...REFUSED].flatMap(([line]) => words(line).filter((w) => w.startsWith("-")).map((w) => w.replace(/^--?/, ""))),
  );
  const silent = Object.keys(QEMU).filter((name) => !used.has(name));
  for (const name of silent) {
    const { value, part, missing, said } = QEMU[name], line = `qemu-system-x86_64 -kernel k -${name}${value ? " none" : ""}`;
    if (missing !== undefined) assertThrows(() => read(line), ConfigError, `-${name}${value ? " none" : ""}: ${missing}`);
    else if (said !== undefined) assertEquals(read(line).notes, [`-${name}: ${said}`]);
    else if (part === undefined) assertEquals(ours(line), ours("qemu-system-x86_64 -kernel k"), name);
    else throw new Error(`no line has -${name}`);
  }
});

Deno.test("what processors can have is what they have", () => {
  assertEquals(FEATURES.toSorted(), [...FEATURE_NAMES].sort());
  assertEquals(EXTENSIONS.toSorted(), [...EXTENSION_NAMES].sort());
});

Deno.test("statuses are QEMU's: the guest's code in 8 bits, and 0 where a reset ends the run", () => {
  assertEquals(qemuStatus({ kind: "exit", code: 2 * 0x10 + 1, pass: true }), 33);
  assertEquals(qemuStatus({ kind: "exit", code: 256, pass: false }), 0);
  assertEquals(qemuStatus({ kind: "exit", code: 0x1_2345 }), 0x45);
  assertEquals(qemuStatus({ kind: "reset" }), 0);
  assertEquals(qemuStatus({ kind: "tripleFault", pc: 0n, report: "" }), 0);
  assertEquals(qemuStatus({ kind: "deadHalt", pc: 0n }), 3, "QEMU would never end");
});

Deno.test("Ctrl-A commands are taken from a pipe where the monitor shares the terminal", () => {
  const mux = (more: string) => read(`qemu-system-riscv64 -M virt -kernel k ${more}`).mux;
  const shared = ["-nographic", "-serial mon:stdio", "-chardev stdio,id=c,mux=on -serial chardev:c -mon c"];
  assertEquals(shared.map(mux), [true, true, true]);
  const alone = [
    "-serial stdio",
    "-nographic -monitor none",
    "-nographic -serial stdio",
    "-chardev stdio,id=c -serial chardev:c",
    "-display none",
  ];
  assertEquals(alone.map(mux), [false, false, false, false, false]);
});

Deno.test("lines that are damaged somehow are taken, or refused in one line", () => {
  const random = new Random(15), options = Object.keys(QEMU), all = LINES.map(([line]) => words(line)), known = all.flat();
  const odd = [
    "",
    ",",
    "=",
    "x=",
    "=x",
    ",,",
    "{",
    '{"a":[1,{"b":null}]}',
    "-1",
    "0x",
    "9".repeat(30),
    "a".repeat(5000),
    "__proto__",
    "tcp::,server",
    "mon:mon:stdio",
    "virtio-mmio-bus.-1",
  ];
  let taken = 0;
  for (let round = 0; round < 800; round++) {
    const line = [...random.pick(all)], at = 1 + random.below(line.length);
    const change = random.below(4), option = `-${random.pick(options)}`, piece = random.pick(odd);
    if (change === 0) line.splice(at, 1);
    else if (change === 1) line.splice(at, 0, option, piece);
    else if (change === 2) line.splice(at, 0, option, random.pick(known));
    else line[at] = `${line[at] ?? ""}${piece}`;
    try {
      const found = understand(line, files());
      makePlan(commandLine(found), []);
      machineFile(found, "x");
      taken++;
    } catch (e) {
      assert(e instanceof ConfigError, `${line.join(" ")}\n${(e as Error).stack}`);
      assert(!e.message.includes("\n") && e.message.length < 12_000, e.message);
    }
  }
  assert(taken > 100 && taken < 700, `${taken}`);
  assertThrows(
    () => read("qemu-system-x86_64 -device driver="),
    ConfigError,
    "-device driver=: expected a device's name, and its properties behind commas",
  );
  assertThrows(
    () => read("qemu-system-x86_64 -device x=y"),
    ConfigError,
    "-device x=y: expected a device's name, and its properties behind commas",
  );
});

Deno.test("what the user says of ours goes before what follows from QEMU's", () => {
  const line = understand(words("qemu-system-riscv64 -M virt -m 64 -kernel k --set memory.dram.size=1GiB"), files(), ["--set=cpu.harts=2"]);
  const { values } = commandLine(line);
  assertEquals(values.set, ["cpu.harts=2", "memory.dram.size=1GiB"]);
  assertStringIncludes(machineFile(line, "x"), "--set=cpu.harts=2");
  // Of a name or a command line with a control character in it TOML takes none in a comment.
  assertStringIncludes(machineFile(line, "a\x01b\rc\x7f\nd\x85"), "# Made of: a\\x01b\\x0dc\\x7f\n# d\\x85\n");
  assert(!("memory" in values));
});
