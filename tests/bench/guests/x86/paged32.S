# Entry of paged.c in 32 bits, and the ways into and out of its kernel. Started by its PVH note, maps the first 4 GiB one to one by pages of
# 2 MiB of PAE, switches SSE on, and calls x86_main with the start information's address. Arguments are in eax, edx and ecx.
    .section .note.pvh, "a"
    .long 4, 4, 18                  # XEN_ELFNOTE_PHYS32_ENTRY
    .ascii "Xen\0"
    .long start

    .section .text.start, "ax"
    .globl start
start:
    mov $stack_top, %esp
    mov $pdpt, %edi
    mov $directories + 1, %eax      # present
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $4096, %eax
    add $8, %edi
    loop 1b
    mov $directories, %edi
    mov $0x83, %eax                 # present, writable, large
    mov $2048, %ecx
2:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 2b
    mov %cr4, %eax
    or $0x620, %eax                 # PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov $pdpt, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    and $~4, %eax                   # no EM
    or $0x80010003, %eax            # PG, WP, MP, PE
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $3f
3:  mov $0x23, %eax                 # the program's data segments serve the kernel as well
    mov %eax, %ds
    mov %eax, %es
    mov $16, %eax
    mov %eax, %ss
    mov %ebx, %eax
    call x86_main

    .globl finish
finish:                             # the debug exit: status 33
    mov $0xf4, %edx
    mov $0x10, %eax
    out %eax, %dx
4:  hlt
    jmp 4b

    .macro enter_kernel name
    .globl \name\()_entry
\name\()_entry:
    pusha
    cld
    call \name
    popa
    iretl
    .endm

    .text
    enter_kernel timer
    enter_kernel call
    enter_kernel fault

# enter(code, stack, argument): to ring 3 with interrupts.
    .globl enter
enter:
    push $0x23
    push %edx
    push $0x202
    push $0x1b
    push %eax
    mov %ecx, %eax
    iretl

    .data
    .balign 16
    .globl gdt
gdt:                                # null, kernel code and data, user code and data, a TSS that the guest fills in
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .bss
    .balign 4096
    .globl pdpt
pdpt:        .skip 4096
directories: .skip 4 * 4096
             .skip 65536
    .globl stack_top
stack_top:
