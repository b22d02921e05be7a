# Entry of stack_bss.c: a stack, a zeroed .bss, main.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid
9:  bnez t0, 9b             # every hart starts here; one does the work
    la sp, stack_top
    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sb zero, 0(t0)
    addi t0, t0, 1
    j 1b
2:  call main
3:  j 3b
