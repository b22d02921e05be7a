// Framing of the GDB remote serial protocol: GDB manual (version 13), appendix E.1 "Overview". Bytes are text of code points 0..255.

/** Bytes of the largest packet that is accepted, framing excluded. */
export const PACKET_SIZE = 0x4000;
const INTERRUPT = 0x03, HASH = 0x23, DOLLAR = 0x24, PLUS = 0x2b, MINUS = 0x2d, ESCAPE = 0x7d;

/** What arrives on the line. */
export type PacketEvent = { readonly kind: "packet"; readonly data: string } | { readonly kind: "ack" | "nak" | "interrupt" | "corrupt" };

/** Cuts a byte stream into packets; whatever is between packets is ignored. */
export class PacketReader {
  /** Characters of the packet so far; undefined between packets. */
  #data: string[] | undefined;
  #sum = 0;
  #escaped = false;
  #checksum: string | undefined;

  push(bytes: Uint8Array): PacketEvent[] {
    const events: PacketEvent[] = [];
    for (const b of bytes) {
      const e = this.#byte(b);
      if (e) events.push(e);
    }
    return events;
  }

  #byte(b: number): PacketEvent | undefined {
    if (this.#checksum !== undefined) {
      this.#checksum += String.fromCharCode(b);
      if (this.#checksum.length < 2) return undefined;
      const good = parseInt(this.#checksum, 16) === this.#sum && /^[0-9a-f]{2}$/i.test(this.#checksum), data = this.#data!.join("");
      this.#data = this.#checksum = undefined;
      return good && data.length <= PACKET_SIZE ? { kind: "packet", data } : { kind: "corrupt" };
    }
    if (b === DOLLAR) {
      // A new packet begins, also in the middle of one that was never finished.
      this.#data = [];
      this.#sum = 0;
      this.#escaped = false;
      return undefined;
    }
    if (this.#data === undefined) {
      return b === PLUS ? { kind: "ack" } : b === MINUS ? { kind: "nak" } : b === INTERRUPT ? { kind: "interrupt" } : undefined;
    }
    if (b === HASH) {
      this.#checksum = "";
      return undefined;
    }
    this.#sum = (this.#sum + b) & 0xff;
    if (this.#escaped) b ^= 0x20;
    else if (b === ESCAPE) {
      this.#escaped = true;
      return undefined;
    }
    this.#escaped = false;
    // One too many is kept, so that the whole is refused, and no more.
    if (this.#data.length <= PACKET_SIZE) this.#data.push(String.fromCharCode(b));
    return undefined;
  }
}

/** A packet as it goes over the line. */
export function frame(data: string): Uint8Array<ArrayBuffer> {
  const escaped = data.replace(/[#$}*]/g, (c) => "}" + String.fromCharCode(c.charCodeAt(0) ^ 0x20));
  let sum = 0;
  for (let i = 0; i < escaped.length; i++) sum = (sum + escaped.charCodeAt(i)) & 0xff;
  return latin1(`$${escaped}#${sum.toString(16).padStart(2, "0")}`);
}

/** Code points 0..255 as bytes. */
export const latin1 = (s: string): Uint8Array<ArrayBuffer> => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** Bytes as hex digits. */
export const toHex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

/** Hex digits as bytes; undefined when they are not. */
export function fromHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 || !/^[0-9a-f]*$/i.test(hex)) return undefined;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
