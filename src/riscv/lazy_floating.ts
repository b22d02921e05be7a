// Floating point that is loaded on demand. While mstatus.FS is off its instructions are illegal, as words that no row has, and nobody calls its
// helpers. Where FS is on, as firmware leaves it, a hart stops before the first of them, and who runs harts has it loaded (`Hart.needsFloating`).
import { Later } from "../core/later.ts";
import type { CoreEnv, Helper, Status } from "../ir/frontend.ts";
import { FLOAT_HELPERS } from "./helpers.ts";

export const FLOAT = new Later<typeof import("./floating.ts")>("riscv/floating.ts");

/** The helpers of FLOAT_HELPERS, which are made at the first call. `illegal`: see float.ts. */
export function floatHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  const helpers: Helper[] = [];
  let made: Helper[] | undefined;
  for (let i = 0; i < FLOAT_HELPERS.length; i++) {
    helpers.push({ name: FLOAT_HELPERS[i], run: () => (made ??= FLOAT.now!.floatHelpers(env, illegal))[i].run() });
  }
  return helpers;
}
