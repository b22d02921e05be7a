// PVH kernels: an ELF file with a note that names its 32-bit entry.
// Source: Xen's PVH boot ABI (docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h, 4.16).
import type { Boot, BootEntry } from "./boot.ts";

const NOTE_SEGMENT = 4, PVH_NOTE = 18, START_INFO = 0x336e_c578;

/** Entry of the PVH note (owner "Xen", type 18): a physical address of 32 or 64 bits; undefined when the ELF file has none. */
export function pvhEntry(file: Uint8Array): number | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), w = file[4] === 2;
  if (file.length < 64) return undefined;
  const phoff = w ? Number(view.getBigUint64(32, true)) : view.getUint32(28, true);
  const size = view.getUint16(w ? 54 : 42, true), count = view.getUint16(w ? 56 : 44, true);
  for (let i = 0; i < count; i++) {
    const p = phoff + i * size;
    if (p + (w ? 56 : 32) > file.length || view.getUint32(p, true) !== NOTE_SEGMENT) continue;
    const offset = w ? Number(view.getBigUint64(p + 8, true)) : view.getUint32(p + 4, true);
    const length = w ? Number(view.getBigUint64(p + 32, true)) : view.getUint32(p + 16, true);
    for (let at = offset; at + 12 <= Math.min(offset + length, file.length);) {
      const nameSize = view.getUint32(at, true), descSize = view.getUint32(at + 4, true), type = view.getUint32(at + 8, true);
      const desc = at + 12 + Math.ceil(nameSize / 4) * 4;
      const owner = new TextDecoder("latin1").decode(file.subarray(at + 12, at + 15));
      if (type === PVH_NOTE && owner === "Xen" && desc + Math.max(4, descSize) <= file.length) {
        return descSize >= 8 ? Number(view.getBigUint64(desc, true)) : view.getUint32(desc, true);
      }
      at = desc + Math.ceil(descSize / 4) * 4;
    }
  }
  return undefined;
}

/** hvm_start_info of version 1. */
export function tellPvh(boot: Boot): BootEntry {
  const { table, map } = boot, { view } = table, info = table.reserve(56), entries = table.reserve(24 * map.length);
  const set64 = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(info, START_INFO, true);
  view.setUint32(info + 4, 1, true);
  const [initrd] = boot.modules;
  if (initrd) {
    const module = table.reserve(32);
    set64(module, boot.placeHigh(initrd.bytes));
    set64(module + 8, initrd.bytes.length);
    view.setUint32(info + 12, 1, true);
    set64(info + 16, table.base + module);
  }
  set64(info + 24, table.text(boot.cmdline));
  set64(info + 32, boot.rsdp ?? 0);
  set64(info + 40, table.base + entries);
  view.setUint32(info + 48, map.length, true);
  for (const [i, e] of map.entries()) {
    set64(entries + 24 * i, e.base);
    set64(entries + 24 * i + 8, e.length);
    view.setUint32(entries + 24 * i + 16, e.type, true);
  }
  return { registers: { rax: 0, rbx: table.base + info } };
}
