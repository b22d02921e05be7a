; 32-bit protected mode: what faults, with which error codes, and what far transfers, tasks, rings and virtual-8086 mode do.
; A Multiboot kernel that prints one line for each case on COM1; the expected text is what QEMU prints.
; nasm -f bin protected.asm -o bin/protected.bin
bits 32
org 0x100000
%define GDT_COUNT 32
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start

start:
  cld
  mov esp, stack_top
  lgdt [gdtr]
  jmp 8:.cs
.cs:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  ; IDT
  mov edi, idt
  mov esi, stubs
  mov ecx, 0x20
.gate:
  mov eax, esi
  mov [edi], ax
  mov word [edi+2], 8
  mov word [edi+4], 0x8e00
  shr eax, 16
  mov [edi+6], ax
  add edi, 8
  add esi, 16
  loop .gate
  lidt [idtr]
  mov ax, 0x28
  ltr ax
  xor eax, eax
  lldt ax
  call tests
  mov eax, 0x10
  out 0xf4, eax
  cli
  hlt

; --- output
putc:
  push edx
  mov edx, 0x3f8
  out dx, al
  pop edx
  ret
puts:
  lodsb
  test al, al
  jz .end
  call putc
  jmp puts
.end:
  ret
; eax in ecx digits, then a blank
hex8: mov ecx, 8
hexn:
  push ebx
  push eax
  mov ebx, ecx
  shl ebx, 2
  neg ebx
  add ebx, 32
  mov edx, eax
  xchg ecx, ebx
  shl edx, cl
  mov ecx, ebx
.digit:
  rol edx, 4
  mov al, dl
  and al, 15
  cmp al, 10
  jb .low
  add al, 'a' - '0' - 10
.low:
  add al, '0'
  call putc
  loop .digit
  mov al, ' '
  call putc
  pop eax
  pop ebx
  ret
newline:
  mov al, 10
  jmp putc

%macro TRY 1
  %push t
  mov dword [recover], %$done
  mov [savesp], esp
  mov esi, %$name
  call puts
  jmp %$go
%$name: db %1, ": ", 0
%$go:
%endmacro
%macro DONE 0
%$done:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  call newline
  %pop
%endmacro
%macro SHOW 1
  mov eax, %1
  call hex8
%endmacro
%macro SAY 1
  %push s
  mov esi, %$text
  call puts
  jmp %$over
%$text: db %1, " ", 0
%$over:
  %pop
%endmacro

; --- exceptions: print vector, error code, cs:eip, flags, and go on at `recover`
align 16
stubs:
%assign v 0
%rep 32
  align 16
  %if v = 8 || (v >= 10 && v <= 14) || v = 17
  %else
  push dword 0xffffffff
  %endif
  push dword v
  jmp caught
%assign v v+1
%endrep
caught:
  push ds
  push es
  pushad
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov eax, [esp + 24]
  mov [last_ecx], eax
  mov eax, [esp]
  mov [last_edi], eax
  mov eax, [esp + 40]
  mov ecx, 2
  call hexn
  mov eax, [esp + 44]
  call hex8
  mov eax, [esp + 52]
  mov ecx, 4
  call hexn
  mov eax, [esp + 48]
  call hex8
  mov eax, [esp + 56]
  and eax, 0x27700
  call hex8
  cmp dword [esp + 40], 1
  je .debug
  cmp dword [esp + 40], 14
  jne .leave
  mov eax, cr2
  call hex8
.leave:
  mov ax, 0x10
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, [savesp]
  mov dword [0x9000 + 0], 0
  push 2
  popfd
  jmp [recover]
.debug: ; a debug exception returns
  mov eax, dr6
  and eax, 0xe00f
  call hex8
  mov eax, 0xffff0ff0
  mov dr6, eax
  dec dword [steps]
  jns .go
  and dword [esp + 56], ~0x100
.go:
  or dword [esp + 56], 0x10000
  popad
  pop es
  pop ds
  add esp, 8
  iretd

%macro SETGATE 4 ; vector, selector, offset, attributes
  mov eax, %3
  mov [idt + (%1)*8], ax
  mov word [idt + (%1)*8 + 2], %2
  mov word [idt + (%1)*8 + 4], %4
  shr eax, 16
  mov [idt + (%1)*8 + 6], ax
%endmacro

tests:
  TRY "ud2"
  ud2
  DONE
  TRY "divide"
  xor ecx, ecx
  div ecx
  DONE
  TRY "int3"
  int3
  DONE
  TRY "into"
  mov al, 0x7f
  add al, 1
  into
  DONE
  TRY "bound"
  mov eax, 10
  bound eax, [bounds]
  DONE
  TRY "gate not present"
  int 0x30
  DONE
  TRY "gate beyond limit"
  int 0x50
  DONE
  TRY "gate of a wrong type"
  SETGATE 0x31, 8, ring0_service, 0x8000 | 0x0c00
  int 0x31
  DONE
  TRY "gate to a null selector"
  SETGATE 0x31, 0, ring0_service, 0x8e00
  int 0x31
  DONE
  TRY "gate to a data segment"
  SETGATE 0x31, 0x10, ring0_service, 0x8e00
  int 0x31
  DONE
  TRY "gate to an absent segment"
  SETGATE 0x31, 0x48, ring0_service, 0x8e00
  int 0x31
  DONE
  TRY "16-bit gate"
  SETGATE 0x31, 0x70, service16, 0x8600
  mov word [idt + 0x31 * 8 + 6], 0
  mov dword [gate_return], .back16
  int 0x31
.back16:
  mov esp, [savesp]
  SAY "back"
  DONE

%macro LOADSEG 3
  TRY %3
  mov eax, %2
  mov %1, ax
  SAY "loaded"
  DONE
%endmacro
  LOADSEG ds, 0x1000, "ds beyond the table"
  LOADSEG ds, 0x1c, "ds in no LDT"
  LOADSEG es, 0, "es null"
  LOADSEG es, 3, "es null rpl 3"
  LOADSEG ds, 0x38, "ds execute-only"
  LOADSEG ds, 0x13, "ds dpl 0 rpl 3"
  LOADSEG ds, 0x50, "ds absent"
  LOADSEG ds, 0x28, "ds is a TSS"
  LOADSEG ds, 0x40, "ds conforming readable"
  LOADSEG ss, 0, "ss null"
  LOADSEG ss, 8, "ss code"
  LOADSEG ss, 0x23, "ss dpl 3"
  LOADSEG ss, 0x13, "ss rpl 3"
  LOADSEG ss, 0x50, "ss absent"
  LOADSEG ss, 0x60, "ss read-only"
  LOADSEG fs, 0x23, "fs dpl 3 rpl 3"
%ifndef QEMU ; TCG checks neither limits nor null segments
  TRY "null segment used"
  xor eax, eax
  mov es, ax
  mov eax, [es:0]
  DONE
  TRY "read-only segment written"
  mov ax, 0x60
  mov es, ax
  mov eax, [es:start]
  mov [es:start], eax
  DONE
  TRY "code segment written"
  mov [cs:start], eax
  DONE
  TRY "limit"
  mov ax, 0x58
  mov fs, ax
  mov eax, [fs:0xfc]
  SAY "in"
  mov eax, [fs:0xfd]
  DONE
  TRY "limit, byte"
  mov al, [fs:0xff]
  SAY "in"
  mov al, [fs:0x100]
  DONE
  TRY "expand-down"
  mov ax, 0x68
  mov fs, ax
  mov al, [fs:0x120000]
  SAY "in"
  mov al, [fs:0xfff]
  DONE
  TRY "stack limit"
  mov ax, 0x58
  mov ss, ax
  mov esp, 0x100
  mov eax, [esp - 4]
  mov ebp, 0xfe
  mov eax, [ebp]
  DONE

%endif
  TRY "jmp null"
  jmp 0:start
  DONE
  TRY "jmp beyond"
  jmp 0x2000:start
  DONE
  TRY "jmp data"
  jmp 0x10:start
  DONE
  TRY "jmp absent code"
  jmp 0x48:start
  DONE
  TRY "jmp dpl 3 code"
  jmp 0x1b:start
  DONE
  TRY "jmp beyond limit"
  jmp 0x70:0x100000
  DONE
  TRY "jmp conforming"
  jmp 0x43:.conf
.conf:
  xor eax, eax
  mov ax, cs
  SHOW eax
  jmp 8:.conf2
.conf2:
  DONE
  TRY "call gate"
  call 0x80:0
  SHOW eax
  DONE
  TRY "jmp to call gate"
  mov dword [gate_return], .gated
  jmp 0x88:0
.gated:
  SAY "back"
  DONE
  TRY "call gate absent"
  call 0x90:0
  DONE
  TRY "retf to null"
  push 0
  push start
  retf
  DONE
  TRY "iret to data"
  pushfd
  push 0x10
  push start
  iretd
  DONE
  TRY "iret inwards"
  pushfd
  push 0x13
  push start
  iretd
  DONE

  ; LAR, LSL, VERR, VERW of every descriptor
  mov ebx, 0
.descriptors:
  mov esi, .lar_name
  call puts
  mov eax, ebx
  mov ecx, 4
  call hexn
  xor eax, eax
  lar eax, ebx
  setz cl
  and eax, ~0x100 ; QEMU does not set the accessed bit of code
  movzx ecx, cl
  push ecx
  call hex8
  pop eax
  mov ecx, 1
  call hexn
  xor eax, eax
  lsl eax, ebx
  setz cl
  movzx ecx, cl
  push ecx
  call hex8
  pop eax
  mov ecx, 1
  call hexn
  verr bx
  setz al
  mov ecx, 1
  call hexn
  verw bx
  setz al
  mov ecx, 1
  call hexn
  call newline
  add ebx, 8
  cmp ebx, GDT_COUNT * 8
  jb .descriptors
  jmp .after_lar
.lar_name: db "lar ", 0
.after_lar:
  TRY "ltr busy"
  mov ax, 0x28
  ltr ax
  DONE
  TRY "lldt not an LDT"
  mov ax, 0x10
  lldt ax
  DONE
  TRY "ldt"
  mov ax, 0xa8
  lldt ax
  sldt eax
  SHOW eax
  mov ax, 4
  mov es, ax
  mov eax, [es:header]
  SHOW eax
  mov ax, 0xc
  mov es, ax
  DONE
  TRY "str"
  xor eax, eax
  str ax
  SHOW eax
  DONE

  ; --- ring 3
%macro RING3 1
  push 0x23
  push user_stack
  pushfd
  push 0x1b
  push %1
  iretd
%endmacro
  SETGATE 0x40, 8, leave_ring3, 0xee00
  SETGATE 0x41, 8, show_frame, 0xef00
%macro USER 1
  TRY %1
  RING3 %$user
%$user:
%endmacro
%macro ENDUSER 0
  int 0x40
  DONE
%endmacro
  USER "user: segments"
  xor eax, eax
  mov ax, cs
  int 0x41
  mov ax, ss
  int 0x41
  mov ax, ds
  int 0x41
  ENDUSER
  USER "user: cli"
  cli
  ENDUSER
  USER "user: hlt"
  hlt
  ENDUSER
  USER "user: in"
  in al, 0x60
  ENDUSER
  USER "user: allowed port"
  mov dx, 0x3f8
  in al, dx
  int 0x40
  DONE
  USER "user: half allowed"
  mov dx, 0x3ff
  in ax, dx
  ENDUSER
  USER "user: mov cr0"
  mov eax, cr0
  ENDUSER
  USER "user: lgdt"
  mov ax, 0x23
  mov ds, ax
  lgdt [gdtr]
  ENDUSER
  USER "user: int to a closed gate"
  int 0x20
  ENDUSER
  USER "user: int3 to a closed gate"
  int3
  ENDUSER
  USER "user: popf keeps IF and IOPL"
  push 0x3202
  popfd
  pushfd
  pop eax
  and eax, 0x3200
  int 0x41
  ENDUSER
  USER "user: call gate with parameters"
  push 0x11111111
  push 0x22222222
  call 0x9b:0
  mov ebx, user_stack
  sub ebx, esp
  mov eax, ebx
  int 0x41
  xor eax, eax
  mov ax, cs
  int 0x41
  ENDUSER
  USER "user: call gate dpl 0"
  call 0x80:0
  ENDUSER
  USER "user: jmp through gate inwards"
  jmp 0x9b:0
  ENDUSER
  USER "user: ss dpl 0"
  mov ax, 0x10
  mov ss, ax
  ENDUSER
  USER "user: call TSS"
  call 0xb0:0
  ENDUSER
  USER "user: sysenter unset"
  sysenter
  ENDUSER
  USER "user: conforming"
  call 0x43:.conforming
  jmp .over_conforming
.conforming:
  xor eax, eax
  mov ax, cs
  retf
.over_conforming:
  int 0x41
  ENDUSER

%macro RETURN16 2 ; a return with 16-bit operands clears the upper half of ESP
  TRY %1
  mov dword [0x5000], 0x41cde089 ; mov eax, esp; int 0x41
  mov word [0x5004], 0x40cd      ; int 0x40
  push word 0x23
  push word 0x8000
%if %2 == 0xcf
  push word 2
%endif
  push word 0x1b
  push word 0x5000
  db 0x66, %2
  DONE
%endmacro
  RETURN16 "user: by a 16-bit iret", 0xcf
  RETURN16 "user: by a 16-bit retf", 0xcb

  ; --- tasks
  call setup_task
  TRY "jmp to a task"
  mov dword [task + 0x20], task_jump
  jmp 0xb0:0
  SAY "returned"
  pushfd
  pop eax
  and eax, 0x4000
  SHOW eax
  mov eax, cr0
  and eax, 8
  SHOW eax
  clts
  SHOW [gdt + 0x2c]
  SHOW [gdt + 0xb4]
  DONE
  TRY "call a task"
  mov dword [task + 0x20], task_call
  mov eax, 0x12345678
  call 0xb0:0
  SAY "returned"
  SHOW eax
  SHOW [task]
  SHOW [gdt + 0x2c]
  SHOW [gdt + 0xb4]
  clts
  DONE
  TRY "task gate"
  mov dword [task + 0x20], task_call
  SETGATE 0x42, 0xb0, 0, 0x8500
  int 0x42
  SAY "returned"
  SHOW [task + 0x24]
  clts
  DONE
  TRY "task gate descriptor"
  mov dword [task + 0x20], task_call
  call 0xb8:0
  SAY "returned"
  clts
  DONE
%ifndef QEMU ; which ignores the T bit
  mov word [task + 0x64], 1
  TRY "task with the T bit: jmp"
  mov dword [task + 0x20], task_jump
  jmp 0xb0:0
  clts
  DONE
  TRY "task with the T bit: int"
  mov dword [task + 0x20], task_call
  int 0x42
  clts
  DONE
  mov word [task + 0x64], 0
%endif
  TRY "task too short"
  jmp 0xc0:0
  DONE
  TRY "task busy"
  jmp 0x28:0
  DONE
  TRY "iret without back link"
  mov word [tss], 0
  pushfd
  or dword [esp], 0x4000
  popfd
  iretd
  DONE

  ; --- virtual-8086
%macro V86 2 ; name, iopl
  TRY %1
  mov edi, 0x8000
  mov esi, %$code
  mov ecx, 64
  rep movsb
  push 0x0066 ; gs fs ds es
  push 0x0055
  push 0x0044
  push 0x0033
  push 0x0700
  push 0x0f00
  push 0x20002 | (%2 << 12)
  push 0x0800
  push 0
  iretd
%$code:
%endmacro
  V86 "v86: int with IOPL 0", 0
bits 16
  int 0x40
bits 32
  DONE
  V86 "v86: int with IOPL 3", 3
bits 16
  mov ax, 0x1234
  int 0x41
  mov ax, ds
  int 0x41
  mov ax, sp
  int 0x41
  int 0x40
bits 32
  DONE
  V86 "v86: cli with IOPL 0", 0
bits 16
  cli
bits 32
  DONE
  V86 "v86: pushf with IOPL 0", 0
bits 16
  pushf
bits 32
  DONE
  V86 "v86: pushf with IOPL 3", 3
bits 16
  pushf
  pop ax
  and ax, 0x7200
  int 0x41
  hlt
bits 32
  DONE
  V86 "v86: int3 is not sensitive", 0
bits 16
  int3
bits 32
  DONE
  V86 "v86: protected instruction", 3
bits 16
  db 0x0f, 0x00, 0xc8 ; str
bits 32
  DONE
%ifndef QEMU
  V86 "v86: segment limit", 3
bits 16
  mov si, 0xffff
  lodsw
bits 32
  DONE
%endif
  V86 "v86: port", 0
bits 16
  in al, 0x60
bits 32
  DONE
%ifndef QEMU
  V86 "v86: stack segment limit", 3
bits 16
  mov sp, 1
  push ax
bits 32
  DONE

%endif
  ; --- debug
  SETGATE 1, 8, stubs + 16, 0x8e00
  TRY "single steps"
  mov dword [steps], 4
  pushfd
  or dword [esp], 0x100
  popfd
  nop
  mov eax, 1
  push ss
  pop ss
  inc eax
  nop
  nop
  nop
  nop
  SAY "on"
  DONE
  TRY "instruction breakpoint"
  mov eax, .bp
  mov dr0, eax
  mov eax, 2
  mov dr7, eax
  nop
.bp:
  nop
  SAY "passed"
  xor eax, eax
  mov dr7, eax
  DONE
  TRY "write breakpoint"
  mov eax, data
  mov dr1, eax
  mov eax, 0x00d00008
  mov dr7, eax
  mov eax, [data]
  mov [data + 2], al
  nop
  mov [data + 4], al
  nop
  xor eax, eax
  mov dr7, eax
  SAY "done"
  DONE
  TRY "dr5 with DE"
  mov eax, cr4
  or eax, 8
  mov cr4, eax
  mov eax, dr5
  DONE
%ifndef QEMU
  TRY "general detect"
  mov eax, 0x2000
  mov dr7, eax
  mov eax, dr3
  SAY "passed"
  DONE

%endif
  ; --- control registers
%ifndef QEMU
  TRY "cr0: PG without PE"
  mov eax, 0x80000010
  mov cr0, eax
  DONE
  TRY "cr0: NW without CD"
  mov eax, cr0
  or eax, 0x20000000
  mov cr0, eax
  DONE
  TRY "cr4: reserved"
  mov eax, 0x40000000
  mov cr4, eax
  DONE
  TRY "cr1"
  db 0x0f, 0x20, 0xc8
  DONE
%endif
  TRY "lmsw cannot clear PE"
  xor eax, eax
  lmsw ax
  smsw ax
  and eax, 0xf
  SHOW eax
  DONE

  ; --- paging
  call setup_paging
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, page_directory
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
%macro READ 2
  TRY %1
  mov eax, [%2]
  SHOW eax
  DONE
%endmacro
  READ "page: identity", data
  READ "page: directory entry absent", 0x40000000
  READ "page: table entry absent", 0x00c01000
  READ "page: reserved bit", 0x00800000
  TRY "page: read-only without WP"
  mov dword [0x00c02000], 1
  SHOW [page_table + 8]
  DONE
  TRY "page: read-only with WP"
  mov eax, cr0
  or eax, 0x10000
  mov cr0, eax
  mov dword [0x00c02004], 1
  DONE
  TRY "page: accessed and dirty"
  mov eax, [0x00c04000]
  SHOW [page_table + 16]
  SHOW [page_directory + 12]
  mov [0x00c04000], eax
  SHOW [page_table + 16]
  DONE
  USER "page: user reads a supervisor page"
  mov ax, 0x23
  mov ds, ax
  mov eax, [0x00c03000]
  ENDUSER
  USER "page: user writes a supervisor page"
  mov ax, 0x23
  mov ds, ax
  mov [0x00c03000], eax
  ENDUSER
  USER "page: user writes a read-only page"
  mov ax, 0x23
  mov ds, ax
  mov eax, [0x00c02000]
  mov [0x00c02000], eax
  ENDUSER
  TRY "page: fetch"
  mov eax, 0x00c01234
  jmp eax
  DONE
  TRY "page: crossing write"
  mov dword [0x00c04ffe], 0x55667788
  DONE
  TRY "page: crossing fetch"
  mov word [0x00c04fff], 0x90
  mov byte [0x00c04fff], 0xb8
  mov eax, 0x00c04fff
  jmp eax
  DONE
  TRY "page: invlpg"
  mov dword [page_table + 16], 0x00300003 + 0
  invlpg [0x00c04000]
  mov dword [0x00300000], 0xaabbccdd
  mov eax, [0x00c04000]
  SHOW eax
  mov dword [page_table + 16], 0
  invlpg [0x00c04000]
  mov eax, [0x00c04000]
  DONE
  TRY "page: string across a fault"
  mov edi, 0x00c03ff0
  mov ecx, 8
  mov eax, 0x01010101
  rep stosd
  DONE
  SHOW [last_ecx]
  SHOW [last_edi]
  call newline
  ; The directory's entries 0 and 1023: tables of 4 KiB pages; the first page is absent, the last one is anywhere.
  mov edi, 0x300000
  mov eax, 3
.identity:
  stosd
  add eax, 0x1000
  cmp edi, 0x301000
  jb .identity
  mov dword [0x300000], 0
  mov dword [0x301ffc], 0x00200003
  mov dword [page_directory], 0x00300003
  mov dword [page_directory + 1023 * 4], 0x00301003
  mov eax, cr3
  mov cr3, eax
  TRY "page: read that wraps at 4 GiB"
  mov eax, [0xfffffffe]
  DONE
  TRY "page: write that wraps at 4 GiB"
  mov dword [0xfffffffd], 0x12345678
  DONE
  mov dword [0x300000], 3
  invlpg [0]
  TRY "page: wrapped"
  mov dword [0], 0xaabbccdd
  mov dword [0xfffffffc], 0x11223344
  mov eax, [0xfffffffe]
  SHOW eax
  mov dword [0xfffffffe], 0x55667788
  mov eax, [0]
  SHOW eax
  DONE
  mov dword [0x300000], 0
%ifndef QEMU ; which does not forget the second part
  TRY "page: no stale translation after a wrap"
  invlpg [0]
  mov eax, [0xfffffffe]
  DONE
%endif
  TRY "page: the directory's accessed bit when the table's entry is absent"
  mov dword [page_directory], 0x00300003
  mov dword [page_directory + 1023 * 4], 0x00301003
  mov eax, cr3
  mov cr3, eax
  mov eax, [0xfff00000]
  DONE
  SHOW [page_directory + 1023 * 4]
  call newline
  TRY "page fault in a page fault is a double fault"
  SETGATE 14, 8, stubs + 14*16, 0x0e00
  mov eax, [0x40000000]
  DONE
  TRY "not present gate of a divide error"
  SETGATE 14, 8, stubs + 14*16, 0x8e00
  SETGATE 0, 8, stubs, 0x0e00
  xor ecx, ecx
  div ecx
  DONE
%ifndef QEMU ; TCG checks no rights; this is what the host's processor does
  TRY "arpl, read-only, nothing to do"
  mov ax, 0x60
  mov es, ax
  xor ebx, ebx
  arpl [es:data], bx
  SAY "no fault"
  DONE
  TRY "arpl, read-only"
  mov ax, 0x60
  mov es, ax
  mov ebx, 3
  arpl [es:data], bx
  DONE
%endif
  ret

; int 0x40: leaves ring 3
leave_ring3:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov esp, [savesp]
  mov esi, .text
  call puts
  jmp [recover]
.text: db "left", 0
; int 0x41: prints eax
show_frame:
  push ds
  push ecx
  push edx
  push ss
  pop ds
  call hex8
  pop edx
  pop ecx
  pop ds
  iretd
ring0_service:
  iretd
bits 16
service16:
  jmp dword 8:.wide
bits 32
.wide:
  xor eax, eax
  mov ax, [esp]
  push eax
  xor eax, eax
  mov ax, [esp + 6]
  SHOW eax
  SHOW [savesp]
  sub eax, esp
  SHOW eax
  jmp [gate_return]
bits 32
gate_service:
  mov eax, [esp]
  sub eax, tests
  retf
gate_jump:
  jmp 8:.go
.go:
  jmp [gate_return]
; through gate 0x98 with two parameters: prints what it got
gate_parameters:
  push ds
  push ss
  pop ds
  mov eax, [esp + 12]
  call hex8
  mov eax, [esp + 16]
  call hex8
  mov eax, [esp + 8]
  call hex8
  mov eax, esp
  call hex8
  pop ds
  retf 8

setup_task:
  mov edi, task
  mov ecx, 26
  xor eax, eax
  rep stosd
  mov dword [task + 0x24], 2
  mov dword [task + 0x38], task_stack
  mov dword [task + 0x48], 0x10
  mov dword [task + 0x4c], 8
  mov dword [task + 0x50], 0x10
  mov dword [task + 0x54], 0x10
  mov dword [task + 0x58], 0x10
  mov dword [task + 0x5c], 0x10
  mov dword [task + 0x28], 0xfeedface
  ret
task_jump:
  SHOW eax
  str ax
  SHOW eax
  jmp 0x28:0
task_call:
  SHOW eax
  pushfd
  pop eax
  and eax, 0x4000
  SHOW eax
  iretd
  jmp task_call

setup_paging:
  mov edi, page_directory
  mov ecx, 2048
  xor eax, eax
  rep stosd
  mov dword [page_directory], 0x87        ; 4 MiB, user
  mov dword [page_directory + 8], 0x00200087 ; reserved bit 21
  mov dword [page_directory + 12], page_table + 7
  mov dword [page_table + 8], 0x00201005   ; c02: read-only, user
  mov dword [page_table + 12], 0x00202003  ; c03: supervisor
  mov dword [page_table + 16], 0x00203003  ; c04
  ret

align 8
bounds: dd 20, 30
recover: dd 0
savesp: dd 0
last_ecx: dd 0
last_edi: dd 0
steps: dd 0
gate_return: dd 0
data: dd 0x600dda7a, 0, 0
align 8
ldt: dq 0x00cf92000000ffff, 0x00cf12000000ffff
align 8
gdtr: dw GDT_COUNT * 8 - 1
  dd gdt
idtr: dw 0x48 * 8 - 1
  dd idt
align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff ; 08 code
  dq 0x00cf92000000ffff ; 10 data
  dq 0x00cffa000000ffff ; 18 user code
  dq 0x00cff2000000ffff ; 20 user data
  dw 0x2067, tss - $$, 0x8910, 0 ; 28 TSS
  dq 0x00cf96000000ffff ; 30 expand-down, 4 KiB
  dq 0x00cf98000000ffff ; 38 execute-only
  dq 0x00cf9e000000ffff ; 40 conforming
  dq 0x00cf1a000000ffff ; 48 absent code
  dq 0x00cf12000000ffff ; 50 absent data
  dq 0x00409200200000ff ; 58 limit 0xff
  dq 0x00cf90000000ffff ; 60 read-only
  dq 0x00c0960000000000 ; 68 expand-down, limit 0xfff
  dw 0xffff, 0, 0x9a10, 0 ; 70 16-bit code at 1 MiB
  dq 0
  dw gate_service - $$, 8, 0x8c00, 0x10 ; 80 call gate, DPL 0
  dw gate_jump - $$, 8, 0x8c00, 0x10    ; 88
  dw gate_service - $$, 8, 0x0c00, 0x10 ; 90 absent
  dw gate_parameters - $$, 8, 0xec02, 0x10 ; 98 DPL 3, two parameters
  dq 0
  dw 15, ldt - $$, 0x8210, 0 ; a8 LDT
  dw 0x67, task - $$, 0x8910, 0 ; b0 TSS
  dw 0, 0xb0, 0x8500, 0 ; b8 task gate
  dw 0x66, task - $$, 0x8910, 0 ; c0 short TSS
  times GDT_COUNT - 25 dq 0
align 16
tss:
  dd 0, ring0_stack, 0x10
  times 22 dd 0
  dw 0, 0x68
  ; I/O bitmap: COM1 is open
  times 0x7f db 0xff
  db 0x00
  times 0x2000 - 0x80 db 0xff
  db 0xff
align 16
task: times 26 dd 0
align 16
idt: times 0x48 dq 0
  times 1024 db 0
stack_top:
  times 1024 db 0
ring0_stack:
  times 1024 db 0
user_stack:
  times 1024 db 0
task_stack:
align 4096
page_directory: times 1024 dd 0
page_table: times 1024 dd 0
