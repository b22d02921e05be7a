// What a person sees on a terminal: the guest's screen, hints and reports beside it, and where the machine's consoles go.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cliArgs, installed, ROOT, runCli } from "./cli.ts";

const PC = "machines/pc.toml", SHELL = "tests/guests/bin/x86_shell.img";
const scratch = Deno.makeTempDirSync({ prefix: "bringup-terminal-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

/** A boot sector with this code. */
function sector(name: string, code: readonly number[]): string {
  const bytes = new Uint8Array(512);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  Deno.writeFileSync(`${scratch}/${name}`, bytes);
  return `${scratch}/${name}`;
}
// mov ax,0xb800; mov es,ax; mov word [es:0],'H'; mov word [es:2],'i'
const ON_SCREEN = [0xb8, 0x00, 0xb8, 0x8e, 0xc0, 0x26, 0xc7, 0x06, 0x00, 0x00, 0x48, 0x0f, 0x26, 0xc7, 0x06, 0x02, 0x00, 0x69, 0x0f];
const HALT = [0xf4, 0xeb, 0xfd];
// lidt of zeros, ud2
const TRIPLE = [0x0f, 0x01, 0x1e, 0x00, 0x7d, 0x0f, 0x0b];
/** Prints A on COM1 and B on COM2, then sends back what COM2 receives, up to q; ends with status 33. */
const TWO_PORTS = sector("two.bin", [
  ...[0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xba, 0xf8, 0x02, 0xb0, 0x42, 0xee], // A, B
  ...[0xba, 0xfd, 0x02, 0xec, 0xa8, 0x01, 0x74, 0xf8], // wait
  ...[0xba, 0xf8, 0x02, 0xec, 0xee, 0x3c, 0x71, 0x75, 0xef], // echo
  ...[0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, ...HALT],
]);
const COM2 = ["--set", "device.com2.console=true"];

/** The part of a terminal that our output needs: two screens, the cursor, erasing. Colours are dropped. */
class Terminal {
  #screens = [[""], [""]];
  #now = 0;
  #row = 0;
  #column = 0;
  constructor(bytes: string) {
    // deno-lint-ignore no-control-regex
    for (const [token] of bytes.matchAll(/\x1b\[\??[\d;]*[a-zA-Z]|\x1b[78]|[^\x1b]/g)) this.#take(token);
  }
  get lines(): string[] {
    return this.#screens[this.#now].map((l) => l.trimEnd());
  }
  /** The screen that lies under the guest's. */
  get main(): string {
    return this.#screens[0].map((l) => l.trimEnd()).join("\n");
  }
  #take(token: string): void {
    const lines = this.#screens[this.#now], escape = token.startsWith("\x1b["), command = escape ? token.at(-1) : "";
    const numbers = escape ? token.slice(2, -1).replace("?", "") : "";
    const [a = 1, b = 1] = numbers.split(";").map((n) => Number(n) || 1);
    if (token === "\x1b[?1049h") [this.#now, this.#row, this.#column, this.#screens[1]] = [1, 0, 0, [""]];
    else if (token === "\x1b[?1049l") {
      [this.#now, this.#row, this.#column] = [0, this.#screens[0].length - 1, this.#screens[0].at(-1)!.length];
    } else if (token === "\r") this.#column = 0;
    else if (token === "\n") this.#row++;
    else if (token === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (command === "H") [this.#row, this.#column] = [a - 1, b - 1];
    else if (command === "G") this.#column = a - 1;
    else if (command === "K") lines[this.#row] = (lines[this.#row] ?? "").slice(0, this.#column);
    else if (command === "J" && numbers === "2") this.#screens[this.#now] = [""];
    else if (token.length === 1) {
      while (lines.length <= this.#row) lines.push("");
      const line = lines[this.#row].padEnd(this.#column);
      lines[this.#row] = line.slice(0, this.#column++) + token + line.slice(this.#column);
    }
    while (this.#screens[this.#now].length <= this.#row) this.#screens[this.#now].push("");
  }
}

const noPty = !installed("script");

/** A command line of ours on a terminal of so many rows and columns. `step` gets what is on it, types, and says what it waits for. */
async function onTerminal(
  args: readonly string[],
  drive?: (
    t: {
      until(seen: (t: Terminal) => boolean): Promise<Terminal>;
      type(keys: string): Promise<void>;
      size(rows: number, columns: number): Promise<void>;
    },
  ) => Promise<void>,
  [rows, columns] = [30, 100],
): Promise<Terminal> {
  const tty = `${scratch}/tty`;
  const command = `tty >${tty}; stty rows ${rows} cols ${columns}; ${Deno.execPath()} ${cliArgs(args).join(" ")}; echo "status $?"`;
  const child = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  })
    .spawn();
  const writer = child.stdin.getWriter();
  let shown = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) shown += text;
  })();
  let ended = false;
  child.status.then(() => ended = true);
  try {
    await drive?.({
      until: async (seen) => {
        for (const end = performance.now() + 30_000;;) {
          const terminal = new Terminal(shown);
          if (seen(terminal)) return terminal;
          if (ended || performance.now() > end) {
            throw new Error(`never seen: ${seen}\n${terminal.lines.join("\n")}\n--- main\n${terminal.main}`);
          }
          await new Promise((r) => setTimeout(r, 50));
        }
      },
      type: (keys) => writer.write(new TextEncoder().encode(keys)),
      size: async (rows, columns) => {
        const to = Deno.readTextFileSync(tty).trim();
        await new Deno.Command("stty", { args: ["-F", to, "rows", `${rows}`, "cols", `${columns}`] }).output();
      },
    });
  } catch (e) {
    child.kill();
    throw e;
  } finally {
    await reading;
    await writer.close().catch(() => {});
    await child.status;
  }
  return new Terminal(shown);
}

const shows = (text: string) => (t: Terminal) => t.lines.some((l) => l.includes(text));

Deno.test({
  name: "the guest's screen: keys, help and monitor beside it, another size, drawn again, and reports at the end",
  ignore: noPty,
  fn: async () => {
    const last = await onTerminal([PC, SHELL, "--display", "terminal"], async ({ until, type, size }) => {
      await until((t) => t.lines[24]?.startsWith(">"));
      await type("warn Careful\r");
      const before = await until(shows("Careful"));
      assert(!before.main.includes("Careful"), "the serial port's output does not run over the screen");
      await type("\x01h");
      const help = await until(shows("Any key: back"));
      assert(!shows("Careful")(help), "the help is not on the guest's screen");
      await type("x");
      await until((t) => shows("> warn Careful")(t) && !shows("Any key")(t));
      await type("\x01c");
      await until(shows("(bringup)"));
      await type("info time\r");
      await until(shows("guest time"));
      await type("\x01c");
      const back = await until((t) => shows("> warn Careful")(t) && !shows("(bringup)")(t));
      assertEquals(back.lines.length, 25);
      // The key that went back did not reach the guest.
      assertEquals(back.lines[24].trim(), ">");
      await size(4, 9);
      await until((t) => t.lines.slice(1).join("|") === "> warn Ca|Careful|>" && t.lines.length === 4);
      await size(30, 100);
      await until((t) => t.lines.length === 25);
      await type("\x01x");
    });
    // The text stays, and what was printed on the serial port comes behind it.
    assertMatch(last.main, /> warn Careful\nCareful\n>\n[^]*> warn Careful\nCareful\n[^]*status 0/);
  },
});

Deno.test({
  name: "beside the guest's screen nothing is lost: the report of a triple fault, a time-out's, and the screen's last text",
  ignore: noPty,
  fn: async () => {
    const dead = (await onTerminal([PC, sector("dead.bin", [...ON_SCREEN, ...TRIPLE]), "--display", "terminal"])).main;
    assertMatch(dead, /^Hi\nbringup: triple fault at 0x7c[^]*bringup: cpu0 at 0x7c[0-9a-f]+, shut down by a triple fault\nstatus 3/m);
    const late = (await onTerminal([PC, SHELL, "--display", "terminal", "--timeout", "500ms"])).main;
    assertMatch(late, /^>[^]*\nbringup: time-out: [^]*\nbringup: cpu0 at [^]*status 4/m);
  },
});

Deno.test({
  name: "who sees an empty terminal while the guest writes on its screen is told how to see that",
  ignore: noPty,
  fn: async () => {
    const hint = "bringup: the guest writes on its screen, not on the serial port: --display terminal shows it";
    const quiet = sector("quiet.bin", [...ON_SCREEN, ...HALT]), count = (text: string) => text.split(hint).length - 1;
    // Waiting for ever, busy for ever, and dead at once.
    await onTerminal([PC, quiet], async ({ until, type }) => {
      await until(shows(hint));
      await type("\x01x");
    });
    await onTerminal([PC, sector("busy.bin", [...ON_SCREEN, 0xeb, 0xfe])], async ({ until, type }) => {
      await until(shows(hint));
      await type("\x01x");
    });
    assertEquals(count((await onTerminal([PC, sector("dead.bin", [...ON_SCREEN, ...TRIPLE])])).main), 1);
    // Not for those who know, who see something, or who are no persons.
    for (
      const args of [[PC, quiet, "--display", "none"], [PC, SHELL], [PC, quiet, "--screenshot", `${scratch}/s.png`], [
        PC,
        sector("nothing.bin", HALT),
      ]]
    ) {
      assertEquals(count((await onTerminal([...args, "--timeout", "300ms"])).main), 0, args.join(" "));
    }
    assert(!(await runCli([PC, quiet, "--timeout", "300ms"])).stderr.includes("--display"));
  },
});

/** A port that nobody uses. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function connect(port: number): Promise<Deno.TcpConn> {
  for (let tries = 0;; tries++) {
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port });
    } catch (e) {
      if (tries > 300) throw e;
      await new Promise((r) => setTimeout(r, 100));
    }
  }
}

async function read(client: Deno.TcpConn, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  for (let at = 0, n: number | null; at < length && (n = await client.read(bytes.subarray(at))); at += n);
  return new TextDecoder().decode(bytes);
}

Deno.test("--serial: each console goes where it is told, in their order", async () => {
  const log = `${scratch}/com.log`, contents = () => Deno.readTextFileSync(log);
  const second = await runCli([PC, TWO_PORTS, ...COM2, "--serial", log, "--serial", "stdio"], "xyq");
  assertEquals([second.code, second.stdout, contents()], [33, "Bxyq", "A"]);
  const first = await runCli([PC, TWO_PORTS, ...COM2, "--serial", "stdio", "--serial", log, "--timeout", "10ms"], "xyq");
  assertEquals([first.code, first.stdout, contents()], [4, "A", "B"]);
  const none = await runCli([PC, TWO_PORTS, ...COM2, "--serial", "none", "--serial", "none", "--timeout", "10ms"]);
  assertEquals([none.code, none.stdout], [4, ""]);
});

Deno.test("--serial PORT: a client reads what was printed before it came, and types; the next one may follow", async () => {
  const port = freePort();
  const running = runCli([PC, TWO_PORTS, ...COM2, "--serial", "none", "--serial", `${port}`]);
  let client = await connect(port);
  assertEquals(await read(client, 1), "B");
  await client.write(new TextEncoder().encode("xy"));
  assertEquals(await read(client, 2), "xy");
  client.close();
  client = await connect(port);
  // One that comes before the other has gone is turned away.
  for (;;) {
    await client.write(new TextEncoder().encode("zq")).catch(() => {});
    if (await read(client, 2).catch(() => "") === "zq") break;
    client.close();
    client = await connect(port);
  }
  assertEquals((await running).code, 33);
  client.close();
});

Deno.test("--serial: mistakes are one line", async () => {
  const busy = Deno.listen({ hostname: "127.0.0.1", port: 0 }), taken = (busy.addr as Deno.NetAddr).port;
  for (
    const [args, message] of [
      [
        ["--serial", "none", "--serial", "none"],
        "--serial is given 2 times, but the machine has 1 console (com1): `console = true` makes a serial port one, as in --set device.com2.console=true",
      ],
      [[...COM2, "--serial", "stdio", "--serial", "stdio"], "--serial stdio is given more than once"],
      [["--serial", "70000"], "--serial: '70000' is not a TCP port: expected 1 to 65535"],
      [["--serial", "no/such/folder"], "no/such/folder: --serial: cannot be written: No such file or directory"],
      [["--serial", `${taken}`], `--serial: cannot listen on port ${taken}: Address already in use`],
    ] as const
  ) {
    const { code, stderr } = await runCli([PC, TWO_PORTS, ...args]);
    assertEquals([code, stderr], [2, `bringup: ${message}\n`]);
  }
  busy.close();
});

Deno.test({
  name: "with the guest's screen on the terminal, the serial port can go elsewhere",
  ignore: noPty,
  fn: async () => {
    const log = `${scratch}/beside.log`;
    const last = await onTerminal([PC, SHELL, "--display", "terminal", "--serial", log], async ({ until, type }) => {
      await until((t) => t.lines[24]?.startsWith(">"));
      await type("warn Careful\r");
      await until(shows("Careful"));
      await type("\x01x");
    });
    assertStringIncludes(Deno.readTextFileSync(log), "Careful");
    assertEquals(last.main.split("> warn Careful").length - 1, 1);
  },
});
