// Device types and what they need, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
import "../devices/virtio_mmio.ts";
import "../devices/virtio/memory.ts";
import "../devices/virtio/queue.ts";
import "../devices/virtio/packed.ts";
import "../devices/virtio/split.ts";
import "../devices/virtio/device.ts";
import "../devices/virtio/mmio.ts";
export { default as blk } from "../devices/virtio/blk.ts";
export { default as console } from "../devices/virtio/console.ts";
export { default as keyboard } from "../devices/virtio/keyboard.ts";
export { default as rng } from "../devices/virtio/rng.ts";
