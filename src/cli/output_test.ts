// The guest's output and our lines between it, as a terminal and a pipe get them.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { CannotWrite, Output, SILENCE_MS, writeAll } from "./output.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("everything is written, in pieces, to a pipe that is full for a while, and not to one whose reader has gone", async () => {
  const to = (answers: (number | Error)[]) => {
    const got: string[] = [];
    const writeSync = (p: Uint8Array) => {
      const answer = answers.shift() ?? p.length;
      if (answer instanceof Error) throw answer;
      got.push(new TextDecoder().decode(p.subarray(0, answer)));
      return answer;
    };
    return { writeSync, got };
  };
  const full = () => new Deno.errors.WouldBlock(""), waits: number[][] = [];
  // A wait for a value that is there, of a millisecond: the host gets its turn.
  const wait = (array: Int32Array, index: number, value: number, ms: number) => (waits.push([array[index] - value, ms]), "timed-out");
  await withChanged([[Atomics, { wait }]], () => {
    for (const answers of [[], [1, 2], [full(), 3, full()]]) {
      const stream = to([...answers]);
      assertEquals([writeAll(stream, bytes("hello")), stream.got.join("")], [true, "hello"]);
    }
  });
  assertEquals(waits, [[0, 1], [0, 1]]);
  assertEquals(writeAll(to([2, new Deno.errors.BrokenPipe("")]), bytes("hello")), false);
  const e = assertThrows(() => writeAll(to([new Error("No space left on device (os error 28)")]), bytes("x")), CannotWrite);
  assertEquals(e.message, "standard output: No space left on device");
});

/** An `Output` on streams that are kept as one text: stderr in angle brackets. `at`: the host's clock. */
async function outputOn(
  terminal: boolean,
  work: (output: Output, host: { at: number; columns: number; text: string }) => void,
): Promise<string> {
  const host = { at: 0, columns: 80, text: "" };
  const add = (text: (s: string) => string) => (p: Uint8Array) => (host.text += text(new TextDecoder().decode(p)), p.length);
  await withChanged([
    [Deno.stdout, { writeSync: add((s) => s) }],
    [Deno.stderr, { writeSync: add((s) => `<${s}>`), isTerminal: () => terminal }],
    [performance, { now: () => host.at }],
    [Deno, { consoleSize: () => ({ columns: host.columns, rows: 24 }) }],
  ], () => work(new Output(() => host.at < 9000 ? "12 MIPS" : undefined), host));
  return host.text;
}
const print = (output: Output, text: string) => bytes(text).forEach((b) => output.byte(b));

Deno.test("bytes are collected until they are flushed or too many; a line of ours begins a line", async () => {
  assertEquals(
    await outputOn(false, (output, host) => {
      output.flush();
      print(output, "hello");
      assertEquals([host.text, output.any], ["", false]);
      output.flush();
      assertEquals([host.text, output.any], ["hello", true]);
      output.note("one");
      output.note("1");
      print(output, "x\n");
      output.note("two");
      output.note("three");
      print(output, "\r");
      output.note("four");
    }),
    "hello<\none\n><1\n>x\n<two\n><three\n>\r<four\n>",
  );
  assertEquals(
    await outputOn(false, (output, host) => {
      for (let i = 0; i < (1 << 14) + 1; i++) output.byte(0x61);
      assertEquals(host.text.length, 1 << 14, "a full buffer goes out");
    }),
    "a".repeat(1 << 14),
  );
});

Deno.test("while the guest's screen has the terminal its output is kept, the last 64 KiB of it, and our lines behind it", async () => {
  const text = await outputOn(false, (output, host) => {
    output.uncover();
    output.cover();
    for (let i = 0; i < 3; i++) {
      print(output, String(i).repeat(30_000));
      output.flush();
    }
    output.note("late");
    assertEquals(host.text, "");
    output.uncover();
  });
  assertEquals(text, "0".repeat((1 << 16) - 60_000) + "1".repeat(30_000) + "2".repeat(30_000) + "<\nlate\n>");
  assertEquals(
    await outputOn(false, (output) => (output.cover(), print(output, "end\n"), output.note("late"), output.uncover())),
    "end\n<late\n>",
  );
  assertEquals(await outputOn(false, (output) => (output.cover(), output.note("late"), output.uncover())), "<late\n>");
  assertEquals(await outputOn(false, (output) => (output.cover(), print(output, "x"), output.uncover())), "x");
  // What has not been covered is not uncovered: the line that a text of ours has to end goes on.
  assertEquals(await outputOn(false, (output) => (print(output, "x"), output.flush(), output.uncover(), output.note("y"))), "x<\ny\n>");
  for (const [kept, before] of [["x", "\n"], ["x\n", ""], ["\nx", "\n"], ["", ""]]) {
    const shown = await outputOn(false, (output) => (output.cover(), print(output, kept), output.uncover(), output.note("y")));
    assertEquals(shown, `${kept}<${before}y\n>`);
  }
});

Deno.test("a terminal shows how far a silent guest is: after a while, updated, beside its text, and gone before anything else", async () => {
  const line = "<\x1b7\x1b[K [12 MIPS]\x1b8>", erased = "<\x1b[K>";
  const text = await outputOn(true, (output, host) => {
    print(output, "> ");
    output.flush();
    const after = (at: number) => (host.text = "", host.at = at, output.tick(), host.text);
    assertEquals(SILENCE_MS, 2000);
    assertEquals(after(SILENCE_MS - 1), "");
    assertEquals(after(SILENCE_MS), line);
    assertEquals(after(SILENCE_MS + 499), "", "not at every look");
    assertEquals(after(SILENCE_MS + 500), line);
    print(output, "more");
    host.text = "";
    output.flush();
    assertEquals(host.text, `${erased}more`);
    assertEquals(after(SILENCE_MS + 600), "", "it has spoken");
    assertEquals(after(2 * SILENCE_MS + 499), "", "so late that another look would be due");
    host.columns = 27;
    assertEquals(after(2 * SILENCE_MS + 600), "", "no room");
    host.columns = 28;
    assertEquals(after(2 * SILENCE_MS + 1200), line);
    output.cover();
    assertEquals(after(2 * SILENCE_MS + 2400), "", "the guest's screen is there");
    output.uncover();
    assertEquals(after(9000), erased, "nothing to tell any more");
    assertEquals(after(10_000), "");
    host.text = "";
    output.note("end");
  });
  assertEquals(text, "<end\n>", "who gives the terminal back ends the line");
  const early = await outputOn(true, (output, host) => {
    host.at = 1500;
    print(output, "\n");
    output.flush();
    for (const at of [2100, 3499]) host.at = at, output.tick();
    assertEquals(host.text, "\n", "it has spoken 1.999 s ago");
    host.at = 3500;
    output.tick();
    host.text = "";
    output.note("ours");
    output.flush();
  });
  assertEquals(early, `${erased}<ours\n>`);
  // What was kept counts for the room beside it.
  const beside = (columns: number) =>
    outputOn(true, (output, host) => {
      output.cover();
      print(output, "a\n12345");
      output.uncover();
      Object.assign(host, { at: 5000, columns, text: "" });
      output.tick();
    });
  assertEquals([await beside(26), await beside(27)], ["", line]);
  assertEquals(await outputOn(false, (output, host) => (host.at = 5000, output.tick())), "", "no terminal");
});

Deno.test("nothing is written any more once the reader has gone or the disk is full; which of both is known", async () => {
  for (
    const [error, failed] of [[new Deno.errors.BrokenPipe(""), undefined], [
      new Error("full (os error 28)"),
      "standard output: full",
    ]] as const
  ) {
    let writes = 0;
    const writeSync = () => {
      writes++;
      throw error;
    };
    await withChanged([[Deno.stdout, { writeSync }]], () => {
      const output = new Output(() => undefined);
      for (const text of ["a", "b"]) print(output, text), output.flush();
      assert(output.broken);
      assertEquals([output.failed, writes], [failed, 1]);
    });
  }
});

Deno.test("names beside addresses: asked for when there may be one, also one that began before; nothing is lost or late without them", async () => {
  const names = { given: "", push: (b: Uint8Array) => (names.given += `[${new TextDecoder().decode(b)}]`, b), end: () => bytes("!") };
  const text = await outputOn(true, (output) => {
    output.names = "later";
    const wants: boolean[] = [],
      step = (s: string) => {
        print(output, s);
        wants.push(output.wantsNames);
        output.flush();
      };
    ["hello ", "pc 0", "x8", "0 "].forEach(step);
    assertEquals(wants, [false, false, true, true]);
    // The host has them from here on, with what came before.
    output.names = names;
    step("0x9\n");
    assertEquals(wants[4], false);
    output.end();
  });
  assertEquals([text, names.given], ["hello pc 0x80 0x9\n!", "[hello pc 0x80 ][0x9\n]"]);
  // More than fits is kept until the names are there, but not without end.
  const much = await outputOn(true, (output, host) => {
    output.names = "later";
    print(output, "0x1 ".repeat(10_000));
    assertEquals(host.text, "");
    print(output, "0x1 ".repeat(300_000));
    assert(host.text.length > 1e6);
    output.end();
  });
  assertEquals(much, "0x1 ".repeat(310_000));
  // Nobody wants them.
  const piped = await outputOn(false, (output, host) => {
    print(output, "0x1 ".repeat(10_000));
    assertEquals([host.text.length, output.wantsNames], [32768, false]);
    output.end();
  });
  assertEquals(piped.length, 40_000);
});
