// Remote fences. Source: SBI specification 3.0, chapter 8. The HFENCE functions are not there: no hart has the H extension.
import { allOnes, ERR, fail, hartList, ok, type SbiArguments, type SbiExtension, type SbiResult } from "./host.ts";
import { countRequest, EVENT } from "./pmu.ts";

export function fenceI({ host, hart: from }: SbiArguments, mask: bigint, base: bigint): SbiResult {
  const harts = hartList(host, mask, base);
  if (!harts) return fail(ERR.INVALID_PARAM);
  for (const hart of harts) host.fence(hart, "i", 0n, allOnes(host));
  countRequest(host, from, harts, EVENT.FENCE_I_SENT);
  return ok();
}

/** A range of nothing from 0 and a size of all ones both mean the whole address space. */
export function fenceVma(c: SbiArguments, mask: bigint, base: bigint, start: bigint, size: bigint, asid?: bigint): SbiResult {
  const { host } = c;
  const harts = hartList(host, mask, base);
  if (!harts) return fail(ERR.INVALID_PARAM);
  const everything = allOnes(host);
  const whole = size === everything || (start === 0n && size === 0n);
  if (!whole && start + size > everything + 1n) return fail(ERR.INVALID_ADDRESS);
  for (const hart of harts) {
    const from = whole ? 0n : start, length = whole ? everything : size;
    if (asid === undefined) host.fence(hart, "vma", from, length);
    else host.fence(hart, "vma", from, length, Number(asid & 0xffffn));
  }
  countRequest(host, c.hart, harts, asid === undefined ? EVENT.SFENCE_VMA_SENT : EVENT.SFENCE_VMA_ASID_SENT);
  return ok();
}

export const rfence: SbiExtension = {
  name: "rfence",
  eid: 0x5246_4e43n,
  functions: [
    { name: "remote_fence_i", call: (c) => fenceI(c, c.a[0], c.a[1]) },
    { name: "remote_sfence_vma", call: (c) => fenceVma(c, c.a[0], c.a[1], c.a[2], c.a[3]) },
    { name: "remote_sfence_vma_asid", call: (c) => fenceVma(c, c.a[0], c.a[1], c.a[2], c.a[3], c.a[4]) },
  ],
};
