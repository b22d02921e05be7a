// The BIOS' keyboard buffer is looked at where a PC has memory for it, and only there.
import { assertEquals, assertThrows } from "@std/assert";
import { FakeMachine } from "../../tests/fake_machine.ts";
import type { KeyPort } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import { SessionKeyboard } from "./peripherals.ts";
import { MachineSession } from "./session.ts";

/** The BIOS data area (400h..4FFh) with a buffer of keys at 41Eh..43Dh that is full. */
function dataArea(length: number): Uint8Array {
  const ram = new Uint8Array(length), view = new DataView(ram.buffer);
  for (const [at, value] of [[0x41a, 0x1e], [0x41c, 0x3c], [0x480, 0x1e], [0x482, 0x3e]]) {
    if (at + 2 <= length) view.setUint16(at, value, true);
  }
  return ram;
}

/** Whether a key is held back on a machine with so much memory from `base` on. */
function heldBack(arch: string, base: number, ram: Uint8Array): boolean {
  const machine = new FakeMachine([{ spin: 9 }]), got: number[] = [];
  Object.defineProperty(machine.cpus[0], "arch", { value: arch });
  machine.bus.mapRam(base, ram);
  const port: KeyPort = { room: () => 1, receive: (b) => void got.push(b), onRoom: () => {} };
  const keyboard = new SessionKeyboard(new MachineSession(machine), port);
  keyboard.type("a").catch(() => {});
  return got.length === 0;
}

Deno.test("a full buffer of a PC's BIOS holds keys back; memory that cannot have one, and other machines, do not", () => {
  assertEquals(heldBack("x86_64", 0, dataArea(0x1000)), true);
  assertEquals(heldBack("x86_64", 0, dataArea(0x500)), true, "just as large");
  assertEquals(heldBack("x86_64", 0x400, dataArea(0x1000).subarray(0x400)), true, "just from there on");
  assertEquals(heldBack("riscv64", 0, dataArea(0x1000)), false);
  for (const length of [0x4ff, 0x480, 0x400, 0x300]) assertEquals(heldBack("x86_64", 0, dataArea(length)), false, `${length} bytes`);
  assertEquals(heldBack("x86_64", 0x401, dataArea(0x1000).subarray(0x401)), false);
  assertEquals(heldBack("x86_64", 0x1000, dataArea(0x1000)), false);
});

Deno.test("a scan code is a byte", () => {
  const got: number[] = [], port: KeyPort = { room: () => 1, receive: (b) => void got.push(b), onRoom: () => {} };
  const keyboard = new SessionKeyboard(new MachineSession(new FakeMachine([{ spin: 9 }])), port);
  const all = Array.from({ length: 256 }, (_, i) => i);
  keyboard.scancodes(all).catch(() => {});
  assertEquals(got, all);
  for (const code of [-1, 256, 1.5, NaN]) {
    const e = assertThrows(() => keyboard.scancodes([0, code]), ConfigError);
    assertEquals(e.message, `scancodes: a scan code is a whole number from 0 to 255, got ${code}`);
  }
  assertEquals(got.length, 256);
});
