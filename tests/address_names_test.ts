// Names beside the addresses that a guest prints, where people see them: on a terminal, in failures and transcripts; a pipe gets what was printed.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { boot, type ScenarioTimeout } from "../mod.ts";
import { cliArgs, installed, ROOT, runCli } from "./cli.ts";

const GCC = "riscv64-unknown-elf-gcc", folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Prints where its functions are, as kernels do, sends back a line, and powers off. */
const SOURCE = `
typedef unsigned long word;
static word call(word what, word a) {
    register word a7 __asm__("a7") = what, a0 __asm__("a0") = a;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");
    return a0;
}
static void print(const char *s) { while (*s) call(1, *s++); }
static void hex(word n, int digits) { while (digits--) call(1, "0123456789abcdef"[n >> 4 * digits & 15]); }
__attribute__((noinline)) void victim(void) { __asm__ volatile(""); }
__attribute__((noinline)) void handler(void) {
    print("panic: sepc=0x"); hex((word)victim, 16); print(" ra="); hex((word)victim, 16); print(" (0x1234)\\n> ");
    long c;
    do while ((c = (long)call(2, 0)) < 0); while (call(1, c), c != '\\r');
    print("\\nsp 0x"); hex((word)victim, 8);
    call(8, 0);
}
__attribute__((section(".text.entry"))) void _start(void) { __asm__ volatile("li sp, 0x80300000\\ncall handler"); }
`;
async function guest(): Promise<string> {
  Deno.writeTextFileSync(`${folder}/kernel.c`, SOURCE);
  const args = "-g -O1 -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -nostdlib -Wl,-Ttext=0x80200000 -Wl,--build-id=none".split(
    " ",
  );
  const order = ["-Wl,--section-start=.text.entry=0x80200000", "-Wl,-Ttext=0x80201000", "-Wl,-e,_start"];
  const made = await new Deno.Command(GCC, { args: [...args, ...order, "-o", "kernel.elf", "kernel.c"], cwd: folder }).output();
  if (!made.success) throw new Error(new TextDecoder().decode(made.stderr));
  return `${folder}/kernel.elf`;
}

Deno.test({
  name:
    "addresses have their functions and lines on a terminal, in failures and transcripts, but not in pipes, what is typed, and with --raw",
  ignore: !installed(GCC) || !installed("script"),
  fn: async () => {
    const kernel = await guest(),
      line = SOURCE.split("\n").findIndex((l) => l.includes("void victim")) + 1,
      name = ` <victim kernel.c:${line}>`;
    await using m = await boot("virt", { kernel });
    await m.serial.toPrint("> ");
    const printed = m.serial.text(), address = printed.match(/0x([0-9a-f]{16})/)![1], shown = printed.replaceAll(address, address + name);
    assert(printed !== shown && printed.includes(`ra=${address}`));
    const late = await m.serial.toPrint("never", { within: "1ms" }).catch((e) => e) as ScenarioTimeout;
    assertStringIncludes(late.message, `    | ${shown.split("\n")[0]}\n`);
    assertEquals(late.details.transcript.uart0 ?? late.details.transcript.sbi, shown);
    await using raw = await boot("virt", { kernel, raw: true });
    const plain = await raw.serial.toPrint("never", { within: "10ms" }).catch((e) => e) as ScenarioTimeout;
    assertStringIncludes(plain.message, `    | ${printed.split("\n")[0]}\n`);

    const typed = `${address.slice(8)} 0x${address} \r`, end = `sp 0x${address.slice(8)}`;
    const piped = await runCli(["virt", kernel], typed);
    assertEquals([piped.code, piped.stdout], [0, `${printed}${typed}\n${end}`]);
    for (const [args, first, last] of [[[], shown, end + name], [["--raw"], printed, end]] as const) {
      const command = `${Deno.execPath()} ${cliArgs(["virt", kernel, ...args]).join(" ")}`;
      const child = new Deno.Command("script", {
        args: ["-qec", command, "/dev/null"],
        cwd: ROOT,
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = child.stdin.getWriter(), decoder = new TextDecoder();
      let seen = "", sent = false;
      for await (const chunk of child.stdout) {
        seen += decoder.decode(chunk, { stream: true });
        if (sent || !seen.includes("> ")) continue;
        sent = true;
        await writer.write(new TextEncoder().encode(typed));
      }
      await writer.close();
      // deno-lint-ignore no-control-regex
      const lines = (text: string) => text.replaceAll("\r", "").replace(/\x1b\S*?[a-zA-Z78]/g, "").split("\n");
      assertEquals(lines(seen).filter((l) => l !== ""), lines(`${first}${typed}\n${last}`).filter((l) => l !== ""));
    }
  },
});
