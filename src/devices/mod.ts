// Device types by their names in machine files. They are loaded when a machine names them, some together.
import type { AnyDeviceType } from "../core/device.ts";
import { load } from "../core/later.ts";
import { FILES } from "./files.ts";

/** What is loaded. */
export const DEVICES: Record<string, AnyDeviceType> = {};
/** The names of all types. */
export const DEVICE_NAMES: readonly string[] = Object.keys(FILES);

/** Loads the types of these names; those that do not exist are left out. */
export async function loadDevices(names: Iterable<string> = DEVICE_NAMES): Promise<void> {
  const missing = new Set<string>(), files = new Set<string>(), loads: Promise<Readonly<Record<string, unknown>>>[] = [];
  for (const name of names) {
    if (!Object.hasOwn(FILES, name) || Object.hasOwn(DEVICES, name)) continue;
    missing.add(name);
    files.add(FILES[name]);
  }
  for (const file of files) loads.push(load(file));
  const loaded = new Map<string, AnyDeviceType>();
  for (const types of await Promise.all(loads)) {
    for (const name in types) {
      const type = types[name] as AnyDeviceType | undefined;
      if (type?.type) loaded.set(type.type, type);
    }
  }
  for (const name of missing) DEVICES[name] = loaded.get(name)!;
}
