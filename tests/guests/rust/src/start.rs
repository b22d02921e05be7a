//! The first instructions: zero `.bss`, set the stack, call `main(hart, device_tree)`. Without firmware every hart comes here at once: all but
//! hart 0 sleep for good.

use core::arch::global_asm;

global_asm!(
    ".section .text.entry.machine, \"ax\"",
    ".globl machine_start",
    "machine_start:",
    "    csrr t0, mhartid",
    "    beqz t0, 2f",
    "1:  wfi",
    "    j 1b",
    "2:  j _start",
    ".section .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "    la sp, stack_top",
    "    la t0, bss_start",
    "    la t1, bss_end",
    "1:  bgeu t0, t1, 2f",
    "    sw zero, 0(t0)",
    "    addi t0, t0, 4",
    "    j 1b",
    "2:  call main",
    "3:  wfi",
    "    j 3b",
    ".previous"
);
