// Inter-processor interrupts. Source: SBI specification 2.0, chapter 7.
import { ERR, fail, hartList, ok, type SbiExtension, type SbiHost, type SbiResult } from "./host.ts";

export function sendIpi(host: SbiHost, mask: bigint, base: bigint): SbiResult {
  const harts = hartList(host, mask, base);
  if (!harts) return fail(ERR.INVALID_PARAM);
  for (const hart of harts) host.sendIpi(hart);
  return ok();
}

export const ipi: SbiExtension = {
  name: "ipi",
  eid: 0x73_5049n,
  functions: [{ name: "send_ipi", call: ({ host, a }) => sendIpi(host, a[0], a[1]) }],
};
