// Command lines of QEMU's, run: by `bringup qemu`, by programs of QEMU's names in a Makefile, as machine files; and by QEMU beside it.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { boot, expect } from "../mod.ts";
import { installed, ROOT, runHere } from "./cli.ts";

const BIN = "tests/guests/bin";

/** Lines that QEMU and we can start, and what both end with. */
const LINES: readonly (readonly [line: string, status: number])[] = [
  [`qemu-system-riscv64 -machine virt -bios none -kernel ${BIN}/m_hello.rv64.elf -m 128M -smp 1 -nographic`, 0],
  [`qemu-system-riscv32 -M virt -bios none -kernel ${BIN}/m_fail.rv32.elf -serial mon:stdio -display none --no-reboot`, 42],
  [
    `qemu-system-x86_64 -kernel ${BIN}/x86_multiboot.elf -device isa-debug-exit,iobase=0xf4,iosize=0x04 -serial stdio -display none -no-reboot`,
    33,
  ],
];

Deno.test("the guest prints the same and ends with the same status as on QEMU", async () => {
  for (const [line, status] of LINES) {
    const [program, ...args] = line.split(" "), ours = await runHere(["qemu", program, ...args]);
    assertEquals([ours.code, ours.stderr], [status, ""], line);
    assert(ours.stdout.length > 10, line);
    if (!installed(program)) continue;
    const { code, stdout } = await new Deno.Command(program, { args, cwd: ROOT, stdin: "null" }).output();
    assertEquals([code, new TextDecoder().decode(stdout)], [status, ours.stdout], line);
  }
});

Deno.test("what is not there is said on stderr and the guest runs; what is needed is one line and status 2", async () => {
  const line = ["qemu", "--timeout", "5s", "qemu-system-riscv64", "-M", "virt", "-kernel", `${BIN}/hello.rv64.elf`, "-display", "none"];
  const said = await runHere([...line, "-device", "virtio-net-device,netdev=n", "-netdev", "user,id=n"]);
  assertEquals([said.code, said.stderr], [
    0,
    "bringup: -device virtio-net-device, -netdev user: networks are not there yet: the guest finds no card\n",
  ]);
  assertMatch(said.stdout, /^Hello, world!\n/);
  const needed = await runHere([...line, "-device", "edu"]);
  assertEquals(needed, { code: 2, stdout: "", stderr: "bringup: -device edu: that device is not there\n" });
  const unknown = await runHere(["qemu", "--nonsense", "qemu-system-riscv64"]);
  assertEquals(unknown, { code: 2, stdout: "", stderr: "bringup: unknown option '--nonsense' in front of the program's name\n" });
});

Deno.test("--toml is a machine file that boot() takes with all that was asked for", async () => {
  const dir = Deno.makeTempDirSync();
  const [program, ...args] = `qemu-system-x86_64 -drive format=raw,file=${ROOT}${BIN}/x86_shell.img -snapshot -m 64 -display none`.split(
    " ",
  );
  const { code, stdout } = await runHere(["qemu", "--toml", program, ...args]);
  assertEquals(code, 0);
  Deno.writeTextFileSync(`${dir}/m.toml`, stdout);
  await using m = await boot(`${dir}/m.toml`);
  await expect(m.screen).toShow("> ", { row: -1, within: "5s" });
  assertMatch(stdout, /^\[memory\.ram\]\nsize = "64MiB"\n/m);
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("-D has the trace lines of -d, and -pidfile this process's number", async () => {
  const dir = Deno.makeTempDirSync(), log = `${dir}/qemu.log`, pid = `${dir}/pid`;
  const line = `qemu-system-riscv64 -M virt -bios none -kernel ${BIN}/m_hello.rv64.elf -display none -d exec -D ${log} -pidfile ${pid}`;
  const { code, stderr } = await runHere(["qemu", ...line.split(" ")]);
  assertEquals([code, stderr, Number(Deno.readTextFileSync(pid))], [0, "", Deno.pid]);
  assertMatch(Deno.readTextFileSync(log), /^\[\d+ ns\] \[cpu0\] \[exec\] /);
  const gone = await runHere(["qemu", ...line.replace(log, `${dir}/no/x`).split(" ")]);
  assertEquals([gone.code, gone.stderr.replaceAll(dir, "")], [2, "bringup: /no/x: no such file: there is no folder '/no'\n"]);
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("Ctrl-A X in a pipe ends the run where QEMU's monitor would take it, and is the guest's elsewhere", async () => {
  const line = `qemu --timeout 2s qemu-system-riscv64 -M virt -kernel ${BIN}/echo.rv64.elf -display none`.split(" ");
  const ended = await runHere([...line, "-serial", "mon:stdio"], "ab\x01x");
  assertEquals([ended.code, ended.stderr], [0, ""]);
  assertEquals((await runHere([...line, "-serial", "stdio"], "ab\x01x")).code, 3);
});

Deno.test("with -nographic what a boot sector prints by the BIOS is on the terminal, too", async () => {
  const line = `qemu qemu-system-i386 -hda ${BIN}/x86_sector.bin -snapshot -device isa-debug-exit,iobase=0xf4,iosize=4`.split(" ");
  const [shown, hidden] = [await runHere([...line, "-nographic"]), await runHere([...line, "-display", "none"])];
  assertEquals([shown.code, shown.stdout], [33, "Hello from a boot sector\nint 10h teletype\r\nsecond line"]);
  assertEquals([hidden.code, hidden.stdout], [33, "Hello from a boot sector\n"]);
});

Deno.test("a log file has a copy of what is on the terminal", async () => {
  const log = Deno.makeTempFileSync();
  const line =
    `qemu qemu-system-riscv64 -M virt -kernel ${BIN}/hello.rv64.elf -display none -serial chardev:c -chardev stdio,id=c,logfile=${log}`;
  const { code, stdout } = await runHere(line.split(" "));
  assertEquals([code, Deno.readTextFileSync(log)], [0, stdout]);
  assertMatch(stdout, /^Hello, world!\n/);
  Deno.removeSync(log);
});

const MAKEFILE = `
QEMU = qemu-system-riscv64
VERSION := $(shell $(QEMU) --version | head -n 1 | sed -E 's/^QEMU emulator version ([0-9]+\\.[0-9]+)\\..*/\\1/')
GDB := $(shell if $(QEMU) -help | grep -q '^-gdb'; then echo "-gdb tcp::1234"; else echo "-s -p 1234"; fi)
OPTS = -machine virt -bios none -kernel $(KERNEL) -m 128M -smp 1 -nographic -append "a  b"
run:
	@echo version $(VERSION), $(GDB)
	$(QEMU) $(OPTS)
`;

Deno.test("programs of QEMU's names run a Makefile as it stands", async () => {
  if (!installed("make")) return;
  const dir = Deno.makeTempDirSync(), bin = `${dir}/it's a bin`;
  const shims = await runHere(["qemu", "--install-shim", bin]);
  assertEquals([shims.code, shims.stderr, [...Deno.readDirSync(bin)].map((f) => f.name).sort()], [0, "", [
    "qemu-system-i386",
    "qemu-system-riscv32",
    "qemu-system-riscv64",
    "qemu-system-x86_64",
  ]]);
  Deno.writeTextFileSync(`${dir}/Makefile`, MAKEFILE);
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}`, BRINGUP_OPTIONS: "--expect Hello" };
  const make = (kernel: string) =>
    new Deno.Command("make", { args: ["-s", `KERNEL=${ROOT}${BIN}/${kernel}`], cwd: dir, env, stdin: "null" }).output();
  const { code, stdout, stderr } = await make("m_hello.rv64.elf"), text = (b: Uint8Array) => new TextDecoder().decode(b);
  assertEquals([code, text(stderr)], [0, ""]);
  assertMatch(text(stdout), /^version 7\.2, -gdb tcp::1234\nHello$/);
  // One that is there and not ours stays.
  Deno.writeTextFileSync(`${bin}/qemu-system-i386`, "mine");
  const nowhere = await runHere(["qemu", "--install-shim", ""]);
  assertEquals([nowhere.code, nowhere.stderr], [2, "bringup: --install-shim: the folder's name is empty: a variable that is not set?\n"]);
  const refused = await runHere(["qemu", "--install-shim", bin]);
  assertEquals([refused.code, refused.stderr], [
    2,
    `bringup: ${bin}/qemu-system-i386: there is one that is not bringup's: choose another folder\n`,
  ]);
  Deno.removeSync(dir, { recursive: true });
});
