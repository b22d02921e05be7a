# Entry of the x86-64 benchmarks: started by its PVH note in 32-bit protected mode, goes to long mode with the first 4 GiB mapped one to one
# by pages of 2 MiB, switches SSE on, and calls x86_main with the start information's address.
    .section .note.pvh, "a"
    .long 4, 4, 18                  # XEN_ELFNOTE_PHYS32_ENTRY
    .ascii "Xen\0"
    .long start

    .section .text.start, "ax"
    .code32
    .globl start
start:
    mov $stack_top, %esp
    mov $pml4, %edi
    movl $pdpt + 7, (%edi)          # present, writable, user: the tables below decide
    mov $pdpt, %edi
    mov $directories + 7, %eax
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
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx           # EFER: LME, SCE
    rdmsr
    or $0x101, %eax
    wrmsr
    mov %cr0, %eax
    and $~4, %eax                   # no EM
    or $0x80010003, %eax            # PG, WP, MP, PE
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $long_mode
    .code64
long_mode:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %rsp
    mov %ebx, %edi
    call x86_main

    .globl finish
finish:                             # the debug exit: status 33
    mov $0xf4, %edx
    mov $0x10, %eax
    out %eax, %dx
3:  hlt
    jmp 3b

    .data
    .balign 16
    .globl gdt
gdt:                                # null, kernel code and data, user data and code in SYSRET's order, a TSS that the system guest fills in
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0, 0
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

    .bss
    .balign 4096
    .globl pml4, pdpt
pml4:        .skip 4096
pdpt:        .skip 4096
directories: .skip 4 * 4096
             .skip 65536
    .globl stack_top
stack_top:
