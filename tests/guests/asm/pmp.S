# Entry, trap vector and the leaps to user mode of pmp.c.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid
9:  bnez t0, 9b             # every hart starts here; one does the work
    la sp, stack_top
    la t0, trap
    csrw mtvec, t0
    call main
3:  j 3b

#if __riscv_xlen == 64
#define STORE sd
#define LOAD ld
#else
#define STORE sw
#define LOAD lw
#endif
#define SAVED 14 * __riscv_xlen / 8

# A trap ends the call of `attempt` or `run_user` that is under way: back to M-mode behind it, with the cause + 1.
    .text
    .align 2
trap:
    csrr t0, mepc
    la t1, trap_pc
    STORE t0, 0(t1)
    csrr t0, mtval
    la t1, trap_value
    STORE t0, 0(t1)
    li t0, 3 << 11 | 1 << 17    # MPP, MPRV
    csrc mstatus, t0
    li t0, 3 << 11
    csrs mstatus, t0
    csrr a0, mcause
    addi a0, a0, 1
    la t0, resume
    csrw mepc, t0
    mret

    .macro save
    addi sp, sp, -SAVED
    .set n, 0
    .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    STORE \r, n(sp)
    .set n, n + __riscv_xlen / 8
    .endr
    la t0, frame
    STORE sp, 0(t0)
    .endm

resume:
    la t0, frame
    LOAD sp, 0(t0)
    .set n, 0
    .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    LOAD \r, n(sp)
    .set n, n + __riscv_xlen / 8
    .endr
    addi sp, sp, SAVED
    ret

# attempt(access, address, user): performs one access, `user` as user mode would; 0 or the cause + 1.
    .globl attempt
attempt:
    save
    beqz a2, 1f
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, 1 << 17
    csrs mstatus, t0
1:  jalr a0
    li t0, 1 << 17
    csrc mstatus, t0
    li a0, 0
    j resume

# run_user(address): runs user code to its first trap.
    .globl run_user
run_user:
    save
    li t0, 3 << 11
    csrc mstatus, t0
    csrw mepc, a0
    mret

    .macro access name, insn
    .globl \name
\name:
    \insn a0, 0(a1)
    ret
    .endm
    access load1, lbu
    access load2, lh
    access load4, lw
    access store1, sb
    access store2, sh
    access store4, sw
#if __riscv_xlen == 64
    access load8, ld
    access store8, sd
#endif

    .bss
    .balign 8
frame: .skip 8
    .globl trap_pc
trap_pc: .skip 8
    .globl trap_value
trap_value: .skip 8
