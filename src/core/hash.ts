// A hash that tells states and files apart: two 32-bit lanes of multiply and rotate. Not for secrets.

export class Hash {
  #a = 0x9e37_79b9 | 0;
  #b = 0x85eb_ca6b | 0;
  word(w: number): void {
    this.#a = Math.imul(this.#a ^ w, 0x0100_0193);
    this.#a = (this.#a << 13) | (this.#a >>> 19);
    this.#b = Math.imul(this.#b + w, 0xc2b2_ae35 | 0) ^ this.#a;
  }
  /** Bytes, with how many they are. */
  bytes(bytes: Uint8Array): void {
    const whole = bytes.length >> 2, aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, whole);
    for (let i = 0; i < whole; i++) this.word(words[i]);
    for (let i = 4 * whole; i < bytes.length; i++) this.word(bytes[i]);
    this.word(bytes.length);
  }
  /** 16 digits. */
  hex(): string {
    return [this.#a, this.#b].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
