// Debian's gdb-multiarch, driven by a script, does the tutorials' recipe on the Rust kernels: start stopped, break at the kernel's entry,
// single-step, break in Rust code, print, continue to the exit. On a PC one connection goes from the reset vector to the 64-bit kernel: the target
// description is the 64-bit one throughout, so GDB itself disassembles real mode wrongly (as with QEMU); "monitor info code" does it right.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cliArgs, installed, ROOT } from "./cli.ts";

const ignore = !installed("gdb-multiarch");

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Runs a guest that waits for GDB, and GDB with these commands after `target remote`; `symbols` is the guest's image unless given. */
async function debug(
  image: string,
  args: string[],
  commands: string[],
  symbols = `tests/guests/bin/${image}`,
): Promise<{ gdb: string; guest: string; code: number }> {
  const port = freePort();
  const machine = image.startsWith("x86") ? "machines/pc.toml" : image.includes("rv32") ? "machines/virt32.toml" : "machines/virt.toml";
  const guest = new Deno.Command(Deno.execPath(), {
    args: cliArgs([machine, `tests/guests/bin/${image}`, "--gdb", String(port), "--wait", ...args]),
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const script = ["set pagination off", "set confirm off", `target remote localhost:${port}`, ...commands].flatMap((c) => ["-ex", c]);
  // It says so on stderr when it listens.
  const reader = guest.stderr.getReader();
  for (let text = ""; !text.includes("GDB can connect");) {
    const { value, done } = await reader.read();
    assert(!done, `the guest has not started: ${text}`);
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  const gdb = await gdbBatch([...script, symbols]);
  const ended = await guest.output();
  return { gdb, guest: new TextDecoder().decode(ended.stdout), code: ended.code };
}

async function gdbBatch(args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("gdb-multiarch", { args: ["-nx", "-batch", ...args], cwd: ROOT }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
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
      "continue",
    ]);
    assertMatch(gdb, /Breakpoint 1, 0x80200000 in _start/);
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
      const printed = [...gdb.matchAll(/^\$\d+ = (.*)$/gm)].map((m) => m[1]);
      assertEquals(printed.slice(0, 3), ["0", "0x60000010", "(void (*)()) 0x7c02"]);
      assertEquals(printed.slice(3, 6), ["0xe0010011", "0xd00", "1"]);
      assertEquals(printed[7], "8");
      // The lock, and vector offset, command and data port of two interrupt controllers, as characters.
      assertEquals(printed[6], String.raw`"\000\000 \000!\000 \000\240\000\241\000("`);
    } finally {
      Deno.removeSync(kernel);
    }
  },
});
