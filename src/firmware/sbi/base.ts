// Base extension. Source: SBI specification 3.0, chapter 4.
import { ok, type SbiExtension } from "./host.ts";

/** Major number in bits 30:24, minor in 23:0. */
const SPEC_VERSION = 2n << 24n;
/** Not a registered number: "brng" in ASCII. */
const IMPLEMENTATION_ID = 0x6272_6e67n;
const IMPLEMENTATION_VERSION = 0x0001_0000n;

export const base: SbiExtension = {
  name: "base",
  eid: 0x10n,
  functions: [
    { name: "get_spec_version", call: () => ok(SPEC_VERSION) },
    { name: "get_impl_id", call: () => ok(IMPLEMENTATION_ID) },
    { name: "get_impl_version", call: () => ok(IMPLEMENTATION_VERSION) },
    { name: "probe_extension", call: ({ a, probe }) => ok(probe(a[0]) ? 1n : 0n) },
    { name: "get_mvendorid", call: ({ host }) => ok(host.mvendorid) },
    { name: "get_marchid", call: ({ host }) => ok(host.marchid) },
    { name: "get_mimpid", call: ({ host }) => ok(host.mimpid) },
  ],
};
