// ISA strings (RISC-V Unprivileged 20240411, chapter 36), without what is known of the extensions.

/** "g" and the extensions that it stands for. */
const G = ["i", "m", "a", "f", "d"], G_LONG = ["zicsr", "zifencei"];

/** `rv64gc_zba`: 64 and i m a f d c zicsr zifencei zba; undefined when it does not begin with a width. */
export function splitIsa(text: string): { readonly xlen: 32 | 64; readonly names: readonly string[] } | undefined {
  const lower = text.toLowerCase(), xlen = lower.startsWith("rv64") ? 64 : lower.startsWith("rv32") ? 32 : undefined;
  if (!xlen) return undefined;
  const [letters, ...long] = lower.slice(4).split("_"), single = [...letters].flatMap((c) => c === "g" ? G : [c]);
  return { xlen, names: [...new Set([...single, ...letters.includes("g") ? G_LONG : [], ...long])] };
}
