; What int 13h answers for the disk that this was booted from and for one that is not there: every call prints AX, BX, CX, DX and
; the carry flag on COM1. A boot sector and the sectors behind it.
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

BUFFER  equ     0x6000

; Calls int 13h with AX=%1, BX=%2, CX=%3, DX=%4 and prints what comes back.
%macro  try 4
        mov     ax, %1
        mov     bx, %2
        mov     cx, %3
        mov     dx, %4
        mov     si, packet
        int     0x13
        call    report
%endmacro

start:  try     0x0000, 0, 0, 0x80
        try     0x0000, 0, 0, 0x81
        try     0x0201, BUFFER, 0x0001, 0x0080
        mov     ax, [BUFFER + 510]
        call    word16
        try     0x0202, BUFFER, 0x003f, 0x0080 ; across a track
        try     0x0200, BUFFER, 0x0001, 0x0080 ; nothing
        try     0x0281, BUFFER, 0x0001, 0x0080 ; too much
        try     0x0201, BUFFER, 0x0000, 0x0080 ; sectors count from 1
        try     0x0201, BUFFER, 0xff01, 0x0080 ; cylinder 255
        try     0x0201, BUFFER, 0x0001, 0x1080 ; head 16
        try     0x0201, BUFFER, 0x0001, 0x0081 ; no such disk
        try     0x0100, 0, 0, 0x80
        try     0x0401, BUFFER, 0x0001, 0x0080
        try     0x0800, 0, 0, 0x80
        push    0
        pop     es
        try     0x0800, 0, 0, 0x81
        push    0
        pop     es
        try     0x0c00, 0, 0x0001, 0x80
        try     0x0d00, 0, 0, 0x80
        try     0x1000, 0, 0, 0x80
        try     0x1100, 0, 0, 0x80
        try     0x1400, 0, 0, 0x80
        try     0x1500, 0, 0, 0x80
        try     0x1500, 0, 0, 0x81
        try     0x1600, 0, 0, 0x80
        try     0x4100, 0x55aa, 0, 0x80
        try     0x4100, 0x55aa, 0, 0x81
        try     0x4200, 0, 0, 0x80
        mov     ax, [packet + 2]        ; how many it were
        call    word16
        mov     dword [packet + 8], 0x100000
        try     0x4200, 0, 0, 0x80      ; past the end
        mov     dword [packet + 8], 0
        try     0x4400, 0, 0, 0x80
        try     0x4500, 0, 0, 0x80
        try     0x4600, 0, 0, 0x80
        try     0x4700, 0, 0, 0x80
        mov     word [BUFFER], 26
        mov     ax, 0x4800
        mov     dl, 0x80
        mov     si, BUFFER
        int     0x13
        call    report
        mov     si, BUFFER
        mov     di, 13
.edd:   lodsw
        call    word16
        dec     di
        jnz     .edd
        try     0x4900, 0, 0, 0x80
        try     0x4e01, 0, 0, 0x80
        try     0x4e99, 0, 0, 0x80
        try     0x9900, 0, 0, 0x80
        movzx   ax, byte [0x475]
        call    word16
        mov     al, 10
        call    put
        mov     al, 0x10
        out     0xf4, al
        cli
        hlt

%include "x86_report16.inc"

packet: dw      16, 2
        dw      BUFFER, 0
        dq      0
SECTORS equ     ($ - $$) / 512
        times   100 * 512 - ($ - $$) db 0
