; A Multiboot 1 kernel: checks the magic number, prints its command line and the size of low memory.
bits 32
MAGIC   equ 0x1badb002
FLAGS   equ 3                           ; aligned modules, memory sizes
section .text progbits alloc exec align=4
        dd      MAGIC, FLAGS, -(MAGIC + FLAGS)
global _start
_start: mov     esp, stack.top
        mov     ebp, eax
        call    clear
        cmp     ebp, 0x2badb002
        mov     esi, wrong
        jne     .last
        mov     esi, hello
        call    print
        mov     esi, memory
        test    byte [ebx], 1           ; mem_lower and mem_upper are there
        jz      .no
        call    print
.no:    test    byte [ebx], 4           ; the command line, of which the first word is the kernel's name
        jz      .end
        mov     esi, [ebx + 16]
.skip:  lodsb
        test    al, al
        jz      .end
        cmp     al, ' '
        jne     .skip
        call    print
.end:   mov     esi, last
.last:  call    print
        jmp     finish
%include "x86_print32.inc"
section .rodata
hello:  db "Hello Multiboot. ", 10, 0
memory: db "Memory sizes. ", 10, 0
last:   db 10, "Done.", 10, 0
wrong:  db "wrong magic", 10, 0
section .bss nobits alloc write align=16
stack:  resb    4096
.top:
