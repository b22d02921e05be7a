# The entry of cases.c: a stack for the first hart, which alone goes on.
.section .text.entry
.globl _start
_start:
    csrr t0, mhartid
    bnez t0, 1f
    la sp, stack_top
    call main
1:  wfi
    j 1b
