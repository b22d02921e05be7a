// Floating point that is loaded on demand. While mstatus.FS is off its instructions are illegal, as words that no row has, and nobody calls its
// helpers. Where FS is on, as firmware leaves it, a hart stops before the first of them, and who runs harts has it loaded (`Hart.needsFloating`).
import { lazy } from "../core/lazy.ts";
import type { CoreEnv, Helper, Status } from "../ir/frontend.ts";
import { FLOAT_HELPERS } from "./helpers.ts";

/** What is loaded. */
export let floating: typeof import("./floating.ts") | undefined;
export async function importFloating(): Promise<void> {
  floating ??= await lazy<typeof import("./floating.ts")>("../loads/riscv_floating.ts", import.meta.url);
}

/** The helpers of FLOAT_HELPERS, which are made at the first call. `illegal`: see float.ts. */
export function floatHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  const helpers: Helper[] = [];
  let made: Helper[] | undefined;
  for (let i = 0; i < FLOAT_HELPERS.length; i++) {
    helpers.push({ name: FLOAT_HELPERS[i], run: () => (made ??= floating!.floatHelpers(env, illegal))[i].run() });
  }
  return helpers;
}
