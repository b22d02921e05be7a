// System reset. Source: SBI specification 3.0, chapter 10.
// DEVIATION: a shutdown with the reason "system failure" gives exit code 1. OpenSBI 1.1 on QEMU 7.2 exits with 0 there, because
// it writes no code to the finisher; a kernel that reports its own failure must not look like a success.
import { ERR, fail, type SbiArguments, type SbiExtension, type SbiResult } from "./host.ts";

const SHUTDOWN = 0n, WARM_REBOOT = 2n, SYSTEM_FAILURE = 1n;

function systemReset({ host, a }: SbiArguments): SbiResult {
  const type = a[0], reason = a[1];
  if (type > WARM_REBOOT || reason > SYSTEM_FAILURE) return fail(ERR.INVALID_PARAM);
  host.stop(type === SHUTDOWN ? { kind: "exit", code: Number(reason), pass: reason === 0n } : { kind: "reset" });
  return "none";
}

export const srst: SbiExtension = { name: "srst", eid: 0x5352_5354n, functions: [{ name: "system_reset", call: systemReset }] };
