; A kernel that is started by its PVH note: checks the magic number of the start information and prints the command line.
bits 32
section .note.pvh note alloc align=4
        dd      4, 4, 18                ; XEN_ELFNOTE_PHYS32_ENTRY
        db      "Xen", 0
        dd      _start
section .text progbits alloc exec align=4
global _start
_start: mov     esp, stack.top
        mov     ebp, ebx
        call    clear
        cmp     dword [ebp], 0x336ec578
        mov     esi, wrong
        jne     .last
        mov     esi, hello
        call    print
        mov     esi, [ebp + 24]         ; cmdline_paddr
        test    esi, esi
        jz      .end
        call    print
.end:   mov     esi, last
.last:  call    print
        jmp     finish
%include "x86_print32.inc"
section .rodata
hello:  db "Hello PVH. ", 10, 0
last:   db 10, "Done.", 10, 0
wrong:  db "wrong magic", 10, 0
section .bss nobits alloc write align=16
stack:  resb    4096
.top:
