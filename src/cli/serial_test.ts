// `--serial`: consoles in files and on TCP ports of this host.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import type { SerialConsole } from "../scenario/serial_console.ts";
import type { MachineSession } from "../scenario/session.ts";
import { openPorts } from "./serial.ts";

const scratch = Deno.makeTempDirSync({ prefix: "bringup-serial-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const bytes = (text: string) => new TextEncoder().encode(text);

/** Consoles as ports see them: what the guest prints, what it was given, and how much of that it has not taken. */
function consoles(...names: string[]) {
  const all = names.map((name) => {
    const got: number[] = [];
    const console = { name, queued: 0, onByte: (_: number) => {}, enqueue: (data: Uint8Array) => void got.push(...data) };
    return { console, prints: (text: string) => bytes(text).forEach((b) => console.onByte(b)), got: () => String.fromCharCode(...got) };
  });
  const session = {
    consoles: new Map(all.map((c) => [c.console.name, c.console as unknown as SerialConsole])),
  } as unknown as MachineSession;
  return { session, all };
}
const open = (session: MachineSession, wheres: string[], onActivity = () => {}) => openPorts(session, wheres, onActivity);
/** What this process has open (proc(5)). */
const openFiles = () =>
  [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ""; // the folder that is being read
    }
  });
/** A port that nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
const connect = (port: number) => Deno.connect({ hostname: "127.0.0.1", port });
async function read(client: Deno.TcpConn, length: number): Promise<string> {
  const buffer = new Uint8Array(length);
  let at = 0;
  for (let n: number | null; at < length && (n = await client.read(buffer.subarray(at))) !== null;) at += n;
  return new TextDecoder().decode(buffer.subarray(0, at));
}
const until = async (done: () => boolean) => {
  for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert(done());
};

Deno.test("consoles go where they are told, in their order: this terminal, a file that is written anew, nowhere", async () => {
  const { session, all: [first, second, third] } = consoles("a", "b", "c"), path = `${scratch}/b.txt`;
  Deno.writeTextFileSync(path, "what was there before, which is longer");
  let active = 0;
  const ports = open(session, ["none", path, "stdio"], () => active++);
  assertEquals([ports.stdio?.name, ports.live, ports.flush()], ["c", false, undefined]);
  first.prints("nobody");
  second.prints("hello");
  third.prints("elsewhere");
  assertEquals([active, Deno.readTextFileSync(path)], [5, ""], "it is written after a slice");
  ports.flush();
  assertEquals(Deno.readTextFileSync(path), "hello");
  second.prints("!");
  ports.flush();
  assertEquals(Deno.readTextFileSync(path), "hello!", "be it a byte");
  second.prints("x".repeat(100_000));
  assertEquals(Deno.statSync(path).size, 6 + (1 << 16), "or when there is much");
  await ports.close();
  assertEquals(Deno.readTextFileSync(path), "hello!" + "x".repeat(100_000));
  assertEquals(openFiles().includes(path), false, "closed");
});

Deno.test("what cannot be opened, or is named too often, is one line", () => {
  const { session } = consoles("com1");
  const wrong: [string[], string][] = [
    [["none", "none"], "--serial is given 2 times, but the machine has 1 console (com1): `console = true` makes a serial port one"],
    [[`${scratch}/no/such`], "such: --serial: cannot be written: No such file or directory"],
    [[scratch], "--serial: cannot be written: Is a directory"],
    [["0"], "--serial: '0' is not a TCP port: expected 1 to 65535"],
    [["65536"], "--serial: '65536' is not a TCP port"],
  ];
  for (const [wheres, message] of wrong) assertThrows(() => open(session, wheres), ConfigError, message);
  assertThrows(() => open(consoles().session, ["none"]), ConfigError, "has 0 consoles: `console");
  assertThrows(() => open(consoles("a", "b").session, ["stdio", "stdio"]), ConfigError, "--serial stdio is given more than once");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const e = assertThrows(() => open(session, [String(port)]), ConfigError, `--serial: cannot listen on port ${port}: `);
  assert(!e.message.includes("os error"));
  // The last port is one, whether or not somebody else has it.
  try {
    void open(session, ["65535"]).close();
  } catch (e) {
    assert((e as Error).message.startsWith("--serial: cannot listen on port 65535"), (e as Error).message);
  }
});

Deno.test("a client gets what was printed before it came, and types; a second one is turned away, and the next may follow", async () => {
  const port = freePort(), { session, all: [com] } = consoles("com1");
  let active = 0;
  const ports = open(session, [String(port)], () => active++);
  assertEquals([ports.live, ports.stdio], [true, undefined]);
  com.prints("boot\n");
  ports.flush();
  const client = await connect(port);
  assertEquals(await read(client, 5), "boot\n");
  const other = await connect(port);
  assertEquals(await read(other, 1), "", "one at a time");
  other.close();
  await client.write(bytes("ls\n"));
  await until(() => com.got() === "ls\n");
  assertEquals(active, 6);
  com.prints("file\n");
  ports.flush();
  assertEquals(await read(client, 5), "file\n");
  client.close();
  // What is printed while nobody is there waits for the next one: the last of it.
  await new Promise((resolve) => setTimeout(resolve, 50));
  com.prints("0".repeat(100_000) + "1".repeat(1 << 16));
  ports.flush();
  const next = await connect(port), kept = await read(next, 1 << 16);
  assertEquals(kept.length, 1 << 16);
  assert(/^0*1+$/.test(kept));
  com.prints("end");
  // The end closes the connection, and nobody listens any more.
  await Promise.all([ports.close(), read(next, 1 << 20).then((rest) => assertEquals(rest.endsWith("1end"), true))]);
  next.close();
  await assertRejects(() => connect(port), Deno.errors.ConnectionRefused);
});

Deno.test("a guest whose client does not read waits for it, and the end waits for a second at most", async () => {
  const port = freePort(), { session, all: [com] } = consoles("com1"), ports = open(session, [String(port)]);
  const client = await connect(port);
  com.prints("x");
  await until(() => (ports.flush(), true));
  assertEquals(await read(client, 1), "x");
  // More than a socket's buffers hold: the writing goes on, and what comes meanwhile is kept.
  const much = "y".repeat(1 << 20);
  const pending: Promise<unknown>[] = [];
  let stuck = false;
  for (let i = 0; i < 64 && !stuck; i++) {
    com.prints(much);
    const held = ports.flush();
    if (!held) continue;
    pending.push(held);
    stuck = await Promise.race([held.then(() => false), new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 200))]);
  }
  assert(stuck, "the guest is held back");
  const started = performance.now();
  await ports.close();
  const ms = performance.now() - started;
  assert(ms >= 900 && ms < 10_000, `${ms} ms`);
  client.close();
  await Promise.all(pending);
});

Deno.test("until somebody connects 128 KiB are kept, of more the last 64; a client that is behind by less than 1 MiB holds nobody back", async () => {
  for (const [length, kept] of [[1 << 17, 1 << 17], [(1 << 17) + 1, 1 << 16]]) {
    const port = freePort(), { session, all: [com] } = consoles("com1"), ports = open(session, [String(port)]);
    com.prints("0".repeat(length - 1) + "1");
    const client = await connect(port), got = await read(client, kept);
    assertEquals([got.length, got.endsWith("01")], [kept, true]);
    // While one piece is on its way, another waits.
    for (let i = 0; i < 2; i++) {
      com.prints("x".repeat(1000));
      assertEquals(ports.flush(), undefined);
    }
    // It goes out with a later slice.
    const slices = setInterval(() => void ports.flush(), 5);
    assertEquals(await read(client, 2000), "x".repeat(2000));
    clearInterval(slices);
    client.close();
    await ports.close();
  }
});

Deno.test("a client types no faster than the guest takes it", async () => {
  const port = freePort(), { session, all: [com] } = consoles("com1"), ports = open(session, [String(port)]), client = await connect(port);
  com.console.queued = 5000;
  await client.write(bytes("a"));
  await until(() => com.got() === "a");
  await client.write(bytes("b"));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assertEquals(com.got(), "a");
  com.console.queued = 0;
  await until(() => com.got() === "ab");
  client.close();
  await ports.close();
});

Deno.test("a copy of what is printed goes to a file, wherever the console is", async () => {
  const { session, all: [a, b, c] } = consoles("a", "b", "c"), name = (n: string) => `${scratch}/copy.${n}`;
  const ports = open(session, [`stdio,log=${name("a")}`, `${name("to")},log=${name("b")}`, `none,log=${name("c")}`]);
  assertEquals([ports.stdio, ports.live], [a.console as unknown as SerialConsole, false]);
  // Who shows the console on standard output hands on what it prints.
  bytes("one").forEach((byte) => ports.copy!(byte));
  b.prints("two");
  c.prints("three");
  await ports.close();
  assertEquals(["a", "b", "to", "c"].map((n) => Deno.readTextFileSync(name(n))), ["one", "two", "two", "three"]);
  for (const wrong of ["stdio,log=", ",log=x", "stdio,file=x", "none,x", "4567,log"]) {
    assertThrows(
      () => open(session, [wrong]),
      ConfigError,
      `--serial: expected stdio, none, a port or a file, and perhaps ,log=FILE behind it, got '${wrong}'`,
    );
  }
  assertThrows(() => open(session, ["stdio,log=/nowhere/x"]), ConfigError, "/nowhere/x: --serial: cannot be written");
});
