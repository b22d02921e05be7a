# Ways to die, at least one for each cause that reports name, and beside each a neighbour (its name ends with _ok) that does it right and halts.
# `case=NAME` on the command line chooses; the test puts the pc at a case when `choose` is reached. In S-mode it has the firmware's machine
# beneath it; without firmware it is in M-mode, for the cases whose names begin with m_.
    .macro CASE name
    .section .rodata.cases, "a"
    .dword \name
    .asciz "\name"
    .balign 8
    .text
    .globl \name
\name:
    .endm
    .section .rodata.cases, "a"
    .balign 8
cases:
    .section .text.entry, "ax"
    .globl _start
_start:
    la sp, stack_top
    mv s1, a1
# Sv39: 2 MiB from 0x80200000 on have pages of 4 KiB, the rest of the first GiB of RAM large ones, and 0xc0000000 is a page of 1 GiB.
    la t0, root
    la t1, level1
    la t2, level0
    srli t3, t1, 2
    ori t3, t3, 1
    sd t3, 16(t0)
    li t3, 0xc0000000 >> 2 | 0xcf
    sd t3, 24(t0)
    li t3, 0x80000000 >> 2 | 0xcf
    li t4, 512
    mv t5, t1
1:  sd t3, 0(t5)
    li t6, 1 << 19
    add t3, t3, t6
    addi t5, t5, 8
    addi t4, t4, -1
    bnez t4, 1b
    srli t3, t2, 2
    ori t3, t3, 1
    sd t3, 8(t1)
    li t3, 0x80200000 >> 2 | 0xcf
    li t4, 512
    mv t5, t2
1:  sd t3, 0(t5)
    addi t3, t3, 1 << 10
    addi t5, t5, 8
    addi t4, t4, -1
    bnez t4, 1b
    la a0, guard
    call entry_of
    sd zero, 0(a0)
    la a0, limits
    call entry_of
    li t0, ~4                   # not to be written
    ld t1, 0(a0)
    and t1, t1, t0
    sd t1, 0(a0)
    la a0, user
    call entry_of
    ld t1, 0(a0)
    ori t1, t1, 0x10
    sd t1, 0(a0)
    la t0, trap_entry
    csrw stvec, t0
    csrw sscratch, zero
    csrw sie, zero
    la t0, root
    srli t0, t0, 12
    li t1, 8 << 60
    or t0, t0, t1
    csrw satp, t0
    .globl choose
choose:                         # looks for case=NAME in the device tree
    lw t0, 4(s1)
    srliw t1, t0, 24
    srliw t2, t0, 8
    andi t0, t2, 0xff
    slli t0, t0, 0
    srliw t2, t2, 8
    andi t2, t2, 0xff
    slli t2, t2, 8
    or t1, t1, t2
    add s2, s1, t1
1:  beq s1, s2, done
    la t0, wanted
    mv t1, s1
    addi s1, s1, 1
2:  lbu t2, 0(t0)
    beqz t2, 3f
    lbu t3, 0(t1)
    bne t2, t3, 1b
    addi t0, t0, 1
    addi t1, t1, 1
    j 2b
3:  la s3, cases
4:  ld t4, 0(s3)
    beqz t4, done
    addi s3, s3, 8
    mv t0, t1
    li t5, 1
5:  lbu t2, 0(s3)
    addi s3, s3, 1
    beqz t2, 6f
    lbu t3, 0(t0)
    addi t0, t0, 1
    beq t2, t3, 5b
    li t5, 0
    j 5b
6:  addi s3, s3, 7
    andi s3, s3, -8
    lbu t3, 0(t0)
    li t2, 0x20
    bgtu t3, t2, 4b
    beqz t5, 4b
    jr t4

    .text
# The leaf's entry for the page a0.
entry_of:
    srli a0, a0, 12
    andi a0, a0, 511
    slli a0, a0, 3
    la t0, level0
    add a0, a0, t0
    ret

# Traps use the stack that there is.
    .balign 4
trap_entry:
    addi sp, sp, -128
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd s0, 32(sp)
    sd a0, 40(sp)
    sd a1, 48(sp)
    call trap_handler
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld s0, 32(sp)
    ld a0, 40(sp)
    ld a1, 48(sp)
    addi sp, sp, 128
    sret
# Traps ask sscratch: it holds 0 while the kernel runs.
    .balign 4
either_entry:
    csrrw sp, sscratch, sp
    bnez sp, 1f
    csrr sp, sscratch
    addi sp, sp, -64
    sd ra, 0(sp)
    sd s0, 8(sp)
    addi t0, sp, 64
    sd t0, 16(sp)
    j 2f
1:  addi sp, sp, -48
    sd ra, 0(sp)
    sd s0, 8(sp)
    csrr t0, sscratch
    sd t0, 16(sp)
2:  csrw sscratch, zero
    call trap_handler
    j .
# Traps take a stack from sscratch.
    .balign 4
swap_entry:
    csrrw sp, sscratch, sp
    addi sp, sp, -64
    sd ra, 0(sp)
    sd t0, 8(sp)
    csrr t0, sscratch
    sd t0, 16(sp)
    call trap_handler
    ld ra, 0(sp)
    ld t0, 8(sp)
    addi sp, sp, 64
    csrrw sp, sscratch, sp
    sret
trap_handler:
    addi sp, sp, -16
    sd ra, 8(sp)
    csrr t0, scause
    bltz t0, 2f
    li t1, 8                    # user mode is done
    beq t0, t1, done
    li t1, 3
    bne t0, t1, 1f
    lw t0, skips
    beqz t0, 1f
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    j 4f
1:  ld t0, on_exception
    jalr t0
    j 4f
2:  la t1, ticks
    lw t0, 0(t1)
    addi t0, t0, 1
    sw t0, 0(t1)
    lw t0, rearms
    beqz t0, 4f
    call set_timer
4:  ld ra, 8(sp)
    addi sp, sp, 16
    ret
give_up:
    csrw sie, zero
1:  wfi
    j 1b
# A neighbour ends here.
done:
    csrw sie, zero
1:  wfi
    j 1b
set_timer:
    csrr a0, time
    li t0, 1000
    add a0, a0, t0
    li a6, 0
    li a7, 0x54494d45
    ecall
    ret
enable_timer:
    addi sp, sp, -16
    sd ra, 8(sp)
    call set_timer
    li t0, 0x20
    csrw sie, t0
    csrsi sstatus, 2
    ld ra, 8(sp)
    addi sp, sp, 16
    ret

# --- instructions
    CASE fs_off
    li t0, 3 << 13
    csrc sstatus, t0
    call float
    j done
float:
    fcvt.d.w fa0, zero
    ret
    CASE fs_on_ok
    li t0, 1 << 13
    csrs sstatus, t0
    call float
    j done
    CASE reserved_rounding      # floating point is on, and this is none
    li t0, 1 << 13
    csrs sstatus, t0
    .word 0x02005053            # fadd.d with the rounding mode 5
    j done
    CASE vector
    .word 0x022180d7            # vadd.vv v1, v2, v3
    j done
    CASE unimplemented
    call aborts
    j done
aborts:
    unimp
    ret
    CASE unimplemented_ok
    .option push
    .option norvc
    ebreak
    .option pop
    j done
    CASE breakpoint
    sw zero, skips, t0
    .option push
    .option norvc
    ebreak
    .option pop
    j done
    CASE zeros
    la t0, zeroed
    jalr t0
    j done
    CASE csr_privilege
    csrr a0, mhartid
    j done
    CASE csr_privilege_ok
    csrr a0, sscratch
    j done
    CASE csr_none
    csrr a0, 0x5c0
    j done
    CASE privileged
    mret
    CASE privileged_ok
    la t0, done
    csrw sepc, t0
    li t0, 0x100
    csrs sstatus, t0
    sret
    CASE unknown
    .word 0x0000000b
    j done
    CASE misaligned
    la a0, ticks + 1
    amoadd.w a1, a1, (a0)
    j done
    CASE misaligned_ok
    la a0, ticks
    amoadd.w a1, a1, (a0)
    j done

# --- where it went
    CASE null_call
    li t0, 0
    jalr t0
    j done
    CASE lost
    li t0, 0x40001234
    jalr t0
    j done
    CASE call_ok
    la t0, entry_of
    jalr t0
    j done
    CASE user_code
    la t0, user_done
    jr t0
    CASE page_table
    la t0, other_root
    srli t0, t0, 12
    li t1, 8 << 60
    or t0, t0, t1
    csrw satp, t0
    j done
    CASE page_table_ok
    csrr t0, satp
    csrw satp, t0
    j done

# --- loads and stores
    CASE null_pointer
    li a0, 0
    lw a1, 16(a0)
    j done
    CASE null_pointer_ok
    la a0, ticks
    lw a1, 16(a0)
    j done
    CASE not_mapped
    li a0, 0x40001000
    sw zero, 0(a0)
    j done
    CASE not_canonical
    li a0, 1 << 45
    lw a1, 0(a0)
    j done
    CASE no_memory
    li a0, 0xc8000000
    lw a1, 0(a0)
    j done
    CASE sum_off
    lw a0, user
    j done
    CASE sum_on_ok
    li t0, 1 << 18
    csrs sstatus, t0
    lw a0, user
    j done
    CASE read_only
    sw zero, limits, t0
    j done
    CASE read_only_ok
    lw t0, limits
    j done
# Changes bits of the entry of `zeroed`: sets a1, clears a2.
change:
    addi sp, sp, -16
    sd ra, 8(sp)
    la a0, zeroed
    call entry_of
    ld t0, 0(a0)
    or t0, t0, a1
    not a2, a2
    and t0, t0, a2
    sd t0, 0(a0)
    ld ra, 8(sp)
    addi sp, sp, 16
    ret
    CASE accessed
    li a1, 0
    li a2, 0x80                 # D
    call change
    sw zero, zeroed, t0
    j done
    CASE accessed_ok
    li a1, 0
    li a2, 0x80
    call change
    lw t0, zeroed
    j done
    CASE reserved
    li a1, 0
    li a2, 2                    # W without R
    call change
    lw t0, zeroed
    j done
    CASE superpage
    la t0, level1
    li t1, 0x81001000 >> 2 | 0xcf
    sd t1, 8 * 8(t0)
    li a0, 0x81000000
    lw a1, 0(a0)
    j done

# --- user mode, beginning at a0
to_user:
    csrw sepc, a0
    li t0, 0x100
    csrc sstatus, t0
    la t0, swap_entry
    la t1, user_calls
    bne a0, t1, 1f
    la t0, either_entry
1:  csrw stvec, t0
    la t0, trap_stack_top
    csrw sscratch, t0
    mv sp, a2
    sret
    CASE user_page
    la a0, user_reads
    la a1, ticks
    j to_user
    CASE either_user            # by an entry that asks
    la a0, user_calls
    la a1, ticks
    la a2, ustack + 64
    call to_user
    CASE either_kernel
    la t0, either_entry
    csrw stvec, t0
    call aborts
    CASE user_page_ok
    la a0, user_reads
    la a1, user
    j to_user

# --- stacks
    CASE overflow               # the handler pushes on it, too
    call parse
    j done
    CASE overflow_handled
    la t0, swap_entry
    csrw stvec, t0
    la t0, trap_stack_top
    csrw sscratch, t0
    call parse
    j done
    CASE overflow_ok
    li a0, 100
    call descend
    j done
parse:
    addi sp, sp, -64
    sd ra, 56(sp)
    sd s0, 48(sp)
    addi s0, sp, 64
    call parse
    ld ra, 56(sp)
    ld s0, 48(sp)
    addi sp, sp, 64
    ret
descend:
    addi sp, sp, -64
    sd ra, 56(sp)
    addi a0, a0, -1
    beqz a0, 1f
    call descend
1:  ld ra, 56(sp)
    addi sp, sp, 64
    ret
    CASE near_stack             # no access to the stack
    la a0, guard + 16
    lw a1, 0(a0)
    j done
    CASE sscratch_empty
    la t0, swap_entry
    csrw stvec, t0
    unimp
    CASE sscratch_ok
    la t0, swap_entry
    csrw stvec, t0
    la t0, trap_stack_top
    csrw sscratch, t0
    unimp

# --- vectors
    CASE no_tvec
    csrw stvec, zero
    unimp
    CASE no_tvec_ok
    unimp
    CASE tvec_not_mapped
    li t0, 0x10000000
    csrw stvec, t0
    unimp
    CASE nested                 # the same again in its own handler, twice
    la t0, again
    sd t0, on_exception, t1
    call aborts
again:
    addi sp, sp, -16
    sd ra, 8(sp)
    lw t0, ticks
    addi t0, t0, 1
    sw t0, ticks, t1
    li t1, 2
    blt t0, t1, 1f
    la t0, give_up
    sd t0, on_exception, t1
1:  call aborts
    ld ra, 8(sp)
    addi sp, sp, 16
    ret
    CASE handler_faults
    la t0, careless
    sd t0, on_exception, t1
    call aborts
careless:
    addi sp, sp, -16
    sd ra, 8(sp)
    call log
    ld ra, 8(sp)
    addi sp, sp, 16
    ret
log:
    la t0, give_up
    sd t0, on_exception, t1
    li t0, 0x40002000
    lw t0, 0(t0)
    ret

# --- waiting, and going round
    CASE halted
    wfi
    j halted
    CASE storm
    sw zero, rearms, t0
    call enable_timer
    j .
    CASE timer_ok
    call enable_timer
1:  lw t0, ticks
    li t1, 3
    blt t0, t1, 1b
    j done
    CASE endless
    j .
    CASE spinning
    li t0, 1
    sw t0, lock_word, t1
    call lock_it
    j done
lock_it:
    la t0, lock_word
    li t1, 1
1:  amoswap.w.aq t2, t1, (t0)
    bnez t2, 1b
    ret
    CASE deadlock               # the handler wants what the interrupted has
    li t0, 1
    sw t0, lock_word, t1
    la t0, lock_it
    sd t0, on_exception, t1
    unimp
    CASE spinning_ok
    call lock_it
    j done

# --- without firmware
m_open:                         # S-mode may access all memory
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    ret
m_supervisor:                   # goes on in S-mode behind the call
    csrw satp, zero
    csrw mepc, ra
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, 1 << 11
    csrs mstatus, t0
    mret
    .balign 4
m_entry:
    csrw mie, zero
1:  wfi
    j 1b
m_vector:
    la t0, m_entry
    csrw mtvec, t0
    ret
    CASE m_not_delegated
    call m_open
    csrw mtvec, zero
    call m_supervisor
    unimp
    CASE m_delegated_ok
    call m_open
    csrw mtvec, zero
    li t0, 0xb1ff
    csrw medeleg, t0
    call m_supervisor
    unimp
    CASE m_no_pmp
    call m_vector
    call m_supervisor
    unimp
    CASE m_no_sbi
    call m_vector
    call m_open
    call m_supervisor
    ecall
    CASE m_no_mtvec
    csrw mtvec, zero
    unimp
    ret

    .section .user, "ax"
user:
user_reads:
    lw a0, 0(a1)
user_done:
    ecall
    j user_done
user_calls:
    call user_reads
ustack: .zero 64
    .section .rodata
    .balign 4096
limits: .word 0
wanted: .asciz "case="
    .section .rodata.cases, "a"
    .dword 0
    .data
    .balign 8
on_exception: .dword give_up
ticks: .word 0
rearms: .word 1
skips: .word 1
lock_word: .word 0
    .bss
    .balign 4096
root: .zero 4096
other_root: .zero 4096
level1: .zero 4096
level0: .zero 4096
zeroed: .zero 4096
guard: .zero 4096
stack: .zero 16384
stack_top:
trap_stack: .zero 4096
trap_stack_top:
