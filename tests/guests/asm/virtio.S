# M-mode, first hart only; interrupts are not taken: they end wfi.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid
    bnez t0, 1f              # one hart does the work
    la sp, stack_top
    la t0, 1f
    csrw mtvec, t0
    call main
1:  wfi
    j 1b

    .section .bss
    .align 4
    .space 8192
stack_top:
