// The calls of SBI 0.1. Source: SBI specification 3.0, chapter 5.
// DEVIATION: a hart mask that cannot be read gives SBI_ERR_INVALID_ADDRESS instead of a page fault at the ecall.
import { allOnes, ERR, type SbiArguments, type SbiLegacyCall, type SbiResult } from "./host.ts";
import { sendIpi } from "./ipi.ts";
import { fenceI, fenceVma } from "./rfence.ts";
import { setTimer } from "./time.ts";

/** Runs `call` with the hart mask that a0 points to; a null pointer means all harts. */
function withMask({ host, hart, a }: SbiArguments, call: (mask: bigint, base: bigint) => SbiResult): bigint {
  let mask = 0n, base = allOnes(host);
  if (a[0] !== 0n) {
    const bytes = host.readVirtual(hart, a[0], Math.ceil(host.harts / host.xlen) * host.xlen / 8);
    if (!bytes) return ERR.INVALID_ADDRESS;
    base = 0n;
    for (const [i, byte] of bytes.entries()) mask |= BigInt(byte) << BigInt(8 * i);
  }
  const result = call(mask, base);
  return result === "none" ? 0n : result.error;
}

export const legacy: readonly SbiLegacyCall[] = [
  {
    name: "set_timer",
    eid: 0n,
    call: (c) => {
      setTimer(c);
      return 0n;
    },
  },
  {
    name: "console_putchar",
    eid: 1n,
    call: ({ host, a }) => {
      host.console.write(Number(a[0] & 0xffn));
      return 0n;
    },
  },
  { name: "console_getchar", eid: 2n, call: ({ host }) => BigInt(host.console.read()) },
  { name: "clear_ipi", eid: 3n, call: ({ host, hart }) => host.clearIpi(hart) ? 1n : 0n },
  { name: "send_ipi", eid: 4n, call: (c) => withMask(c, (mask, base) => sendIpi(c, mask, base)) },
  { name: "remote_fence_i", eid: 5n, call: (c) => withMask(c, (mask, base) => fenceI(c, mask, base)) },
  { name: "remote_sfence_vma", eid: 6n, call: (c) => withMask(c, (mask, base) => fenceVma(c, mask, base, c.a[1], c.a[2])) },
  {
    name: "remote_sfence_vma_asid",
    eid: 7n,
    call: (c) => withMask(c, (mask, base) => fenceVma(c, mask, base, c.a[1], c.a[2], c.a[3])),
  },
  {
    name: "shutdown",
    eid: 8n,
    call: ({ host }) => {
      host.stop({ kind: "exit", code: 0, pass: true });
      return "none";
    },
  },
];
