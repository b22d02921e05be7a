; Timers to the instruction: every handler begins with RDTSC and writes down what it read; so does whoever arms a timer, right before. Which timer,
; how long, how often: timer_test.ts writes that to memory.
; A Multiboot kernel: nasm -f bin timers.asm -o bin/timers.bin
bits 32
org 0x100000
PARAMETERS equ 0x9000     ; kind, count, rounds, processors, halt between interrupts, value of a control register
RESULTS equ 0x10000       ; 4 KiB for each processor
DONE equ 0x9020           ; processors that are done
HERE equ 0x9024           ; processors that have begun
TRAMPOLINE equ 0x8000
STACKS equ 0x70000        ; 4 KiB for each processor
LAPIC equ 0xfee00000
HPET equ 0xfed00000
; Kinds from 4 on are interrupts of ISA: 4 8254, 5 HPET once, 6 HPET periodic, 7 CMOS clock.
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  mov esi, trampoline
  mov edi, TRAMPOLINE
  mov ecx, trampoline_end - trampoline
  rep movsb
  mov al, 0xff              ; nothing from the 8259s but what is wanted
  out 0x21, al
  out 0xa1, al
  lgdt [gdtr]
  jmp 8:processor

; Of every other processor, in real mode.
trampoline:
bits 16
  cli
  lgdt [cs:gdtr16 - trampoline]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:processor
gdtr16: dw 23
  dd gdt
bits 32
trampoline_end:

processor:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov ebp, [LAPIC + 0x20]   ; its number
  shr ebp, 24
  mov esp, ebp
  shl esp, 12
  lea edi, [esp + RESULTS]
  add esp, STACKS + 0x1000
  lidt [idtr]
  mov dword [LAPIC + 0xf0], 0x1ff
  mov dword [LAPIC + 0x3e0], 0xb  ; the timer's clock undivided
  lock inc dword [HERE]
  mov ecx, [PARAMETERS + 12]
  test ebp, ebp
  jnz .others
  cmp ecx, 1
  je .others
  mov dword [LAPIC + 0x300], 0xc4500      ; INIT to all others
  mov dword [LAPIC + 0x300], 0xc4600 + (TRAMPOLINE >> 12)
.others:
  cmp [HERE], ecx
  jne .others
  mov ecx, [PARAMETERS + 8] ; rounds
  mov esi, [PARAMETERS + 4] ; count
  mov eax, [PARAMETERS]
  cmp eax, 4
  jb .begin
  test ebp, ebp
  jz .begin
  lock inc dword [DONE]     ; ISA's interrupts are the first processor's
.busy:
  inc ebx
  jmp .busy
.begin:
  call [begin + 4 * eax]
.wait:
  cmp dword [PARAMETERS + 16], 0
  jne .halt
.spin:
  inc ebx
  xor edx, ebx
  jmp .spin
.halt:
  sti
  hlt
  jmp .halt

; How each kind begins; what it writes down ends 3 instructions behind its RDTSC, with the one that arms.
begin: dd once, periodic, deadline, nothing, pit, hpet, hpet_periodic, cmos
once:
  mov dword [LAPIC + 0x320], 0x40
  sti
  jmp once_again
once_again:
  rdtsc
  mov [edi], eax
  add edi, 4
  mov [LAPIC + 0x380], esi
  ret
periodic:
  mov dword [LAPIC + 0x320], 0x20040
  sti
  jmp once_again
deadline:
  mov dword [LAPIC + 0x320], 0x40040
  sti
  jmp deadline_again
deadline_again:             ; writes down the deadline itself
  push ecx
  rdtsc
  add eax, esi
  adc edx, 0
  mov [edi], eax
  add edi, 4
  mov ecx, 0x6e0
  wrmsr
  pop ecx
  ret
isa:                        ; interrupts of the 8259s at 0x50
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x50
  out 0x21, al
  mov al, 0x58
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, 0xfa              ; IRQ 0 and the cascade
  out 0x21, al
  mov al, 0xfe              ; IRQ 8
  out 0xa1, al
  sti
  ret
pit:
  mov eax, [PARAMETERS + 20]
  out 0x43, al              ; in mode 0 the output goes low: nothing waits
  call isa
pit_again:
  mov eax, esi
  out 0x40, al
  rdtsc
  mov [edi], eax
  add edi, 4
  mov eax, esi
  mov al, ah
  out 0x40, al
  ret
hpet:
  call isa
  mov dword [HPET + 0x100], 4
  rdtsc
  mov [edi], eax
  add edi, 4
  mov dword [HPET + 0x10], 3
hpet_again:                 ; writes down the comparator
  mov eax, [HPET + 0xf0]
  add eax, esi
  mov [edi], eax
  add edi, 4
  mov [HPET + 0x108], eax
  mov dword [HPET + 0x10c], 0
  ret
hpet_periodic:
  call isa
  mov dword [HPET + 0x100], 0x4c
  mov [HPET + 0x108], esi
  mov dword [HPET + 0x10c], 0
  mov [HPET + 0x108], esi
  mov dword [HPET + 0x10c], 0
  rdtsc
  mov [edi], eax
  add edi, 4
  mov dword [HPET + 0x10], 3
  ret
cmos:
  call isa
  mov al, 10
  out 0x70, al
  mov eax, [PARAMETERS + 20]
  out 0x71, al
  mov al, 12                ; what has been is past
  out 0x70, al
  in al, 0x71
  mov al, 11
  out 0x70, al
  mov al, 0x42
  out 0x71, al
  ret

handler_lapic:
  rdtsc
  mov [edi], eax
  add edi, 4
  mov dword [LAPIC + 0xb0], 0
  dec ecx
  jz over
  mov eax, [PARAMETERS]
  call [again + 4 * eax]
  iret
handler_isa:
  rdtsc
  mov [edi], eax
  add edi, 4
  mov al, 12                ; of the CMOS clock: register C
  out 0x70, al
  in al, 0x71
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  dec ecx
  jz over
  mov eax, [PARAMETERS]
  call [again + 4 * eax]
  iret
; Kinds that go on by themselves need nothing.
again: dd once_again, nothing, deadline_again, deadline_again, pit_mode, hpet_again, nothing, nothing
pit_mode:
  test byte [PARAMETERS + 20], 0xe
  jz pit_again
nothing:
  ret
over:
  cli
  mov dword [LAPIC + 0x320], 0x10000
  lock inc dword [DONE]
.stay:
  inc ebx
  jmp .stay

align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr: dw 23
  dd gdt
idtr: dw 8 * 0x60 - 1
  dd idt
align 8
idt:
  times 0x40 dq 0
  dw handler_lapic - $$, 8, 0x8e00, 0x10
  times 15 dq 0
  dw handler_isa - $$, 8, 0x8e00, 0x10
  times 7 dq 0
  dw handler_isa - $$, 8, 0x8e00, 0x10
  times 7 dq 0
