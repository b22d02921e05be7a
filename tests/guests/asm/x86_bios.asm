; What the services of a BIOS beside screen, disk and memory map answer: keyboard, serial port, system, mouse, and at last protected mode by AH=89h.
; Every call prints AX, BX, CX, DX and the carry flag on COM1. A boot sector and the sectors behind it.
bits 16
org 0x7c00
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     ax, 0x0200 + SECTORS    ; the rest, from the drive in DL
        mov     bx, 0x7e00
        mov     cx, 2
        mov     dh, 0
        int     0x13
        jmp     0:start
        times   510 - ($ - $$) db 0
        dw      0xaa55

; Calls interrupt %1 with AX=%2, BX=%3, CX=%4, DX=%5 and prints what comes back.
%macro  try 5
        mov     ax, %2
        mov     bx, %3
        mov     cx, %4
        mov     dx, %5
        int     %1
        call    report
%endmacro

start:  mov     word [handler], mouse
        mov     word [handler + 2], 0
        try     0x14, 0x00e3, 0, 0, 0   ; 9600 baud, 8 bits
        try     0x14, 0x0141, 0, 0, 0   ; "A"
        try     0x14, 0x0300, 0, 0, 0
        try     0x14, 0x0300, 0, 0, 7   ; no such port
        try     0x14, 0x0700, 0, 0, 0   ; no such function
        try     0x16, 0x0900, 0, 0, 0
        try     0x16, 0x0a00, 0, 0, 0
        try     0x16, 0x9200, 0, 0, 0
        try     0x16, 0xa200, 0, 0, 0
        try     0x16, 0x6f08, 0, 0, 0
        try     0x17, 0x0200, 0, 0, 5   ; no such printer
        try     0x15, 0x2403, 0, 0, 0
        try     0x15, 0x4f1e, 0, 0, 0
        try     0x15, 0x5304, 0, 0, 0
        try     0x15, 0x530a, 1, 0, 0
        try     0x15, 0x530b, 0, 0, 0
        try     0x15, 0x5399, 0, 0, 0
        try     0x15, 0x8300, flag, 0, 5000
        try     0x15, 0x8300, flag, 0, 5000 ; one at a time
        sti
.wait:  test    byte [flag], 0x80
        jz      .wait
        try     0x15, 0x8300, flag, 9, 0
        try     0x15, 0x8301, 0, 0, 0
        try     0x15, 0x8600, 0, 0, 3000
        try     0x15, 0xc100, 0, 0, 0
        push    0
        pop     es
        try     0x15, 0xc200, 0x0100, 0, 0 ; no handler yet
        try     0x15, 0xc200, 0x0200, 0, 0
        try     0x15, 0xc205, 0x0200, 0, 0
        try     0x15, 0xc205, 0x0300, 0, 0
        try     0x15, 0xc202, 0x0300, 0, 0
        try     0x15, 0xc202, 0x0700, 0, 0
        try     0x15, 0xc203, 0x0100, 0, 0
        try     0x15, 0xc203, 0x0400, 0, 0
        try     0x15, 0xc204, 0, 0, 0
        try     0x15, 0xc206, 0x0200, 0, 0
        try     0x15, 0xc206, 0, 0, 0
        try     0x15, 0xc206, 0x0300, 0, 0
        try     0x15, 0xc207, mouse, 0, 0
        try     0x15, 0xc200, 0x0100, 0, 0
        try     0x15, 0xc206, 0, 0, 0
        try     0x15, 0xc208, 0, 0, 0
%ifdef MOUSE
        mov     si, ready
        call    text
.move:  cmp     byte [moves], MOUSE
        hlt
        jb      .move
%endif
        try     0x15, 0xc200, 0, 0, 0
        mov     ax, 0x40                ; the alarm is int 4ah, the coprocessor's interrupt int 2
        mov     word [0x02 * 4], nmi
        mov     word [0x02 * 4 + 2], 0
        int     0x75
        mov     si, gdt
        mov     ax, 0x8900
        mov     bx, 0x2028
        int     0x15
bits 16
        ; The descriptors of stack and code have the base of segment 0.
        mov     bx, ds
        mov     cx, es
        mov     dx, ss
        call    report
        mov     ax, 0
        mov     bx, cs
        smsw    cx
        and     cx, 1
        xor     dx, dx
        call    report
        mov     ax, 0x10
        out     0xf4, ax
.stop:  hlt
        jmp     .stop

nmi:    push    si
        push    ax
        mov     si, coprocessor
        call    text
        pop     ax
        pop     si
        iret

; A packet of the mouse: status, x, y.
mouse:  push    bp
        mov     bp, sp
        push    ax
        push    bx
        push    cx
        push    dx
        mov     ax, [bp + 12]
        mov     bx, [bp + 10]
        mov     cx, [bp + 8]
        mov     dx, [bp + 6]
        clc
        call    report
        inc     byte [cs:moves]
        pop     dx
        pop     cx
        pop     bx
        pop     ax
        pop     bp
        retf

%include "x86_report16.inc"
text:   lodsb
        test    al, al
        jz      .end
        call    put
        jmp     text
.end:   ret

ready:  db      "ready", 10, 0
coprocessor: db "int 2", 10, 0
flag:   db      0
moves:  db      0
handler: dd     0
align 8
gdt:    dq      0
        dw      0x7f
        dd      gdt
        dw      0
        dw      0
        dd      0
        dw      0
        dq      0x0000930000000000 | 0xffff ; data, extra, stack: base 0, 64 KiB
        dq      0x0000930000000000 | 0xffff
        dq      0x0000930000000000 | 0xffff
        dq      0x00009b0000000000 | 0xffff ; code
        dq      0                       ; the BIOS's own
SECTORS equ     ($ - $$) / 512
        times   (SECTORS + 1) * 512 - ($ - $$) db 0
