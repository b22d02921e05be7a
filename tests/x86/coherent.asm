; A loop that loads from a window of one page, stores there, calls what is there, and then changes the page-table entries by which it is seen;
; no INVLPG. Which paging mode, which entries, what they become: coherent_test.ts writes that to memory.
; A Multiboot kernel: nasm -f bin coherent.asm -o bin/coherent.bin
bits 32
org 0x100000
PARAMETERS equ 0x9000     ; CR3, CR4, long mode, entries of 8 bytes, 1 inside + 2 by DMA, CR4.PCIDE, window (8 bytes)
LIST equ 0xa000           ; 16 times: address, value (8 bytes each)
STACK equ 0x8000
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  mov esp, STACK
  lgdt [gdtr]
  jmp 8:.flat
.flat:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, [PARAMETERS + 4]
  mov cr4, eax
  mov eax, [PARAMETERS]
  mov cr3, eax
  cmp dword [PARAMETERS + 8], 0
  jne enter64
  mov eax, fault32
  mov [idt + 14 * 8], ax
  mov dword [idt + 14 * 8 + 2], 8
  mov word [idt + 14 * 8 + 4 + 1], 0x8e
  shr eax, 16
  mov [idt + 14 * 8 + 6], ax
  lidt [idtr]
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  mov esi, [PARAMETERS + 24]
  xor ebp, ebp
  mov ebx, 1
.loop:
  mov eax, [esi]
  imul ebx, ebx, 31
  add ebx, eax
  mov [esi + 8], ebx
  lea eax, [esi + 0x100]
  call eax
  sidt [esi + 16]
  mov eax, [esi + 8]
  imul ebx, ebx, 31
  add ebx, eax
.change:
  test byte [PARAMETERS + 16], 2
  jnz .loop
  mov ecx, [LIST + ebp]
  mov eax, [LIST + ebp + 8]
  mov edx, [LIST + ebp + 12]
  add ebp, 16
  and ebp, 255
  test byte [PARAMETERS + 16], 1
  jnz .inside
  cmp dword [PARAMETERS + 12], 0
  je .narrow
  mov [ecx + 4], edx
.narrow:
  mov [ecx], eax
  jmp .loop
.inside:
  lea edi, [esi + 0x200]
  call edi
  jmp .loop
fault32:
  pop eax
  imul ebx, ebx, 31
  add ebx, eax
  mov eax, cr2
  add ebx, eax
  mov esp, STACK
  jmp start.change

enter64:
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x900
  wrmsr
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  jmp 24:main64
bits 64
main64:
  mov eax, fault64
  mov [abs idt + 14 * 16], ax
  mov dword [abs idt + 14 * 16 + 2], 24
  mov byte [abs idt + 14 * 16 + 5], 0x8e
  shr eax, 16
  mov [abs idt + 14 * 16 + 6], ax
  lidt [abs idtr]
  mov eax, [abs PARAMETERS + 20]
  mov rcx, cr4
  or rax, rcx
  mov cr4, rax
  mov rsi, [abs PARAMETERS + 24]
  xor ebp, ebp
  mov ebx, 1
.loop:
  cmp dword [abs PARAMETERS + 20], 0
  je .one
  mov rax, cr3
  xor eax, 5
  bts rax, 63
  mov cr3, rax
.one:
  mov eax, [rsi]
  imul ebx, ebx, 31
  add ebx, eax
  mov [rsi + 8], ebx
  lea rax, [rsi + 0x100]
  call rax
  sidt [rsi + 16]
  mov eax, [rsi + 8]
  imul ebx, ebx, 31
  add ebx, eax
.change:
  test byte [abs PARAMETERS + 16], 2
  jnz .loop
  mov rcx, [rbp + LIST]
  mov rax, [rbp + LIST + 8]
  add ebp, 16
  and ebp, 255
  test byte [abs PARAMETERS + 16], 1
  jnz .inside
  mov [rcx], rax
  jmp .loop
.inside:
  lea rdi, [rsi + 0x200]
  call rdi
  jmp .loop
fault64:
  pop rax
  imul ebx, ebx, 31
  add ebx, eax
  mov rax, cr2
  add ebx, eax
  mov esp, STACK
  jmp main64.change

align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
gdtr: dw $ - gdt - 1
  dd gdt, 0
idtr: dw 0xfff
  dd idt, 0
align 16
idt: times 512 db 0
