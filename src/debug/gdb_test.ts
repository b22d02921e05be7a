// The remote protocol, packet by packet over TCP, on a scripted machine. tests/gdb_test.ts has a real GDB and a real guest.
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { MachineSession } from "../scenario/session.ts";
import { type Action, BASE, FakeMachine } from "../../tests/fake_machine.ts";
import type { Stop } from "../machine/stop.ts";
import { type GdbServer, serveGdb } from "./gdb.ts";
import { frame, fromHex, latin1, PACKET_SIZE, PacketReader, toHex } from "./packets.ts";
import { describeTarget } from "./target.ts";

/** A debugger's side of the line. */
class Client {
  readonly #reader = new PacketReader();
  readonly #packets: string[] = [];
  /** Everything received, as it came. */
  raw = "";
  constructor(readonly connection: Deno.TcpConn) {}

  async write(data: string): Promise<void> {
    await this.connection.write(latin1(data));
  }
  /** Sends a packet and returns the reply. */
  async ask(data: string): Promise<string> {
    await this.connection.write(frame(data));
    return await this.next();
  }
  /** The next packet, or "closed". */
  async next(): Promise<string> {
    const buffer = new Uint8Array(1 << 16);
    while (this.#packets.length === 0) {
      const n = await this.connection.read(buffer);
      if (n === null) return "closed";
      this.raw += String.fromCharCode(...buffer.subarray(0, n));
      for (const e of this.#reader.push(buffer.subarray(0, n))) if (e.kind === "packet") this.#packets.push(e.data);
    }
    return this.#packets.shift()!;
  }
}

interface Setup {
  machine: FakeMachine;
  session: MachineSession;
  server: GdbServer;
  connect(): Promise<Client>;
  quits: number;
}

/** Runs a test body with a machine, its session waiting for the stop, a server and one client. */
async function withGdb(program: Action[], harts: number, body: (c: Client, s: Setup) => Promise<void>): Promise<void> {
  const machine = new FakeMachine(program, { harts }), session = new MachineSession(machine, { budget: { guest: "none", wall: "none" } });
  const server = serveGdb(session, { port: 0, wait: true, onQuit: () => setup.quits++, onMessage: () => {} });
  session.hooks = {
    paused: () => server.paused,
    onBreakpoint: (stop) => server.onBreakpoint(stop),
    onFinalStop: (stop) => server.onFinalStop(stop),
  };
  const clients: Client[] = [];
  const setup: Setup = {
    machine,
    session,
    server,
    quits: 0,
    connect: async () => {
      const c = new Client(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
      clients.push(c);
      return c;
    },
  };
  const ended = session.stopped().then((stop) => server.close(stop.kind === "exit" ? stop.code : 3), () => server.close(3));
  try {
    await body(await setup.connect(), setup);
  } finally {
    await session[Symbol.asyncDispose]();
    for (const c of clients) c.connection.close();
    await ended;
  }
}

const reg = (v: bigint) => toHex(new Uint8Array(new BigUint64Array([v]).buffer));

Deno.test("gdb: handshake, target description, no-ack mode", () =>
  withGdb([{ exit: 0 }], 1, async (c) => {
    assertMatch(
      await c.ask("qSupported:multiprocess+;swbreak+;xmlRegisters=i386"),
      /PacketSize=4000;qXfer:features:read\+;swbreak\+;.*vContSupported\+/,
    );
    assertEquals(await c.ask("vMustReplyEmpty"), "");
    assertEquals(await c.ask("?"), "T05thread:1;");
    let xml = "";
    for (let reply = "m"; reply[0] === "m";) {
      xml += (reply = await c.ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},100`)).slice(1);
    }
    assertStringIncludes(xml, "<architecture>riscv:rv64</architecture>");
    assertStringIncludes(xml, '<feature name="org.gnu.gdb.riscv.cpu"><reg name="zero" bitsize="64" regnum="0" type="int"/>');
    assertStringIncludes(xml, '<reg name="pc" bitsize="64" regnum="32" type="code_ptr"/></feature>');
    assertStringIncludes(xml, '<feature name="org.gnu.gdb.riscv.csr"><reg name="mstatus"');
    assertEquals(await c.ask("qXfer:features:read:other.xml:0,100"), "E00");
    assertEquals(await c.ask("qXfer:auxv:read::0,100"), "");
    assertEquals(await c.ask("qXfer:exec-file:read:1:0,100"), "E00", "this machine's symbols are from no file");
    assertEquals(await c.ask("QStartNoAckMode"), "OK");
    const before = c.raw.length;
    assertEquals(await c.ask("qAttached"), "1");
    assertEquals(c.raw.slice(before), "$1#31");
  }));

Deno.test("gdb: registers are read and written, singly and together", () =>
  withGdb([{ exit: 0 }], 1, async (c, { machine }) => {
    const all = await c.ask("g");
    assertEquals(all.length, 33 * 16);
    assertEquals(all.slice(32 * 16), reg(BigInt(BASE)));
    assertEquals(await c.ask(`P5=${reg(0x1234n)}`), "OK");
    assertEquals(await c.ask("p5"), reg(0x1234n));
    assertEquals(await c.ask("p21"), reg(0x1800n));
    assertEquals(await c.ask("p22"), "03");
    assertEquals(await c.ask(`G${all.slice(0, 16 * 7)}${reg(7n)}${all.slice(16 * 8)}`), "OK");
    assertEquals([machine.s.regs[5], machine.s.regs[7]], [0n, 7n]);
    for (const bad of ["p99", "pzz", "P5=12", "P99=00", "Gabc", "P5"]) assertEquals(await c.ask(bad), "E01", bad);
  }));

Deno.test("gdb: memory in hex and binary, faults, and devices left alone", () =>
  withGdb([{ exit: 0 }], 1, async (c, { machine }) => {
    assertEquals(await c.ask("M80000100,4:deadbeef"), "OK");
    assertEquals(await c.ask("m80000100,4"), "deadbeef");
    assertEquals(await c.ask("X80000104,4:#$}*"), "OK");
    assertEquals(await c.ask("m80000100,8"), "deadbeef23247d2a");
    assertEquals(machine.bus.readBytes(BASE + 0x104, 4), latin1("#$}*"));
    // A read over the end of RAM gives what there is; one that starts outside, or in a device, fails.
    assertEquals((await c.ask("m80000ff8,10")).length, 16);
    for (const fault of ["m90000000,4", "m10000000,1", "m100000000,4", "M10000000,1:00", "X80000ffe,4:abcd"]) {
      assertEquals(await c.ask(fault), "E14", fault);
    }
    for (
      const bad of [
        "m",
        "m80000000",
        "mxyz,4",
        "M",
        "M80000000",
        "X80000000,1",
        "Xq,1:a",
        "M80000000,4:zz",
        "M80000000,2:00",
        "X80000000,2:abc",
      ]
    ) {
      assertEquals(await c.ask(bad), "E01", bad);
    }
  }));

Deno.test("gdb: breakpoints, stepping, continuing to the exit code", () =>
  withGdb([{ spin: 10 }, { out: "hi" }, { exit: 42 }], 1, async (c, { machine, session }) => {
    await c.ask("qSupported:swbreak+");
    assertEquals(await c.ask("Z0,80000020,4"), "OK");
    assertEquals(await c.ask("vCont;c"), "T05thread:1;");
    assertEquals(machine.s.ticks, 8);
    assertEquals(await c.ask("s"), "T05thread:1;");
    assertEquals(await c.ask("vCont;s:1;c"), "T05thread:1;");
    assertEquals(machine.s.pc, 10);
    assertEquals(await c.ask("z0,80000020,4"), "OK");
    assertEquals(machine.cpus[0].breakpoints.size, 0);
    assertEquals(await c.ask("Z1,8000002c,2"), "OK");
    assertEquals(await c.ask("c"), "T05thread:1;");
    assertEquals(session.serial.text(), "h");
    assertEquals(await c.ask("Z2,80000000,4"), "");
    assertEquals(await c.ask("c"), "W2a");
    assertEquals(await c.next(), "closed");
  }));

Deno.test("gdb: Ctrl-C stops a running guest; detaching removes breakpoints and lets it run", () =>
  withGdb([{ jump: 0 }], 1, async (c, { machine, server }) => {
    assertEquals(await c.ask("Z0,80000400,4"), "OK");
    await c.connection.write(frame("c"));
    await new Promise((r) => setTimeout(r, 20));
    await c.write("\x03");
    assertEquals(await c.next(), "T02thread:1;");
    assert(machine.s.ticks > 0 && server.paused);
    assertEquals(await c.ask("D"), "OK");
    assertEquals([machine.cpus[0].breakpoints.size, server.paused], [0, false]);
  }));

Deno.test("gdb: harts are threads", () =>
  withGdb([{ exit: 0 }], 3, async (c) => {
    assertEquals(await c.ask("qfThreadInfo"), "m1,2,3");
    assertEquals(await c.ask("qsThreadInfo"), "l");
    assertEquals([await c.ask("T3"), await c.ask("T4"), await c.ask("T")], ["OK", "E01", "E01"]);
    assertEquals([await c.ask("Hg2"), await c.ask("qC"), await c.ask("Hg0"), await c.ask("Hc-1"), await c.ask("Hg9")], [
      "OK",
      "QC2",
      "OK",
      "OK",
      "E01",
    ]);
    const info = fromHex(await c.ask("qThreadExtraInfo,2"));
    assertEquals(new TextDecoder().decode(info), "cpu1 (waiting for an interrupt)");
  }));

Deno.test("gdb: monitor commands", () =>
  withGdb([{ spin: 5 }, { exit: 0 }], 1, async (c, { machine, server }) => {
    const ask = async (text: string) => new TextDecoder().decode(fromHex(await c.ask(`qRcmd,${toHex(latin1(text))}`)));
    assertStringIncludes(await ask("info reg"), "cpu0: pc 0x80000000 a0");
    assertStringIncludes(await ask("info mem"), "0080000000..0080000fff ram ram");
    await c.ask("s");
    assertEquals(await ask("reset"), "reset\n");
    assertEquals(machine.s.pc, 0);
    assertEquals(await ask("rest"), "no command 'rest' (did you mean 'reset'?); try help\n");
    assertEquals(await c.ask("qRcmd,zz"), "E01");
    assertEquals([await ask("continue"), server.paused], ["running\n", true], "GDB itself decides about running");
    assertEquals([await c.ask("qRcmd,"), await ask("quit")], ["OK", ""], "an answer without text");
  }));

Deno.test("gdb: a guest that died is shown before the run ends", () =>
  withGdb([{ spin: 3 }, { die: true }], 1, async (c) => {
    assertEquals(await c.ask("c"), "T06thread:1;");
    assertEquals(await c.ask("p20"), reg(BigInt(BASE + 12)));
    assertEquals(await c.ask("c"), "W03");
  }));

Deno.test("gdb: a step says how it ended: after an instruction, or in the guest's death", () =>
  withGdb([{ spin: 2 }, { die: true }], 1, async (c) => {
    for (const signal of ["05", "05", "06"]) assertEquals(await c.ask("s"), `T${signal}thread:1;`);
  }));

Deno.test("gdb: every way to die, running and in a step; an exit is told when the run is over", () =>
  withGdb([{ jump: 0 }], 1, async (c, { machine, server }) => {
    const stops: [Stop, string | undefined][] = [
      [{ kind: "deadHalt", pc: 0n }, "06"],
      [{ kind: "tripleFault", pc: 0n, report: "" }, "0b"],
      [{ kind: "trapLoop", pc: 0n, report: "" }, "0b"],
      [{ kind: "budget" }, "06"],
      [{ kind: "reset" }, undefined],
      [{ kind: "exit", code: 5 }, undefined],
    ];
    await c.ask("qC");
    for (const [stop, signal] of stops) {
      await c.write("$c#63");
      while (server.paused) await new Promise((r) => setTimeout(r, 1));
      server.onFinalStop(stop);
      assertEquals(server.paused, signal !== undefined, stop.kind);
      // Nothing was said of an end that the run itself tells of: what comes is the interrupt's.
      if (signal === undefined) await c.write("\x03");
      assertEquals(await c.next(), signal === undefined ? "T02thread:1;" : `T${signal}thread:1;`);
    }
    const { step } = machine;
    for (const [stop, signal] of stops) {
      machine.step = () => stop;
      if (signal === undefined) {
        await c.write("$s#73");
        while (server.paused) await new Promise((r) => setTimeout(r, 1));
        await c.write("\x03");
        assertEquals(await c.next(), "T02thread:1;", "the run goes on to its end");
      } else assertEquals(await c.ask("s"), `T${signal}thread:1;`);
      assertEquals(await c.ask("?"), signal === undefined ? "T02thread:1;" : `T${signal}thread:1;`);
    }
    machine.step = () => ({ kind: "breakpoint", cpu: 0, pc: 0n });
    assertEquals(await c.ask("s"), "T05thread:1;");
    machine.step = step;
  }));

Deno.test("gdb: an error of ours is a reply with its text, and the line stays up", () =>
  withGdb([{ exit: 0 }], 1, async (c, { machine }) => {
    machine.cpus[0].translate = () => {
      throw new Error("no tables");
    };
    assertEquals([await c.ask("m80000000,4"), await c.ask("qC")], ["E.no tables", "QC1"]);
  }));

Deno.test("gdb: a debugger that goes without a word leaves no breakpoint, and lets the guest run", () =>
  withGdb([{ jump: 0 }], 1, async (c, { machine, server }) => {
    assertEquals([await c.ask("Z0,80000400,4"), machine.cpus[0].breakpoints.size, server.paused], ["OK", 1, true]);
    await c.connection.closeWrite();
    assertEquals(await c.next(), "closed");
    assertEquals([machine.cpus[0].breakpoints.size, server.paused], [0, false]);
  }));

Deno.test("gdb: who has not said anything yet cannot interrupt", () =>
  withGdb([{ jump: 0 }], 1, async (c, { server }) => {
    const paused: boolean[] = [], { setPaused } = server;
    server.setPaused = (on) => (paused.push(on), setPaused.call(server, on));
    server.setPaused(false);
    await c.write("\x03+-");
    assertEquals(await c.ask("?"), "T05thread:1;", "what came before had been read");
    assertEquals([paused, server.paused, c.raw], [[false, true], true, "+$T05thread:1;#d7"]);
  }));

Deno.test("gdb: between packets there are acknowledgements and interrupts; other bytes are nothing", () => {
  const events = (b: number) => new PacketReader().push(Uint8Array.of(b)).map((e) => e.kind);
  for (let b = 0; b < 256; b++) {
    assertEquals(events(b), b === 0x2b ? ["ack"] : b === 0x2d ? ["nak"] : b === 3 ? ["interrupt"] : [], `byte ${b}`);
  }
});

Deno.test("gdb: kill ends the run", () =>
  withGdb([{ jump: 0 }], 1, async (c, setup) => {
    assertEquals(await c.ask("vKill;1"), "OK");
    assertEquals(setup.quits, 1);
  }));

Deno.test("gdb: corrupt and malformed packets do no harm, a nak repeats the last reply", () =>
  withGdb([{ exit: 0 }], 1, async (c) => {
    await c.write("rubbish$g#00");
    await c.write("$never finished$qC#b4");
    assertEquals(await c.next(), "QC1");
    assertEquals(c.raw, "-+$QC1#c5");
    await c.write("-");
    assertEquals(await c.next(), "QC1");
    await c.write(`$${"x".repeat(PACKET_SIZE + 100)}#00`);
    for (
      const odd of [
        "",
        "v",
        "Q",
        "q",
        "Z",
        "Z0",
        "Z0,zz,4",
        "H",
        "vCont;x",
        "vCont;s:9",
        "vCont",
        "C",
        "\xff\x00",
        "_unknown",
        "constructor",
      ]
    ) {
      if (odd !== "C") assertMatch(await c.ask(odd), /^(E01)?$/, JSON.stringify(odd));
    }
    assertEquals(await c.ask("qC"), "QC1");
  }));

Deno.test("gdb: a second debugger is refused, and may come when the first has left", () =>
  withGdb([{ jump: 0 }], 1, async (c, { connect }) => {
    await c.ask("qC");
    await connect(); // says nothing
    const second = await connect();
    assertEquals(await second.ask("qSupported"), "E.another debugger is connected");
    assertEquals(await second.next(), "closed");
    assertEquals(await c.ask("D"), "OK");
    c.connection.closeWrite();
    assertEquals(await c.next(), "closed");
    const third = await connect();
    assertEquals(await third.ask("qC"), "QC1");
  }));

Deno.test("gdb: a port that is taken is the user's mistake", () =>
  withGdb([{ exit: 0 }], 1, (_, { session, server }) => {
    assertThrows(
      () => serveGdb(session, { port: server.port, wait: false, onQuit: () => {}, onMessage: () => {} }),
      ConfigError,
      `--gdb: cannot listen on port ${server.port}`,
    );
    return Promise.resolve();
  }));

Deno.test("gdb: float registers keep their ABI names and are not in the general packet", () => {
  const cpu = new FakeMachine([]).cpus[0];
  const registers = [...cpu.registers, { name: "f8", debugName: "fs0", bits: 64, group: "float", type: "ieee_double" }, {
    name: "fcsr",
    bits: 32,
    group: "csr",
  }];
  const target = describeTarget(Object.create(cpu, { registers: { value: registers }, arch: { value: "riscv32" } }));
  assertEquals(target.general, 33);
  assertStringIncludes(target.xml, "<architecture>riscv:rv32</architecture>");
  assertStringIncludes(
    target.xml,
    '<feature name="org.gnu.gdb.riscv.fpu"><reg name="fs0" bitsize="64" regnum="33" type="ieee_double" group="float"/>',
  );
  assertStringIncludes(target.xml, '<reg name="fcsr" bitsize="32" regnum="35" type="int" group="csr"/>');
});

Deno.test("gdb: an i386 has the registers of both widths and no architecture; what a processor is not is refused", () => {
  const rows = [["rax", 64, "general"], ["rip", 64, "general"], ["cs", 32, "general"], ["st0", 80, "float"], [
    "fs_base",
    64,
    "segments",
  ]] as const;
  const registers = rows.map(([name, bits, group]) => ({ name, bits, group, ...(name === "rip" && { type: "code_ptr" }) }));
  const cpu = Object.create(new FakeMachine([]).cpus[0], { registers: { value: registers }, arch: { value: "x86_64" } });
  const both = describeTarget(cpu, "i386"), wide = describeTarget(cpu);
  assert(!both.xml.includes("<architecture>"));
  assertStringIncludes(wide.xml, "<architecture>i386:x86-64</architecture><osabi>none</osabi>");
  assertStringIncludes(wide.xml, '<reg name="rip" bitsize="64" regnum="1" type="code_ptr"/>');
  // The pointers of the two have different sizes; GDB goes by its own.
  assertMatch(both.xml, /org.gnu.gdb.i386.core.*<reg name="rip" bitsize="64" regnum="1" type="int"\/>.*<reg name="eip" bitsize="32" /);
  assertEquals(both.registers.find((r) => r.name === "eip")?.of, "rip");
  assertThrows(() => describeTarget(cpu, "arm"), ConfigError, "--gdb-arch: must be x86_64 or i386 on this machine, got 'arm'");
  assertThrows(
    () => describeTarget(new FakeMachine([]).cpus[0], "i386"),
    ConfigError,
    "--gdb-arch: must be riscv64 on this machine, got 'i386'",
  );
});

Deno.test("gdb: as an i386 lower halves are read and written, and writing everything keeps the upper ones", async () => {
  const machine = new FakeMachine([{ exit: 0 }]), values = new Map([["rax", 0x1122_3344_5566_7788n], ["rip", BigInt(BASE)]]);
  Object.defineProperties(machine.cpus[0], {
    arch: { value: "x86_64" },
    registers: { value: [...values.keys()].map((name) => ({ name, bits: 64, group: "general" })) },
    reg: { value: (name: string) => values.get(name)! },
    setReg: { value: (name: string, value: bigint) => void values.set(name, value) },
  });
  const session = new MachineSession(machine, { budget: { guest: "none", wall: "none" } }), said: string[] = [];
  const server = serveGdb(session, { port: 0, wait: true, arch: "i386", onQuit: () => {}, onMessage: (text) => said.push(text) });
  const c = new Client(await Deno.connect({ hostname: "127.0.0.1", port: server.port })),
    names = server.target.registers.map((r) => r.name);
  const number = (name: string) => names.indexOf(name).toString(16), read = (name: string) => c.ask(`p${number(name)}`);
  try {
    assertEquals([await read("rax"), await read("eax")], [reg(0x1122_3344_5566_7788n), "88776655"]);
    const all = await c.ask("g");
    assertEquals(all.slice(0, 32), reg(0x1122_3344_5566_7788n) + reg(BigInt(BASE)));
    assertEquals(await c.ask(`G${all}`), "OK");
    assertEquals([values.get("rax"), await c.ask(`G${all.toUpperCase()}`)], [0x1122_3344_5566_7788n, "OK"]);
    assertEquals(values.get("rax"), 0x1122_3344_5566_7788n);
    assertEquals(await c.ask(`P${number("eax")}=01000080`), "OK");
    assertEquals([values.get("rax"), await c.ask(`P${number("eax")}=${reg(1n)}`)], [0x8000_0001n, "E01"]);
    // What GDB cannot show is said, once for each kind.
    values.set("rip", 5n);
    for (const rip of [5n, 5n, BigInt(BASE), BigInt(BASE)]) {
      values.set("rip", rip);
      values.set("rax", rip === 5n ? 0n : 1n << 32n);
      machine.s.pc = 0;
      machine.cpus[0].setReg("rax", values.get("rax")!);
      await c.ask("qC");
      server.onBreakpoint({ kind: "breakpoint", cpu: 0, pc: 0n });
    }
    assertEquals(said.slice(1).map((text) => text.slice(0, 30)), ["GDB: stopped at 0x80000000: GD", "GDB: the processor is in 64-bi"]);
  } finally {
    await session[Symbol.asyncDispose]();
    await server.close(0);
    c.connection.close();
  }
});

Deno.test("gdb: which processor a packet is about, where it goes on and what it steps", () =>
  withGdb([{ jump: 0 }], 3, async (c, { machine, server }) => {
    const done: string[] = [];
    for (const cpu of machine.cpus) {
      Object.defineProperties(cpu, {
        setReg: { value: (name: string, value: bigint) => void done.push(`cpu${cpu.index} ${name}=${value.toString(16)}`) },
        reg: { value: () => BigInt(0x1_0000 + cpu.index) },
      });
    }
    machine.step = (...[cpu]: number[]) => void done.push(`step ${cpu}`);
    const resumed = async (packet: string) => {
      await c.connection.write(frame(packet));
      while (server.paused) await new Promise((r) => setTimeout(r, 1));
      done.push("runs");
      await c.write("\x03");
      return await c.next();
    };
    /** What packets answer, one after the other, and what they do. */
    const table: [packet: string, reply: string, does: string][] = [
      ["Hg2", "OK", ""],
      ["p5", reg(0x1_0001n), ""],
      ["P5=" + reg(9n), "OK", "cpu1 x5=9"],
      ["Hc3", "OK", ""],
      ["p5", reg(0x1_0001n), ""],
      ["s80000010", "T05thread:3;", "cpu2 pc=80000010,step 2"],
      ["qC", "QC3", ""],
      ["Hc1", "OK", ""],
      ["qC", "QC3", ""],
      ["S05;8000abcd", "T05thread:1;", "cpu0 pc=8000abcd,step 0"],
      ["S05", "T05thread:1;", "step 0"],
      ["szz", "E01", ""],
      ["S05;zz", "E01", ""],
      ["czz", "E01", ""],
      ["C05;zz", "E01", ""],
      ["C05;;", "T02thread:1;", "runs"],
      ["c", "T02thread:1;", "runs"],
      ["c80000020", "T02thread:1;", "cpu0 pc=80000020,runs"],
      ["C05;80000024", "T02thread:1;", "cpu0 pc=80000024,runs"],
      ["Hg3", "OK", ""],
      ["vCont;s", "T05thread:1;", "step 0"],
      ["vCont;S05", "T05thread:1;", "step 0"],
      ["vCont;S5", "E01", ""],
      ["vCont;s:2", "T05thread:2;", "step 1"],
      ["vCont;c:1;S05:3;s:1", "T05thread:3;", "step 2"],
      ["vCont;s:-1", "T05thread:3;", "step 2"],
      ["vCont;s:0", "T05thread:3;", "step 2"],
      ["vCont;s:4", "E01", ""],
      ["vCont;s:", "E01", ""],
      ["vCont;", "E01", ""],
      ["vCont;c", "T02thread:3;", "runs"],
      ["vCont;C05:2", "T02thread:3;", "runs"],
      ["vCont?", "vCont;c;C;s;S", ""],
      ["Hx1", "E01", ""],
      ["Hg-1", "OK", ""],
      ["Hgzz", "E01", ""],
      ["Hg", "E01", ""],
      ["T-1", "OK", ""],
      ["T0", "OK", ""],
      ["Tzz", "E01", ""],
      ["qThreadExtraInfo,4", "E01", ""],
      ["qThreadExtraInfo,1", toHex(latin1("cpu0")), ""],
    ];
    await c.ask("qC");
    for (const [packet, reply, does] of table) {
      done.length = 0;
      const runs = does.endsWith("runs");
      assertEquals([runs ? await resumed(packet) : await c.ask(packet), done.join()], [reply, does], packet);
      if (/^T0[25]/.test(reply)) assertEquals(await c.ask("?"), reply, `${packet}, asked again`);
    }
  }));

Deno.test("gdb: breakpoints of each kind and place, on every processor; what is not asked for stays", () =>
  withGdb([{ jump: 0 }], 2, async (c, { machine, server }) => {
    let changes = 0;
    for (const cpu of machine.cpus) cpu.breakpointsChanged = () => void changes++;
    const at = () => machine.cpus.map((cpu) => [...cpu.breakpoints].map((a) => a.toString(16)).join());
    // Somebody else's: a scenario's.
    machine.cpus[1].breakpoints.add(0x20n);
    const table: [packet: string, reply: string, breakpoints: string[], changes: number][] = [
      ["Z0,10,4", "OK", ["10", "20,10"], 2],
      ["Z0,10,4", "OK", ["10", "20,10"], 0],
      ["Z1,20,1", "OK", ["10,20", "20,10"], 1],
      ["Z1,30,2;X1,0", "OK", ["10,20,30", "20,10,30"], 2],
      ["z0,20,1", "OK", ["10,30", "20,10,30"], 1],
      ["z0,99,1", "OK", ["10,30", "20,10,30"], 0],
      ["z1,10,4", "OK", ["30", "20,30"], 2],
      ["z0,10,4", "OK", ["30", "20,30"], 0],
      ["Z0,10,4", "OK", ["30,10", "20,30,10"], 2],
      ["Z2,10,4", "", ["30,10", "20,30,10"], 0],
      ["z3,10,4", "", ["30,10", "20,30,10"], 0],
      ["Z4,10,4", "", ["30,10", "20,30,10"], 0],
      ["Z5,10,4", "E01", ["30,10", "20,30,10"], 0],
      ["Z0,,4", "E01", ["30,10", "20,30,10"], 0],
      ["Z0,10", "E01", ["30,10", "20,30,10"], 0],
      ["Z0,10,", "E01", ["30,10", "20,30,10"], 0],
      ["D", "OK", ["", "20"], 4],
      ["D", "OK", ["", "20"], 0],
    ];
    for (const [packet, reply, breakpoints, changed] of table) {
      changes = 0;
      assertEquals([await c.ask(packet), at(), changes], [reply, breakpoints, changed], packet);
      assertEquals(server.paused, packet !== "D", packet);
    }
    // Gone for good: one that is set later by others is not taken away by the next D.
    machine.cpus[0].breakpoints.add(0x10n);
    assertEquals([await c.ask("D"), at()], ["OK", ["10", "20"]]);
  }));

Deno.test("gdb: memory at the edges of pages, windows and packets, in ROM as well", () =>
  withGdb([{ exit: 0 }], 1, async (c, { machine }) => {
    const { bus } = machine, zeros = (n: number) => "00".repeat(n), map = new Map<number, number>();
    bus.mapRam(0x9000_0000, new Uint8Array(0x1800), { readonly: true, name: "rom" });
    bus.mapRam(0x9000_1800, new Uint8Array(0x6800), { name: "behind" });
    bus.writeBytes(0x9000_17fe, Uint8Array.of(1, 2), { rom: true });
    bus.writeBytes(0x9000_1800, Uint8Array.of(3, 4));
    machine.cpus[0].translate = (va) => {
      const page = map.get(Number(va >> 12n));
      return page === undefined ? Number(va) : page < 0 ? undefined : page * 4096 + Number(va & 4095n);
    };
    // Pages in another order, and one that is not there.
    map.set(0x10, 0x9_0001).set(0x11, 0x9_0000).set(0x12, -1);
    assertEquals(await c.ask("m900017fe,4"), "01020304", "over the end of a window");
    assertEquals(await c.ask("m107fe,4"), "01020304", "in another page");
    assertEquals(await c.ask("M10fff,2:aabb"), "OK", "over the end of a page, into ROM");
    assertEquals([bus.readBytes(0x9000_1fff, 1), bus.readBytes(0x9000_0000, 1)], [Uint8Array.of(0xaa), Uint8Array.of(0xbb)]);
    assertEquals([await c.ask("m11ffe,4"), await c.ask("M11ffe,4:01020304"), await c.ask("m11ffe,2"), await c.ask("m12000,1")], [
      zeros(2),
      "E14",
      zeros(2),
      "E14",
    ], "as much as there is; of a write nothing");
    assertEquals([await c.ask("m12000,0"), await c.ask("M12000,0:"), await c.ask("X12000,0:")], ["", "OK", "OK"], "GDB tries X so");
    for (const length of [PACKET_SIZE / 2 - 17, PACKET_SIZE / 2 - 16, PACKET_SIZE / 2 - 15, PACKET_SIZE]) {
      const asked = length.toString(16), most = Math.min(length, PACKET_SIZE / 2 - 16);
      assertEquals((await c.ask(`m90001800,${asked}`)).length, 2 * most, "a reply fits a packet");
    }
  }));

Deno.test("gdb: a file in pieces of every size, its end told once, no longer than a packet", () =>
  withGdb([{ exit: 0 }], 1, async (c, { server }) => {
    const { xml } = server.target,
      ask = (at: number, length: number) => c.ask(`qXfer:features:read:target.xml:${at.toString(16)},${length.toString(16)}`);
    for (const [at, length] of [[0, xml.length - 1], [0, xml.length], [0, xml.length + 1], [5, xml.length - 5], [xml.length - 1, 1]]) {
      assertEquals(await ask(at, length), (at + length < xml.length ? "m" : "l") + xml.slice(at, at + length), `${at}, ${length}`);
    }
    assertEquals([await ask(xml.length, 9), await ask(xml.length + 99, 9)], ["l", "l"]);
    Object.defineProperty(server, "target", { value: { ...server.target, xml: "x".repeat(3 * PACKET_SIZE) } });
    assertEquals((await ask(0, 2 * PACKET_SIZE)).length, PACKET_SIZE - 3);
  }));

Deno.test("gdb: an exit status of any size has two digits", async () => {
  for (const [code, reply] of [[5, "W05"], [0x1234, "W34"], [-1, "Wff"]] as const) {
    await withGdb([{ exit: code }], 1, async (c) => assertEquals(await c.ask("c"), reply));
  }
});

Deno.test("gdb: a packet is its bytes, escaped or not, of every length up to the largest; a checksum has two hex digits and is right", () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)),
    read = (...parts: Uint8Array[]) => {
      const reader = new PacketReader();
      return parts.flatMap((part) => reader.push(part));
    };
  assertEquals(read(frame(all)), [{ kind: "packet", data: all }]);
  assertEquals([...frame(all)].filter((b) => b === 0x23 || b === 0x24), [0x24, 0x23], "one beginning and one end");
  for (let cut = 1; cut < 20; cut++) {
    assertEquals(read(frame("}#$*x").slice(0, cut), frame("}#$*x").slice(cut)), [{ kind: "packet", data: "}#$*x" }]);
  }
  for (
    const [size, kind] of [[PACKET_SIZE - 1, "packet"], [PACKET_SIZE, "packet"], [PACKET_SIZE + 1, "corrupt"], [
      2 * PACKET_SIZE,
      "corrupt",
    ]] as const
  ) {
    const [event, ...more] = read(frame("y".repeat(size)), frame("qC"));
    assertEquals([event.kind, more], [kind, [{ kind: "packet", data: "qC" }]], "what comes behind is read");
  }
  for (
    const [text, kind] of [["$g#67", "packet"], ["$g#68", "corrupt"], ["$g# 67", "corrupt"], ["$g#0x", "corrupt"], ["$#00", "packet"], [
      "$\xff\x02#01",
      "packet",
    ]]
  ) {
    assertEquals(read(latin1(text))[0].kind, kind, text);
  }
  assertEquals(read(latin1("$ab$g#67")), [{ kind: "packet", data: "g" }], "one that was not finished");
  assertEquals(read(latin1("$a}$g#67")), [{ kind: "packet", data: "g" }], "nor its escape");
  for (const [hex, bytes] of [["", []], ["0aFf", [10, 255]], ["0", undefined], ["0g", undefined], ["0a ", undefined]] as const) {
    assertEquals(fromHex(hex), bytes && Uint8Array.from(bytes), hex);
  }
});

Deno.test("gdb: threads are numbered in hex", () =>
  withGdb([{ jump: 0 }], 18, async (c, { machine, server }) => {
    assertEquals(await c.ask("qfThreadInfo"), `m${Array.from({ length: 18 }, (_, i) => (i + 1).toString(16)).join(",")}`);
    machine.step = () => undefined;
    for (const [thread, n] of [["9", 8], ["a", 9], ["10", 15], ["12", 17]] as const) {
      assertEquals([await c.ask(`Hg${thread}`), await c.ask("qC"), await c.ask(`T${thread}`)], ["OK", `QC${thread}`, "OK"]);
      assertEquals(await c.ask(`vCont;s:${thread}`), `T05thread:${thread};`);
      assertStringIncludes(new TextDecoder().decode(fromHex(await c.ask(`qThreadExtraInfo,${thread}`))), `cpu${n}`);
      server.onBreakpoint({ kind: "breakpoint", cpu: n, pc: 0n });
      assertEquals(await c.ask("?"), `T05thread:${thread};`);
    }
    assertEquals([await c.ask("T13"), await c.ask("Hg13")], ["E01", "E01"]);
  }));

Deno.test("gdb: a debugger that has let go is not told of later stops", () =>
  withGdb([{ jump: 0 }], 1, async (c, { server }) => {
    await c.ask("qC");
    await c.connection.write(frame("c"));
    assertEquals(await c.ask("D"), "OK");
    server.onBreakpoint({ kind: "breakpoint", cpu: 0, pc: 0n });
    server.onFinalStop({ kind: "budget" });
    assertEquals([await c.ask("qC"), await c.ask("?")], ["QC1", "T06thread:1;"], "only what it asks for");
  }));

Deno.test("gdb: a machine that is held waits for a debugger, who can go on; when that has gone, the run is over", () =>
  withGdb([{ spin: 20 }, { exit: 7 }], 1, async (c, s) => {
    await c.ask("?");
    await c.write(`$c#${"c".charCodeAt(0).toString(16)}`);
    s.session.hooks = { ...s.session.hooks, afterSlice: () => s.machine.age === 5 ? s.server.hold() : undefined, limitTicks: () => 5 };
    assertEquals([await c.next(), s.machine.age, s.server.paused], ["T05thread:1;", 5, true]);
    assertEquals([await c.ask("s"), s.machine.age], ["T05thread:1;", 6]);
    assertEquals([await c.ask("D"), s.quits, s.server.paused], ["OK", 1, false]);
  }));
