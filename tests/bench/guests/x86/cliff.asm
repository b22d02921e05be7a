; Long mode, privilege 0, the first 4 GiB in pages of 2 MiB; DATA is in pages of 4 KiB. SETUP, then BODY as often as COUNT says, then the debug exit.
; cliffs.ts puts the three in place of the lines that name them; r12: the
; local APIC, r13: the HPET. What faults or interrupts goes on behind the instruction: r14 bytes further.
; A Multiboot kernel: nasm -f bin, on machines/pc.toml and under QEMU.
bits 32
org 0x100000
TABLES equ 0x200000
DATA equ 0x400000         ; two pages, then one that is not present
CODE64 equ 8
OTHER64 equ 24
APIC equ 0xfee00000
HPET equ 0xfed00000
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  cli
  mov esp, 0x300000
  mov edi, TABLES
  xor eax, eax
  mov ecx, 0x8000 / 4
  rep stosd
  mov dword [TABLES], TABLES + 0x1003
%assign n 0
%rep 4
  mov dword [TABLES + 0x1000 + 8 * n], TABLES + 0x2003 + 0x1000 * n
%assign n n + 1
%endrep
  mov edi, TABLES + 0x2000
  mov eax, 0x83
  mov ecx, 2048
.large:
  mov [edi], eax
  add edi, 8
  add eax, 0x200000
  loop .large
  mov dword [TABLES + 0x2000 + 8 * (DATA >> 21)], TABLES + 0x6003
  mov edi, TABLES + 0x6000
  mov eax, DATA + 3
  mov ecx, 512
.small:
  mov [edi], eax
  add edi, 8
  add eax, 0x1000
  loop .small
  mov dword [TABLES + 0x6010], 0
  mov eax, TABLES
  mov cr3, eax
  mov eax, 0x620          ; PAE, OSFXSR, OSXMMEXCPT
  mov cr4, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x101           ; LME, SCE
  wrmsr
  mov eax, 0x80000033     ; PG, NE, ET, MP, PE
  mov cr0, eax
  lgdt [gdtr]
  jmp CODE64:wide
bits 64
wide:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  mov edi, idt
  mov eax, plain
  mov ecx, 256
.vector:
  mov [rdi], ax
  mov dword [rdi + 2], CODE64
  mov byte [rdi + 5], 0x8e
  mov edx, eax
  shr edx, 16
  mov [rdi + 6], dx
  add edi, 16
  dec ecx
  jnz .vector
  mov eax, coded
%assign n 8
%rep 10
%if n = 8 || (n >= 10 && n <= 14) || n = 17
  mov [idt + 16 * n], ax
%endif
%assign n n + 1
%endrep
  lidt [idtr]
  fninit
  mov r12d, APIC
  mov r13d, HPET
  mov dword [r12 + 0xf0], 0x1ff
  mov esi, DATA
  xor ebx, ebx
  xor r14d, r14d
  jmp setup
align 64
plain:
  add [rsp], r14
  iretq
coded:
  add rsp, 8
  add [rsp], r14
  iretq
align 64
eoi:
  mov dword [r12 + 0xb0], 0
  iretq
align 16
gdt: dq 0
  dq 0x00af9a000000ffff
  dq 0x00cf92000000ffff
  dq 0x00af9a000000ffff
gdtr: dw 31
  dd gdt, 0
idtr: dw 0xfff
  dq idt
half: dq 0.5
tiny: dq 0x0000000000001234
third: dq 0.3333333333333333
up: dd 0x5f80
nearest: dd 0x1f80
align 4096
idt: times 4096 db 0
setup:
  SETUP
  mov r15d, COUNT
align 64
again:
  BODY
next:
  dec r15d
  jnz again
  mov al, 0x10
  out 0xf4, al
.end: hlt
  jmp .end
