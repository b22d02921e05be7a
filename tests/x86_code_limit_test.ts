// Code that runs on to the limit of its segment: every instruction with a byte beyond it is #GP(0), those in front of it have run, and nothing of
// what lies behind is fetched (Intel SDM volume 3A, 253668-083, 5.3 and table 6-2). Both engines, with the same code under many limits in turn.
import { assertEquals } from "@std/assert";
import { CS } from "../src/x86/segments.ts";
import { HANDLERS, Lab, type Mode, PAGES_AT } from "./x86/lab.ts";

/** Behind the handlers, which real mode reaches with the same limit. */
const AT = 0x3000;
const le = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => value >>> 8 * i & 0xff);
/** Each adds 1 to eAX: of 1 to 7 bytes, an undefined one and a prefix too many at the end. The last of them is never reached but by mistake. */
const line = (mode: Mode): number[][] => {
  const wide = mode === "32";
  return [
    [0x40],
    [0x83, 0xc0, 1],
    [0x05, ...le(1, wide ? 4 : 2)],
    [0x66, 0x40],
    [0x81, 0xc0, ...le(1, wide ? 4 : 2)],
    [0x66, 0x81, 0xc0, ...le(1, wide ? 2 : 4)],
    [0x83, 0xc0, 1],
    [0x40],
  ];
};

for (const engine of ["interp", "jit"] as const) {
  Deno.test(`x86, ${engine}: code that runs on beyond the limit of CS`, async () => {
    let lab = await Lab.make(engine), runs = 0;
    const wrong: string[] = [];
    for (const mode of ["real", "v86", "16", "32"] as const) {
      for (const base of mode === "32" || mode === "16" ? [0, 0x40] : [0]) {
        const parts = line(mode), bytes = parts.flat();
        // mov edx, 40; loop: dec edx; jnz loop: what follows is met again and again, with other limits each time.
        const head = [...(mode === "32" ? [] : [0x66]), 0xba, ...le(40, 4), 0x4a, 0x75, 0xfd];
        lab.prepare(mode, mode === "v86" ? 3 : 0);
        lab.machine.bus.writeBytes(AT, Uint8Array.from([...head, ...bytes, 0x0f, 0x0b]));
        const begin = lab.cpu.save(), first = AT + head.length;
        for (const round of [0, 1]) {
          for (let n = -1; n < bytes.length; n++) {
            const last = first + (round ? bytes.length - 2 - n : n);
            lab.cpu.load(begin);
            lab.cpu.segments.set(CS, lab.cpu.segments.selector(CS), base, 0, last - base, lab.cpu.segments.attr[CS]);
            lab.cpu.derived.reload();
            lab.cpu.setReg("rdi", 0n);
            lab.cpu.setReg("rax", 0n);
            lab.cpu.segments.setEip(AT - base, 0);
            let at = first, wanted = 0;
            for (const part of parts) {
              if ((at += part.length) > last + 1) {
                at -= part.length;
                break;
              }
              wanted++;
            }
            lab.machine.run(lab.machine.clock.ticks + 1 + 2 * 40 + wanted + 1);
            runs++;
            if (wanted === parts.length) continue;
            const { cpu } = lab,
              word = mode === "v86" ? 4 : lab.word,
              sp = Number(cpu.reg("rsp")),
              frame = sp + (mode === "real" ? 0 : word);
            const half = (at: number) => lab.read(at) & 0xffff, low = wanted.toString(2).replaceAll("0", "").length;
            // Of the last addition, or of the loop's end: ZF and PF.
            const flags = (wanted === 0 ? 0x40 : 0) | (low & 1 ? 0 : 4);
            const seen = [
              Number(cpu.reg("rip")) - HANDLERS >> 4,
              mode === "real" ? 0 : half(sp),
              half(frame),
              half(frame + 2 * word) & 0xd5,
              Number(cpu.reg("rax") & 0xffffn),
            ];
            const expected = [13, 0, at - base, flags, wanted];
            if (`${seen}` !== `${expected}`) {
              wrong.push(`${mode}, base ${base}, limit ${last - first} bytes into the line: ${seen}, not ${expected}`);
            }
            if (lab.machine.stopped) lab = await Lab.make(engine);
          }
        }
      }
    }
    assertEquals(wrong, []);
    assertEquals(runs > 200, true);
  });

  Deno.test(`x86, ${engine}: what lies behind the limit of CS is not fetched`, async () => {
    const lab = await Lab.make(engine), { cpu, machine: { bus } } = lab, END = 0x20_0000, wrong: string[] = [];
    // nop; nop; nop; inc eax, the last one behind a page's end; and nop; add eax, 1 across it. Where the fault is, or 0; CR2; EAX.
    const rows: readonly (readonly [limit: number, code: "apart" | "across", present: string, absent: string])[] = [
      [0xffd, "apart", "13 at ffe, 1, 0", "13 at ffe, 1, 0"],
      [0xffd, "across", "13 at ffe, 1, 0", "13 at ffe, 1, 0"],
      [0xffe, "apart", "13 at fff, 1, 0", "13 at fff, 1, 0"],
      [0xffe, "across", "13 at ffe, 1, 0", "13 at ffe, 1, 0"],
      [0xfff, "apart", "13 at 1000, 1, 0", "13 at 1000, 1, 0"],
      [0xfff, "across", "13 at ffe, 1, 0", "13 at ffe, 1, 0"],
      [0x1000, "apart", "none, 1, 1", "14 at 1000, 7000, 0"],
      [0x1000, "across", "13 at 1001, 1, 1", "14 at ffe, 7000, 0"],
      [0x1fff, "apart", "none, 1, 1", "14 at 1000, 7000, 0"],
      [0x1fff, "across", "none, 1, 3", "14 at ffe, 7000, 0"],
    ];
    const run = (codeBase: number, limit: number, code: readonly number[], ticks: number) => {
      bus.writeBytes(codeBase + 0xffd, Uint8Array.from(code));
      cpu.segments.set(CS, cpu.segments.selector(CS), codeBase, 0, limit, cpu.segments.attr[CS]);
      cpu.derived.reload();
      cpu.setReg("rax", 0n);
      cpu.setReg("cr2", 1n);
      cpu.segments.setEip(0xffd, 0);
      lab.machine.run(lab.machine.clock.ticks + ticks);
      const vector = Number(cpu.reg("rip")) - HANDLERS >> 4;
      return vector >= 0 && vector < 32 ? `${vector} at ${lab.read(Number(cpu.reg("rsp")) + 4).toString(16)}` : "none";
    };
    for (const [limit, code, ...outcomes] of rows) {
      for (const absent of [0, 1]) {
        lab.prepare("32", 0);
        bus.write(PAGES_AT, 4, PAGES_AT + 0x1007);
        for (let n = 0; n < 0x100; n++) bus.write(PAGES_AT + 0x1000 + 4 * n, 4, absent && n === 7 ? 0 : n << 12 | 7);
        cpu.s.cr0 |= 0x8000_0000;
        const fault = run(0x6000, limit, [0x90, ...(code === "apart" ? [0x90, 0x90] : [0x83, 0xc0, 0x01]), 0x40, 0x40], 4);
        const seen = `${fault}, ${cpu.reg("cr2").toString(16)}, ${cpu.reg("rax")}`;
        if (seen !== outcomes[absent]) wrong.push(`${code}, limit ${limit.toString(16)}: ${seen}, not ${outcomes[absent]}`);
      }
    }
    // No memory behind: all ones are #UD, unless the limit is in front of them.
    for (const [limit, vector] of [[0xfff, "13"], [0x1000, "6"]] as const) {
      lab.prepare("32", 0);
      const [seen] = run(END - 0x1000, limit, [0x90, 0x90, 0x90], 4).split(" ");
      if (seen !== vector) wrong.push(`no memory, limit ${limit.toString(16)}: ${seen}, not ${vector}`);
    }
    assertEquals(wrong, []);
  });
}
