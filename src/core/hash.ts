// A hash that tells states and files apart: two 32-bit lanes of multiply and rotate. Not for secrets.

export class Hash {
  #a = 0x9e37_79b9 | 0;
  #b = 0x85eb_ca6b | 0;
  word(w: number): void {
    this.#a = Math.imul(this.#a ^ w, 0x0100_0193);
    this.#a = (this.#a << 13) | (this.#a >>> 19);
    this.#b = Math.imul(this.#b + w, 0xc2b2_ae35 | 0) ^ this.#a;
  }
  /** Bytes, with how many they are: four lanes that do not wait for each other, in a third of the time. */
  bytes(bytes: Uint8Array): void {
    const whole = bytes.length >> 2, aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, whole);
    let a = 1, b = 2, c = 3, d = 4, i = 0;
    for (; i + 4 <= whole; i += 4) {
      a = Math.imul(a ^ words[i], 0x85eb_ca6b | 0);
      b = Math.imul(b ^ words[i + 1], 0xc2b2_ae35 | 0);
      c = Math.imul(c ^ words[i + 2], 0x27d4_eb2f);
      d = Math.imul(d ^ words[i + 3], 0x1656_67b1);
      a ^= a >>> 15;
      b ^= b >>> 15;
      c ^= c >>> 15;
      d ^= d >>> 15;
    }
    for (const lane of [a, b, c, d]) this.word(lane);
    for (; i < whole; i++) this.word(words[i]);
    for (let at = 4 * whole; at < bytes.length; at++) this.word(bytes[at]);
    this.word(bytes.length);
  }
  /** 16 digits. */
  hex(): string {
    return [this.#a, this.#b].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
