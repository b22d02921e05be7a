; A Multiboot2 kernel: checks the magic number, walks the tags, and prints in a fixed order what every loader must say alike: the command line, the
; module's arguments and contents, the kind of memory at 1 MiB, the names of its own sections, and the screen.
bits 32
section .text progbits alloc exec align=8
header: dd      0xe85250d6, 0, header.end - header, -(0xe85250d6 + header.end - header)
        align   8
        dw      1, 0                    ; information that is needed
        dd      24, 1, 3, 6, 8          ; command line, modules, memory map, screen
        align   8
        dw      4, 1                    ; a console is optional
        dd      12, 2                   ; text is understood
        align   8
        dw      6, 0                    ; modules on page boundaries
        dd      8
        dw      99, 1                   ; unknown, optional
        dd      8
        dw      0, 0
        dd      8
.end:
global _start
_start: mov     esp, stack.top
        mov     ebp, eax
        call    clear
        cmp     ebp, 0x36d76289
        mov     esi, wrong
        jne     last
        mov     [info], ebx
        mov     esi, hello
        call    print
        mov     eax, 1                  ; the command line
        call    find
        lea     esi, [ebx + 8]
        call    print
        mov     eax, 3                  ; the module
        call    find
        test    dword [ebx + 8], 4095
        mov     esi, wrong
        jnz     last
        lea     esi, [ebx + 16]
        call    print
        mov     esi, newline
        call    print
        mov     esi, [ebx + 8]
        mov     ecx, [ebx + 12]
        sub     ecx, esi
        mov     edx, edi
        mov     edi, text
        rep     movsb
        mov     byte [edi], 0
        mov     edi, edx
        mov     esi, text
        call    print
        mov     eax, 6                  ; the memory map: entries of [ebx + 8] bytes
        call    find
        mov     edx, [ebx + 4]
        add     edx, ebx
        lea     eax, [ebx + 16]
.entry: mov     ecx, [eax]
        cmp     ecx, 0x100000
        ja      .next
        add     ecx, [eax + 8]
        cmp     ecx, 0x100000
        ja      .found
.next:  add     eax, [ebx + 8]
        cmp     eax, edx
        jb      .entry
        mov     esi, wrong
        jmp     last
.found: cmp     dword [eax + 16], 1
        mov     esi, wrong
        jne     last
        mov     esi, memory
        call    print
        mov     eax, 9                  ; its sections: entries of [ebx + 12] bytes, of which number [ebx + 16] has the names
        call    find
        mov     eax, [ebx + 12]
        mul     dword [ebx + 16]
        mov     edx, [ebx + eax + 20 + 12]
        mov     ecx, [ebx + 8]
        lea     eax, [ebx + 20]
.name:  mov     esi, [eax]
        add     esi, edx
        push    eax
        push    edx
        call    print
        mov     esi, blank
        call    print
        pop     edx
        pop     eax
        add     eax, [ebx + 12]
        loop    .name
        mov     eax, 8                  ; the screen
        call    find
        cmp     byte [ebx + 29], 2
        mov     esi, wrong
        jne     last
        cmp     dword [ebx + 8], 0xb8000
        jne     last
        mov     esi, screen
        call    print
        mov     esi, done
last:   call    print
        jmp     finish

; The tag of type EAX in EBX; the run ends when there is none.
find:   mov     ebx, [info]
        add     ebx, 8
.tag:   cmp     [ebx], eax
        je      .end
        cmp     dword [ebx], 0
        je      .none
        mov     ecx, [ebx + 4]
        lea     ebx, [ebx + ecx + 7]
        and     ebx, -8
        jmp     .tag
.none:  mov     esi, missing
        jmp     last
.end:   ret
%include "x86_print32.inc"
section .rodata
hello:  db "Hello Multiboot2. ", 10, 0
newline: db 10, 0
blank:  db " ", 0
memory: db "RAM at 1 MiB. ", 10, "Sections:", 0
screen: db 10, "Text screen. ", 0
done:   db 10, "Done.", 10, 0
missing: db 10, "a tag is missing", 10, 0
wrong:  db 10, "wrong", 10, 0
section .bss nobits alloc write align=16
info:   resd    1
text:   resb    256
stack:  resb    4096
.top:
