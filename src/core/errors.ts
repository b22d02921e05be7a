// The kinds of trouble (each its own channel): a user's mistake is a ConfigError, a broken invariant of ours is a plain Error,
// a guest's mistake is a guest trap or a log line and never a host exception beyond BusFault.

/** Where in a user's input a problem was found. `line` counts from 1; `key` is the dotted key path of a machine file. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly key?: string;
}

/** A place, with what another one says more exactly. */
export function placeAt(place: Place, exactly: Place | undefined): Place {
  const { file = place.file, line = place.line, key = place.key } = exactly ?? {};
  return { ...(file !== undefined && { file }), ...(line !== undefined && { line }), ...(key !== undefined && { key }) };
}

/** A mistake in the user's machine file, image, script or command line: one line, no stack trace, exit status 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly place: Place;
  /** The message without the place. */
  readonly problem: string;
  constructor(problem: string, place: Place = {}) {
    const where = [place.file && (place.line ? `${place.file}:${place.line}` : place.file), place.key].filter(Boolean).join(": ");
    super(where ? `${where}: ${problem}` : problem);
    this.problem = problem;
    this.place = place;
  }
}

/** Several mistakes of one input, reported together: the message has one line for each. */
export class ConfigErrors extends ConfigError {
  override name = "ConfigErrors";
  constructor(readonly errors: readonly ConfigError[]) {
    super(errors.map((e) => e.message).join("\n"));
  }
}

/** Nothing answers at a physical address. The CPU turns it into a guest trap. */
export class BusFault extends Error {
  override name = "BusFault";
  constructor(readonly paddr: number, readonly access: "read" | "write" | "fetch") {
    super(`${access} of 0x${paddr.toString(16)}: nothing is mapped there`);
  }
}

/** " (did you mean 'x'?)" for the candidate closest to `given`, or "" when none is near (edit distance of at most a third). */
export function didYouMean(given: string, candidates: Iterable<string>): string {
  const best = nearest(given, candidates);
  return best === undefined ? "" : ` (did you mean '${best}'?)`;
}

/** For those who are not type-checked. @throws {ConfigError} an option of `what` has a name that none has. */
export function checkOptions(what: string, given: object, known: readonly string[]): void {
  const odd = Object.keys(given).find((key) => !known.includes(key));
  if (odd !== undefined) {
    throw new ConfigError(
      `${what}: unknown option '${odd}'${didYouMean(odd, known)}; there ${known.length > 1 ? "are" : "is"} ${known.join(", ")}`,
    );
  }
}

/** That candidate. */
export function nearest(given: string, candidates: Iterable<string>): string | undefined {
  if (given === "") return undefined;
  let best: string | undefined, distance = Math.max(2, Math.ceil(given.length / 3)) + 1;
  for (const c of candidates) {
    const d = Math.abs(c.length - given.length) < distance && c !== "" ? editDistance(given, c) : Infinity;
    if (d < distance) [best, distance] = [c, d];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
