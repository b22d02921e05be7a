; A Multiboot2 kernel that asks for graphics: fills the screen with red, green and blue thirds and prints its size, pitch and the places of the colours.
bits 32
section .text progbits alloc exec align=8
header: dd      0xe85250d6, 0, header.end - header, -(0xe85250d6 + header.end - header)
        dw      5, 0                    ; a screen
        dd      20, 800, 600, 32
        align   8
        dw      0, 0
        dd      8
.end:
global _start
_start: mov     esp, stack.top
        add     ebx, 8
.tag:   cmp     dword [ebx], 8
        je      .found
        cmp     dword [ebx], 0
        mov     eax, 'n'
        je      none
        mov     ecx, [ebx + 4]
        lea     ebx, [ebx + ecx + 7]
        and     ebx, -8
        jmp     .tag
.found: mov     eax, [ebx + 20]
        call    number
        mov     eax, [ebx + 24]
        call    number
        mov     eax, [ebx + 16]
        call    number
        mov     esi, 28                 ; depth and kind
        mov     ecx, 2
        call    bytes
        mov     esi, 32                 ; position and size of red, green and blue
        mov     ecx, 6
        call    bytes
        mov     al, 10
        call    put
        mov     edi, [ebx + 8]
        mov     ebp, [ebx + 24]
.line:  push    edi
        mov     edx, 0
.third: mov     ecx, [colours + 4 * edx]
        mov     eax, [ebx + 20]
        push    edx
        xor     edx, edx
        mov     esi, 3
        div     esi
        mov     esi, ecx
        mov     ecx, eax
        mov     eax, esi
        rep     stosd
        pop     edx
        inc     edx
        cmp     edx, 3
        jb      .third
        pop     edi
        add     edi, [ebx + 16]
        dec     ebp
        jnz     .line
        jmp     stop

none:   call    put
stop:   cli
        mov     eax, 0x10
        out     0xf4, eax
.halt:  hlt
        jmp     .halt

; The ECX bytes at EBX + ESI, as numbers.
bytes:  movzx   eax, byte [ebx + esi]
        push    ecx
        call    number
        pop     ecx
        inc     esi
        loop    bytes
        ret
; EAX in decimal, and a blank.
number: push    ebx
        mov     ebx, 10
        xor     ecx, ecx
.digit: xor     edx, edx
        div     ebx
        push    edx
        inc     ecx
        test    eax, eax
        jnz     .digit
.out:   pop     eax
        add     al, '0'
        call    put
        loop    .out
        pop     ebx
        mov     al, ' '
put:    mov     edx, 0x3f8
        out     dx, al
        ret
section .rodata
colours: dd 0xff0000, 0x00ff00, 0x0000ff
section .bss nobits alloc write align=16
stack:  resb    4096
.top:
