// All of floating point: rows and helpers. Loaded when a hart first turns its unit on (lazy_floating.ts): kernels that only print do without.
export { floatHelpers } from "./float.ts";
export { FLOATING } from "./isa/f.ts";
