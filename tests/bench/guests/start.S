# Entry of the benchmark: floating point on, a stack, main, power off.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid
9:  bnez t0, 9b             # every hart starts here; one does the work
    li t0, 0x6000           # mstatus.FS = dirty
    csrs mstatus, t0
    la sp, stack_top
    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:  call main
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
3:  j 3b
