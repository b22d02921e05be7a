; The kernel that goes to long mode, as an ELF64 file with a Multiboot2 header.
%define MULTIBOOT2
%include "x86_long.asm"
