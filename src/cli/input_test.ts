// Stdin to the guest: what a pipe holds as fast as the guest takes it, and keys of a terminal with their commands.
import { assertEquals } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { inForeground, Input, type InputHooks, type Sink } from "./input.ts";

/** A stdin of pieces, which a test gives one by one: text, its end (null), or an error. */
function stdin(terminal: boolean, group = "5") {
  const waiting: ((piece: string | null | Error) => void)[] = [], raw: boolean[] = [];
  const host = { group };
  const read = (into: Uint8Array) =>
    new Promise<number | null>((resolve, reject) => {
      waiting.push((piece) => {
        if (typeof piece !== "string") return piece === null ? resolve(null) : reject(piece);
        into.set(new TextEncoder().encode(piece));
        resolve(piece.length);
      });
    });
  const changes: [object, object][] = [
    [Deno.stdin, { read, isTerminal: () => terminal, setRaw: (on: boolean) => raw.push(on) }],
    // Field 5 is the process's group, field 8 the terminal's (proc(5)); the name may hold anything.
    [Deno, { readTextFileSync: () => `1 (a) b) S 2 5 6 7 ${host.group} 9 10\n`.replace(" 6 7 ", " 6 7 ") }],
  ];
  const give = async (piece: string | null | Error) => {
    waiting.shift()!(piece);
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  return { changes, give, raw, host, reads: () => waiting.length };
}

function sink() {
  const got: number[] = [],
    console = {
      queued: 0,
      onDrained: () => {},
      enqueue: (data: Uint8Array) => {
        got.push(...data);
        console.queued = data.length;
      },
    };
  return { got, console: console as Sink & { queued: number } };
}
const hooks = (more: Partial<InputHooks> = {}) => ({
  onCommand() {},
  monitorOpen: () => false,
  onMonitorByte() {},
  onActivity() {},
  ...more,
});
const text = (got: number[]) => String.fromCharCode(...got.splice(0));

Deno.test("a pipe is read when the guest has taken what came before, and its end is known", async () => {
  const from = stdin(false), { got, console } = sink();
  let active = 0;
  await withChanged(from.changes, async () => {
    const input = new Input(console, hooks({ onActivity: () => active++ }));
    input.start();
    assertEquals([input.interactive, from.reads(), input.heard], [false, 1, false]);
    await from.give("\x01x");
    assertEquals([text(got), active, from.reads(), input.heard], ["\x01x", 1, 0, true], "no commands in a pipe; not read on");
    console.queued = 0;
    console.onDrained();
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals([from.reads(), input.ended, input.heard], [1, false, false]);
    await from.give(null);
    assertEquals([input.ended, input.heard, active, from.raw], [true, true, 2, []]);
    input.restore();
    assertEquals(from.raw, []);
  });
});

Deno.test("what cannot be read is as good as its end; without a console nothing is held back", async () => {
  const from = stdin(false);
  await withChanged(from.changes, async () => {
    const input = new Input(undefined, hooks());
    input.start();
    await from.give("lost");
    assertEquals(from.reads(), 1);
    await from.give(new Error("a folder"));
    assertEquals(input.ended, true);
  });
});

Deno.test("who waits for the first bytes of a pipe waits for a moment at most", async () => {
  const from = stdin(false), { console } = sink(), timers = new Map<number, { fire: () => void; ms: number }>(), real = setTimeout;
  const later = () => new Promise((resolve) => real(resolve, 0)),
    give = async (piece: string) => {
      const given = from.give(piece);
      // That is what `give` waits with itself.
      for (const [id, { fire, ms }] of timers) if (ms === 0) timers.delete(id), fire();
      await given;
      await later();
    };
  let ids = 0;
  const fakes: [object, object] = [globalThis, {
    setTimeout: (fire: () => void, ms: number) => (timers.set(++ids, { fire, ms }), ids),
    clearTimeout: (id: number) => timers.delete(id),
  }];
  await withChanged([...from.changes, fakes], async () => {
    const input = new Input(console, hooks());
    assertEquals(input.heard, false);
    input.start();
    let heard = 0;
    const hear = () => void input.hear().then(() => heard++), waiting = () => [...timers.values()].map((t) => t.ms);
    hear();
    await later();
    assertEquals([heard, waiting()], [0, [300]]);
    await give("x");
    assertEquals([heard, waiting(), input.heard], [1, [], true]);
    hear();
    await later();
    assertEquals([heard, waiting()], [2, []], "it is known already");
    console.queued = 0;
    console.onDrained();
    await later();
    assertEquals(input.heard, false, "another piece may come");
    hear();
    await later();
    assertEquals([heard, waiting()], [2, [300]]);
    timers.values().next().value!.fire();
    await later();
    assertEquals([heard, input.heard], [3, true], "nobody writes: the wait ends by itself");
  });
  await from.give(null);
});

Deno.test("whoever else waits until the guest has taken all is still told so", async () => {
  const from = stdin(false), { console } = sink();
  let drained = 0;
  const mine = () => void drained++;
  console.onDrained = mine;
  await withChanged(from.changes, async () => {
    new Input(console, hooks()).start();
    await from.give("x");
    console.onDrained();
    assertEquals([drained, console.onDrained === mine], [1, true]);
    console.queued = 0;
    await from.give(null).catch(() => {});
  });
});

Deno.test("on a terminal Ctrl-A begins a command, twice is Ctrl-A itself, and the monitor gets what is typed while it is open", async () => {
  const from = stdin(true), { got, console } = sink(), commands: string[] = [], monitor: number[] = [];
  let open = false;
  await withChanged(from.changes, async () => {
    const input = new Input(
      console,
      hooks({ onCommand: (key) => commands.push(key), monitorOpen: () => open, onMonitorByte: (b) => monitor.push(b) }),
    );
    input.start();
    assertEquals([input.interactive, from.raw], [true, [true]]);
    await from.give("a\x03\x01Cb\x01\x01\x01a\x01");
    assertEquals([text(got), commands], ["a\x03b\x01\x01", ["c"]]);
    await from.give("x");
    assertEquals([text(got), commands, from.reads()], ["", ["c", "x"], 1], "a terminal is read on, whatever the guest takes");
    open = true;
    await from.give("h\x01\x01\x01c");
    assertEquals([text(got), text(monitor), commands], ["", "h\x01", ["c", "x", "c"]]);
    await from.give(null);
    input.restore();
    input.restore();
    assertEquals(from.raw, [true, false]);
  });
});

Deno.test("another job's terminal is left alone until it is ours", async () => {
  const from = stdin(true, "6"), { console } = sink();
  await withChanged(from.changes, async () => {
    assertEquals(inForeground(), false);
    const input = new Input(console, hooks());
    input.start();
    input.continued();
    assertEquals([input.interactive, input.waitsForTerminal, from.reads(), from.raw], [false, true, 0, []]);
    from.host.group = "5";
    input.continued();
    assertEquals([input.interactive, input.waitsForTerminal, from.reads(), from.raw], [true, false, 1, [true]]);
    input.continued();
    assertEquals(from.reads(), 1);
    // It belongs to another job again: it is not set up.
    from.host.group = "6";
    input.restore();
    assertEquals(from.raw, [true]);
    await from.give(null);
  });
  await withChanged([[Deno, {
    readTextFileSync: () => {
      throw new Error("no such file");
    },
  }]], () => assertEquals(inForeground(), true, "a host that does not tell"));
});
