; A Multiboot 1 kernel that goes to long mode: four levels of page tables with 2 MiB pages, a second mapping at -2 GiB, then 64-bit code there.
bits 32
MAGIC   equ 0x1badb002
FLAGS   equ 0
PRESENT equ 3
LARGE   equ 0x83
section .text progbits alloc exec align=8
%ifdef MULTIBOOT2
header: dd      0xe85250d6, 0, header.end - header, -(0xe85250d6 + header.end - header)
        dw      0, 0
        dd      8
.end:
%else
        dd      MAGIC, FLAGS, -(MAGIC + FLAGS)
%endif
global _start
_start: mov     esp, stack.top
        call    clear
        mov     esi, before
        call    print
        mov     ebp, edi
        mov     edi, pml4
        mov     ecx, 4096 * 3 / 4
        xor     eax, eax
        rep     stosd
        mov     dword [pml4], pdpt + PRESENT
        mov     dword [pml4 + 511 * 8], pdpt + PRESENT
        mov     dword [pdpt], pd + PRESENT
        mov     dword [pdpt + 510 * 8], pd + PRESENT
        mov     eax, LARGE
        mov     edi, pd
        mov     ecx, 512
.page:  stosd
        mov     dword [edi], 0
        add     edi, 4
        add     eax, 0x200000
        loop    .page
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     ecx, 0xc0000080         ; EFER.LME
        rdmsr
        or      eax, 1 << 8
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31 | 1
        mov     cr0, eax
        lgdt    [gdtr]
        mov     edi, ebp
        jmp     8:.long
; The object file is a 32-bit one, so the high half is reached by adding its base to 32-bit addresses.
bits 64
.long:  mov     eax, .high
        mov     rcx, 0xffffffff80000000
        add     rax, rcx
        jmp     rax
.high:  xor     eax, eax
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        add     rsp, rcx
        mov     edi, edi
        add     rdi, rcx
        lea     r15, [rel .ret]         ; its address is printed: above -2 GiB
        mov     esi, after
        add     rsi, rcx
        call    print64
        mov     r8, r15
        sar     r8, 31                  ; all ones
        add     r8, 1
        mov     esi, lower
        jnz     .half
        mov     esi, upper
.half:  call    print64
.ret:   mov     r9, 0x0123456789abcdef
        imul    r9, r9, 0x1001
        mov     ecx, 16
.digit: rol     r9, 4
        mov     eax, r9d
        and     eax, 15
        cmp     al, 10
        sbb     edx, edx
        lea     eax, [rax + 'a' - 10]
        and     edx, '0' - ('a' - 10)
        add     eax, edx
        mov     edx, 0x3f8
        out     dx, al
        mov     ah, 0x4f
        stosw
        loop    .digit
        mov     esi, last
        call    print64
        cli
        mov     eax, 0x10
        out     0xf4, eax
.stop:  hlt
        jmp     .stop
print64:
        mov     ah, 0x2f
.next:  lodsb
        test    al, al
        jz      .end
        mov     edx, 0x3f8
        out     dx, al
        cmp     al, 10
        je      .next
        stosw
        jmp     .next
.end:   ret
bits 32
%include "x86_print32.inc"
section .rodata
before: db "32 bits. ", 10, 0
after:  db "64 bits. ", 10, 0
upper:  db "Upper half. ", 0
lower:  db "Lower half? ", 0
last:   db " Done.", 10, 0
align 8
gdt:    dq 0, 0x00af9a000000ffff
gdtr:   dw $ - gdt - 1
        dd gdt
section .bss nobits alloc write align=4096
pml4:   resb    4096
pdpt:   resb    4096
pd:     resb    4096
stack:  resb    4096
.top:
