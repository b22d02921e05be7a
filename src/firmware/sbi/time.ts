// Timer extension. Source: SBI specification 3.0, chapter 6.
import { ok, type SbiArguments, type SbiExtension } from "./host.ts";
import { countEvent, EVENT } from "./pmu.ts";

/** The 64-bit time of a call: one register, or two with the low half first when xlen is 32. */
const timeArgument = ({ host, a }: SbiArguments): bigint => host.xlen === 32 ? a[1] << 32n | a[0] : a[0];

export function setTimer(c: SbiArguments): void {
  countEvent(c.host, c.hart, EVENT.SET_TIMER);
  c.host.setTimer(c.hart, timeArgument(c));
}

export const time: SbiExtension = {
  name: "time",
  eid: 0x5449_4d45n,
  functions: [
    {
      name: "set_timer",
      call: (c) => {
        setTimer(c);
        return ok();
      },
    },
  ],
};
