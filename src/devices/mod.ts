// Every device type by its name in machine files. Written by scripts/dev/gen.ts from the files in this folder.
import type { AnyDeviceType } from "../core/device.ts";
import clint from "./clint.ts";
import goldfishRtc from "./goldfish_rtc.ts";
import ns16550a from "./ns16550a.ts";
import plic from "./plic.ts";
import sifiveFinisher from "./sifive_finisher.ts";
import unimplemented from "./unimplemented.ts";

export const DEVICES: Readonly<Record<string, AnyDeviceType>> = Object.fromEntries(
  [clint, goldfishRtc, ns16550a, plic, sifiveFinisher, unimplemented].map((type: AnyDeviceType) => [type.type, type]),
);
