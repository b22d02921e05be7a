; A boot sector in real mode that asks the PCI BIOS for what every PC of this kind has: prints AH, carry and the answer of each call.
; Then it writes registers and moves the framebuffer by ports 0xcf8 and 0xcfc.
bits 16
org 0x7c00
        jmp     0:start

; Calls int 1Ah with AL and prints AH, carry, and the registers of the answer.
%macro  call_pci 1
        mov     ax, 0xb100 | %1
        call    ask
%endmacro

start:  xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 3                   ; clears the screen
        int     0x10
        xor     cx, cx
        call_pci 0x01                   ; present: EDX = "PCI ", BX = version, CL = last bus
        mov     cx, 0x7000
        mov     dx, 0x8086
        xor     si, si
        call_pci 0x02                   ; find the ISA bridge: BX
        mov     si, 1
        call_pci 0x02                   ; there is no second one
        mov     ecx, 0x030000
        xor     si, si
        call_pci 0x03                   ; find a VGA: BX
        mov     di, 0
        call_pci 0x0a                   ; its IDs: ECX
        mov     di, 0x10
        call_pci 0x0a                   ; where its framebuffer is
        xor     ecx, ecx
        mov     di, 0x0a
        call_pci 0x09                   ; its class: CX
        mov     di, 0x3c
        mov     cl, 0x5a
        call_pci 0x0b                   ; a byte that can be written
        mov     cl, 0
        call_pci 0x08                   ; it was: CL
        mov     cx, 0xffff
        mov     di, 0x2c
        call_pci 0x0c                   ; a word that cannot
        call_pci 0x09
        mov     bx, 31 << 3
        xor     cx, cx
        call_pci 0x09                   ; nothing is there

        ; The framebuffer goes to 0xe0000000: what is written there comes back.
        mov     eax, 0x80001010
        mov     dx, 0xcf8
        out     dx, eax
        mov     dx, 0xcfc
        mov     eax, 0xe0000000
        out     dx, eax
        in      eax, dx
        call    dword_out
        lgdt    [gdt]
        cli
        mov     eax, cr0
        inc     ax
        mov     cr0, eax
        mov     bx, 8
        mov     fs, bx                  ; 4 GiB
        dec     ax
        mov     cr0, eax
        mov     edi, 0xe0800000
        mov     dword [fs:edi], 0x12345678
        mov     eax, [fs:edi]
        call    dword_out
        mov     eax, 0x10
        out     0xf4, eax
.stop:  hlt
        jmp     .stop

ask:    push    ecx
        int     0x1a
        pop     ebp                     ; ECX before the call: only what changes is an answer
        push    ax
        lahf
        mov     [flags], ah
        pop     ax
        pushad
        mov     al, ah
        call    byte_out
        mov     al, [flags]
        and     al, 1
        call    byte_out
        popad
        pushad
        mov     al, bh
        call    byte_out
        mov     al, bl
        call    byte_out
        popad
        pushad
        mov     eax, ecx
        call    dword_out
        popad
        ret

; Prints EAX, and ends the line.
dword_out:
        push    eax
        mov     cx, 4
.next:  rol     eax, 8
        call    byte_out
        loop    .next
        mov     al, 10
        call    char_out
        pop     eax
        ret
; Prints AL.
byte_out:
        push    ax
        shr     al, 4
        call    .digit
        pop     ax
        push    ax
        and     al, 15
        call    .digit
        pop     ax
        ret
.digit: add     al, '0'
        cmp     al, '9'
        jbe     char_out
        add     al, 'a' - '0' - 10
char_out:
        push    dx
        mov     dx, 0x3f8
        out     dx, al
        pop     dx
        ret
flags:  db      0
gdt:    dw      15
        dd      gdt_table - 8
gdt_table:
        dq      0x00cf92000000ffff
        times 510 - ($ - $$) db 0
        dw      0xaa55
