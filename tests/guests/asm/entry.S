# Entry and the means by which entry.c tries what may trap.
    .section .text.entry, "ax"
    .globl _start
_start:
    la sp, stack_top
    la t0, trap
    csrw stvec, t0
    call main
1:  wfi
    j 1b

#if __riscv_xlen == 64
#define STORE sd
#define LOAD ld
#else
#define STORE sw
#define LOAD lw
#endif
#define SAVED 14 * __riscv_xlen / 8

# A trap ends the attempt that is under way, with the cause + 1 and what the code left in a0.
    .text
    .align 2
    .globl trap
trap:
    la t0, trap_a0
    STORE a0, 0(t0)
    csrr t1, stval
    la t0, trap_value
    STORE t1, 0(t0)
    csrr a0, scause
    addi a0, a0, 1
leave:
    la t0, frame
    LOAD sp, 0(t0)
    .set n, 0
    .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    LOAD \r, n(sp)
    .set n, n + __riscv_xlen / 8
    .endr
    addi sp, sp, SAVED
    ret

# ulong attempt(ulong (*f)(ulong, ulong), ulong a, ulong b): 0, or the trap's cause + 1.
    .globl attempt
attempt:
    addi sp, sp, -SAVED
    .set n, 0
    .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    STORE \r, n(sp)
    .set n, n + __riscv_xlen / 8
    .endr
    la t0, frame
    STORE sp, 0(t0)
    mv t0, a0
    mv a0, a1
    mv a1, a2
    jalr t0
    la t0, trap_a0
    STORE a0, 0(t0)
    li a0, 0
    j leave

# ulong user(ulong (*f)(ulong, ulong), ulong a, ulong b): the same in U-mode. An environment call from there (9) is its end.
    .globl user
user:
    mv t0, a0
    la a0, enter
    la t1, user_code
    STORE t0, 0(t1)
    j attempt
enter:
    la t0, user_code
    LOAD t0, 0(t0)
    csrw sepc, t0
    li t0, 0x122        # SPP, SPIE, SIE
    csrc sstatus, t0
    la ra, user_end
    sret
user_end:
    ecall

    .globl sbi
sbi:                    # a0..a2 arguments, a3 extension, a4 function; the error in a0, the value in sbi_value
    mv a7, a3
    mv a6, a4
    li a3, 0
    li a4, 0
    ecall
    la t0, sbi_value
    STORE a1, 0(t0)
    ret

    .globl sbi_event
sbi_event:              # a0..a3 arguments of the PMU, a4 function
    mv a6, a4
    li a7, 0x504d55
    li a4, 0
    ecall
    la t0, sbi_value
    STORE a1, 0(t0)
    ret

    .bss
    .align 3
frame: .skip 8
user_code: .skip 8
    .globl trap_a0, trap_value, sbi_value
trap_a0: .skip 8
trap_value: .skip 8
sbi_value: .skip 8
