# Guests that are hard to stop, or that have stopped themselves: the test puts the number of one behind the mark. Each hart starts here in M-mode.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    j 1f
    .balign 8
    .ascii "<which>:"
which: .word 0
1:  la t0, table
    lw t1, which
    slli t1, t1, 2
    add t0, t0, t1
    jr t0
    .option push
    .option norvc
table:
    j idle_then_slow
    j denormals
    j storm
    j changing
    j masked
    j disarmed
    j far_alarm
    j uart
    j uart_masked
    j supervisor
    j last_hart
    j claimed
    .option pop

# Sleeps for 20 s, which costs nothing, and then changes an instruction of its own loop in each turn.
idle_then_slow:
    li s0, 20
    li t0, 0x80
    csrw mie, t0
    li s1, 0x2004000
    li s2, 0x200bff8
    li s3, 10000000
1:  ld t1, 0(s2)
    add t1, t1, s3
    sd t1, 0(s1)
    wfi
    addi s0, s0, -1
    bnez s0, 1b
changing:
    la t0, 2f
    lw t1, 0(t0)
    li t2, 1 << 20
1:  xor t1, t1, t2
    sw t1, 0(t0)
    fence.i
    .balign 4
    .option push
    .option norvc
2:  addi a0, a0, 1
    .option pop
    j 1b

# Divides and multiplies denormals, each an exact result of its own.
denormals:
    li t0, 0x6000
    csrs mstatus, t0
    li t0, 3
    fmv.d.x f0, t0
    fmv.d.x f1, t0
1:  fsflags x0
    fdiv.d f2, f0, f1, rup
    fmadd.d f3, f2, f0, f1, rdn
    fsqrt.d f4, f0
    j 1b

# The machine timer is always due, and its handler returns at once.
storm:
    la t0, 2f
    csrw mtvec, t0
    li t0, 0x2004000
    sd zero, 0(t0)
    li t0, 0x80
    csrw mie, t0
1:  csrsi mstatus, 8
    j 1b
    .balign 4
2:  mret

# Waits with no interrupt enabled.
masked:
    csrw mie, zero
1:  wfi
    j 1b

# Waits for the timer, which is not set.
disarmed:
    li t0, 0x2004000
    li t1, -1
    sd t1, 0(t0)
    li t0, 0x80
    csrw mie, t0
1:  wfi
    j 1b

# Waits for the timer, which is set to half a day, and ends with success then.
far_alarm:
    li t0, 0x2004000
    li t1, 432000000000
    sd t1, 0(t0)
    li t0, 0x80
    csrw mie, t0
    wfi
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b

# Waits for the UART to receive something (source 10), and ends with success then.
uart:
    li t0, 0x0c000028
    li t1, 1
    sw t1, 0(t0)
uart_masked:                        # or lets the PLIC hold it back
    li t0, 0x10000001
    li t1, 1
    sb t1, 0(t0)
    li t0, 0x0c002000
    li t1, 1 << 10
    sw t1, 0(t0)
    li t0, 0x800
    csrw mie, t0
    wfi
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b

# In S-mode without delegation: its interrupts are M-mode's, which are masked.
supervisor:
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, 1 << 11
    csrs mstatus, t0
    la t0, 1f
    csrw mepc, t0
    mret
1:  csrw sie, zero
2:  wfi
    j 2b

# Every hart but the last waits for ever; the last waits for its timer for 1 s, wakes hart 0 by an interrupt and waits, too.
last_hart:
    csrr a0, mhartid
    li t0, 0x2000000
    bnez a0, 1f
    li t1, 8
    csrw mie, t1
    wfi
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
    j masked
1:  li t1, 3
    bne a0, t1, disarmed
    li t1, 10000000
    li t2, 0x2004018
    sd t1, 0(t2)
    li t1, 0x80
    csrw mie, t1
    wfi
    li t1, 1
    sw t1, 0(t0)
    j masked

# The UART's interrupt is claimed and never completed: it cannot come again.
claimed:
    li t0, 0x0c000028
    li t1, 1
    sw t1, 0(t0)
    li t0, 0x0c002000
    li t1, 1 << 10
    sw t1, 0(t0)
    li t0, 0x10000001
    li t1, 2                        # "transmitter empty" is there at once
    sb t1, 0(t0)
    li t0, 0x0c200004
    lw t1, 0(t0)
    li t0, 0x800
    csrw mie, t0
1:  wfi
    j 1b
