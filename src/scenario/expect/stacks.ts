// How much of a stack was needed.
import { ConfigError } from "../../core/errors.ts";
import { parseSize } from "../../machine/config.ts";
import type { StackWatch } from "../stacks.ts";
import type { Kind } from "./verdict.ts";

/** "24KiB" of its bytes, where that is a whole number. */
const size = (bytes: number): string => bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`;

export const STACKS: Kind = {
  title: "a stack",
  session: (stack: StackWatch) => stack.session,
  checks: {
    toStayBelow: (stack: StackWatch, limit: number | string) => {
      const bytes = parseSize(limit);
      if (bytes === undefined) throw new ConfigError(`toStayBelow: a size is a number of bytes or a text such as "24KiB", got ${limit}`);
      const { used } = stack,
        all = used >= stack.size ? "; nothing of it is left as it was: it was full, or somebody has cleared it since" : "";
      return {
        pass: used < bytes,
        subject: `the stack ${stack.name}`,
        to: `stay below ${size(bytes)}`,
        found: `${size(used)} of ${size(stack.size)} were used, down to 0x${stack.deepest.toString(16)}${all}`,
      };
    },
  },
};
