; A loop that reads and writes devices in every width, by memory and by ports, and adds up what it finds; what a local APIC is asked for by a
; store arrives as an interrupt behind it. With a 1 at PARAMETERS pages are used. A Multiboot kernel: nasm -f bin devices.asm -o bin/devices.bin
bits 32
org 0x100000
PARAMETERS equ 0x200000   ; paging, rounds, instructions that access memory as well
RESULT equ 0x200010       ; the sum, interrupts, the sum of where they came
PAGES equ 0x201000
APIC equ 0xfee00000
HPET equ 0xfed00000
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  mov esp, 0x8000
  lgdt [gdtr]
  jmp 8:.flat
.flat:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, interrupt
  mov [idt + 0x40 * 8], ax
  mov dword [idt + 0x40 * 8 + 2], 8
  mov word [idt + 0x40 * 8 + 4 + 1], 0x8e
  shr eax, 16
  mov [idt + 0x40 * 8 + 6], ax
  lidt [idtr]
  cmp dword [PARAMETERS], 0
  je .flat_addresses
  mov dword [PAGES], 0x83                            ; 4 MiB at 0
  mov dword [PAGES + (APIC >> 22) * 4], (APIC & 0xffc00000) | 0x83
  mov eax, PAGES
  mov cr3, eax
  mov eax, 0x10
  mov cr4, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
.flat_addresses:
  mov dword [APIC + 0xf0], 0x1ff                     ; on
  mov dword [APIC + 0x3e0], 0xb                      ; the timer counts at the bus clock,
  mov dword [APIC + 0x320], 0x10000                  ; says nothing
  mov dword [APIC + 0x380], -1
  mov dword [HPET + 0x10], 1                         ; on
  mov al, 0xff
  out 0x21, al
  out 0xa1, al
  mov al, 0x34
  out 0x43, al
  xor ebx, ebx
  mov edi, 0x200100
  sti
.again:
  add ebx, [APIC + 0x390]
  rol ebx, 1
  movzx eax, byte [HPET + 0xf0]
  add ebx, eax
  movsx eax, byte [HPET + 0xf1]
  add ebx, eax
  rol ebx, 1
  add bx, [HPET + 0xf0]
  movsx eax, word [HPET + 0xf0]
  add ebx, eax
  rol ebx, 1
  add ebx, [HPET + 0xf1]                             ; not aligned
  mov al, 4
  mov [APIC + 0x80], al                              ; the task priority
  mov byte [APIC + 0x80], 0
  mov dword [APIC + 0x300], 0x44040                  ; an interrupt to itself, which comes here:
  add ebx, [APIC + 0x80]
  rol ebx, 1
  test dword [HPET + 0xf0], 0x10
  jz .even
  inc ebx
.even:
  cmp byte [HPET + 0xf0], 0x80
  adc ebx, 0
  cmp dword [PARAMETERS + 8], 0
  je .once
  push dword [HPET + 0xf0]
  pop eax
  add ebx, eax
  mov esi, HPET + 0xf0
  movsd
  sub edi, 4
  add ebx, [edi]
  add dword [APIC + 0x3e0], 0                        ; read and written
.once:
  mov dx, 0x3fd
  in al, dx
  add bl, al
  mov dx, 0x40                                       ; the counter's halves, by turns
  in al, dx
  add bl, al
  rol ebx, 1
  in ax, dx
  add bx, ax
  in eax, dx
  add ebx, eax
  mov al, 0
  out 0x43, al
  in al, 0x40
  add bl, al
  in al, 0x40
  add bl, al
  rol ebx, 1
  dec dword [PARAMETERS + 4]
  jnz .again
  mov [RESULT], ebx
  mov dx, 0xf4
  mov al, 0x10
  out dx, al
.halt: hlt
  jmp .halt

interrupt:
  push eax
  mov eax, [esp + 4]
  add [RESULT + 8], eax
  inc dword [RESULT + 4]
  mov dword [APIC + 0xb0], 0
  pop eax
  iretd

align 8
gdt: dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
gdtr: dw 23
  dd gdt
idtr: dw 0x41 * 8 - 1
  dd idt
align 8
idt: times 0x41 * 8 db 0
