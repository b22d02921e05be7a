// Bytes of debugging information, one value after the other. DWARF Debugging Information Format, version 5 (2017), 7.6 (LEB128), 7.4 (32 and 64 bits).

export class DwarfReader {
  readonly #view: DataView;
  constructor(readonly bytes: Uint8Array, public at = 0, public end: number = bytes.length) {
    if (!Number.isSafeInteger(at) || at < 0) throw new RangeError("no place in the data");
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.end;
  }
  /** @throws {RangeError} so do all that follow: the data ends before. */
  u8(): number {
    return this.#view.getUint8(this.at++);
  }
  i8(): number {
    return this.#view.getInt8(this.at++);
  }
  u16(): number {
    return this.#view.getUint16((this.at += 2) - 2, true);
  }
  i16(): number {
    return this.#view.getInt16((this.at += 2) - 2, true);
  }
  u24(): number {
    return this.u16() | this.u8() << 16;
  }
  u32(): number {
    return this.#view.getUint32((this.at += 4) - 4, true);
  }
  i32(): number {
    return this.#view.getInt32((this.at += 4) - 4, true);
  }
  u64(): bigint {
    return this.#view.getBigUint64((this.at += 8) - 8, true);
  }
  /** An unsigned value of 1, 2, 4 or 8 bytes. */
  word(bytes: number): bigint {
    return bytes === 8 ? this.u64() : BigInt(bytes === 4 ? this.u32() : bytes === 2 ? this.u16() : this.u8());
  }
  /** An offset: of 4 bytes, or of 8 in the 64-bit format. */
  offset(wide: boolean): number {
    return wide ? Number(this.u64()) : this.u32();
  }
  /** The length of a unit, and whether it is in the 64-bit format. */
  length(): { readonly length: number; readonly wide: boolean } {
    const length = this.u32();
    return length === 0xffff_ffff ? { length: Number(this.u64()), wide: true } : { length, wide: false };
  }
  /** Numbers beyond 2^53 lose their lowest bits: none that is used is that large. */
  uleb(): number {
    let value = 0, scale = 1;
    while (scale < LARGEST) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new RangeError("a number of more than 70 bits");
  }
  sleb(): number {
    let value = 0, scale = 1;
    while (scale < LARGEST) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return byte & 0x40 ? value - scale : value;
    }
    throw new RangeError("a number of more than 70 bits");
  }
  /** Text up to a 0. */
  text(): string {
    const from = this.at, zero = this.bytes.indexOf(0, from);
    if (zero < 0) throw new RangeError("the text has no end");
    this.at = zero + 1;
    return decoder.decode(this.bytes.subarray(from, zero));
  }
  skip(bytes: number): void {
    this.at += bytes;
  }
  /** The next bytes as a reader of their own. */
  piece(bytes: number): DwarfReader {
    if (bytes < 0 || this.at + bytes > this.bytes.length) throw new RangeError("the piece ends behind the data");
    const piece = new DwarfReader(this.bytes, this.at, this.at + bytes);
    this.at += bytes;
    return piece;
  }
}
const decoder = new TextDecoder(), LARGEST = 2 ** 70;

/** Text at an offset of a section of texts; "" when there is none. */
export const textAt = (strings: Uint8Array | undefined, at: number): string => {
  if (!strings || at >= strings.length) return "";
  const zero = strings.indexOf(0, at);
  return decoder.decode(strings.subarray(at, zero < 0 ? strings.length : zero));
};
