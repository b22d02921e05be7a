// Hart state management. Source: SBI specification 3.0, chapter 9. No platform-specific suspend type is there.
import { ERR, executable, fail, HSM, ok, type SbiArguments, type SbiExtension, type SbiResult } from "./host.ts";

const SUSPEND_RETENTIVE = 0n, SUSPEND_NON_RETENTIVE = 0x8000_0000n;

/** The hart that a0 names. */
const target = ({ host, a }: SbiArguments): number | undefined => a[0] < BigInt(host.harts) ? Number(a[0]) : undefined;

function start(c: SbiArguments): SbiResult {
  const hart = target(c);
  if (hart === undefined) return fail(ERR.INVALID_PARAM);
  if (!executable(c.host, c.a[1])) return fail(ERR.INVALID_ADDRESS);
  const state = c.host.hartState(hart);
  if (state === HSM.STARTED) return fail(ERR.ALREADY_AVAILABLE);
  // A hart on its way between states can be neither started nor called started, nor can a suspended one (OpenSBI's answer).
  if (state !== HSM.STOPPED) return fail(ERR.INVALID_PARAM);
  c.host.hartStart(hart, c.a[1], c.a[2]);
  return ok();
}

function suspend({ host, hart, a }: SbiArguments): SbiResult {
  const type = BigInt.asUintN(32, a[0]);
  if (type === SUSPEND_RETENTIVE) {
    host.hartSuspend(hart, true, 0n, 0n);
    return ok();
  }
  if (type !== SUSPEND_NON_RETENTIVE) return fail(ERR.INVALID_PARAM);
  if (!executable(host, a[1])) return fail(ERR.INVALID_ADDRESS);
  host.hartSuspend(hart, false, a[1], a[2]);
  return "none";
}

export const hsm: SbiExtension = {
  name: "hsm",
  eid: 0x48_534dn,
  functions: [
    { name: "hart_start", call: start },
    {
      name: "hart_stop",
      call: ({ host, hart }) => {
        host.hartStop(hart);
        return "none";
      },
    },
    {
      name: "hart_get_status",
      call: (c) => {
        const hart = target(c);
        return hart === undefined ? fail(ERR.INVALID_PARAM) : ok(BigInt(c.host.hartState(hart)));
      },
    },
    { name: "hart_suspend", call: suspend },
  ],
};
