// A source of entropy, whose bytes follow from a seed: the same on every run.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 5.4. The generator is xoshiro128** (Blackman and Vigna, 2018).
import { defineDevice } from "../../core/device.ts";
import { int } from "../../core/schema.ts";
import { SLOT_KEYS } from "../virtio_mmio.ts";
import type { Model, VirtioDevice } from "./device.ts";
import { SLOT_TYPE, virtioDevice } from "./mmio.ts";

const keys = { ...SLOT_KEYS, seed: int("what the bytes are made from", { default: 0, max: 0xffff_ffff }) };

export default defineDevice({
  type: "virtio.rng",
  doc: "A virtio source of random bytes, the same ones on every run.",
  spec: "Virtual I/O Device (VIRTIO) Version 1.2, 5.4",
  keys,
  ...SLOT_TYPE,
  create: (env, config, ports) => virtioDevice(env, config, ports, (device) => new Rng(device, config.seed)),
});

const ENTRIES = 8;
/** Bytes of one request: a buffer need not be filled (5.4.6.2), and one may be as large as memory. */
const MOST = 0x1_0000;

/** Four words that follow from a seed (splitmix32), not all of them 0. */
function powerOn(seed: number) {
  const words: number[] = [];
  for (let state = seed; words.length < 4;) {
    let x = state = (state + 0x9e37_79b9) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
    words.push((x ^ (x >>> 15)) >>> 0);
  }
  return { words };
}
const rotl = (x: number, n: number) => x << n | x >>> (32 - n);

export class Rng implements Model<ReturnType<typeof powerOn>> {
  state: ReturnType<typeof powerOn>;
  readonly deviceId = 4;
  readonly features = 0;
  readonly queues = [ENTRIES];
  readonly config = new Uint8Array();

  constructor(readonly device: VirtioDevice, readonly seed: number) {
    this.state = powerOn(seed);
  }
  reset(byDriver: boolean): void {
    if (!byDriver) this.state = powerOn(this.seed);
  }

  serve(queue: number): boolean {
    const { device } = this;
    device.each(queue, (chain) => {
      const bytes = this.#bytes(Math.min(chain.inBytes, MOST));
      device.writeIn(chain, 0, bytes);
      return bytes.length;
    });
    return device.budget < 0;
  }

  #bytes(length: number): Uint8Array {
    const { words } = this.state, out = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const next = Math.imul(rotl(Math.imul(words[1], 5), 7), 9), shifted = words[1] << 9;
      words[2] ^= words[0];
      words[3] ^= words[1];
      words[1] ^= words[2];
      words[0] ^= words[3];
      words[2] ^= shifted;
      words[3] = rotl(words[3], 11);
      for (let i = 0; i < 4 && at + i < length; i++) out[at + i] = next >>> 8 * i;
    }
    return out;
  }
}
