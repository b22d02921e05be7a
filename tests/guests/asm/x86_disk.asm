; Drives an IDE disk and an empty CD drive by their registers: programmed I/O, bus-master DMA, packets, interrupts, resets; then the same disk by
; int 13h, and the registers of the DMA controller and the parallel port. A boot sector and the sectors behind it.
bits 16
org 0x7c00
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     [drive], dl
        mov     ax, 0x0200 + SECTORS    ; the rest, from the drive in DL
        mov     bx, 0x7e00
        mov     cx, 2
        mov     dh, 0
        int     0x13
        jmp     0:start
drive:  db      0
        times   510 - ($ - $$) db 0
        dw      0xaa55

BUFFER  equ     0x6000
TABLE   equ     0x5000
MASTER  equ     0xc000                  ; bus master registers
CHANNEL equ     0x1f0

%macro  say 1
        mov     si, %%text
        call    text
        jmp     %%on
%%text: db      %1, 0
%%on:
%endmacro

; Device, feature, count and address registers (low, mid, high), then a command; waits until it is no longer busy.
%macro  command 7
        mov     bx, %1 | %2 << 8
        mov     cx, %3 | %4 << 8
        mov     si, %5 | %6 << 8
        mov     al, %7
        call    issue
%endmacro

start:  cli
        mov     word [0x76 * 4], interrupt
        mov     word [0x76 * 4 + 2], 0
        in      al, 0xa1
        and     al, 0xbf                ; interrupt 14
        out     0xa1, al
        in      al, 0x21
        and     al, 0xfb
        out     0x21, al
        sti

        say     "identify"
        command 0xa0, 0, 0, 0, 0, 0, 0xec
        call    read
        mov     si, words
.word:  lodsw
        cmp     ax, -1
        je      .identified
        mov     bx, ax
        add     bx, bx
        mov     ax, [BUFFER + bx]
        call    word_out
        jmp     .word
.identified:
        call    line

        say     "LBA, CHS, 48 bits, past the end"
        command 0xe0, 0, 1, 1, 0, 0, 0x20
        call    read_sum
        command 0xa0, 0, 1, 2, 0, 0, 0x20
        call    read_sum
        mov     dx, CHANNEL + 2
        mov     cx, 4
.older: mov     al, 0
        out     dx, al
        inc     dx
        loop    .older
        command 0x40, 0, 1, 2, 0, 0, 0x24
        call    read_sum
        command 0xe0, 0, 1, 0, 0, 0x70, 0x20
        call    status_out
        call    line

        say     "multiple"
        command 0xe0, 0, 3, 0, 0, 0, 0xc6
        call    status_out
        command 0xe0, 0, 2, 0, 0, 0, 0xc6
        call    status_out
        mov     word [interrupts], 0
        command 0xe0, 0, 3, 0, 0, 0, 0xc4
        call    read
        call    read
        call    wait_ready
        call    read_sum
        mov     ax, [interrupts]
        call    word_out
        call    line

        say     "write, two sectors"
        mov     di, BUFFER
        mov     cx, 512
        mov     ax, 0x1234
.fill:  stosw
        imul    ax, 25173
        add     ax, 13849
        loop    .fill
        mov     word [interrupts], 0
        command 0xe0, 0, 2, 20, 0, 0, 0x30
        mov     si, BUFFER
        call    write
        call    wait_ready
        call    write
        call    wait_ready
        mov     ax, [interrupts]
        call    word_out
        command 0xe0, 0, 0, 0, 0, 0, 0xe7
        call    status_out
        command 0xe0, 0, 1, 21, 0, 0, 0x20
        call    read_sum
        call    line

        say     "DMA"
        mov     eax, 0x80000920         ; BAR 4 of function 1.1
        mov     ebx, MASTER
        call    pci_out
        mov     eax, 0x80000904
        mov     ebx, 5                  ; ports and bus master
        call    pci_out
        mov     dword [TABLE], BUFFER
        mov     dword [TABLE + 4], 256
        mov     dword [TABLE + 8], BUFFER + 256
        mov     dword [TABLE + 12], 0x80000000 | 768
        mov     di, BUFFER
        mov     cx, 512
        xor     ax, ax
        rep     stosw
        mov     word [interrupts], 0
        mov     bl, 8
        call    start_master
        command 0xe0, 0, 2, 20, 0, 0, 0xc8
        call    end_master
        call    sum
        add     si, 512
        call    sum_from
        mov     word [BUFFER], 0xabcd
        mov     bl, 0
        call    start_master
        command 0xe0, 0, 2, 30, 0, 0, 0xca
        call    end_master
        mov     ax, [interrupts]
        call    word_out
        command 0xe0, 0, 1, 30, 0, 0, 0x20
        call    read_sum
        call    line

        say     "int 13h"
        mov     ax, 0x0202              ; what the controller has written
        mov     bx, BUFFER
        mov     cx, 22                  ; sectors 21 and 22
        mov     dh, 0
        mov     dl, [drive]
        int     0x13
        call    word_out
        call    sum
        mov     ax, 0x0301              ; and the other way round
        mov     bx, BUFFER
        mov     cx, 41
        mov     dl, [drive]
        mov     dh, 0
        int     0x13
        command 0xe0, 0, 1, 40, 0, 0, 0x20
        call    read_sum
        call    line

        say     "no slave"
        command 0xb0, 0, 0, 0, 0, 0, 0xec
        mov     dx, CHANNEL + 7
        in      al, dx
        call    byte_out
        mov     dx, CHANNEL + 4
        in      al, dx
        call    byte_out
        call    line

        say     "reset"
        mov     dx, CHANNEL + 6
        mov     al, 0xa0
        out     dx, al
        mov     al, 4
        mov     dx, CHANNEL + 0x206
        out     dx, al
        call    pause
        mov     al, 0
        out     dx, al
        call    pause
        call    wait_ready
        call    signature
        call    line

        say     "CD"
        mov     word [channel], 0x170
        mov     dx, 0x376               ; by polling
        mov     al, 2
        out     dx, al
        command 0xa0, 0, 0, 0, 0, 0, 0xec
        call    signature
        command 0xa0, 0, 0, 0, 0, 0, 0xa1
        call    read
        mov     ax, [BUFFER]
        call    word_out
        mov     di, ready
        call    packet
        mov     di, sense
        call    packet
        mov     di, inquiry
        call    packet
        mov     di, event
        call    packet
        mov     di, toc
        call    packet
        mov     di, unknown
        call    packet
        mov     di, sense
        call    packet
        call    line

        say     "8237, parallel port"
        mov     al, 0
        out     0x0c, al
        mov     al, 0x34
        out     4, al
        mov     al, 0x12
        out     4, al
        in      al, 4
        call    byte_out
        in      al, 4
        call    byte_out
        mov     al, 0x5a
        out     0x81, al
        in      al, 0x81
        call    byte_out
        mov     dx, 0x378
        mov     al, 0xa5
        out     dx, al
        in      al, dx
        call    byte_out
        call    line
        mov     al, 0x10
        out     0xf4, al
        cli
        hlt

words:  dw      0, 1, 3, 6, 47, 49, 53, 60, 61, 83, 100, -1
ready:  db      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
sense:  db      3, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0
inquiry: db     0x12, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0
event:  db      0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0, 0, 0
toc:    db      0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0
unknown: db     0xc5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

interrupt:
        push    ax
        push    dx
        inc     word [interrupts]
        mov     dx, CHANNEL + 7
        in      al, dx
        mov     al, 0x20
        out     0xa0, al
        out     0x20, al
        pop     dx
        pop     ax
        iret

; BL device, BH feature, CL count, CH low, SI mid and high, AL command.
issue:  push    ax
        mov     dx, [channel]
        add     dx, 6
        mov     al, bl
        out     dx, al
        call    pause
        sub     dx, 5
        mov     al, bh
        out     dx, al
        inc     dx
        mov     al, cl
        out     dx, al
        inc     dx
        mov     al, ch
        out     dx, al
        inc     dx
        mov     ax, si
        out     dx, al
        inc     dx
        mov     al, ah
        out     dx, al
        pop     ax
        add     dx, 2
        out     dx, al
wait_ready:
        mov     dx, [channel]
        add     dx, 0x206
        call    pause
.busy:  in      al, dx
        test    al, 0x80
        jnz     .busy
        call    pause                   ; the interrupt, too
        ret
pause:  push    cx
        mov     cx, 4000
        loop    $
        pop     cx
        ret

; The sector at BUFFER.
read:   mov     dx, [channel]
        mov     di, BUFFER
        mov     cx, 256
        rep     insw
        jmp     wait_ready
read_sum:
        call    read
        call    sum
status_out:
        mov     dx, [channel]
        add     dx, 7
        in      al, dx
        jmp     byte_out
write:  mov     dx, CHANNEL
        mov     cx, 256
        rep     outsw
        ret
sum:    mov     si, BUFFER
sum_from:
        push    si
        xor     bx, bx
        mov     cx, 256
.add:   lodsw
        rol     bx, 1
        add     bx, ax
        loop    .add
        mov     ax, bx
        pop     si
        jmp     word_out

start_master:
        mov     dx, MASTER + 4
        mov     eax, TABLE
        out     dx, eax
        mov     dx, MASTER + 2
        mov     al, 6
        out     dx, al
        mov     dx, MASTER
        mov     al, bl
        out     dx, al
        or      al, 1
        out     dx, al
        ret
end_master:
        mov     dx, MASTER + 2
        in      al, dx
        call    byte_out
        mov     dx, MASTER
        mov     al, 0
        out     dx, al
        ret

pci_out:
        mov     dx, 0xcf8
        out     dx, eax
        mov     dx, 0xcfc
        mov     eax, ebx
        out     dx, eax
        ret

signature:
        mov     dx, [channel]
        inc     dx
        mov     cx, 5
.next:  in      al, dx
        call    byte_out
        inc     dx
        loop    .next
        ret

; The packet at DI: status, reason and either error or the bytes that it sends.
packet: push    di
        mov     bl, 0xa0
        mov     bh, 0
        xor     cx, cx
        mov     si, 0xfffe
        mov     al, 0xa0
        call    issue
        pop     si
        mov     dx, [channel]
        mov     cx, 6
        rep     outsw
        call    wait_ready
        mov     al, '|'
        call    put
        mov     dx, [channel]
        add     dx, 7
        in      al, dx
        push    ax
        call    byte_out
        mov     dx, [channel]
        add     dx, 2
        in      al, dx
        call    byte_out
        pop     ax
        test    al, 8
        jz      .error
        mov     dx, [channel]
        add     dx, 4
        in      al, dx
        call    byte_out
        movzx   cx, al
        mov     dx, [channel]
.byte:  in      ax, dx
        call    byte_out
        dec     cx
        jz      .done
        mov     al, ah
        call    byte_out
        loop    .byte
.done:  jmp     wait_ready
.error: mov     dx, [channel]
        inc     dx
        in      al, dx
        jmp     byte_out

line:   mov     al, 10
        jmp     put
word_out:
        push    cx
        mov     cx, 4
        jmp     digits
byte_out:
        push    cx
        push    ax
        mov     ah, al
        mov     cx, 2
        call    digits.each
        pop     ax
        pop     cx
        ret
digits: call    .each
        pop     cx
        ret
.each:  push    ax
        push    ax
        mov     al, ' '
        call    put
        pop     ax
.digit: rol     ax, 4
        push    ax
        and     al, 15
        cmp     al, 10
        sbb     al, 0x69
        das
        call    put
        pop     ax
        loop    .digit
        pop     ax
        ret
%include "x86_put16.inc"
text:   lodsb
        test    al, al
        jz      .end
        call    put
        jmp     text
.end:   ret

channel: dw     CHANNEL
interrupts: dw  0
SECTORS equ     ($ - $$) / 512
        times   48 * 512 - ($ - $$) db 0
