# M-mode. SETUP, then BODY as often as COUNT says, then the end. cliffs.ts puts the three in place of the lines that name them.
# What traps goes on 4 bytes further; a software interrupt is taken away.
.option norvc
.globl _start
_start:
  la t0, trap
  csrw mtvec, t0
  li t0, 0x2000
  csrs mstatus, t0
  la s0, data
  li s2, 0x10000000  # UART
  li s3, 0x2000000   # CLINT
  li s4, 0xc201004   # PLIC, claim
  la t0, third
  fld fa0, 0(t0)
  fld fa1, 8(t0)
  fld fa2, 16(t0)
  SETUP
  li s1, COUNT
  .balign 64
again:
  BODY
  addi s1, s1, -1
  bnez s1, again
  li t0, 0x5555
  li t1, 0x100000
  sw t0, 0(t1)
1: j 1b
  .balign 64
trap:
  csrr t5, mcause
  bltz t5, interrupt
  csrr t5, mepc
  addi t5, t5, 4
  csrw mepc, t5
  mret
interrupt:
  sw zero, 0(s3)
  mret
  .balign 8
third: .double 0.3333333333333333, 1.5, 4e-320
  .balign 4096
data: .space 8192
