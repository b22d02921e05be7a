# The smallest guest: adds 1 to 1000 in a loop and ends by the test device, with success when the sum is right.
    .section .text.entry.machine, "ax"
    .globl machine_start
machine_start:
    csrr t0, mhartid        # every hart starts here; one does the work
9:  bnez t0, 9b
    li a0, 0
    li t0, 1
    li t1, 1000
1:  add a0, a0, t0
    addi t0, t0, 1
    ble t0, t1, 1b

    li t2, 500500
    li a1, 0x5555           # pass
    beq a0, t2, 2f
    li a1, 0x13333          # fail with code 1
2:  li t3, 0x100000
    sw a1, 0(t3)
3:  j 3b
