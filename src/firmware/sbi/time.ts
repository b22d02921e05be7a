// Timer extension. Source: SBI specification 2.0, chapter 6.
import { ok, type SbiArguments, type SbiExtension } from "./host.ts";

/** The 64-bit time of a call: one register, or two with the low half first when xlen is 32. */
export const timeArgument = ({ host, a }: SbiArguments): bigint => host.xlen === 32 ? a[1] << 32n | a[0] : a[0];

export const time: SbiExtension = {
  name: "time",
  eid: 0x5449_4d45n,
  functions: [
    {
      name: "set_timer",
      call: (c) => {
        c.host.setTimer(c.hart, timeArgument(c));
        return ok();
      },
    },
  ],
};
