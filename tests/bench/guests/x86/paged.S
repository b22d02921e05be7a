# The ways into and out of the kernel of paged.c.
    .macro enter_kernel name
    .globl \name\()_entry
\name\()_entry:
    .irp r, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    push %\r
    .endr
    mov %eax, %edi
    cld
    call \name
    .irp r, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    pop %\r
    .endr
    iretq
    .endm

    .text
    enter_kernel timer
    enter_kernel call
    enter_kernel fault

# enter(code, stack, argument): to ring 3 with interrupts.
    .globl enter
enter:
    push $0x1b
    push %rsi
    push $0x202
    push $0x23
    push %rdi
    mov %rdx, %rdi
    iretq
