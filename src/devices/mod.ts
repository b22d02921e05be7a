// Device types by their names in machine files. They are loaded when a machine names them: each file costs a start a fifth of a millisecond.
import type { AnyDeviceType } from "../core/device.ts";
import { lazy } from "../core/lazy.ts";
import { FILES } from "./files.ts";

/** What is loaded. */
export const DEVICES: Record<string, AnyDeviceType> = {};
/** The names of all types. */
export const DEVICE_NAMES: readonly string[] = Object.keys(FILES);

/** Loads the types of these names; those that do not exist are left out. */
export async function loadDevices(names: Iterable<string> = DEVICE_NAMES): Promise<void> {
  const missing = [...new Set(names)].filter((name) => Object.hasOwn(FILES, name) && !Object.hasOwn(DEVICES, name));
  const loaded = await Promise.all(missing.map((name) => lazy<{ default: AnyDeviceType }>(FILES[name], import.meta.url)));
  for (const [i, name] of missing.entries()) DEVICES[name] = loaded[i].default;
}
