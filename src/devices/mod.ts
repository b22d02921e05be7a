// Every device type by its name in machine files. Written by scripts/dev/gen.ts from the files in this folder.
import type { AnyDeviceType } from "../core/device.ts";
import clint from "./clint.ts";
import goldfishRtc from "./goldfish_rtc.ts";
import i8042 from "./i8042.ts";
import i8254 from "./i8254.ts";
import i8259 from "./i8259.ts";
import ioapic from "./ioapic.ts";
import isaDebugExit from "./isa_debug_exit.ts";
import lapic from "./lapic.ts";
import mc146818 from "./mc146818.ts";
import ns16550a from "./ns16550a.ts";
import plic from "./plic.ts";
import portConsole from "./port_console.ts";
import sifiveFinisher from "./sifive_finisher.ts";
import unimplemented from "./unimplemented.ts";
import vga from "./vga.ts";

export const DEVICES: Readonly<Record<string, AnyDeviceType>> = Object.fromEntries(
  [
    clint,
    goldfishRtc,
    i8042,
    i8254,
    i8259,
    ioapic,
    isaDebugExit,
    lapic,
    mc146818,
    ns16550a,
    plic,
    portConsole,
    sifiveFinisher,
    unimplemented,
    vga,
  ].map((type: AnyDeviceType) => [type.type, type]),
);
