# The entry of cases.c: a stack for the first hart, which alone goes on. a0 is the hart, a1 the device tree.
.section .text.entry
.globl _start
_start:
    bnez a0, 1f
    la sp, stack_top
    call main
1:  wfi
    j 1b
