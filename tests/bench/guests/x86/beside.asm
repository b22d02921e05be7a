; Boot sectors that store beside their own code, and one that polls the serial port; WHAT says which, ROUNDS how often. They end at the debug exit.
; On machines/pc.toml and under QEMU. By hand: nasm -f bin -DWHAT=near -DROUNDS=20000000 -o near.img beside.asm; truncate -s 1474560 near.img
bits 16
org 0x7c00
        jmp     0:start
start:  cli
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
%ifidn WHAT, lost
        inc     word [0x7e00]
        cmp     word [0x7e00], ROUNDS
        je      end
        cmp     word [0x7e00], 1
        jne     .go
        mov     word [0x7e00], 1
        xor     di, di
        mov     cx, 0x7c00 / 2
        rep stosw                       ; vectors and all: the BIOS is not there any more
.go:    mov     bx, 0x7e08
        mov     si, 0
        jmp     0:0
%else
        mov     ecx, ROUNDS
        mov     dx, 0x3fd
        mov     bx, near_data
        align   64
again:
%ifidn WHAT, near
        inc     byte [near_data]
%elifidn WHAT, page
        inc     byte [0x7e80]
%elifidn WHAT, stack
        push    ax
        pop     ax
%elifidn WHAT, poll
        in      al, dx
        test    al, 0x20
        jz      end
%endif
        dec     ecx
        jnz     again
        jmp     end
near_data: db   0
%endif
        align   64
end:    mov     al, 0x10
        mov     dx, 0xf4
        out     dx, al
        jmp     $
        times 510 - ($ - $$) db 0
        dw      0xaa55
