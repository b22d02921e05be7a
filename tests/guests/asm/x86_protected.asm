; A boot sector that goes to 32-bit protected mode: flat segments, an interrupt descriptor table, int 0x30 and a division error.
bits 16
org 0x7c00
        jmp     0:start
start:  cli
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 3
        int     0x10
        in      al, 0x92                ; address line 20
        or      al, 2
        out     0x92, al
        lgdt    [gdtr]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     8:flat
bits 32
flat:   mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, 0x7c00
        mov     edi, 0xb8000
        mov     dword [IDT + 0 * 8], 0x00080000 + (divide - $$ + 0x7c00)
        mov     dword [IDT + 0 * 8 + 4], 0x00008e00
        mov     dword [IDT + 0x30 * 8], 0x00080000 + (service - $$ + 0x7c00)
        mov     dword [IDT + 0x30 * 8 + 4], 0x00008e00
        lidt    [idtr]
        mov     esi, hello
        int     0x30
        mov     dword [0x100000], 0x12345678
        mov     dword [0x200000], 0x9abcdef0
        cmp     dword [0x100000], 0x12345678
        jne     bad
        xor     edx, edx
        mov     eax, 1
        xor     ecx, ecx
        div     ecx                     ; two bytes, which the handler skips
        mov     esi, done
        int     0x30
        mov     eax, 0x10
        out     0xf4, eax
stop:   hlt
        jmp     stop
bad:    mov     eax, 0x11
        out     0xf4, eax
        jmp     stop
divide: add     dword [esp], 2
        mov     esi, fault
        int     0x30
        iret
; Prints the text at ESI on both.
service:
        push    eax
        push    edx
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
.end:   pop     edx
        pop     eax
        iret
hello:  db "32-bit protected mode. ", 10, 0
fault:  db "Division error. ", 10, 0
done:   db "Done.", 10, 0
align 8
gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:   dw $ - gdt - 1
        dd gdt
IDT     equ 0x1000
idtr:   dw 0x31 * 8 - 1
        dd IDT
        times 510 - ($ - $$) db 0
        dw      0xaa55
