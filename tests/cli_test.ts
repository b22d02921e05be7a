// The command line as its users meet it: exit status, what goes to stdout and what to stderr, pipes, a terminal. Mistakes in machine files
// have their table beside the machine's graph.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { boot } from "../mod.ts";
import { exitStatus } from "../src/cli/ends.ts";
import { helpText } from "../src/cli/help.ts";
import { LIBTEST } from "../src/cli/libtest/arguments.ts";
import { COMMANDS, type Subcommand } from "../src/cli/options.ts";
import type { Stop } from "../src/machine/stop.ts";
import { readElf } from "../src/machine/elf.ts";
import { cliArgs, installed, ROOT, runCli, runHere } from "./cli.ts";

const VIRT = "machines/virt.toml", PC = "machines/pc.toml", SECTOR = "tests/guests/bin/x86_sector.bin";
const bin = (name: string) => `tests/guests/bin/${name}.rv64.elf`;
const scratch = Deno.makeTempDirSync({ prefix: "bringup-cli-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

/** Writes a scratch file and returns its path. */
function file(name: string, content: string | Uint8Array): string {
  const path = `${scratch}/${name}`;
  Deno.writeFileSync(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  return path;
}

const elf = Deno.readFileSync(`${ROOT}${bin("hello")}`);
const patched = (at: number, byte: number) => Uint8Array.from(elf, (b, i) => i === at ? byte : b);

/** An ELF64 file, linked so that it would be loaded at the highest addresses, where a number is no longer exact. */
function high(path: string): Uint8Array {
  const bytes = Deno.readFileSync(ROOT + path), view = new DataView(bytes.buffer), headers = Number(view.getBigUint64(32, true));
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const at = headers + 56 * i, paddr = view.getBigUint64(at + 24, true);
    if (view.getUint32(at, true) === 1) view.setBigUint64(at + 24, paddr | 0xffff_ffff_0000_0040n, true);
  }
  return bytes;
}

/** Command lines that must end with one line on stderr and status 2, before anything runs. */
const MISTAKES: [args: string[], line: RegExp][] = [
  [["nowhere.toml", bin("hello")], /^bringup: nowhere\.toml: no such file$/],
  [["machines/vitr.toml", bin("hello")], /machines\/vitr\.toml: no such file \(did you mean 'virt(32)?\.toml'\?\)$/],
  [[VIRT, "tests/guests/bin/helo.rv64.elf"], /no such file \(did you mean 'hello\.rv64\.elf'\?\)$/],
  [[VIRT, "no/such/folder/k"], /no such file: there is no folder 'no\/such\/folder'$/],
  [[VIRT, "tests"], /^bringup: tests: cannot be read: Is a directory$/],
  [[VIRT], /no kernel to start/],
  [["descibe", VIRT], /^bringup: 'descibe' is neither a command nor a machine file \(did you mean 'describe'\?\)$/],
  [["constructor"], /^bringup: 'constructor' is neither a command nor a machine file$/],
  [[VIRT, bin("hello"), "--trace", "constructor"], /--trace: no channel 'constructor'/],
  [[VIRT, bin("hello"), "--no-opt", "constructor"], /--no-opt: there is no pass 'constructor'/],
  [["check", VIRT, "--set", "cpu.isa=rv64gx"], /--set: cpu\.isa: ISA 'rv64gx': unknown extension 'x'$/],
  [
    ["check", file("isa.toml", `extends = "${Deno.cwd()}/${VIRT}"\ncpu.isa = "rv64gcq"\n`)],
    /isa\.toml:2: cpu\.isa: ISA 'rv64gcq': unknown extension 'q'$/,
  ],
  [
    ["check", VIRT, "--set", "boot.dtb=README.md"],
    /README\.md: must be a device tree blob \(\.dtb\), as dtc makes it: its magic number is missing$/,
  ],
  [[VIRT, bin("hello"), "--memory", "4GiB"], /virt\.toml:\d+: memory\.dram: memory of \d+ MiB does not fit: at most 3\.5 GiB in all$/],
  [["check", PC, "--set", "cpu.model=constructor"], /cpu\.model: no CPU model 'constructor'/],
  [["check", PC, "--set", 'cpu.features=["+constructor"]'], /cpu\.features: no CPU feature 'constructor'/],
  [["check", PC, "--set", "device.com1.constructor=1"], /device\.com1\.constructor: unknown key 'constructor'/],
  [["vitr", bin("hello")], /^bringup: 'vitr' is neither a command nor a machine file \(did you mean 'virt'\?\)$/],
  [[bin("hello"), VIRT], /is in the machine's place: the machine file comes first$/],
  [[bin("hello")], /hello\.rv64\.elf: must be UTF-8 text$/],
  [[VIRT, bin("hello"), "more"], /unexpected argument 'more'/],
  [[VIRT, bin("hello"), "--timout", "5s"], /^bringup: unknown option '--timout' \(did you mean '--timeout'\?\)$/],
  [[VIRT, bin("hello"), "--mem", "1"], /unknown option '--mem' \(did you mean '--memory'\?\)$/],
  [[VIRT, bin("hello"), "-x"], /unknown option '-x'/],
  [[VIRT, bin("hello"), "--timeout"], /--timeout needs a value: TIME$/],
  [[VIRT, bin("hello"), "--timeout", "--stats"], /--timeout needs a value: TIME$/],
  [[VIRT, bin("hello"), "--timeout", "5"], /--timeout: '5' is not a duration/],
  [[VIRT, bin("hello"), "--timeout", "-5s"], /--timeout needs a value|is not a duration/],
  [[VIRT, bin("hello"), "--timeout", "5s", "--timeout", "6s"], /--timeout is given 2 times$/],
  [[VIRT, bin("hello"), "--stats=yes"], /--stats takes no value$/],
  [[VIRT, bin("hello"), "--append"], /--append needs a value: TEXT$/],
  [[VIRT, bin("hello"), "--append", "--stats"], /--append needs a value: TEXT \(--append=--stats if that is meant\)$/],
  [[VIRT, bin("hello"), "-S"], /--wait needs --gdb/],
  [[VIRT, bin("hello"), "-d", "int"], /^bringup: -d: use --trace; --trace help lists its channels$/],
  [["check", VIRT, "-s"], /^bringup: unknown option '-s'/],
  [[VIRT, bin("hello"), "--gdb=70000"], /--gdb: '70000' is not a TCP port: expected 1 to 65535$/],
  [[VIRT, bin("hello"), "--gdb=abc"], /--gdb: 'abc' is not a TCP port/],
  [[VIRT, bin("hello"), "--wait"], /--wait needs --gdb/],
  [[VIRT, bin("hello"), "--expect", "("], /--expect: Invalid regular expression/],
  [[VIRT, bin("hello"), "--fail", "[a"], /--fail: Invalid regular expression/],
  [[VIRT, bin("hello"), "--scenario", "x.ts", "--expect", "y"], /--scenario and --expect exclude each other/],
  [[VIRT, bin("hello"), "--scenario", "x.ts"], /^bringup: x\.ts: no such file/],
  [[VIRT, bin("hello"), "--scenario", "tests/cli.ts"], /its default export must be a scenario/],
  [[VIRT, bin("hello"), "--trace", "irk"], /--trace: no channel 'irk' \(did you mean 'irq'\?\)/],
  [
    [VIRT, bin("hello"), "--no-opt", "page"],
    /--no-opt: there is no pass 'page'; expected pages, physical, returns[a-z, ]* \(did you mean 'pages'\?\)/,
  ],
  [[VIRT, bin("hello"), "--engine", "fast"], /--engine: there is no engine 'fast'/],
  [[VIRT, bin("hello"), "--set", "harts"], /--set harts: expected KEY=VALUE/],
  [[VIRT, bin("hello"), "--set", "cpu.hart=2"], /--set: cpu\.hart: unknown key.*'harts'/],
  [[VIRT, bin("hello"), "--set", "cpu.harts=2", "--set", "cpu.harts=4"], /cpu\.harts is set twice$/],
  [[VIRT, bin("hello"), "--harts", "2", "--set", "harts=4"], /--harts and --set harts exclude each other$/],
  [[VIRT, bin("hello"), "--harts", "none"], /--harts: cpu\.harts: must be an integer from 1 to 64, got none$/],
  [[VIRT, bin("hello"), "--harts", "0"], /--harts: /],
  [[VIRT, bin("hello"), "--memory", "12 apples"], /--memory: memory\.dram\.size: must be a size like .*, got 12 apples$/],
  [[VIRT, bin("hello"), "--memory", "1MiB"], /outside|RAM/],
  [[VIRT, bin("hello"), "--initrd", "no.cpio"], /no\.cpio: no such file/],
  [[VIRT, bin("hello"), "--symbols", "no.elf"], /^bringup: no\.elf: no such file/],
  [[VIRT, bin("hello"), "--symbols", VIRT], /virt\.toml: symbols are taken from an ELF file, and this is none$/],
  [[PC, SECTOR, "--symbols", bin("hello")], /hello\.rv64\.elf: symbols for RISC-V, but the machine's CPU is x86_64$/],
  [[VIRT, bin("hello"), "--firmware", "no.bin"], /^bringup: --firmware: firmware\.sbi: 'no\.bin': no such file$/],
  [[VIRT, file("empty.elf", "")], /empty\.elf/],
  [[VIRT, file("truncated.elf", elf.slice(0, 0x1100))], /truncated/],
  [[VIRT, file("header.elf", elf.slice(0, 40))], /truncated|too short/],
  [[VIRT, file("x86.elf", patched(18, 62))], /x86/],
  [[VIRT, "tests/guests/bin/hello.rv32.elf"], /32-bit|riscv32|64/],
  [["machines/virt32.toml", bin("hello")], /64-bit|riscv64|32/],
  [
    [VIRT, file("high.elf", high(bin("hello")))],
    /high\.elf: it goes to 0xffffffff80200040\.\.0xffffffff8020[\da-f]{4}, which is not in memory \(RAM is 0x80000000\.\.0x87ffffff\); AT\(/,
  ],
  [
    [PC, file("high64.elf", high("tests/guests/bin/x86_elf64.elf"))],
    /high64\.elf: it goes to 0xffffffff0010[\da-f]{4}\.\.0xffffffff0010[\da-f]{4}, which is not in memory; AT\(/,
  ],
  [[PC], /no kernel to start/],
  [[PC, bin("hello")], /a Multiboot, Linux or PVH kernel is needed, this is an ELF file for RISC-V$/],
  [["", SECTOR], /^bringup: the machine's name is empty: a variable that is not set\?$/],
  [[PC, ""], /^bringup: the kernel's name is empty: a variable that is not set\?$/],
  [["check", ""], /^bringup: no such file$/],
  [
    ["machines/microvm.toml", "tests/guests/bin/x86_linux16.bin"],
    /x86_linux16\.bin: an entry in real mode asks a BIOS, and the machine has no/,
  ],
  [[PC, SECTOR, "--disk", "no.img"], /^bringup: no\.img: no such file$/],
  [[PC, SECTOR, "--disk", "tests"], /^bringup: tests: cannot be read: Is a directory$/],
  [[PC, SECTOR, "--disk", ""], /^bringup: --disk needs a value: FILE$/],
  [[PC, SECTOR, "--disk", "README.md"], /README\.md: an image of \d+ bytes does not consist of whole sectors of 512 bytes$/],
  [[PC, SECTOR, "--set", "device.ide=false", "--disk", SECTOR], /x86_sector\.bin: --disk: no free drive for a hard disk$/],
  [[PC, SECTOR, "--firmware", "none"], /^bringup: --firmware: firmware\.bios: 'none': no such file$/],
  [[PC, SECTOR, "--firmware", "README.md"], /--firmware: firmware\.bios: a BIOS image must have a multiple of 4 KiB/],
  [
    [PC, SECTOR, "--firmware", file("bios.bin", new Uint8Array(0x1_0000)), "--set", `firmware.vga=${file("vga.bin", "no ROM")}`],
    /--set: firmware\.vga: '.*vga\.bin' is no expansion ROM: it does not begin with 55 AA$/,
  ],
  [[PC, bin("hello")], /cannot tell how to boot it: a disk image, a Multiboot, Linux or PVH kernel is needed/],
  [
    [PC, "tests/guests/bin/x86_multiboot.elf", "--append", "a".repeat(30_000)],
    /^bringup: command line, names of modules and section headers do not fit into 24576 bytes$/,
  ],
  [[PC, SECTOR, "--set", "boot.protocol=linux"], /boot\.protocol is 'linux', but this is a disk image$/],
  [[PC, SECTOR, "--set", "device.vga=false", "--screenshot", "x.png"], /^bringup: --screenshot: this machine has no screen$/],
  [["machines/microvm.toml", SECTOR, "--memory", "16KiB"], /x86_sector\.bin: it goes to 0x7c00\.\.0x7dff, which is not in memory$/],
  [["check", PC, "--set", "cpu.model=qemu46"], /--set: cpu\.model: no CPU model 'qemu46' \(did you mean 'qemu64'\?\)$/],
  [["check", PC, "--set", 'cpu.features=["+sse5"]'], /--set: cpu\.features: no CPU feature 'sse5'/],
  [["check"], /one machine file is needed/],
  [["check", VIRT, VIRT], /one machine file is needed/],
  [["check", VIRT, "--memory", "1"], /unknown option '--memory'/],
  [
    ["describe", VIRT, "--dtb", "/no/such/folder/x.dtb"],
    /^bringup: \/no\/such\/folder\/x\.dtb: --dtb: cannot be written: No such file or directory$/,
  ],
  [["describe", PC, "--dtb", "x.dtb"], /^bringup: machines\/pc\.toml: a device tree is made for RISC-V machines, not for x86_64$/],
  [["devices", "uart"], /unexpected argument 'uart'/],
  [
    ["test", "machines"],
    /^bringup: machines: no tests in this folder: neither \*\.scenario\.ts in it or below nor scripts \(\*\.ts\) in it$/,
  ],
  [["test", "scripts", "--shard", "5/4"], /^bringup: --shard: expected I\/N with I from 1 to N, such as 2\/4, or auto; got '5\/4'$/],
  [["test", "scripts", "--jobs", "0"], /^bringup: --jobs: expected a number of at least 1, got '0'$/],
  [["test", "scripts", "--reporter", "lst"], /^bringup: --reporter: there is no 'lst' \(did you mean 'list'\?\): expected list, /],
  [["check", "vitr"], /^bringup: vitr: no such file \(did you mean 'virt'\?\)$/],
  [["describe", "microvn.toml"], /^bringup: microvn\.toml: no such file \(did you mean 'microvm\.toml'\?\)$/],
  [["pc.tml", SECTOR], /^bringup: pc\.tml: no such file \(did you mean 'pc\.toml'\?\)$/],
  [
    ["check", file("far.toml", 'extends = "vitr.toml"')],
    /far\.toml:1: extends: 'vitr\.toml': no such file \(did you mean 'virt\.toml'\?\)$/,
  ],
  [
    ["test", "scripts/helo.scenario.ts"],
    /^bringup: scripts\/helo\.scenario\.ts: no such file or folder \(did you mean 'hello\.scenario\.ts'\?\)$/,
  ],
  [["scenario", VIRT], /^bringup: 'scenario' is neither a command nor a machine file$/],
  // An output that cannot be written is told of before the guest runs.
  [
    [PC, SECTOR, "--screenshot", "no/such/folder/x.png"],
    /^bringup: no\/such\/folder\/x\.png: --screenshot: cannot be written: No such file/,
  ],
  [[PC, SECTOR, "--screenshot", "tests"], /^bringup: tests: --screenshot: cannot be written: Is a directory$/],
  [[VIRT, bin("hello"), "--serial", "no/such/folder/x"], /^bringup: no\/such\/folder\/x: --serial: cannot be written: No such file/],
  [[VIRT, bin("hello"), "--serial", "tests"], /^bringup: tests: --serial: cannot be written: Is a directory$/],
  [["test", "no/such/script.ts"], /no\/such\/script\.ts: no such file or folder$/],
];

Deno.test("every mistake is one line on stderr, status 2, and nothing on stdout", async () => {
  const wrong: string[] = [], cwd = Deno.cwd();
  Deno.chdir(ROOT);
  try {
    // By a process of its own now and then: an exception is a status, too.
    for (const [i, [args, line]] of MISTAKES.entries()) {
      const { code, stdout, stderr } = i % 24 === 0 ? await runCli(args) : await runHere(args), lines = stderr.trimEnd().split("\n");
      if (code !== 2 || stdout !== "" || lines.length !== 1 || !lines[0].startsWith("bringup: ") || !line.test(lines[0])) {
        wrong.push(`${args.join(" ")}: status ${code}, ${stderr}${stdout}`);
      }
    }
  } finally {
    Deno.chdir(cwd);
  }
  assertEquals(wrong, []);
});

Deno.test("without arguments: the usage on stderr; --help and --trace help on stdout", async () => {
  const none = await runCli([]);
  assertEquals([none.code, none.stdout], [2, ""]);
  assertEquals((await runCli(["help", "check"])).stdout, (await runCli(["check", "--help"])).stdout);
  assertStringIncludes(none.stderr, "Usage");
  const help = await runCli(["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const word of ["--append", "--gdb [PORT]", "Ctrl-A", "Exit status"]) assertStringIncludes(help.stdout, word);
  assertStringIncludes((await runCli(["describe", "--help"])).stdout, "--dtb FILE");
  assertMatch((await runCli(["--trace", "help"])).stdout, /^ {2}irq\s+/m);
});

const RUNS: [what: string, args: string[], input: string, code: number, stdout: RegExp, stderr: RegExp][] = [
  ["a clean shutdown", [VIRT, bin("hello")], "", 0, /^Hello, world!\n谁家 OS 还不支持中文啊\n/, /^$/],
  ["the guest's own code", [VIRT, bin("m_fail")], "", 42, /ending with 42/, /^$/],
  ["a panic", [VIRT, bin("panic")], "", 1, /panicked at/, /^$/],
  ["--expect ends the run", [VIRT, bin("echo"), "--expect", "^> $"], "", 0, /> $/, /^$/],
  ["two --expect in order", [VIRT, bin("hello"), "--expect", "Hello", "--expect", "line 2"], "", 0, /line 2$/, /^$/],
  [
    "--expect in the wrong order",
    [VIRT, bin("hello"), "--expect", "line 2", "--expect", "Hello"],
    "",
    1,
    /passed/,
    /before it printed \/Hello\//,
  ],
  ["--fail", [VIRT, bin("panic"), "--fail", "panicked at"], "", 1, /panicked at [^]*the len is 3/, /printed \/panicked at\/m \(failOn\)/],
  [
    "guest time-out",
    [VIRT, bin("timer"), "--timeout", "1ms", "--expect", "never"],
    "",
    4,
    /^/,
    /time-out: 1\.000 ms .* before it printed \/never\/m\nbringup: cause: every processor waits [^]*\nbringup: looked at 64 times, .*\nbringup: cpu0 at 0x/,
  ],
  [
    "nothing can wake it, and it has time",
    [VIRT, bin("echo"), "--timeout", "1ms", "--expect", "never"],
    "",
    1,
    /> /,
    /dead halt at 0x[^]*cpu0 at 0x[^]*before it printed \/never\/m/,
  ],
  ["nothing can wake it", [VIRT, bin("echo")], "", 3, /> /, /dead halt at 0x[0-9a-f]+[^]*cpu0 at 0x[0-9a-f]+ main/],
  ["typed input", [VIRT, bin("echo")], "hello\rabd\x7fc\rexit\r", 0, /5 bytes: hello[^]*3 bytes: abc[^]*bye/, /^$/],
  ["four harts", [VIRT, bin("smp"), "--harts", "4"], "", 0, /harts: 4/, /^$/],
  ["the kernel's command line", [VIRT, bin("fdt"), "--append", "a=b c"], "", 0, /command line: a=b c/, /^$/],
  ["--memory", [VIRT, bin("fdt"), "--memory", "1GiB"], "", 0, /memory: 0x40000000 bytes/, /^$/],
  ["--stats", [VIRT, bin("hello"), "--stats"], "", 0, /Hello/, /bringup: instructions +\d+[^]*bringup: digest +[0-9a-f]{16}/],
  ["--trace", [VIRT, bin("hello_dbcn"), "--trace", "sbi"], "", 0, /Hello/, /^\[\d+ ns\] \[cpu0\] \[sbi\] /m],
  ["RV32", ["machines/virt32.toml", "tests/guests/bin/hello.rv32.elf"], "", 0, /^Hello, world!/, /^$/],
  ["check", ["check", VIRT], "", 0, /^machines\/virt\.toml: ok: virt, riscv64/, /^$/],
  ["extends a shipped machine", ["check", file("mine.toml", `schema = 1\nextends = "virt32.toml"\n`)], "", 0, /ok: virt32, riscv32/, /^$/],
  ["describe", ["describe", VIRT, "--set", "harts=2"], "", 0, /harts\s+2[^]*memory map[^]*plic/, /^$/],
  ["devices", ["devices"], "", 0, /ns16550a/, /^$/],
];

for (const [what, args, input, status, stdout, stderr] of RUNS) {
  Deno.test(`run: ${what}`, async () => {
    const ran = await runCli(args, input);
    assertMatch(ran.stdout, stdout);
    assertMatch(ran.stderr, stderr);
    assertEquals(ran.code, status);
  });
}

Deno.test("exit status: a failure is never 0, whatever its code", () => {
  const codes: [Stop, number][] = [
    [{ kind: "exit", code: 0, pass: true }, 0],
    [{ kind: "exit", code: 0, pass: false }, 1],
    [{ kind: "exit", code: 256, pass: false }, 1],
    [{ kind: "exit", code: 0xff00, pass: false }, 1],
    [{ kind: "exit", code: 255, pass: false }, 255],
    [{ kind: "exit", code: 0x12a, pass: false }, 42],
    [{ kind: "exit", code: 0 }, 0],
    [{ kind: "exit", code: 512 }, 1],
    [{ kind: "exit", code: 257 }, 1], // isa-debug-exit, value 128
    [{ kind: "reset" }, 0],
    [{ kind: "budget" }, 4],
  ];
  for (const [stop, status] of codes) assertEquals(exitStatus(stop), status, JSON.stringify(stop));
});

// deno-fmt-ignore
/** Turns floating point on and divides at once: 3 / 10, rounded up, plus the flags (NX), plus 0x40 is "B". */
const FLOATING = Uint32Array.of(
  0x62b7, 0x1002a073, // lui t0, 6; csrs sstatus, t0
  0x300313, 0xd2237553, 0xa00313, 0xd22375d3, // li t1, 3; fcvt.d.l fa0, t1; li t1, 10; fcvt.d.l fa1, t1
  0x1ab57653, 0xc2063553, 0x102373, // fdiv.d fa2, fa0, fa1; fcvt.w.d a0, fa2, rup; frflags t1
  0x650533, 0x4050513, 0x100893, 0x73, // add a0, a0, t1; addi a0, a0, 0x40; li a7, 1; ecall
  0x800893, 0x73, // li a7, 8; ecall
);
Deno.test("run: floating point, which is loaded when the guest turns it on, is there at its first instruction", async () => {
  const path = file("floating.bin", new Uint8Array(FLOATING.buffer));
  for (const engine of ["interp", "jit"]) {
    const { code, stdout } = await runCli([VIRT, path, "--engine", engine, "--timeout", "10ms"]);
    assertEquals([code, stdout], [0, "B"]);
  }
});

// deno-fmt-ignore
/** auipc sp, 0; c.fsdsp fa0, 504(sp); c.fldsp fa1, 504(sp); li a0, "C"; li a7, 1; ecall; li a7, 8; ecall */
const COMPRESSED = Uint32Array.of(0x117, 0x35fe_bfaa, 0x430_0513, 0x100893, 0x73, 0x800893, 0x73);

Deno.test("run: floating point is on when a kernel starts, and loading it in the midst of a run is not seen", async () => {
  for (const [text, code] of [["B", FLOATING.slice(2)], ["C", COMPRESSED]] as const) {
    const path = file("on.bin", new Uint8Array(code.buffer)), digests = new Set<string>();
    for (const args of [["--engine", "interp"], ["--engine", "jit"], ["--harts", "2"]]) {
      const ran = await runCli([VIRT, path, "--stats", "--timeout", "10ms", ...args]);
      assertEquals([ran.code, ran.stdout], [0, text]);
      if (args[0] !== "--harts") digests.add(/digest +(\w+)/.exec(ran.stderr)![1]);
    }
    await using m = await boot(ROOT + VIRT, { kernel: path });
    await m.machine.complete!();
    await m.stopped();
    assertEquals([...digests], [m.machine.digest()], "loaded before the run");
  }
});

Deno.test("a machine without a session waits where floating point has to be loaded, however often it is run, and then goes on", async () => {
  const script = `
    import { boot } from "${new URL("../mod.ts", import.meta.url)}";
    const { machine } = await boot("${VIRT}", { kernel: "${file("floating.bin", new Uint8Array(FLOATING.buffer))}" });
    machine.run(1000);
    console.log(machine.run(1000), machine.yielded, machine.step(0));
    await machine.loading;
    console.log(machine.loading, machine.run(1000).kind, machine.yielded);`;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--ext=ts", script], cwd: ROOT }).output();
  assertEquals(new TextDecoder().decode(stdout), "undefined true undefined\nundefined exit false\n");
});

Deno.test("run: the same run has the same digest", async () => {
  const digest = async () => /digest +(\w+)/.exec((await runCli([VIRT, bin("timer"), "--stats"])).stderr)![1];
  assertEquals(await digest(), await digest());
});

Deno.test("run: a machine file is found among the shipped ones from any folder, as a Cargo runner needs", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: cliArgs([VIRT, `${ROOT}${bin("hello")}`]),
    cwd: scratch,
    stdin: "null",
  }).output();
  assertEquals(code, 0);
  assertStringIncludes(new TextDecoder().decode(stdout), "Hello");
});

Deno.test("describe --dtb writes a device tree", async () => {
  const path = `${scratch}/out.dtb`;
  assertEquals((await runCli(["describe", VIRT, "--dtb", path])).code, 0);
  const again = Deno.makeTempFileSync();
  assertEquals((await runCli(["describe", VIRT, "--set", `boot.dtb=${path}`, "--dtb", again])).code, 0);
  assertEquals(Deno.readFileSync(again), Deno.readFileSync(path));
  Deno.removeSync(again);
  assertEquals([...Deno.readFileSync(path).subarray(0, 4)], [0xd0, 0x0d, 0xfe, 0xed]);
});

Deno.test("--scenario drives the machine; its failures are status 1 and 4", async () => {
  const script = (name: string, body: string) =>
    file(
      name,
      `import { expect, scenario } from "bringup";\nexport default scenario({ name: "x", machine: "machines/virt.toml" }, async (m) => {${body}});\n`,
    );
  const good = script(
    "good.ts",
    `await expect(m.serial).toPrint("> "); await m.serial.send("hello\\r"); await expect(m.serial).toPrint(/5 bytes: hello/);`,
  );
  const ran = await runCli([VIRT, bin("echo"), "--scenario", good]);
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.stdout, /5 bytes: hello$/);
  const late = await runCli([
    VIRT,
    bin("echo"),
    "--timeout",
    "5ms",
    "--scenario",
    script("late.ts", `await expect(m.serial).toPrint("never");`),
  ]);
  assertEquals(late.code, 4);
  assertMatch(
    late.stderr,
    /ScenarioTimeout: Waited 5ms of guest time in vain for uart0 to print "never"\n[^]*cpu0: pc 0x[^]*replay: deno run/,
  );
  const bad = await runCli([VIRT, bin("echo"), "--scenario", script("bad.ts", `throw new Error("as it should");`)]);
  assertEquals(bad.code, 1);
  assertStringIncludes(bad.stderr, "as it should");
});

Deno.test("`bringup test` runs scripts as tests, also outside of this repository", async () => {
  const script = file(
    "works_test.ts",
    `import { expect, scenario } from "bringup";
     export default scenario({ name: "hello", machine: "${VIRT}", kernel: "${ROOT}${
      bin("hello")
    }" }, async (m) => { await expect(m.serial).toPrint("Hello"); });`,
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: cliArgs(["test", script]), cwd: scratch }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, text);
  assertStringIncludes(text, "1 passed");
});

Deno.test("from any folder, a shipped machine's bare name will do; what cargo and bootimage append is taken", async () => {
  const run = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: scratch, env }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  const kernel = `${ROOT}${bin("hello")}`;
  for (const name of ["virt", "virt.toml", "machines/virt.toml"]) {
    const { code, stdout, stderr } = await run([name, kernel, "--append", "-x"]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Hello");
  }
  // One's own file of that name comes first.
  file("pc.toml", `extends = "${ROOT}${VIRT}"\nname = "mine"\n`);
  assertStringIncludes((await run(["check", "pc"])).stdout, "mine, riscv64");
  const tests = await run(["virt", kernel, "--nocapture", "-q", "-Z", "x"], { CARGO: "cargo" });
  assertEquals([tests.code, tests.stderr], [0, ""]);
  assertStringIncludes(tests.stdout, "Hello");
  const appended = ["-no-reboot", "-serial", "stdio", "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"];
  const disk = await run([`${ROOT}${PC}`, `${ROOT}${SECTOR}`, ...appended]);
  assertEquals(disk, await run([`${ROOT}${PC}`, `${ROOT}${SECTOR}`]));
  assertMatch((await run(["--version"])).stdout, /^bringup \d+\.\d+\.\d+ \(Deno /);
});

Deno.test("the README's permissions are enough, and none is asked for", async () => {
  const permitted = async (permissions: readonly string[], args: readonly string[]) => {
    const all = ["run", ...permissions, "--no-prompt", "--no-check", `${ROOT}mod.ts`, ...args];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args: all, cwd: ROOT, stdin: "null" }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  const status = (await runCli([PC, SECTOR])).code;
  assertEquals(await permitted(["-R"], [VIRT, bin("hello")]), [0, ""]);
  assertEquals(await permitted(["-R"], [PC, SECTOR, "-no-reboot", "-serial", "stdio"]), [status, ""]);
  assertEquals(await permitted(["-R", "-W"], [PC, SECTOR, "--screenshot", `${scratch}/r.png`, "--serial", `${scratch}/r.log`]), [
    status,
    "",
  ]);
  assertEquals(await permitted(["-R", "-N"], [PC, SECTOR, "--serial", "none"]), [status, ""]);
});

Deno.test("a flat image's report has the symbols of the ELF file beside it, or of the one that is named", async () => {
  // The guest prints and then waits for input; its code and data, as objcopy would lay them out.
  const { segments } = readElf(Deno.readFileSync(`${ROOT}${bin("echo")}`), "echo"), base = Math.min(...segments.map((s) => s.paddr));
  const flat = new Uint8Array(Math.max(...segments.map((s) => s.paddr + s.bytes.length)) - base);
  for (const s of segments) flat.set(s.bytes, s.paddr - base);
  const image = file("flat.bin", flat),
    report = async (...more: string[]) =>
      (await runCli([VIRT, image, "--timeout", "10ms", ...more])).stderr.split("\n").find((line) => line.startsWith("bringup: cpu0"));
  assertMatch((await report())!, /^bringup: cpu0 at 0x[0-9a-f]+, waiting for an interrupt$/);
  const named = await report("--symbols", bin("echo"));
  assertMatch(named!, /^bringup: cpu0 at 0x[0-9a-f]+ [\w:]+(\+0x[0-9a-f]+)?, waiting for an interrupt$/);
  assertEquals(await report("--set", `boot.symbols=${bin("echo")}`), named);
  Deno.copyFileSync(`${ROOT}${bin("echo")}`, `${scratch}/flat.elf`);
  assertEquals(await report(), named);
});

Deno.test("after a triple fault the processor is not said to wait for an interrupt", async () => {
  // lidt [0] with nothing there; ud2. A boot sector.
  const sector = new Uint8Array(512);
  sector.set([0xfa, 0x0f, 0x01, 0x1e, 0x10, 0x7c, 0x0f, 0x0b]);
  sector.set([0x55, 0xaa], 510);
  const { code, stderr } = await runCli([PC, file("triple.bin", sector)]);
  assertEquals(code, 3);
  assertMatch(stderr, /^bringup: triple fault at 0x7c06\n[^]*bringup: cpu0 at 0x7c06, shut down by a triple fault\n$/);
});

Deno.test("the README's scenarios and options are true", async () => {
  const readme = Deno.readTextFileSync(`${ROOT}README.md`);
  const scripts = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(([, text], i) => file(`readme${i}_test.ts`, text));
  const ran = await runCli(["test", ...scripts]);
  assertEquals([ran.code, scripts.length], [0, 3], ran.stdout + ran.stderr);
  // Those of Rust's test harness are behind `cargo test --`.
  const harness = Object.keys(LIBTEST).map((name) => ` --${name} `).join();
  const help = harness + [undefined, ...Object.keys(COMMANDS)].map((command) => helpText(command as Subcommand)).join("\n");
  for (const [option] of readme.matchAll(/--[a-z]+/g)) {
    if (!["--help", "--allow"].includes(option)) assertStringIncludes(help + "--dtb", option);
  }
});

// A terminal: `script` of util-linux gives the process a pty.
const noPty = !installed("script");

/** Runs a shell command on a pty, types, and returns what the terminal shows. */
async function onTerminal(command: string, keys: [afterMs: number, text: string][]): Promise<string> {
  const child = new Deno.Command("script", { args: ["-qec", command, "/dev/null"], cwd: ROOT, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  for (const [ms, text] of keys) {
    await new Promise((r) => setTimeout(r, ms));
    await writer.write(new TextEncoder().encode(text)).catch(() => {});
  }
  const { stdout } = await child.output();
  await writer.close().catch(() => {});
  return new TextDecoder().decode(stdout);
}

const onEcho = `${Deno.execPath()} ${cliArgs([VIRT, bin("echo")]).join(" ")}`;
const SETTINGS = "stty -a | tr ';' '\\n' | grep -E 'icanon|echo |isig' ";

Deno.test({
  name: "terminal: keys reach the guest, Ctrl-A opens the monitor and leaves, the settings are as before",
  ignore: noPty,
  fn: async () => {
    const shown = await onTerminal(`${SETTINGS}; ${onEcho}; echo "status $?"; ${SETTINGS}`, [
      [1500, "hello\r"],
      [300, "\x01c"],
      [300, "pause\rinfo reg\rquix\r"],
      [300, "cont\r\x01c"],
      [300, "again\r"],
      [300, "\x01h"],
      [300, "\x01x"],
    ]);
    assertMatch(shown, /> hello\r\n5 bytes: hello\r\n/);
    assertMatch(shown, /\(bringup\) pause\r\npaused\r\n/);
    assertMatch(shown, /cpu0: pc 0x[0-9a-f]+ [^]*\(waiting for an interrupt\)/);
    assertStringIncludes(shown, "no command 'quix' (did you mean 'quit'?)");
    assertMatch(shown, /again\r\n5 bytes: again/);
    assertStringIncludes(shown, "end the run");
    assertStringIncludes(shown, "status 0");
    const [before, after] = shown.split(/^type lines[^]*status 0\r\n/m);
    assertEquals(after.trim(), before.trim());
    assertMatch(before, / icanon/);
  },
});

Deno.test({
  name: "terminal: SIGTERM, SIGINT and SIGHUP give it back",
  ignore: noPty,
  fn: async () => {
    for (const [signal, status] of [["TERM", 143], ["INT", 130], ["HUP", 129]] as const) {
      const shown = await onTerminal(
        `sh -c '(sleep 1.5; kill -${signal} $$) & exec ${onEcho}'; echo "status $?"; ${SETTINGS}`,
        [[2500, ""]],
      );
      assertStringIncludes(shown, `status ${status}`);
      assertMatch(shown.split("status ")[1], / icanon/);
    }
  },
});

Deno.test({
  name: "terminal: a guest that waits for ever runs into its time-out all the same",
  ignore: noPty,
  fn: async () => {
    const shown = await onTerminal(`${onEcho} --timeout 300ms; echo "status $?"`, [[3000, ""]]);
    assertMatch(shown, /> \r?\n?bringup: time-out: [^]*status 4/);
  },
});

Deno.test({
  name: "terminal: an idle guest costs no host time, and its clock follows the wall clock",
  ignore: noPty,
  fn: async () => {
    const shown = await onTerminal(`bash -c 'time ${onEcho}'`, [[2500, "\x01c"], [200, "info time\r"], [200, "\x01x"]]);
    const [, minutes, seconds] = /user\s+(\d+)m([\d.]+)s/.exec(shown)!;
    assert(Number(minutes) * 60 + Number(seconds) < 1.2, shown);
  },
});

Deno.test('clock.mode = "wall": idle time passes with the host\'s clock also when nobody can type', async () => {
  // A timer one second ahead, wfi until it is pending, shutdown. A raw image at 0x8020_0000.
  const code = Uint32Array.of(
    0xc010_22f3, // rdtime t0
    0x0098_9337, // lui t1,0x989
    0x6803_031b, // addw t1,t1,1664 # 989680
    0x0062_8533, // add a0,t0,t1
    0x5449_58b7, // lui a7,0x54495
    0xd458_889b, // addw a7,a7,-699 # 54494d45
    0x0000_0813, // li a6,0
    0x0000_0073, // ecall
    0x0200_0293, // li t0,32
    0x1042_a073, // csrs sie,t0
    0x1050_0073, // wfi
    0x1440_22f3, // csrr t0,sip
    0x0202_f293, // and t0,t0,32
    0xfe02_8ae3, // beqz t0,80200028
    0x5352_58b7, // lui a7,0x53525
    0x3548_889b, // addw a7,a7,852 # 53525354
    0x0000_0813, // li a6,0
    0x0000_0513, // li a0,0
    0x0000_0593, // li a1,0
    0x0000_0073, // ecall
  );
  const image = file("sleep.bin", new Uint8Array(code.buffer));
  const start = performance.now();
  assertEquals((await runCli([VIRT, image, "--set", "clock.mode=wall"])).code, 0);
  assert(performance.now() - start > 1000);
});

Deno.test("pipes: 32 KiB of every byte value come back as they went in, under both engines", async () => {
  // Polls the UART and sends back what arrives; after 0x8000 bytes it writes 0x5555 to the test device. A raw image at 0x8020_0000.
  const code = Uint32Array.of(
    0x1000_02b7, // lui t0,0x10000
    0x0000_8437, // lui s0,0x8
    0x0052_c303, // lbu t1,5(t0)
    0x0013_7313, // andi t1,t1,1
    0xfe03_0ce3, // beq t1,zero,80200008
    0x0002_c383, // lbu t2,0(t0)
    0x0072_8023, // sb t2,0(t0)
    0xfff4_0413, // addi s0,s0,-1
    0xfe04_14e3, // bne s0,zero,80200008
    0x0010_02b7, // lui t0,0x100
    0x0000_5337, // lui t1,0x5
    0x5553_0313, // addi t1,t1,1365
    0x0062_a023, // sw t1,0(t0)
    0x0000_006f, // jal zero,80200034
  );
  const image = file("copy.bin", new Uint8Array(code.buffer)), data = Uint8Array.from({ length: 0x8000 }, (_, i) => i ^ (i >> 8));
  for (const engine of ["interp", "jit"]) {
    const child = new Deno.Command("sh", {
      args: ["-c", `${Deno.execPath()} ${cliArgs([VIRT, image, "--engine", engine]).join(" ")} < ${file("data", data)}`],
      cwd: ROOT,
    });
    const { code: status, stdout } = await child.output();
    assertEquals([status, stdout.length], [0, data.length]);
    assert(stdout.every((b, i) => b === data[i]));
  }
});

Deno.test("pipes: a reader that goes away ends the run", async () => {
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", `yes hello | tr '\\n' '\\r' | ${Deno.execPath()} ${cliArgs([VIRT, bin("echo")]).join(" ")} | head -c 5`],
    cwd: ROOT,
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "type "]);
});
