// A boot sector on machines/pc.toml under the built-in BIOS: what a scenario sees of its screen, and how it types.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph } from "../src/machine/machine.ts";
import { boot, type BootOptions } from "../src/scenario/boot.ts";
import { ScenarioTimeout } from "../src/scenario/failures.ts";
import { FailPatternSeen } from "../src/scenario/failures.ts";
import type { Look } from "../src/scenario/screen.ts";

/**
 * Prints "Hello from a boot sector" and "> " (int 10h, AH=0Eh), echoes keys (int 16h) yellow on red (AH=09h) until "q", counting them; then it
 * writes itself to sector 0 (int 13h), reads it back and ends with the count through port 0xf4. Assembled with nasm:
 *
 *     org 0x7c00                     .quit: mov ax,0x0301
 *     xor ax,ax                             mov cx,1
 *     mov ds,ax                             mov dx,0x80
 *     mov es,ax                             mov bx,0x7c00
 *     mov si,msg                            int 0x13
 *     .print: lodsb                         mov ax,0x0201
 *             test al,al                    mov cx,1
 *             jz .keys                      mov dx,0x80
 *             mov ah,0x0e                   mov bx,0x8000
 *             mov bx,7                      int 0x13
 *             int 0x10                      movzx eax,byte [0x8000+count-0x7c00]
 *             jmp .print                    mov dx,0xf4
 *     .keys:  mov ah,0                      out dx,eax
 *             int 0x16                      hlt
 *             cmp al,'q'             count: db 0
 *             je .quit               msg:   db "Hello from a boot sector",13,10,"> ",0
 *             inc byte [count]
 *             mov bx,0x004e
 *             mov cx,1
 *             mov ah,9
 *             int 0x10
 *             mov ah,0x0e
 *             mov bx,7
 *             int 0x10
 *             jmp .keys
 */
const CODE =
  "31c08ed88ec0be5f7cac84c07409b40ebb0700cd10ebf2b400cd163c717417fe065e7cbb4e00b90100b409cd10b40ebb0700cd10ebe1b80103b90100ba8000" +
  "bb007ccd13b80102b90100ba8000bb0080cd13660fb6065e80baf40066eff40048656c6c6f2066726f6d206120626f6f7420736563746f720d0a3e20";

/** A machine with the image in a file of its own, which is removed at the end. */
async function withSector(options: BootOptions, work: (m: Awaited<ReturnType<typeof boot>>) => Promise<void>): Promise<void> {
  const image = new Uint8Array(512 * 64), path = Deno.makeTempFileSync({ suffix: ".img" });
  image.set(CODE.match(/../g)!.map((pair) => parseInt(pair, 16)));
  image.set([0x55, 0xaa], 510);
  Deno.writeFileSync(path, image);
  try {
    await using m = await boot("machines/pc.toml", { kernel: path, budget: { guest: "2s" }, ...options });
    await work(m);
    assertEquals(Deno.readFileSync(path), image, "writes stay in memory");
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("a boot sector prints, takes typed keys and writes its disk; the screen shows all of it in colour", async () => {
  await withSector({}, async (m) => {
    assertEquals(await m.screen.toShow(/Hello from a (\w+) sector/, { row: 0, fg: "lightgray" }), ["Hello from a boot sector", "boot"]);
    // The cursor moves after the character has been written: the match is found in between.
    assertEquals(m.screen.cursor, { row: 0, column: 24, visible: true });
    await m.screen.toShow("> ");
    await m.keyboard.type("aB!");
    await m.screen.toShow("aB!", { fg: "yellow", bg: "red", row: 1 });
    assertEquals(m.screen.cell(1, 2), { character: "a", fg: "yellow", bg: "red", blink: false });
    await m.keyboard.press("shift+x");
    await m.keyboard.scancodes([0x10, 0x90]);
    assertEquals(await m.stopped(), { kind: "exit", code: 2 * 4 + 1 });
    assertEquals(m.screen.text(), "Hello from a boot sector\n> aB!X");
    assertEquals(m.inputs.filter((i) => i.console === "keyboard").flatMap((i) => i.bytes).slice(0, 2), [0x1e, 0x9e]);
  });
});

Deno.test("what the screen can never show is told as soon as the guest has written on it, and the guest can go on", async () => {
  await withSector({ budget: { guest: "1h" } }, async (m) => {
    assertEquals(m.screen.text(), "");
    const refused = (pattern: string, look: Look) => assertRejects(() => m.screen.toShow(pattern, look), ConfigError, "cannot show");
    await refused("Hello", { row: 25 });
    const after = m.machine.age;
    assertEquals([m.screen.text(), m.nowNs < 1e9], ["H", true]);
    for (const [pattern, look] of [["Hello", { row: -26 }], ["x".repeat(81), {}], ["a\nb", { row: -1 }]] as const) {
      await refused(pattern, look);
    }
    assertEquals([m.machine.age, m.screen.text()], [after, "H"]);
    // Others are not told of that.
    const [wrong, right] = await Promise.allSettled([m.screen.toShow("x", { row: 25 }), m.screen.toShow("> ", { row: 1 })]);
    assertEquals([wrong.status, right.status], ["rejected", "fulfilled"]);
  });
});

Deno.test("a text that is not shown times out and the message has the screen; what failOn forbids fails the wait", async () => {
  await withSector({}, async (m) => {
    const error = await assertRejects(() => m.screen.toShow("Goodbye", { fg: "red", within: "10ms" }), ScenarioTimeout);
    assertEquals(/the screen to show "Goodbye" \(fg red\)[^]*\| Hello from a boot sector\n/.test(error.message), true, error.message);
    await assertRejects(() => m.screen.toShow("Hello", { fg: "yellow", within: "10ms" }), ScenarioTimeout);
    assertEquals(m.screen.shows("Hello", { fg: "lightgray", bg: "black" }), true);
  });
  await withSector({ failOn: [/Hello from/] }, async (m) => {
    const error = await assertRejects(() => m.stopped(), FailPatternSeen);
    assertEquals(/the screen shows \/Hello from\//.test(error.message), true, error.message);
  });
});

Deno.test("a run of the PC ends with one digest: repeated, by either engine, restored and forked in the middle of typing", async () => {
  const digests: string[] = [];
  for (const engine of ["interp", "jit"] as const) {
    await withSector({ engine }, async (m) => {
      await m.screen.toShow("> ");
      const typed = m.keyboard.type("abq"), start = m.snapshot();
      await typed;
      await m.stopped();
      digests.push(m.machine.digest());
      const child = m.fork();
      assertEquals(child.machine.digest(), m.machine.digest());
      m.restore(start);
      assertEquals([m.screen.text(), m.queuedKeys > 0], ["Hello from a boot sector\n>", true]);
      await m.stopped();
      digests.push(m.machine.digest());
    });
  }
  assertEquals(new Set(digests).size, 1, digests.join());
});

Deno.test("a picture of the PC's screen is a PNG file of 720 by 400", async () => {
  await withSector({}, async (m) => {
    await m.screen.toShow("> ");
    const png = await m.screen.png(), view = new DataView(png.buffer, png.byteOffset);
    assertEquals([view.getUint32(16), view.getUint32(20)], [720, 400]);
  });
});

Deno.test("a run is the same whether the screen is watched or not; only what is watched costs device accesses", async () => {
  const root = new URL("..", import.meta.url).pathname, host = { readFile: (path: string) => Deno.readFileSync(path), log: silent };
  const options = { file: `${root}machines/pc.toml`, kernel: `${root}tests/guests/bin/x86_memory.img` };
  const graph = await loadGraph(options, host);
  const [watched, plain, half] = [1, 0, 2].map((how) => {
    const m = createMachine(options, host, graph);
    if (how) m.screen!.onChange = () => {};
    if (how === 2) {
      // Not watched in the middle of the run.
      m.run(500_000);
      m.screen!.onChange = undefined;
      m.run(3_000_000);
      m.screen!.onChange = () => {};
    }
    while (!m.stopped) m.run(m.clock.ticks + 10_000_000);
    return m;
  });
  assertEquals(plain.digest(), watched.digest());
  assertEquals(half.digest(), watched.digest());
  assert(watched.stats.deviceAccesses > plain.stats.deviceAccesses + 1000);
});
