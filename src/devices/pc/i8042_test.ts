import { assertEquals } from "@std/assert";
import i8042, { type I8042 } from "./i8042.ts";
import { bench } from "../testing/bench.ts";
import { KEYS, pressed, released1, released2 } from "../../../tests/models/keyboard.ts";

/** With the configuration that a PC's BIOS leaves: translation, system flag, interrupts of both devices. */
function setUp(config = 0x47) {
  const b = bench(i8042);
  const command = (value: number, ...data: number[]) => {
    b.write(0, value, 1, 1);
    for (const d of data) b.write(0, d);
  };
  command(0x60, config);
  b.edges.length = 0;
  const dev = b.dev as I8042;
  const status = () => b.read(0, 1, 1);
  /** Reads a byte each millisecond until the output buffer stays empty. */
  const drain = () => {
    const bytes: number[] = [];
    for (; status() & 1; b.passNs(1e6)) bytes.push(b.read(0));
    return bytes;
  };
  const keys = (...codes: number[]) => codes.forEach((code) => dev.keyboard.receive(code));
  const mouse = (...values: number[]) => values.flatMap((v) => (command(0xd4, v), drain()));
  return { ...b, dev, command, status, drain, keys, mouse, data: (v: number) => b.write(0, v) };
}

Deno.test("a key reaches the guest as set 1 with one interrupt for each byte", () => {
  const k = setUp();
  k.keys(0x1e, 0x9e);
  assertEquals([k.status() & 0x21, k.edges], [0x01, ["0+"]]);
  assertEquals([k.read(0), k.status() & 1, k.edges], [0x1e, 0, ["0+", "0-"]]);
  k.passNs(1e6);
  assertEquals([k.status() & 1, k.edges], [1, ["0+", "0-", "0+"]]);
  assertEquals([k.read(0), k.status() & 1, k.irq[0].level], [0x9e, 0, false]);
  assertEquals(k.read(0), 0x9e, "an empty buffer gives its last byte again");
});

Deno.test("a byte takes a millisecond on its wire from when the last was read, also in a restored controller; answers are there at once", () => {
  const k = setUp(), full = () => k.status() & 0x21;
  k.mouse(0xf4);
  k.passNs(1e6);
  k.keys(0xe0, 0x48);
  assertEquals([k.read(0), k.read(0), full()], [0xe0, 0xe0, 0], "read twice: the same byte");
  k.passNs(999_999);
  assertEquals([full(), k.dev.keyboard.room(), k.irq[0].level], [0, 0, false]);
  const saved = structuredClone(k.dev.state), later = setUp();
  later.passNs(k.clock.ticks);
  later.dev.state = saved;
  later.dev.restored();
  for (const one of [k, later]) {
    one.passNs(1);
    assertEquals([one.status() & 0x21, one.irq[0].level, one.read(0), one.status() & 0x21], [1, true, 0x48, 0]);
    // The other wire is free.
    one.dev.mouse.move({ dx: 1, dy: 2, buttons: 0 });
    assertEquals([one.status() & 0x21, one.read(0), one.status() & 0x21], [0x21, 0x28, 0]);
    one.command(0x20);
    assertEquals([one.read(0), one.status() & 0x21], [0x47, 0], "the controller itself has no wire");
    one.data(0xed);
    assertEquals([one.read(0), one.status() & 0x21], [0xfa, 0]);
    one.data(0x00);
    assertEquals(one.read(0), 0xfa);
    one.passNs(1e6);
    assertEquals(one.drain(), [1, 0xfe]);
  }
});

Deno.test("every key of set 1 survives the way through set 2 and the translation", () => {
  const k = setUp();
  const makes = Array.from({ length: 0x58 }, (_, i) => i + 1).filter((c) => c !== 0x55);
  for (const make of makes) {
    k.keys(make, make | 0x80);
    assertEquals(k.drain(), [make, make | 0x80]);
  }
  k.keys(0xe0, 0x48, 0xe0, 0xc8, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  assertEquals(k.drain(), [0xe0, 0x48, 0xe0, 0xc8, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
});

Deno.test("without translation: set 2 by default, set 1 when the guest asks for it", () => {
  const k = setUp(0x07);
  k.keys(0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x41);
  assertEquals(k.drain(), [0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75, 0x83]);
  k.data(0xf0);
  k.data(1);
  k.keys(0x1e, 0x9e);
  assertEquals(k.drain(), [0xfa, 0xfa, 0x1e, 0x9e]);
  k.data(0xf0);
  k.data(0);
  assertEquals(k.drain(), [0xfa, 0xfa, 0x01]);
  k.data(0xf0);
  k.data(4);
  assertEquals(k.drain(), [0xfa, 0xfe]);
});

Deno.test("every key of the manual's tables, pressed and released, in each set of codes and translated", () => {
  const k = setUp(0x07);
  for (const [name, set1, set2, set3] of KEYS) {
    const codes = [...pressed(set1), ...released1(set1)],
      ways: [set: number, config: number, expected: number[]][] = [
        [1, 0x07, codes],
        [2, 0x07, [...pressed(set2), ...released2(set2)]],
        [2, 0x47, codes],
        [3, 0x07, [set3, 0xf0, set3]],
      ];
    for (const [set, config, expected] of ways) {
      k.command(0x60, 0x07);
      for (const byte of [0xf0, set, 0xf8]) k.data(byte);
      k.drain();
      k.command(0x60, config);
      k.keys(...codes);
      assertEquals(k.drain(), expected, `${name}, set ${set}${config & 0x40 ? ", translated" : ""}`);
    }
  }
});

/** Keys by codes of set 1, with those of set 3 (IBM's table of key numbers; Linux's atkbd agrees). */
const SET_3: readonly (readonly [set1: readonly number[], set3: number])[] = [
  [[0x1e], 0x1c],
  [[0x39], 0x29],
  [[0x1c], 0x5a],
  [[0x0f], 0x0d],
  [[0x56], 0x13],
  [[0x3b], 0x07],
  [[0x41], 0x37],
  [[0x58], 0x5e],
  [[0x37], 0x7e],
  [[0x4a], 0x84],
  [[0x4e], 0x7c],
  [[0x52], 0x70],
  [[0x54], 0x57],
  [[0xe0, 0x35], 0x77],
  [[0xe0, 0x1c], 0x79],
  [[0xe0, 0x1d], 0x58],
  [[0xe0, 0x38], 0x39],
  [[0xe0, 0x48], 0x63],
  [[0xe0, 0x4d], 0x6a],
  [[0xe0, 0x52], 0x67],
  [[0xe0, 0x5b], 0x8b],
  [[0xe0, 0x37], 0x57],
];

Deno.test("set 3: a byte a key, without prefixes; which keys tell their release is the guest's choice", () => {
  const k = setUp(0x07), command = (...values: number[]) => values.flatMap((v) => (k.data(v), k.drain()));
  const pressed = (keys: readonly number[]) => {
    const last = keys.length - 1;
    return keys.map((code) => (k.keys(code), k.drain())).concat(keys.map((code, i) => (k.keys(i === last ? code | 0x80 : code), k.drain())))
      .flat();
  };
  assertEquals(command(0xf0, 3, 0xf0, 0), [0xfa, 0xfa, 0xfa, 0xfa, 3]);
  for (const [keys, code] of SET_3) assertEquals(pressed(keys), [code], `0x${code.toString(16)}`);
  // These tell it from the start.
  for (const [set1, code] of [[0x1d, 0x11], [0x2a, 0x12], [0x3a, 0x14], [0x38, 0x19], [0x36, 0x59]]) {
    assertEquals(pressed([set1]), [code, 0xf0, code]);
  }
  k.keys(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  assertEquals(k.drain(), [0x62], "Pause");
  k.keys(0xe0, 0x2a, 0xe0, 0xaa);
  assertEquals(k.drain(), [], "no shift that nobody pressed");
  assertEquals(command(0xfc, 0x1c, 0x63), [0xfa, 0xfa, 0xfa]);
  assertEquals([pressed([0x1e]), pressed([0xe0, 0x48]), pressed([0x30])], [[0x1c, 0xf0, 0x1c], [0x63, 0xf0, 0x63], [0x32]]);
  assertEquals(command(0xfd, 0x1c, 0xf4), [0xfa, 0xfa, 0xfa], "a command ends the list");
  assertEquals(pressed([0x1e]), [0x1c]);
  for (const [all, tells] of [[0xf8, true], [0xf7, false], [0xfa, true], [0xf9, false]] as const) {
    assertEquals(command(all), [0xfa]);
    for (const [keys, code] of [...SET_3, [[0x1d], 0x11] as const]) assertEquals(pressed(keys), tells ? [code, 0xf0, code] : [code]);
  }
  assertEquals(command(0xf6), [0xfa]);
  assertEquals([command(0xf0, 0), pressed([0x1e])], [[0xfa, 0xfa, 2], [0x1c, 0xf0, 0x1c]], "defaults");
  assertEquals([command(0xf0, 3), pressed([0x1d]), pressed([0x1e])], [[0xfa, 0xfa], [0x11, 0xf0, 0x11], [0x1c]]);
});

Deno.test("room: nothing until the guest has read the last key, or while the keyboard is off", () => {
  const k = setUp();
  let told = 0;
  k.dev.keyboard.onRoom = () => told++;
  assertEquals(k.dev.keyboard.room(), 1);
  k.keys(0x1e);
  assertEquals(k.dev.keyboard.room(), 0);
  k.read(0);
  assertEquals([k.dev.keyboard.room(), told], [0, 0]);
  k.passNs(1e6);
  assertEquals([k.dev.keyboard.room(), told], [1, 1]);
  k.command(0xad);
  assertEquals(k.dev.keyboard.room(), 0);
  k.command(0xae);
  assertEquals([k.dev.keyboard.room(), told], [1, 2]);
  k.data(0xf5);
  assertEquals([k.drain(), k.dev.keyboard.room()], [[0xfa], 0]);
  k.keys(0x1e);
  assertEquals(k.drain(), []);
  k.data(0xf4);
  assertEquals([k.drain(), k.dev.keyboard.room()], [[0xfa], 1]);
});

Deno.test("keyboard commands: LEDs, echo, identity, rate, reset, resend, unknown", () => {
  const k = setUp(0x07);
  const send = (...values: number[]) => values.flatMap((v) => (k.data(v), k.drain()));
  assertEquals(send(0xed, 0x05), [0xfa, 0xfa]);
  assertEquals(k.dev.state.keyboard.leds, 5);
  assertEquals([send(0xee), send(0xf2), send(0xf3, 0x20)], [[0xee], [0xfa, 0xab, 0x83], [0xfa, 0xfa]]);
  assertEquals([k.dev.state.keyboard.rate, send(0xfe), send(0x05)], [0x20, [0xfa], [0xfe]]);
  assertEquals([send(0xff), k.dev.state.keyboard.leds], [[0xfa, 0xaa], 0]);
  assertEquals(send(0xed, 0xf4), [0xfa, 0xfa], "a command in place of the argument is a command");
  k.command(0x60, 0x47);
  assertEquals(send(0xf2), [0xfa, 0xab, 0x41], "the identity is translated too");
});

Deno.test("controller: self tests, configuration, RAM, ports", () => {
  const k = setUp();
  const ask = (value: number, ...data: number[]) => {
    k.command(value, ...data);
    return k.drain();
  };
  assertEquals([ask(0xaa), ask(0xab), ask(0xa9), ask(0x20), ask(0xc0), ask(0xa4), ask(0xe0)], [[0x55], [0], [0], [0x47], [0x80], [0xf1], [
    0,
  ]]);
  assertEquals([ask(0xa7), ask(0x20), ask(0xa8), ask(0xad), ask(0x20)], [[], [0x67], [], [], [0x57]]);
  k.command(0xae);
  assertEquals([ask(0x65, 0x99), ask(0x25), ask(0x26)], [[], [0x99], [0]]);
  assertEquals(ask(0xd2, 0x42), [0x42]);
  assertEquals(ask(0xd0), [0xcf]);
  ask(0x9b);
  assertEquals(k.log, ["guest unknown controller command 0x9b"]);
});

Deno.test("status: command or data, system flag", () => {
  const k = setUp(0x03);
  assertEquals(k.status(), 0x10);
  k.command(0xaa);
  assertEquals([k.status(), k.read(0), k.status()], [0x1d, 0x55, 0x1c]);
});

Deno.test("interrupts obey the configuration", () => {
  const k = setUp(0x40);
  k.keys(0x1e);
  assertEquals([k.status() & 1, k.irq[0].level], [1, false]);
  k.command(0x60, 0x41);
  assertEquals(k.irq[0].level, true);
  k.drain();
  k.command(0xd3, 0x77);
  assertEquals([k.status() & 0x21, k.irq[0].level, k.irq[1].level], [0x21, false, false]);
  k.command(0x60, 0x43);
  assertEquals([k.irq[1].level, k.read(0)], [true, 0x77]);
});

Deno.test("A20 through the output port, the HP commands and port 0x92", () => {
  const k = setUp();
  const a20 = () => [!k.irq[2].level, !!(k.read(0, 1, 2) & 2)];
  assertEquals(a20(), [true, true]);
  k.command(0xd1, 0xdd);
  assertEquals(a20(), [false, false]);
  k.command(0xdf);
  assertEquals(a20(), [true, true]);
  k.command(0xdd);
  k.write(0, 0x02, 1, 2);
  assertEquals([a20(), k.stops], [[true, true], []]);
});

Deno.test("the three ways to reset", () => {
  const k = setUp();
  k.command(0xfe);
  k.command(0xd1, 0xde);
  k.write(0, 0x03, 1, 2);
  k.command(0xff);
  assertEquals(k.stops, Array(3).fill({ kind: "reset" }));
});

Deno.test("mouse: identification with and without a wheel, status, defaults", () => {
  const k = setUp();
  assertEquals(k.mouse(0xff), [0xfa, 0xaa, 0x00]);
  assertEquals(k.mouse(0xf2), [0xfa, 0x00]);
  assertEquals(k.mouse(0xe8, 3, 0xe7, 0xf4, 0xe9), [0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x30, 3, 100]);
  assertEquals(k.mouse(0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2).slice(-2), [0xfa, 3]);
  assertEquals(k.mouse(0xf3, 200, 0xf3, 200, 0xf3, 80, 0xf2).slice(-2), [0xfa, 4]);
  assertEquals(k.mouse(0xf6, 0xe9), [0xfa, 0xfa, 0x00, 2, 100]);
  assertEquals(k.mouse(0xee, 0x12, 0xec), [0xfa, 0x12, 0xfa]);
  assertEquals([k.mouse(0x12), k.mouse(0xfe)], [[0xfe], [0xfe]]);
});

Deno.test("mouse: packets with signs, buttons and wheel, only while it streams", () => {
  const k = setUp();
  k.dev.mouse.move({ dx: 5, dy: 5, buttons: 0 });
  assertEquals(k.drain(), [], "not enabled");
  k.mouse(0xf4);
  k.dev.mouse.move({ dx: 5, dy: 3, buttons: 1 });
  assertEquals([k.status() & 0x21, k.irq[1].level], [0x21, true]);
  assertEquals(k.drain(), [0x29, 5, 0xfd]);
  k.dev.mouse.move({ dx: -200, dy: 0, buttons: 2 });
  assertEquals(k.drain(), [0x1a, 0x81, 0, 0x1a, 0xb7, 0]);
  k.mouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
  k.dev.mouse.move({ dx: 0, dy: -1, dz: -1, buttons: 4 });
  assertEquals(k.drain(), [0x0c, 0, 1, 0xff]);
  k.mouse(0xf0);
  k.dev.mouse.move({ dx: 1, dy: 1, buttons: 1 });
  assertEquals([k.drain(), k.mouse(0xeb)], [[], [0xfa, 0x09, 0, 0, 0]]);
});

Deno.test("the keyboard goes before the mouse, and an interface that is off holds its bytes", () => {
  const k = setUp();
  k.mouse(0xf4);
  k.dev.mouse.move({ dx: 1, dy: 0, buttons: 0 });
  k.keys(0x1e);
  assertEquals(k.drain(), [0x08, 0x1e, 1, 0], "the first byte was in the buffer already");
  k.command(0xa7);
  k.dev.mouse.move({ dx: 1, dy: 0, buttons: 0 });
  assertEquals(k.drain(), []);
  k.command(0xa8);
  assertEquals(k.drain(), [0x08, 1, 0]);
});

Deno.test("mouse: what each command leaves, said by the status, the identity and the next packet", () => {
  const k = setUp(), bits = (buttons: number) => (buttons & 1) << 2 | (buttons & 4) >> 1 | (buttons & 2) >> 1;
  /** Status, resolution, rate and identity. */
  const state = () => [...k.mouse(0xe9).slice(1), ...k.mouse(0xf2).slice(1)];
  for (let buttons = 0; buttons < 8; buttons++) {
    k.dev.mouse.move({ dx: 0, dy: 0, buttons });
    assertEquals(state(), [bits(buttons), 2, 100, 0], "left is bit 2, right bit 0");
  }
  for (const rate of [10, 20, 40, 60, 80, 100, 200]) {
    for (let resolution = 0; resolution < 4; resolution++) {
      assertEquals([k.mouse(0xf3, rate, 0xe8, resolution), state()], [[0xfa, 0xfa, 0xfa, 0xfa], [bits(7), resolution, rate, 0]]);
    }
  }
  let status = 0;
  const steps = [[0xe7, 0x10, 0x10], [0xf4, 0x20, 0x20], [0xf0, 0x40, 0x40], [0xe6, 0x10, 0], [0xea, 0x40, 0], [0xe7, 0x10, 0x10], [
    0xf5,
    0x20,
    0,
  ]];
  for (const [command, bit, value] of steps) {
    status = status & ~bit | value;
    assertEquals([k.mouse(command), state()], [[0xfa], [status | 7, 3, 200, 0]], command.toString(16));
  }
  for (const [rates, id] of [[[200, 100, 80], 3], [[200, 200, 80], 4]] as const) {
    assertEquals([k.mouse(0xff), state()], [[0xfa, 0xaa, 0], [7, 2, 100, 0]], "a reset forgets all but the buttons");
    for (const rate of rates) k.mouse(0xf3, rate);
    k.mouse(0xe8, 1, 0xe7, 0xf4);
    assertEquals(state(), [0x37, 1, 80, id]);
    assertEquals([k.mouse(0xf6), state()], [[0xfa], [7, 2, 100, id]], "the defaults keep the wheel");
    k.mouse(0xee);
    assertEquals(k.mouse(0xe9, 0xf4, 0xf6, 0x00, 0xee), [0xe9, 0xf4, 0xf6, 0x00, 0xee], "wrap mode gives back all");
    assertEquals([k.mouse(0xec), state()], [[0xfa], [7, 2, 100, id]]);
    assertEquals(k.mouse(0xee, 0xff), [0xfa, 0xfa, 0xaa, 0], "but two commands");
    assertEquals(k.mouse(0xe9), [0xfa, 7, 2, 100]);
  }
  assertEquals([k.mouse(0xe9, 0xfe), k.mouse(0xe1)], [[0xfa, 7, 2, 100, 0xfa, 7, 2, 100], [0xfe]], "once more");
});

Deno.test("mouse: packets of each kind, for every button, and for ways and turns longer than one tells", () => {
  for (const [rates, id] of [[[], 0], [[200, 100, 80], 3], [[200, 200, 80], 4]] as const) {
    const k = setUp();
    for (const rate of rates) k.mouse(0xf3, rate);
    k.mouse(0xf4);
    const packet = (x: number, y: number, z: number, buttons: number) => [
      8 | buttons & 7 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0),
      x & 0xff,
      y & 0xff,
      ...id === 3 ? [z & 0xff] : id === 4 ? [z & 15 | (buttons & 8 ? 0x10 : 0) | (buttons & 16 ? 0x20 : 0)] : [],
    ];
    const moved = (dx: number, dy: number, dz: number, buttons: number) => (k.dev.mouse.move({ dx, dy, dz, buttons }), k.drain());
    for (let buttons = 0; buttons < 32; buttons++) assertEquals(moved(1, 2, 0, buttons), packet(1, -2, 0, buttons));
    for (const d of [-127, -2, -1, 0, 1, 2, 127]) {
      assertEquals([moved(d, 0, 0, 0), moved(0, -d, 0, 2)], [packet(d, 0, 0, 0), packet(0, d, 0, 2)]);
    }
    for (let dz = -8; dz < 8; dz++) assertEquals(moved(0, 0, dz, 0), packet(0, 0, dz, 0), `wheel ${dz}`);
    assertEquals(moved(-128, 128, 0, 0), [...packet(-127, -127, 0, 0), ...packet(-1, -1, 0, 0)]);
    assertEquals(moved(255, -254, 0, 0), [...packet(127, 127, 0, 0), ...packet(127, 127, 0, 0), ...packet(1, 0, 0, 0)]);
    for (const [far, each] of [[-17, -8], [15, 7]]) {
      assertEquals(moved(0, 0, far, 0), [each, each, far - 2 * each].flatMap((z) => packet(0, 0, z, 0)), "no step of the wheel is lost");
    }
    // 64 bytes are kept, and the packet that goes beyond; the first byte has left for the controller.
    const size = id ? 4 : 3;
    assertEquals(moved(100 * 127, 0, 0, 0).length, (Math.floor(64 / size) + 1) * size);
    assertEquals([k.mouse(0xeb), k.mouse(0xf5), moved(9, 9, 9, 0)], [[0xfa, ...packet(0, 0, 0, 0)], [0xfa], []]);
    k.dev.mouse.move({ dx: 1, dy: 0, buttons: 0 });
    k.mouse(0xf4);
    k.dev.mouse.move({ dx: 1, dy: 0, buttons: 0 });
    assertEquals([k.read(0) & 0xcf, k.mouse(0xf2)], [8, [0xfa, id]], "a command takes the packet's place");
  }
});

Deno.test("controller: every cell of its RAM, every command's range, and what it does not keep", () => {
  const k = setUp(0x07), ask = (value: number, ...data: number[]) => (k.command(value, ...data), k.drain());
  for (let n = 1; n < 32; n++) ask(0x60 + n, 0x80 + n);
  for (let n = 1; n < 32; n++) assertEquals(ask(0x20 + n), [0x80 + n], `cell ${n}`);
  assertEquals([ask(0x60, 0x27), ask(0x20), ask(0x1f), ask(0x40), ask(0x5f), ask(0x80)], [[], [0x27], [], [], [], []]);
  assertEquals(k.log.length, 4, "what is no command is said");
  k.write(0, 0xe8, 1, 2);
  assertEquals([k.read(0, 1, 2), k.stops], [0xea & ~2, []], "port 0x92 keeps its bits; A20 is off");
  k.write(0, 0xfd, 1, 2);
  k.write(0, 0xff, 1, 2);
  assertEquals([k.read(0, 1, 2), k.stops.length], [0xff, 1], "a reset for each time that bit 0 rises");
  for (let n = 0; n < 40; n++) k.command(0xd2, n);
  assertEquals(k.drain(), Array.from({ length: 17 }, (_, n) => n), "the buffer, and 16 that wait");
});

Deno.test("keyboard: what it holds, and what a command drops", () => {
  const k = setUp(0x07), send = (...values: number[]) => values.flatMap((v) => (k.data(v), k.drain()));
  const many = Array.from({ length: 30 }, (_, n) => n % 10 + 2);
  k.data(0xf0), k.data(1), k.drain();
  k.keys(...many);
  assertEquals(k.drain(), many.slice(0, 17), "one in the buffer, 16 that wait");
  for (const [command, answer] of [[0xf4, [0xfa]], [0xf5, [0xfa]], [0xf6, [0xfa]], [0xf8, [0xfa]], [0xff, [0xfa, 0xaa]]] as const) {
    k.data(0xf4), k.drain();
    k.keys(0x1e, 0x1f, 0x20);
    k.read(0);
    k.data(command);
    assertEquals(k.drain(), [...answer], `${command.toString(16)}: keys that wait are gone`);
  }
  assertEquals([send(0xed, 0x7f), k.dev.state.keyboard.leds], [[0xfa, 0xfa], 7], "three LEDs");
  assertEquals(send(0xf3, 0x80), [0xfa, 0xfe], "no argument, and no command");
  assertEquals(send(0xf5), [0xfa]);
  k.keys(0x1e);
  assertEquals(k.drain(), [], "switched off");
  assertEquals(send(0xf6), [0xfa]);
  k.keys(0x1e);
  assertEquals(k.drain(), [0x1c], "on again, in set 2");
});

Deno.test("mouse: a command drops answers that were not read", () => {
  const k = setUp();
  k.command(0xd4, 0xe9);
  k.command(0xd4, 0xf2);
  assertEquals(k.drain(), [0xfa, 0xfa, 0], "the first byte was in the buffer already");
});
