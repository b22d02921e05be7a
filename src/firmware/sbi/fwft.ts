// Firmware features. Source: SBI specification 3.0, chapter 18. Landing pads, shadow stacks, double traps and pointer masking are of extensions
// that no hart has.
import { ERR, fail, ok, type SbiArguments, type SbiExtension, type SbiHost, type SbiResult } from "./host.ts";

const LOCK = 1n;

/** A feature by its number: what it is now, and how it is changed; undefined when a hart lacks it. */
const FEATURES: Readonly<
  Record<number, { get(host: SbiHost, hart: number): boolean | undefined; set?(host: SbiHost, hart: number, on: boolean): void }>
> = {
  // Misaligned accesses are always carried out, so there is no exception to keep from the supervisor: it would be its own.
  0: { get: () => true },
  // PTE_AD_HW_UPDATING: with Svadu only.
  4: { get: (host, hart) => host.hardwareUpdates(hart), set: (host, hart, on) => host.setHardwareUpdates(hart, on) },
};

const feature = ({ a }: SbiArguments) => FEATURES[Number(a[0])];

function set(c: SbiArguments): SbiResult {
  const { host, hart, a } = c, f = feature(c), now = f?.get(host, hart);
  if (now === undefined) return fail(ERR.NOT_SUPPORTED);
  if (a[1] > 1n || a[2] > LOCK) return fail(ERR.INVALID_PARAM);
  const on = a[1] === 1n;
  if (on === now && a[2] === 0n) return ok();
  // Locking for good is not modelled, nor is what cannot be changed.
  if (!f.set || a[2]) return fail(ERR.DENIED);
  f.set(host, hart, on);
  return ok();
}

function get(c: SbiArguments): SbiResult {
  const now = feature(c)?.get(c.host, c.hart);
  return now === undefined ? fail(ERR.NOT_SUPPORTED) : ok(now ? 1n : 0n);
}

export const fwft: SbiExtension = {
  name: "fwft",
  eid: 0x4657_4654n,
  functions: [{ name: "set", call: set }, { name: "get", call: get }],
};
