// Inter-processor interrupts. Source: SBI specification 3.0, chapter 7.
import { ERR, fail, hartList, ok, type SbiArguments, type SbiExtension, type SbiResult } from "./host.ts";
import { countRequest, EVENT } from "./pmu.ts";

export function sendIpi({ host, hart: from }: SbiArguments, mask: bigint, base: bigint): SbiResult {
  const harts = hartList(host, mask, base);
  if (!harts) return fail(ERR.INVALID_PARAM);
  for (const hart of harts) host.sendIpi(hart);
  countRequest(host, from, harts, EVENT.IPI_SENT);
  return ok();
}

export const ipi: SbiExtension = {
  name: "ipi",
  eid: 0x73_5049n,
  functions: [{ name: "send_ipi", call: (c) => sendIpi(c, c.a[0], c.a[1]) }],
};
