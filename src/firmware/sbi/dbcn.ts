// Debug console. Source: SBI specification 3.0, chapter 12. A call that writes may be partial (12.1): it takes 128 KiB at most, so that a length
// beyond all reason does not hold up the host.
import { ERR, fail, ok, type SbiArguments, type SbiExtension, type SbiHost, type SbiResult } from "./host.ts";

/** Memory is looked at in pieces, so that an absurd length costs nothing. */
const PIECE = 0x1_0000n;
/** Bytes that one call writes at most. */
const MOST = 0x2_0000n;

/** The range of a call, or undefined when a part of it is not memory. The high half of the address counts. */
function range({ host, a }: SbiArguments): { from: bigint; length: bigint } | undefined {
  const length = a[0], low = a[1], high = a[2];
  const from = high << BigInt(host.xlen) | low;
  for (let done = 0n; done < length; done += PIECE) {
    if (!host.readBytes(from + done, Number(min(length - done, PIECE)))) return undefined;
  }
  return { from, length };
}

function write(c: SbiArguments): SbiResult {
  const memory = range(c);
  if (!memory) return fail(ERR.INVALID_PARAM);
  const length = min(memory.length, MOST);
  if (length > 0n) { for (const byte of c.host.readBytes(memory.from, Number(length))!) c.host.console.write(byte); }
  return ok(length);
}

function read(c: SbiArguments): SbiResult {
  const memory = range(c);
  if (!memory) return fail(ERR.INVALID_PARAM);
  const length = Number(min(memory.length, PIECE));
  // No byte may be taken from the console that cannot be stored. Nothing can be stored anywhere.
  if (length > 0 && !writable(c.host, memory.from, length)) return fail(ERR.INVALID_PARAM);
  const bytes: number[] = [];
  while (bytes.length < length) {
    const byte = c.host.console.read();
    if (byte < 0) break;
    bytes.push(byte);
  }
  if (bytes.length) c.host.writeBytes(memory.from, Uint8Array.from(bytes));
  return ok(BigInt(bytes.length));
}

/** Tries by storing what is there already. */
const writable = (host: SbiHost, from: bigint, length: number) => host.writeBytes(from, host.readBytes(from, length)!);
const min = (x: bigint, y: bigint) => x < y ? x : y;

export const dbcn: SbiExtension = {
  name: "dbcn",
  eid: 0x4442_434en,
  functions: [
    { name: "console_write", call: write },
    { name: "console_read", call: read },
    {
      name: "console_write_byte",
      call: ({ host, a }) => {
        host.console.write(Number(a[0] & 0xffn));
        return ok();
      },
    },
  ],
};
