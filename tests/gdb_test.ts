// Debian's gdb-multiarch, driven by a script, does the tutorials' recipe on the Rust kernels: start stopped, break at the kernel's entry,
// single-step, break in Rust code, print, continue to the exit. On a PC one connection goes from the reset vector to the 64-bit kernel: the target
// description is the 64-bit one throughout, so GDB itself disassembles real mode wrongly (as with QEMU); "monitor info code" does it right.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readElf } from "../src/machine/elf.ts";
import { cliArgs, installed, ROOT } from "./cli.ts";

const ignore = !installed("gdb-multiarch");

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

interface Debugged {
  readonly gdb: string;
  readonly guest: string;
  readonly messages: string;
  readonly code: number;
}

/**
 * Runs a guest that waits for GDB, and GDB with these commands after `target remote`; `symbols` is the guest's image unless given, "" none.
 * `first` are commands before it connects. Each time that GDB says a text of `interrupts` it gets Ctrl-C.
 */
async function debug(
  image: string,
  args: string[],
  commands: string[],
  symbols?: string,
  { first = [], path = `tests/guests/bin/${image}`, interrupt }: { first?: string[]; path?: string; interrupt?: string } = {},
): Promise<Debugged> {
  const port = freePort();
  const machine = image.startsWith("x86") ? "machines/pc.toml" : image.includes("rv32") ? "machines/virt32.toml" : "machines/virt.toml";
  const guest = new Deno.Command(Deno.execPath(), {
    args: cliArgs([machine, path, "--gdb", String(port), "--wait", ...args]),
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const script = ["set pagination off", "set confirm off", ...first, `target remote localhost:${port}`, ...commands].flatMap((
    c,
  ) => ["-ex", c]);
  // It says so on stderr when it listens.
  const reader = guest.stderr.getReader();
  for (let text = ""; !text.includes("GDB can connect");) {
    const { value, done } = await reader.read();
    assert(!done, `the guest has not started: ${text}`);
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  symbols ??= path;
  const gdb = await gdbBatch([...script, ...(symbols ? [symbols] : [])], interrupt);
  const ended = await guest.output();
  const [out, messages] = [ended.stdout, ended.stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { gdb, guest: out, messages, code: ended.code };
}

/** What GDB prints. Once it has printed `interrupt` and the guest has run for a while it gets Ctrl-C. */
async function gdbBatch(args: string[], interrupt?: string): Promise<string> {
  const gdb = new Deno.Command("gdb-multiarch", { args: ["-nx", "-batch", ...args], cwd: ROOT, stdout: "piped", stderr: "piped" }).spawn();
  const errors = new Response(gdb.stderr).text();
  let out = "", sent = false;
  for await (const text of gdb.stdout.pipeThrough(new TextDecoderStream())) {
    out += text;
    if (interrupt === undefined || sent || !out.includes(interrupt)) continue;
    sent = true;
    setTimeout(() => gdb.kill("SIGINT"), 300);
  }
  await gdb.status;
  return out + await errors;
}

Deno.test({
  name: "gdb-multiarch: the tutorials' recipe on the 64-bit Rust kernel",
  ignore,
  fn: async () => {
    const address = /0x0*([0-9a-f]+)\s+\S*GREETINGS/.exec(
      await gdbBatch(["-ex", "info variables GREETINGS", "tests/guests/bin/hello.rv64.elf"]),
    )?.[1];
    const { gdb, guest, code } = await debug("hello.rv64.elf", [], [
      "info registers pc",
      "break *0x80200000",
      "continue",
      "info registers pc a0 a1",
      "stepi",
      "info registers pc",
      "break main",
      "continue",
      "info threads",
      "delete",
      `print *(0x${address} as *mut u32)`,
      "print $priv",
      "print/x $satp",
      "set $t3 = 0x1122334455667788",
      "print/x $t3",
      "set $ft0.double = 1.5",
      "print $ft0.double",
      `set *(0x${address} as *mut u32) = 1`,
      "x/1xw 0x80200000",
      "x/1xb 0x10000000",
      "monitor info time",
      "continue",
    ]);
    assertMatch(gdb, /pc\s+0x1000\b[^]*Breakpoint 1, 0x0*80200000 in _start/);
    assertMatch(gdb, /a0\s+0x0\b[^]*a1\s+0x8[0-9a-f]+/);
    assertMatch(gdb, /0x0*80200004 in _start \(\)/);
    assertMatch(gdb, /Breakpoint 2, main \(\) at src\/bin\/hello\.rs:14/);
    assertMatch(gdb, /\* 1\s+Thread 1 \(cpu0\)\s+main \(\) at/);
    for (const line of ["$1 = 3", "$2 = 1", "$3 = 0x0", "$4 = 0x1122334455667788", "$5 = 1.5", "guest time"]) {
      assertStringIncludes(gdb, line);
    }
    // A look at the UART would take a byte from it.
    assertStringIncludes(gdb, "Cannot access memory at address 0x10000000");
    assertMatch(gdb, /0x80200000 <_start>:\s+0x[0-9a-f]{8}/);
    assertStringIncludes(gdb, "[Inferior 1 (Remote target) exited normally]");
    assertEquals(code, 0);
    // GDB has changed a constant of the kernel before it was read.
    assertStringIncludes(guest, "line 1 of 1:");
  },
});

Deno.test({
  name: "gdb-multiarch: 32-bit kernel, exit code, four harts as threads",
  ignore,
  fn: async () => {
    const { gdb, code } = await debug("panic.rv32.elf", ["--harts", "4"], [
      "break *0x80200000",
      "continue",
      "info threads",
      "print $x0",
      "p/x $sp",
      "set $t3 = 0x89abcdef",
      "p/x $t3",
      "stepi",
      "p/x $pc",
      "break main",
      "continue",
      "backtrace 1",
      "delete",
      "continue",
    ]);
    assertMatch(gdb, /Breakpoint 1, 0x80200000 in _start/);
    assertEquals(printed(gdb).slice(2), ["0x89abcdef", "0x80200004"]);
    assertMatch(gdb, /Breakpoint 2, 0x[0-9a-f]+ in [\w:]*main \(\)[^]*#0 {2}0x[0-9a-f]+ in [\w:]*main/);
    for (const n of [1, 2, 3, 4]) assertMatch(gdb, new RegExp(`${n}\\s+Thread ${n} \\(cpu${n - 1}`));
    assertStringIncludes(gdb, "[Inferior 1 (Remote target) exited with code 01]");
    assertEquals(code, 1);
  },
});

Deno.test({
  name: "gdb-multiarch: breakpoints in user programs under Sv39, addresses that are not mapped, detaching",
  ignore,
  fn: async () => {
    const { gdb, guest, code } = await debug("user.rv64.elf", [], [
      "break trap_handler",
      "continue",
      "print/x $satp",
      "print $priv",
      "tbreak *$sepc + 4",
      "delete 1",
      "continue",
      "print $priv",
      "x/2i $pc",
      "x/1xw 0x7000000000",
    ]);
    assertMatch(gdb, /Breakpoint 1, trap_handler \(\) at src\/bin\/user\.rs/);
    assertMatch(gdb, /\$1 = 0x8000[0-9a-f]{12}/);
    assertStringIncludes(gdb, "$2 = 1");
    assertMatch(gdb, /Temporary breakpoint 2, 0x[0-9a-f]+ in \?\? \(\)\s+\$3 = 0\s+=> 0x[0-9a-f]+:\s+[a-z]/);
    assertStringIncludes(gdb, "Cannot access memory at address 0x7000000000");
    assertStringIncludes(gdb, "detached");
    assertStringIncludes(guest, "[kernel] all programs have ended");
    assertEquals(code, 0);
  },
});

/** Values of GDB's history, as it printed them. */
const printed = (gdb: string): string[] => [...gdb.matchAll(/^\$\d+ = (.*)$/gm)].map((m) => m[1]);

/** The kernel's ELF file in a disk image of the bootloader crate: the last one that begins at a sector. */
function kernelOf(image: string): Uint8Array<ArrayBuffer> {
  const bytes = Deno.readFileSync(`${ROOT}tests/guests/bin/${image}`);
  const at = Array.from({ length: bytes.length / 512 }, (_, i) => 512 * i).findLast((at) => bytes[at] === 0x7f && bytes[at + 1] === 0x45);
  return bytes.slice(at);
}

Deno.test({
  name: "gdb-multiarch: a PC from the boot sector in real mode to a symbol of the 64-bit kernel in one connection",
  ignore,
  fn: async () => {
    const kernel = Deno.makeTempFileSync({ suffix: ".elf" });
    try {
      Deno.writeFileSync(kernel, kernelOf("x86_shell.img"));
      const list = await gdbBatch(["-ex", "info functions prompt", "-ex", "info variables PICS", kernel]);
      const [prompt, pics] = ["prompt", "PICS"].map((name) => new RegExp(`0x0*([0-9a-f]+)\\s+(\\S*x86_shell\\S*${name})`).exec(list)!);
      const { gdb } = await debug("x86_shell.img", [], [
        "break *0x7c00",
        "continue",
        "print $cs",
        "print/x $cr0",
        "monitor info code",
        "stepi",
        "print $rip",
        "delete",
        `break '${prompt[2]}'`,
        "continue",
        "print/x $cr0",
        "print/x $efer",
        "x/1i $pc",
        "stepi",
        `print (long) $rip - 0x${prompt[1]}`,
        `print *(unsigned char (*)[14]) 0x${pics[1]}`,
        "print sizeof($rsp)",
        "delete",
        "kill",
      ], kernel);
      assertMatch(gdb, /Breakpoint 1, 0x0*7c00 in/);
      assertStringIncludes(gdb, "00007c00  xor ax, ax");
      assertMatch(gdb, /Breakpoint 2, 0x[0-9a-f]+ in x86_shell\S*::prompt \(\)/);
      assertMatch(gdb, /=> 0x[0-9a-f]+ <\S+prompt>:\s+push/);
      const values = printed(gdb);
      assertEquals(values.slice(0, 3), ["0", "0x60000010", "(void (*)()) 0x7c02"]);
      assertEquals(values.slice(3, 6), ["0xe0010011", "0xd00", "1"]);
      assertEquals(values[7], "8");
      // The lock, and vector offset, command and data port of two interrupt controllers, as characters.
      assertEquals(values[6], String.raw`"\000\000 \000!\000 \000\240\000\241\000("`);
    } finally {
      Deno.removeSync(kernel);
    }
  },
});

Deno.test({
  name: "gdb-multiarch: a 32-bit x86 kernel is an i386: breakpoints, steps, backtrace, registers read and written, the end",
  ignore,
  fn: async () => {
    const { gdb, guest, code } = await debug("x86_multiboot.elf", [], [
      "show architecture",
      "break print",
      "continue",
      "print/x $eip",
      "print/x $pc",
      "print/x $cs",
      "x/1i $pc",
      "backtrace 2",
      "stepi",
      "print/x $eax & 0xff00",
      "set $ecx = 0x89abcdef",
      "print/x $rcx",
      "print/x $cx",
      "set $xmm7 = 7",
      "print $xmm7",
      "print/x $cr0",
      "x/1xw $ebx",
      "set $esi = $esi + 6",
      "finish",
      "continue",
      "delete",
      "continue",
    ]);
    assertStringIncludes(gdb, '(currently "i386")');
    assertMatch(gdb, /Breakpoint 1, 0x00101184 in print \(\)/);
    assertMatch(gdb, /=> 0x101184 <print>:\s+mov\s+\$0x1e,%ah/);
    assertMatch(gdb, /#0 {2}0x00101184 in print \(\)\n#1 {2}0x0010113\w in _start \(\)/);
    assertStringIncludes(gdb, "0x00101186 in print");
    assertMatch(gdb, /^0x0010113b in _start \(\)$/m);
    assertEquals(printed(gdb), ["0x101184", "0x101184", "0x10", "0x1e00", "0x89abcdef", "0xcdef", "7", "0x11"]);
    assertEquals(gdb.match(/Breakpoint 1, /g)?.length, 2);
    assertStringIncludes(gdb, "exited with code 041");
    // GDB has moved the pointer to the text on.
    assertMatch(guest, /^Multiboot\. /);
    assertEquals(code, 33);
  },
});

Deno.test({
  name: "gdb-multiarch: a kernel in a 32-bit file that goes to 64-bit mode: as an x86-64 all is seen, as an i386 it is said what is not",
  ignore,
  fn: async () => {
    const commands = ["break *0xffffffff80101278", "continue", "print/x $rip", "stepi", "print/x $rcx", "delete", "continue"];
    const wide = await debug("x86_long.elf", [], commands, undefined, { first: ["set architecture i386:x86-64"] });
    assertMatch(wide.gdb, /Breakpoint 1, 0xffffffff80101278 in/);
    assertStringIncludes(wide.gdb, "$1 = 0xffffffff80101278");
    assertStringIncludes(wide.gdb, "$2 = 0xffffffff80000000");
    assertEquals(wide.code, 33);
    const asked = await debug("x86_long.elf", ["--gdb-arch", "x86_64"], commands, "", {});
    assertStringIncludes(asked.gdb, "$1 = 0xffffffff80101278");
    assertEquals(asked.messages, "");
    const narrow = await debug("x86_long.elf", [], [
      "break *0x1011da",
      "continue",
      "delete",
      "stepi 12",
      "kill",
    ]);
    assertStringIncludes(narrow.gdb, "Breakpoint 1, ");
    assertStringIncludes(narrow.messages, "GDB: the processor is in 64-bit mode");
  },
});

/** A boot sector that copies code to 9000:0100 and jumps there; it adds 0x1234 and 0x5678 in BX, and ends with status 33. */
const FAR_SECTOR = new Uint8Array(512);
FAR_SECTOR.set([
  ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0], // xor ax, ax; mov ds, ax; mov ss, ax
  ...[0xbc, 0x00, 0x7c, 0xfc], // mov sp, 0x7c00; cld
  ...[0xb8, 0x00, 0x90, 0x8e, 0xc0], // mov ax, 0x9000; mov es, ax
  ...[0xbe, 0x1f, 0x7c, 0xbf, 0x00, 0x01, 0xb9, 0x14, 0x00], // mov si, 0x7c1f; mov di, 0x100; mov cx, 0x14
  ...[0xf3, 0xa4, 0xea, 0x00, 0x01, 0x00, 0x90], // rep movsb; jmp 0x9000:0x100
  ...[0xbb, 0x34, 0x12, 0xb9, 0x78, 0x56], // 100: mov bx, 0x1234; mov cx, 0x5678
  ...[0x01, 0xcb, 0xba, 0xf4, 0x00], // 106: add bx, cx; mov dx, 0xf4
  ...[0x66, 0xb8, 0x10, 0, 0, 0, 0x66, 0xef, 0xf4], // 10b: mov eax, 16; out dx, eax; hlt
]);
FAR_SECTOR.set([0x55, 0xaa], 510);

Deno.test({
  name: "gdb-multiarch: breakpoints by linear address stop where CS has a base, and GDB does not run over them",
  ignore,
  fn: async () => {
    const path = Deno.makeTempFileSync({ suffix: ".img" });
    try {
      Deno.writeFileSync(path, FAR_SECTOR);
      for (const [args, first, pc] of [[[], [], "rip"], [["--gdb-arch", "i386"], ["set architecture i8086"], "eip"]] as const) {
        const { gdb, messages, code } = await debug(
          "x86_far",
          [...args],
          [
            "break *0x7c00",
            "hbreak *0x90100",
            "break *0x90106",
            "continue",
            "stepi",
            `print/x $${pc}`,
            "continue",
            `print/x $${pc}`,
            "print/x $cs",
            "continue",
            `print/x $${pc}`,
            `set $${pc === "eip" ? "ecx" : "rcx"} = 0x1111`,
            "stepi",
            "print/x $bx",
            "continue",
          ],
          "",
          { first: [...first], path },
        );
        assertMatch(gdb, /Breakpoint 1, 0x0*7c00 in[^]*SIGTRAP[^]*0x0*100 in[^]*SIGTRAP[^]*0x0*106 in/);
        assertEquals(printed(gdb), ["0x7c02", "0x100", "0x9000", "0x106", "0x2345"]);
        assertStringIncludes(messages, "GDB: stopped at 0x90100: GDB is told the offset 0x100 in its segment");
        assertStringIncludes(gdb, "exited with code 041");
        assertEquals(code, 33);
      }
    } finally {
      Deno.removeSync(path);
    }
  },
});

Deno.test({
  name: "gdb-multiarch: an ECALL is stepped into, not over",
  ignore,
  fn: async () => {
    const isEcall = "gdb.selected_inferior().read_memory(int(gdb.parse_and_eval('$pc')), 4).tobytes() == bytes([0x73, 0, 0, 0])";
    const { gdb } = await debug("user.rv64.elf", [], [
      "break trap_handler",
      "continue",
      "delete",
      "tbreak *$sepc + 4",
      "continue",
      `python while not ${isEcall}: gdb.execute("stepi", to_string=True)`,
      "print $priv",
      "stepi",
      "print $priv",
      "print $scause",
      "kill",
    ]);
    assertEquals(printed(gdb), ["0", "1", "8"]);
  },
});

Deno.test({
  name: "gdb-multiarch: Ctrl-C stops kernels of every kind",
  ignore,
  fn: async () => {
    // "j ." as a raw image; "jmp $" in a boot sector.
    const jump = Uint8Array.of(0x6f, 0, 0, 0), sector = new Uint8Array(512);
    sector.set([0xeb, 0xfe]);
    sector.set([0x55, 0xaa], 510);
    const path = Deno.makeTempFileSync({ suffix: ".img" });
    try {
      for (const [image, bytes] of [["rv64", jump], ["rv32", jump], ["x86_sector", sector]] as const) {
        Deno.writeFileSync(path, bytes);
        const commands = ["echo going\\n", "continue", "print/x $pc", "stepi", "print/x $pc", "kill"];
        const { gdb } = await debug(image, [], commands, "", { path, interrupt: "going" });
        assertStringIncludes(gdb, "Program received signal SIGINT", image);
        assertEquals([printed(gdb).length, new Set(printed(gdb)).size], [2, 1], gdb);
      }
    } finally {
      Deno.removeSync(path);
    }
  },
});

Deno.test({
  name: "gdb-multiarch: given no file it has the symbols that reports have: the kernel's, those beside a flat image, the named ones",
  ignore,
  fn: async () => {
    const elf = `${ROOT}tests/guests/bin/hello.rv64.elf`, folder = Deno.makeTempDirSync({ prefix: "bringup-gdb-" });
    try {
      const { segments } = readElf(Deno.readFileSync(elf), elf), base = segments[0].paddr;
      const flat = new Uint8Array(Math.max(...segments.map((s) => s.paddr + s.bytes.length)) - base);
      for (const s of segments) flat.set(s.bytes, s.paddr - base);
      for (const name of ["os.bin", "other.bin"]) Deno.writeFileSync(`${folder}/${name}`, flat);
      Deno.copyFileSync(elf, `${folder}/os.elf`);
      const commands = ["break main", "continue", "kill"], reached = /Breakpoint 1, main \(\) at src\/bin\/hello\.rs:14/;
      for (const [path, ...more] of [[elf], [`${folder}/os.bin`], [`${folder}/other.bin`, "--symbols", elf]]) {
        assertMatch((await debug("hello.rv64.elf", more, commands, "", { path })).gdb, reached, path);
      }
      const none = await debug("hello.rv64.elf", [], ["info symbol 0x80200000", "kill"], "", { path: `${folder}/other.bin` });
      assertStringIncludes(none.gdb, "No symbol matches");
      // A processor that is served as another one has no use for a file of its other width.
      const long = await debug("x86_elf64.elf", ["--gdb-arch", "i386"], ["info symbol 0x100000", "kill"], "");
      assertStringIncludes(long.gdb, "No symbol matches");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
