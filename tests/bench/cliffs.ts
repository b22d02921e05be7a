// One row for each slow path: a loop around one thing that compilers and kernels do now and then. They are data: what comes in front of the
// loop, what is in it, and how often; nasm and riscv64-unknown-elf-gcc make a guest of each when it is measured. `--only cliffs` runs them.
import { join } from "@std/path";
import { bringup, path, qemu, type Row } from "./row.ts";

/** Millions of turns, the body, and what comes before the loop. Lines are separated by semicolons. */
type Cliff = readonly [millions: number, body: string, setup?: string];

/** In 64-bit mode at privilege 0; rsi is the start of two pages of data, behind which there is none; r14: see guests/x86/cliff.asm. */
const X86: Readonly<Record<string, Cliff>> = {
  "nothing": [200, ""],
  "load across pages": [20, "mov rax, [rsi + 4092]"],
  "store across pages": [20, "mov [rsi + 4092], rax"],
  "locked addition across pages": [5, "lock add [rsi + 4094], eax"],
  "16 bytes across pages": [10, "movdqu xmm0, [rsi + 4090]"],
  "store beside code": [20, "mov [rel next + 64], eax"],
  "store into the code's page": [20, "mov [rel next + 1024], eax"],
  "RCL by 3, RCR by 3": [5, "rcl rax, 3; rcr rax, 3"],
  "shift whose flags are read": [20, "shl eax, cl; setc dl", "mov ecx, 3"],
  "LAHF": [20, "add eax, 1; lahf"],
  "PUSHF and POPF": [5, "pushfq; popfq"],
  "REP STOSB of 4": [10, "mov edi, esi; mov ecx, 4; rep stosb"],
  "REP MOVSB of 4": [10, "lea edi, [rsi + 64]; mov r8d, esi; mov ecx, 4; rep movsb; mov esi, r8d"],
  "SCASB": [20, "mov edi, esi; scasb"],
  "CMPSB": [20, "mov edi, esi; cmpsb; mov esi, DATA"],
  "CPUID": [2, "xor eax, eax; cpuid"],
  "MOV from CR0": [10, "mov rax, cr0"],
  "CLTS": [10, "clts"],
  "RDMSR": [5, "rdmsr", "mov ecx, 0xc0000102"],
  "WRMSR": [5, "wrmsr", "mov ecx, 0xc0000102; xor eax, eax; xor edx, edx"],
  "RDTSC": [20, "rdtsc"],
  "IRETQ": [5, "mov rax, rsp; push 16; push rax; pushfq; push CODE64; push next; iretq"],
  "far return": [5, "push CODE64; push next; retfq"],
  "segment load": [5, "mov ds, eax", "mov eax, 16"],
  "INT3": [2, "int3"],
  "INT n": [2, "int 0x40"],
  "#UD": [2, "ud2", "mov r14d, 2"],
  "#DE": [2, "div ecx", "xor ecx, ecx; mov r14d, 2"],
  "#PF": [2, "mov eax, [rsi + 8192]", "mov r14d, 6"],
  "x87: addition": [5, "fadd st1", "fldpi; fld1"],
  "x87: multiplication": [5, "fmul st1", "fld1; fldpi"],
  "x87: load and store of doubles": [5, "fld qword [rsi]; fstp qword [rsi + 8]"],
  "x87: load and store of integers": [5, "fild dword [rsi]; fistp dword [rsi + 8]"],
  "x87: sine": [0.5, "fld qword [rel half]; fsin; fstp st0"],
  "LDMXCSR": [5, "ldmxcsr [rel nearest]"],
  "SSE: rounding up": [5, "movsd xmm0, [rel third]; mulsd xmm0, xmm0", "ldmxcsr [rel up]"],
  "SSE: exact sums, no flag yet": [5, "addsd xmm0, xmm1", "ldmxcsr [rel nearest]; movsd xmm1, [rel half]; movapd xmm0, xmm1"],
  "SSE: subnormals": [5, "movsd xmm0, [rel tiny]; addsd xmm0, xmm0"],
  "MUL of 64 bits": [50, "mul rcx", "mov rcx, 0x123456789abcdef"],
  "CMPXCHG16B": [5, "cmpxchg16b [rsi]"],
  "FXSAVE": [2, "fxsave [rsi]"],
  "UART: status by IN": [10, "in al, dx", "mov edx, 0x3fd"],
  "PIT: latch and read": [3, "xor eax, eax; out 0x43, al; in al, 0x40; in al, 0x40"],
  "port 61h": [10, "in al, 0x61"],
  "ACPI timer": [
    10,
    "in eax, dx",
    "mov edx, 0xcf8; mov eax, 0x80000b40; out dx, eax; mov edx, 0xcfc; mov eax, 0xb001; out dx, eax; mov edx, 0xcf8; mov eax, 0x80000b80; out dx, eax; mov edx, 0xcfc; mov eax, 1; out dx, eax; mov edx, 0xb008",
  ],
  "local APIC: read": [10, "mov eax, [r12 + 0x80]"],
  "local APIC: read of the timer": [
    10,
    "mov eax, [r12 + 0x390]",
    "mov dword [r12 + 0x3e0], 11; mov dword [r12 + 0x380], -1",
  ],
  "local APIC: write": [10, "mov [r12 + 0x80], ebx"],
  "local APIC: interrupt to itself": [
    1,
    "mov dword [r12 + 0x300], 0x44040; nop",
    "mov eax, eoi; mov [idt + 16 * 0x40], ax; shr eax, 16; mov [idt + 16 * 0x40 + 6], ax; sti",
  ],
  "HPET: read": [10, "mov eax, [r13 + 0xf0]", "mov dword [r13 + 0x10], 1"],
};

/** In M-mode, without compressed instructions; s0 is the start of two pages of data, s2 the UART, s3 the CLINT, s4 the PLIC's claim. */
const RISCV: Readonly<Record<string, Cliff>> = {
  "nothing": [200, ""],
  "load across pages": [20, "ld t0, 0(t1)", "li t1, 4092; add t1, t1, s0"],
  "store across pages": [20, "sd t0, 0(t1)", "li t1, 4092; add t1, t1, s0"],
  "store beside code": [20, "sw t0, 0(t1)", "la t1, trap - 4"],
  "FADD": [50, "fadd.d fa3, fa0, fa1"],
  "FADD, exact, fcsr cleared": [10, "csrw fcsr, zero; fadd.d fa3, fa1, fa1"],
  "FADD, inexact, fcsr cleared": [10, "csrw fcsr, zero; fadd.d fa3, fa0, fa1"],
  "FADD rounding up, static": [5, "fadd.d fa3, fa0, fa1, rup"],
  "FADD rounding up, by frm": [5, "fadd.d fa3, fa0, fa1", "fsrmi 3"],
  "FADD of subnormals": [5, "fadd.d fa3, fa2, fa2"],
  "FDIV": [20, "fdiv.d fa3, fa0, fa1"],
  "FCVT to integer": [20, "fcvt.l.d t0, fa1, rtz"],
  "MULH": [50, "mulh t0, t1, t1", "li t1, 0x123456789abcdef"],
  "DIV": [50, "div t0, t1, s1", "li t1, 0x123456789abcdef"],
  "AMOADD": [50, "amoadd.d t0, t1, (s0)"],
  "LR and SC": [20, "lr.d t0, (s0); sc.d t1, t0, (s0)"],
  "read of mcycle": [20, "csrr t0, mcycle"],
  "write of mscratch": [20, "csrw mscratch, t0"],
  "ECALL": [5, "ecall"],
  "illegal instruction": [5, ".word 0"],
  "software interrupt": [2, "li t0, 1; sw t0, 0(s3); nop", "csrwi mie, 8; csrsi mstatus, 8"],
  "FENCE.I": [5, "fence.i"],
  "UART: status": [10, "lbu t0, 5(s2)"],
  "PLIC: claim": [10, "lw t0, 0(s4)"],
  "CLINT: mtime": [10, "ld t0, 0(t1)", "li t1, 0x200bff8"],
  "CLINT: write": [10, "sw zero, 0(s3)"],
};

const GUESTS = path("tests/bench/guests"), BUILT = path("cache/bench/cliffs");
const QEMU = ["-display", "none", "-serial", "none"];

/** Puts a row's parts into its template. */
function source(template: string, [, body, setup = ""]: Cliff, count: number): string {
  const lines = (text: string) => text.split(";").map((line) => line.trim()).join("\n  ");
  return template.replace(/^ {2}SETUP$/m, () => `  ${lines(setup)}`).replace(/^ {2}BODY$/m, () => `  ${lines(body)}`).replace(
    /\bCOUNT$/m,
    String(count),
  );
}

async function build(
  template: string,
  file: string,
  row: Cliff,
  count: number,
  command: (from: string) => [string, string[]],
): Promise<void> {
  await Deno.mkdir(BUILT, { recursive: true });
  const extension = template.endsWith(".asm") ? ".asm" : ".S", from = file + extension;
  await Deno.writeTextFile(from, source(await Deno.readTextFile(join(GUESTS, template)), row, count));
  const [program, args] = command(from);
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${from} was not assembled: ${new TextDecoder().decode(stderr)}`);
}

/** `scale` makes counts of counts. */
export function cliffRows(scale: (n: number) => number): Row[] {
  const rows = (
    table: Readonly<Record<string, Cliff>>,
    make: (name: string, row: Cliff, count: number, file: string) => Partial<Row>,
  ): Row[] =>
    Object.entries(table).map(([name, row]) => {
      const count = scale(row[0] * 1e6), file = join(BUILT, name.replaceAll(/[^A-Za-z0-9]+/g, "_"));
      return { name, measures: "time", apart: true, ...make(name, row, count, file) } as Row;
    });
  return [
    ...rows(X86, (_, row, count, file) => ({
      group: "cliffs, x86-64",
      prepare: () => build("x86/cliff.asm", `${file}_x86`, row, count, (from) => ["nasm", ["-f", "bin", "-o", `${file}_x86.bin`, from]]),
      ours: bringup([path("machines/pc.toml"), `${file}_x86.bin`]),
      other: qemu("x86_64", [...QEMU, "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", `${file}_x86.bin`]),
    })),
    ...rows(RISCV, (_, row, count, file) => ({
      group: "cliffs, RV64",
      prepare: () =>
        build("cliff.S", file, row, count, (from) => [
          "riscv64-unknown-elf-gcc",
          ["-nostdlib", "-nostartfiles", "-march=rv64gc", "-mabi=lp64d", "-Ttext=0x80000000", "-o", `${file}.elf`, from],
        ]),
      ours: bringup([path("machines/virt.toml"), `${file}.elf`, "--set", "firmware.sbi=none"]),
      other: qemu("riscv64", ["-M", "virt", ...QEMU, "-bios", `${file}.elf`]),
    })),
  ];
}
