# The ways into and out of the x86 system guest's kernel. A frame is 18 words: 15 registers, then rip, rflags and rsp.
    .text
    .globl syscall_entry, fault_entry, resume
syscall_entry:                      # rcx is the return address, r11 the flags, and r10 free by the convention here
    swapgs
    mov %rsp, %r10
    mov %gs:0, %rsp                 # the running process's frame
    mov %rax, 0(%rsp)
    mov %rbx, 8(%rsp)
    mov %rdx, 24(%rsp)
    mov %rsi, 32(%rsp)
    mov %rdi, 40(%rsp)
    mov %rbp, 48(%rsp)
    mov %r8, 56(%rsp)
    mov %r9, 64(%rsp)
    mov %r12, 88(%rsp)
    mov %r13, 96(%rsp)
    mov %r14, 104(%rsp)
    mov %r15, 112(%rsp)
    mov %rcx, 120(%rsp)
    mov %r11, 128(%rsp)
    mov %r10, 136(%rsp)
    mov %rsp, %rdi
    mov $stack_top, %rsp
    call handle                     # returns the frame to go on with
    mov %rax, %rdi
resume:                             # rdi: the frame
    mov %rdi, %gs:0
    swapgs
    mov %rdi, %rsp
    mov 0(%rsp), %rax
    mov 8(%rsp), %rbx
    mov 24(%rsp), %rdx
    mov 32(%rsp), %rsi
    mov 40(%rsp), %rdi
    mov 48(%rsp), %rbp
    mov 56(%rsp), %r8
    mov 64(%rsp), %r9
    mov 88(%rsp), %r12
    mov 96(%rsp), %r13
    mov 104(%rsp), %r14
    mov 112(%rsp), %r15
    mov 120(%rsp), %rcx
    mov 128(%rsp), %r11
    mov 136(%rsp), %rsp
    sysretq

fault_entry:                        # a page fault, with its error code on the stack
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    mov %cr2, %rdi
    call page_fault
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $8, %rsp
    iretq
