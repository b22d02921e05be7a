; An image with Linux's header and no entry but the oldest: its setup code runs in real mode, asks the BIOS, and prints what it was told on COM1.
bits 16
org 0
        times 0x1f1 db 0
        db      1                       ; setup_sects: this sector and one more
        dw      0
        dd      (end - kernel + 15) / 16
        dw      0, 0xffff, 0, 0xaa55
start:  jmp     short code              ; 0x200
        db      "HdrS"
        dw      0x0203, 0, 0, 0x1000, text - 0x200
loader: db      0
flags:  db      1                       ; loaded high
        dw      0x8000
        dd      0                       ; code32_start: there is none
initrd: dd      0, 0
        dd      0
heap:   dw      0
        dw      0
cmdline: dd     0
        dd      0x37ffffff
code:   pushf
        pop     bp
        mov     bx, ds
        mov     dx, cs
        sub     dx, bx
        mov     ax, es
        sub     ax, bx
        mov     cx, ss
        sub     cx, bx
        mov     si, fs
        sub     si, bx
        or      cx, si
        mov     si, gs
        sub     si, bx
        or      cx, si
        mov     bx, bp
        and     bx, 0x200               ; the interrupt flag
        call    report                  ; 0 0 0 20
        xor     eax, eax
        mov     al, [flags]
        xor     bx, bx
        cmp     byte [loader], 0
        setne   bl
        xor     cx, cx
        cmp     word [heap], 0x1000
        seta    cl
        xor     dx, dx
        call    report                  ; 81 1 1 0
        mov     eax, [cmdline]
        mov     ecx, eax
        shr     eax, 4
        and     cx, 15
        mov     si, cx
        mov     fs, ax
.next:  mov     al, [fs:si]
        test    al, al
        jz      .copy
        call    put
        inc     si
        jmp     .next
.copy:  mov     al, 10
        call    put
        mov     eax, [initrd]
        mov     bx, [initrd + 4]
        call    fetch
        mov     eax, 0x100000
        mov     bx, 16
        call    fetch
        mov     ax, 0x0e00 + '!'        ; the BIOS serves
        mov     bx, 7
        int     0x10
        int     0x12
        cmp     ax, 500
        mov     al, 'm'
        jae     .low
        mov     al, '-'
.low:   call    put
        mov     al, 10
        call    put
        cli
        mov     eax, 0x10
        out     0xf4, eax
        hlt
; Prints BX bytes at EAX, which is anywhere.
fetch:  mov     [source], eax           ; base 23:0, access rights, base 31:24
        mov     byte [source + 3], 0x93
        shr     eax, 24
        mov     [source + 5], al
        mov     ecx, ds
        shl     ecx, 4
        add     ecx, buffer
        mov     [target], ecx
        mov     byte [target + 3], 0x93
        push    ds
        pop     es
        mov     si, table
        mov     cx, 32
        mov     ah, 0x87
        int     0x15
        mov     si, buffer
.next:  lodsb
        call    put
        dec     bx
        jnz     .next
        mov     al, 10
        jmp     put
%include "x86_report16.inc"
text:   db      "bringup's test", 0
        align   8
table:  times   16 db 0
        dw      0xffff
source: dd      0
        dw      0
        dw      0xffff
target: dd      0
        dw      0
        times   16 db 0
buffer: times   64 db 0
        times   1024 - ($ - $$) db 0
kernel: db      "kernel at 1 MiB."
        times   512 db 0
end:
