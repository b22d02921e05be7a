// The way into and out of the system guest's kernel: all registers, as every small kernel does it.
// A frame is 32 words: word n is register n, word 0 the program counter. sscratch holds the frame of the running process.
#if __riscv_xlen == 64
#define LOAD ld
#define STORE sd
#else
#define LOAD lw
#define STORE sw
#endif
#define WORD (__riscv_xlen / 8)

    .text
    .balign 4
    .globl trap_entry, resume
trap_entry:
    csrrw sp, sscratch, sp
    STORE ra, WORD(sp)
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    STORE x\n, (\n * WORD)(sp)
    .endr
    csrr t0, sscratch
    STORE t0, (2 * WORD)(sp)
    csrr t0, sepc
    STORE t0, 0(sp)
    mv a0, sp
    la sp, stack_top
    call handle             // returns the frame to go on with
resume:
    mv sp, a0
    csrw sscratch, sp
    LOAD t0, 0(sp)
    csrw sepc, t0
    LOAD ra, WORD(sp)
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    LOAD x\n, (\n * WORD)(sp)
    .endr
    LOAD sp, (2 * WORD)(sp)
    sret
