// The built-in SBI: what OpenSBI would answer to an S-mode kernel, served by the emulator without M-mode code.
// Source: RISC-V Supervisor Binary Interface specification 3.0. Not modelled: SUSP and CPPC (no platform has such states), NACL
// and STA (no hypervisor), SSE (no source of such events), DBTR (no triggers), MPXY.
import { base } from "./base.ts";
import { dbcn } from "./dbcn.ts";
import { ERR, fail, type SbiArguments, type SbiExtension, type SbiHost, type SbiLegacyCall } from "./host.ts";
import { fwft } from "./fwft.ts";
import { hsm } from "./hsm.ts";
import { ipi } from "./ipi.ts";
import { legacy } from "./legacy.ts";
import { pmu } from "./pmu.ts";
import { rfence } from "./rfence.ts";
import { srst } from "./srst.ts";
import { time } from "./time.ts";

export { HSM, type PmuState, type SbiHost } from "./host.ts";
export { noCounters } from "./pmu.ts";

/** Every extension from SBI 0.2 on. */
export const EXTENSIONS: readonly SbiExtension[] = [base, time, ipi, rfence, hsm, srst, pmu, dbcn, fwft];

// Extension numbers are below 2^32, so a register's value as a number finds no wrong one.
const byEid = new Map<number, SbiExtension>(), legacyByEid = new Map<number, SbiLegacyCall>();
for (const e of EXTENSIONS) byEid.set(Number(e.eid), e);
for (const call of legacy) legacyByEid.set(Number(call.eid), call);
const probe = (eid: bigint) => byEid.has(Number(eid)) || legacyByEid.has(Number(eid));

/**
 * Serves one ecall from S-mode. `a` holds a0..a7 as unsigned xlen-bit values. Returns the values for a0 and a1 (a0 only for the
 * calls of SBI 0.1, which keep a1), or "none" when the call does not come back (shutdown, hart_stop, non-retentive suspend).
 */
export function sbiCall(host: SbiHost, hart: number, a: ArrayLike<bigint>): { a0: bigint; a1?: bigint } | "none" {
  const c: SbiArguments = { host, hart, a, probe }, eid = Number(a[7]), old = legacyByEid.get(eid);
  if (old) {
    const value = old.call(c);
    return value === "none" ? "none" : { a0: BigInt.asUintN(host.xlen, value) };
  }
  const result = byEid.get(eid)?.functions[Number(a[6])]?.call(c) ?? fail(ERR.NOT_SUPPORTED);
  return result === "none" ? "none" : { a0: BigInt.asUintN(host.xlen, result.error), a1: BigInt.asUintN(host.xlen, result.value) };
}

/** Name of a call for the trace ("hsm.hart_start"); numbers when there is no such call. */
export function sbiCallName(a: ArrayLike<bigint>): string {
  const old = legacyByEid.get(Number(a[7]));
  if (old) return `legacy.${old.name}`;
  const extension = byEid.get(Number(a[7]));
  const eid = extension?.name ?? `0x${a[7].toString(16)}`;
  return `${eid}.${extension?.functions[Number(a[6])]?.name ?? a[6]}`;
}
