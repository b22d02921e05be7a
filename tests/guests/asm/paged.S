# Entry and trap vector of paged.c.
#if __riscv_xlen == 64
#define STORE sd
#define LOAD ld
#else
#define STORE sw
#define LOAD lw
#endif
#define WORD __riscv_xlen / 8

    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid
9:  bnez t0, 9b             # every hart starts here; one does the work
    la sp, stack_top
    csrw mscratch, sp
    la t0, trap
    csrw mtvec, t0
    mv a0, a1               # the device tree
    call main

    .macro all operation
    .set n, 1
    .irp r, ra, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5, a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6
    \operation \r, n * WORD(sp)
    .set n, n + 1
    .endr
    .endm

# Everything but the stack pointer, which is in mscratch meanwhile, is kept on the kernel's stack.
    .text
    .align 2
trap:
    csrrw sp, mscratch, sp
    addi sp, sp, -32 * WORD
    all STORE
    mv a0, sp
    call handle
    all LOAD
    addi sp, sp, 32 * WORD
    csrrw sp, mscratch, sp
    mret

# enter(code, stack, argument): to user mode.
    .globl enter
enter:
    csrw mepc, a0
    mv sp, a1
    mv a0, a2
    mret

    .bss
    .align 12
    .skip 8192
    .globl stack_top
stack_top:
