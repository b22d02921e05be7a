; A boot sector in real mode: prints to COM1 and to the screen, then writes 0x10 to the debug exit.
bits 16
org 0x7c00
        jmp     0:start
start:  xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 3                   ; clears the screen
        int     0x10
        mov     ax, 0xb800
        mov     es, ax
        xor     di, di
        cld
        mov     si, text
        mov     ah, 0x1e                ; yellow on blue
.next:  lodsb
        test    al, al
        jz      .tty
        mov     dx, 0x3f8
        out     dx, al
        cmp     al, 10
        je      .next
        stosw
        jmp     .next
.tty:   mov     ah, 2                   ; the BIOS writes in row 2
        xor     bh, bh
        mov     dx, 0x0200
        int     0x10
        mov     si, bios
.more:  lodsb
        test    al, al
        jz      .end
        mov     ah, 0x0e
        mov     bx, 7
        int     0x10
        jmp     .more
.end:   cli
        mov     eax, 0x10
        out     0xf4, eax
.stop:  hlt
        jmp     .stop
text:   db "Hello from a boot sector", 10, 0
bios:   db "int 10h teletype", 13, 10, "second line", 0
        times 510 - ($ - $$) db 0
        dw      0xaa55
