; 64-bit mode: exceptions with their frames, page faults, rings, fast system calls, compatibility mode, ISTs, MSRs, interrupts.
; A Multiboot kernel that prints one line for each case on COM1; the expected text is what QEMU prints.
; nasm -f bin long.asm -o bin/long.bin; with -dFEATURES the cases of features.inc instead: bin/features.bin; with -dEDGES those of edges.inc:
; bin/edges.bin; with -dKEYS those of keys.inc: bin/keys.bin
bits 32
org 0x100000
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  mov esp, stack_top
  mov dword [pml4], pdpt + 7
  mov dword [pdpt], pd + 7
  mov dword [pdpt + 8], 0x87        ; 1 GiB page at 1 GiB
  mov dword [pd], 0x87              ; 2 MiB, user
  mov dword [pd + 8], pt + 7        ; table at 2 MiB
  mov dword [pd + 16], 0x00002087   ; reserved bit 13
  mov dword [pd + 24], 0x00000087   ; NX
  mov dword [pd + 28], 0x80000000
  mov dword [pd + 32], 0x00000083   ; supervisor only
  mov dword [pt + 8], 0x00201005   ; 201000 read-only user
  mov dword [pt + 16], 0x00202003  ; 202000 supervisor
  mov dword [pt + 24], 0x00203007  ; 203000 user
  mov dword [pt + 40], 0x00205003  ; 205000 reserved
  mov dword [pt + 44], 0x00000100
  mov eax, cr4
  or eax, 0x620
  mov cr4, eax
  mov eax, pml4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x901
  wrmsr
  mov eax, cr0
  or eax, 0x80010000
  and eax, ~0xc
  mov cr0, eax
  lgdt [gdtr]
  jmp 8:long_start
bits 64
default rel
long_start:
  xor eax, eax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  lea rdi, [idt]
  lea rsi, [stubs]
  mov ecx, 0x20
.gate:
  mov rax, rsi
  call write_gate
  add rsi, 16
  loop .gate
  lidt [idtr]
  mov ax, 0x40
  ltr ax
%ifdef FEATURES
  call features
%elifdef EDGES
  call edges
%elifdef KEYS
  call keys
%else
  call tests
%endif
  mov eax, 0x10
  out 0xf4, eax
  cli
  hlt
; writes a gate at rdi for rax, interrupt gate DPL 0; rdi to the next
write_gate:
  mov [rdi], ax
  mov dword [rdi + 2], 0x00000008
  mov word [rdi + 4], 0x8e00
  shr rax, 16
  mov [rdi + 6], ax
  shr rax, 16
  mov [rdi + 8], eax
  mov dword [rdi + 12], 0
  add rdi, 16
  ret

putc:
  push rdx
  mov edx, 0x3f8
  out dx, al
  pop rdx
  ret
puts:
  lodsb
  test al, al
  jz .end
  call putc
  jmp puts
.end: ret
hex16: mov ecx, 16
; rax in ecx digits, and a blank
hexn:
  push rax
  push rdx
  push rbx
  mov ebx, ecx
  neg ecx
  add ecx, 16
  shl ecx, 2
  mov rdx, rax
  shl rdx, cl
  mov ecx, ebx
.digit:
  rol rdx, 4
  mov al, dl
  and al, 15
  cmp al, 10
  jb .low
  add al, 'a' - '0' - 10
.low: add al, '0'
  call putc
  loop .digit
  mov al, ' '
  call putc
  pop rbx
  pop rdx
  pop rax
  ret
newline: mov al, 10
  jmp putc

%macro TRY 1
  %push t
  lea rax, [%$done]
  mov [recover], rax
  mov [savesp], rsp
  lea rsi, [%$name]
  call puts
  jmp %$go
%$name: db %1, ": ", 0
%$go:
%endmacro
%macro DONE 0
%$done:
  call newline
  %pop
%endmacro
%macro SHOW 1
  mov rax, %1
  call hex16
%endmacro
%macro SAY 1
  %push s
  push rsi
  lea rsi, [%$text]
  call puts
  pop rsi
  jmp %$over
%$text: db %1, " ", 0
%$over:
  %pop
%endmacro
%macro SETGATE 3 ; vector, offset, attributes (with the IST)
  lea rdi, [idt + (%1) * 16]
  lea rax, [%2]
  call write_gate
  mov word [idt + (%1) * 16 + 4], %3
%endmacro

align 16
stubs:
%assign v 0
%rep 32
  align 16
  %if v = 8 || (v >= 10 && v <= 14) || v = 17
  %else
  push -1
  %endif
  push v
  jmp caught
%assign v v+1
%endrep
caught:
  push rax
  push rcx
  push rdx
  push rsi
  mov rax, [rsp + 32] ; vector
  mov ecx, 2
  call hexn
  mov rax, [rsp + 40] ; error code
  mov ecx, 8
  call hexn
  mov rax, [rsp + 56] ; cs
  mov ecx, 4
  call hexn
  mov rax, [rsp + 48] ; rip
  call hex16
  mov rax, [rsp + 64] ; flags
  and eax, 0x7700
  mov ecx, 4
  call hexn
  mov rax, [rsp + 80] ; ss
  mov ecx, 4
  call hexn
  mov rax, [rsp + 72] ; rsp against that of the case
  sub rax, [savesp]
  mov ecx, 8
  call hexn
  mov rax, rsp
  and eax, 15
  mov ecx, 1
  call hexn
  xor eax, eax
  mov ax, ss
  mov ecx, 4
  call hexn
  cmp qword [rsp + 32], 14
  jne .leave
  mov rax, cr2
  call hex16
.leave:
  cmp qword [rsp + 32], 1
  je .debug
  mov rsp, [savesp]
  push 0
  push rsp
  add qword [rsp], 8
  push 2
  push 8
  lea rax, [.resume]
  push rax
  iretq
.resume:
  mov rsp, [savesp]
  jmp [recover]
.debug:
  mov rax, [rsp + 16] ; ECX of the case
  mov ecx, 2
  call hexn
  mov rax, dr6
  and eax, 0xe00f
  mov ecx, 4
  call hexn
  mov eax, 0xffff0ff0
  mov dr6, rax
  dec dword [steps]
  jns .go
  and dword [rsp + 64], ~0x100
.go:
  or dword [rsp + 64], 0x10000
  pop rsi
  pop rdx
  pop rcx
  pop rax
  add rsp, 16
  iretq

%macro READ 2
  TRY %1
  mov rcx, %2
  mov al, [rcx]
  SAY "read"
  DONE
%endmacro

%ifdef FEATURES
%include "features.inc"
%endif

tests:
  TRY "ud2"
  ud2
  DONE
  TRY "divide"
  xor ecx, ecx
  div rcx
  DONE
  TRY "int3, odd stack"
  sub rsp, 3
  int3
  DONE
%ifndef QEMU
  TRY "gate absent"
  int 0x30
  DONE
  TRY "gate beyond the limit"
  int 0x70
  DONE
  TRY "16-bit gate"
  SETGATE 0x31, service, 0x8600
  int 0x31
  DONE
%endif
  TRY "gate to a 32-bit segment"
  SETGATE 0x31, service, 0x8e00
  mov word [idt + 0x31 * 16 + 2], 0x18
  int 0x31
  DONE
%ifndef QEMU
  TRY "gate to a non-canonical address"
  SETGATE 0x31, service, 0x8e00
  mov dword [idt + 0x31 * 16 + 8], 0x8000
  int 0x31
  DONE
%endif
  TRY "service"
  SETGATE 0x31, service, 0x8e00
  int 0x31
  SHOW rbx
  DONE
  TRY "trap gate keeps IF"
  cli
  SETGATE 0x31, show_flags, 0x8f00
  int 0x31
  SHOW rbx
  DONE

  READ "not canonical", 0x0000800000000000
%ifndef QEMU ; #GP in every segment; Linux on a processor tells #SS by SIGBUS, and these by the same signals
%macro ONSTACK 2+ ; rbx is not canonical
  TRY %1
  mov rbx, 0x8000000000001000
  lea rdx, [area]
  %2
  SAY "no fault"
  DONE
%endmacro
  SETGATE 12, stubs + 12 * 16, 0x8e01
  SETGATE 13, stubs + 13 * 16, 0x8e01
  ONSTACK "not canonical: [rbx]", mov rax, [rbx]
  ONSTACK "not canonical: ss: [rbx]", db 0x36, 0x8b, 0x03
  ONSTACK "not canonical: ds: [rbp]", db 0x48, 0x89, 0xdd, 0x3e, 0x8b, 0x45, 0x08
  ONSTACK "not canonical: fs: [rbp]", db 0x48, 0x89, 0xdd, 0x64, 0x8b, 0x45, 0x08
  ONSTACK "not canonical: [rbp] of SSE", db 0x48, 0x89, 0xdd, 0x0f, 0x10, 0x45, 0x08
  ONSTACK "not canonical: [rax + rbp]", db 0x48, 0x89, 0xdd, 0x31, 0xc0, 0x8b, 0x04, 0x28
  ONSTACK "not canonical: [rbp + rbx]", db 0x31, 0xed, 0x8b, 0x44, 0x1d, 0x00
  ONSTACK "not canonical: [r13]", db 0x49, 0x89, 0xdd, 0x41, 0x8b, 0x45, 0x00
  ONSTACK "not canonical: leave", db 0x48, 0x89, 0xdd, 0xc9
  ONSTACK "not canonical: push [rbx]", push qword [rbx]
  ONSTACK "not canonical: pop [rbx]", db 0x50, 0x8f, 0x03
  ONSTACK "not canonical: call [rbx]", call [rbx]
  ONSTACK "not canonical: push", db 0x48, 0x89, 0xdc, 0x50
  ONSTACK "not canonical: pop", db 0x48, 0x89, 0xdc, 0x58
  ONSTACK "not canonical: call", db 0x48, 0x89, 0xdc, 0xe8, 0, 0, 0, 0
  ONSTACK "not canonical: ret", db 0x48, 0x89, 0xdc, 0xc3
  ONSTACK "not canonical: enter", db 0x48, 0x89, 0xdc, 0xc8, 8, 0, 0
  ONSTACK "not canonical: pushf", db 0x48, 0x89, 0xdc, 0x9c
  ONSTACK "not canonical: popf", db 0x48, 0x89, 0xdc, 0x9d
  ONSTACK "not canonical: retf", db 0x48, 0x89, 0xdc, 0xcb
  ONSTACK "not canonical: push [rdx]", db 0x48, 0x89, 0xdc, 0xff, 0x32
  ONSTACK "not canonical: pop [rdx]", db 0x48, 0x89, 0xdc, 0x8f, 0x02
  SETGATE 12, stubs + 12 * 16, 0x8e00
  SETGATE 13, stubs + 13 * 16, 0x8e00
%endif
  READ "canonical high, absent", 0xffff800000000000
  READ "absent PML4", 0x0000008000000000
  READ "absent PDPT", 0x0000000080000000
  READ "1 GiB page", 0x40001000
  READ "absent PT", 0x00200000
%ifndef QEMU
  READ "reserved bit in a 2 MiB page", 0x00400000
  READ "reserved bit in a PTE", 0x00205000
%endif
  READ "NX page read", 0x00600000
  TRY "NX page fetched"
  mov rax, 0x00600000
  jmp rax
  DONE
  TRY "read-only written"
  mov dword [abs 0x00201ffc], 0x12345678
  DONE
  TRY "read-only written without WP"
  mov rax, cr0
  and eax, ~0x10000
  mov cr0, rax
  mov dword [abs 0x00201ffc], 0x12345678
  SHOW [pt + 8]
  mov rax, cr0
  or eax, 0x10000
  mov cr0, rax
  mov dword [abs 0x00201ffc], 0x12345678
  DONE
  TRY "crossing into an absent page"
  mov rax, 0x0000000000203ffc
  mov rbx, [rax]
  DONE
  TRY "accessed and dirty"
  SHOW [pml4]
  SHOW [pdpt + 8]
  mov byte [abs 0x40001000], 0
  SHOW [pdpt + 8]
  DONE
  TRY "jump to a non-canonical address"
  mov rax, 0x0000800000000000
  jmp rax
  DONE
  TRY "rmw of a read-only page"
  lock inc dword [abs 0x00201000]
  DONE
  TRY "cmpxchg16b misaligned"
  cmpxchg16b [data + 8]
  DONE

%macro LOADSEG 3
  TRY %3
  mov eax, %2
  mov %1, ax
  SAY "loaded"
  DONE
%endmacro
  LOADSEG ds, 0x1000, "ds beyond"
  LOADSEG ds, 0x18, "ds 32-bit code"
  LOADSEG ss, 0, "ss null"
%ifndef QEMU
  LOADSEG ss, 3, "ss null rpl 3"
%endif
  LOADSEG ss, 0x10, "ss data"
  LOADSEG ss, 0x33, "ss dpl 3"
  xor eax, eax
  mov ss, ax
  TRY "far return"
  push 8
  lea rax, [.far]
  push rax
  retfq
.far:
  SAY "there"
  DONE
  TRY "far return to data"
  push 0x10
  lea rax, [.far]
  push rax
  retfq
  DONE
%ifndef QEMU
  TRY "far return to L and D"
  push 0x50
  lea rax, [.far]
  push rax
  retfq
  DONE
%endif
  TRY "call gate"
  call far [gate_pointer]
  SHOW rbx
  DONE
  TRY "call of a TSS"
  call far [tss_pointer]
  DONE
  TRY "iretq to data"
  push 0
  push rsp
  pushfq
  push 0x10
  push rax
  iretq
  DONE
  TRY "iretq with NT"
  pushfq
  or dword [rsp], 0x4000
  popfq
  iretq
  DONE
  TRY "iretq to user with a null ss"
  push 0
  push rsp
  pushfq
  push 0x3b
  push rax
  iretq
  DONE
  TRY "iretq pops rsp"
  mov rbx, rsp
  push 0
  lea rax, [rbx - 256]
  push rax
  pushfq
  push 8
  lea rax, [.popped]
  push rax
  iretq
.popped:
  sub rbx, rsp
  mov rsp, [savesp]
  SHOW rbx
  DONE

  ; --- IST
  TRY "ist"
  SETGATE 3, stubs + 48, 0x8e01
  int3
  DONE
  TRY "ist not canonical"
  SETGATE 3, stubs + 48, 0x8e02
  int3
  DONE
  TRY "stack fault on a bad stack, double fault on an ist"
  SETGATE 3, stubs + 48, 0x8e00
  SETGATE 8, stubs + 128, 0x8e03
  mov rsp, 0x0000008000000000
  int3
  DONE
  TRY "page fault without a handler"
  SETGATE 14, stubs + 14 * 16, 0x0e00
  mov al, [abs 0x00200000]
  DONE
  SETGATE 14, stubs + 14 * 16, 0x8e00

  ; --- user mode
%macro USER 1
  TRY %1
  push 0x33
  lea rax, [user_stack]
  push rax
  pushfq
  push 0x3b
  lea rax, [%$user]
  push rax
  iretq
%$user:
%endmacro
%macro ENDUSER 0
  int 0x40
  DONE
%endmacro
  SETGATE 0x40, leave_user, 0xee00
  SETGATE 0x41, show_user, 0xef00
  USER "user"
  xor eax, eax
  mov ax, cs
  int 0x41
  mov ax, ss
  int 0x41
  ENDUSER
  USER "user: hlt"
  hlt
  ENDUSER
  USER "user: cli"
  cli
  ENDUSER
  USER "user: rdmsr"
  rdmsr
  ENDUSER
  USER "user: mov cr3"
  mov rax, cr3
  ENDUSER
  USER "user: port open"
  mov dx, 0x3f8
  in al, dx
  ENDUSER
  USER "user: port closed"
  in al, 0x60
  ENDUSER
  USER "user: supervisor page"
  mov al, [abs 0x00202000]
  ENDUSER
  USER "user: supervisor 2 MiB page"
  mov al, [abs 0x00800000]
  ENDUSER
  USER "user: write to a read-only page"
  mov al, [abs 0x00201000]
  mov [abs 0x00201000], al
  ENDUSER
  USER "user: fetch from a supervisor page"
  mov rax, 0x00202000
  jmp rax
  ENDUSER
%ifndef QEMU
  USER "user: int to a closed gate"
  int 0x31
  ENDUSER
  USER "user: int3 by its gate"
  int3
  ENDUSER
%endif
  USER "user: swapgs"
  swapgs
  ENDUSER
  USER "user: call gate inwards"
  call far [gate3_pointer]
  int 0x41
  ENDUSER
  USER "user: popf"
  push 0x3202
  popfq
  pushfq
  pop rax
  and eax, 0x3200
  int 0x41
  ENDUSER

%ifndef QEMU ; TCG does not check alignment
  mov rax, cr0
  or eax, 0x40000
  mov cr0, rax
  USER "user: misaligned with AC"
  pushfq
  or dword [rsp], 0x40000
  popfq
  mov eax, [data]
  mov al, [data + 1]
  mov rax, [data + 4]
  ENDUSER
  USER "user: misaligned without AC"
  mov rax, [data + 4]
  ENDUSER
  TRY "supervisor: misaligned with AC"
  pushfq
  or dword [rsp], 0x40000
  popfq
  mov rax, [data + 4]
  SAY "read"
  DONE
  mov rax, cr0
  and eax, ~0x40000
  mov cr0, rax
%endif

  ; --- SYSCALL
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, 0x00280008
  wrmsr
  mov ecx, 0xc0000082
  lea rax, [syscall_entry]
  xor edx, edx
  wrmsr
  mov ecx, 0xc0000084
  mov eax, 0x4700
  wrmsr
  USER "syscall"
  mov eax, 1
  syscall
.after_syscall:
  int 0x41
  mov eax, 0
  mov ax, cs
  int 0x41
  mov ax, ss
  int 0x41
  ENDUSER
  TRY "sysret to a non-canonical address"
  mov rcx, 0x0000800000000000
  mov r11d, 2
  o64 sysret
  DONE
  TRY "syscall without SCE"
  mov ecx, 0xc0000080
  rdmsr
  and eax, ~1
  wrmsr
  syscall
  DONE
  mov ecx, 0xc0000080
  rdmsr
  or eax, 1
  wrmsr
  ; --- SYSCALL and SYSRET where something is unusual
  lea rax, [syscall_flags]
  xor edx, edx
  mov ecx, 0xc0000082
  wrmsr
%macro MASK 1
  mov ecx, 0xc0000084
  mov eax, %1
  xor edx, edx
  wrmsr
%endmacro
%macro USERFLAGS 1 ; for this and the next instruction
  pushfq
  or dword [rsp], %1
  popfq
%endmacro
  MASK 0x254fd5
  USER "syscall, all flags masked"
  USERFLAGS 0xcd5
  syscall
  pushfq
  pop rax
  and eax, 0x244cd5
  int 0x41
  cld
  ENDUSER
%ifndef QEMU ; it clears the status flags and DF whatever is masked
  MASK 0
  USER "syscall, no flags masked"
  USERFLAGS 0xcd5
  syscall
  cld
  ENDUSER
  USER "syscall with AC and NT"
  USERFLAGS 0x44000
  syscall
  pushfq
  pop rax
  and eax, 0x244400
  int 0x41
  pushfq
  and dword [rsp], ~0x44000
  popfq
  ENDUSER
  MASK 0x44700
  USER "syscall with AC masked"
  USERFLAGS 0x40000
  syscall
  pushfq
  pop rax
  and eax, 0x244400
  int 0x41
  pushfq
  and dword [rsp], ~0x40000
  popfq
  ENDUSER
  TRY "syscall from ring 0"
  syscall
  xor eax, eax
  mov ax, cs
  int 0x41
  int 0x40
  DONE
%endif
  TRY "sysret with TF"
  mov dword [steps], 0
  lea rcx, [.stepped]
  mov r11d, 0x102
  o64 sysret
.stepped:
  nop
  nop
  ENDUSER
  TRY "sysret with IOPL, NT and AC"
  lea rcx, [.iopl]
  mov r11d, 0x47002
  o64 sysret
.iopl:
  pushfq
  pop rax
  and eax, 0x47300
  int 0x41
  cli
  sti
  cli
  pushfq
  and dword [rsp], ~0x44000
  popfq
  ENDUSER
  TRY "sysret to the end of the lower half"
  mov rcx, 0x00007fffffffffff
  mov r11d, 2
  o64 sysret
  DONE
  TRY "sysret to the upper half"
  mov rcx, 0xffff800000000000
  mov r11d, 2
  o64 sysret
  DONE
  MASK 0x4700
  mov ecx, 0xc0000082
  lea rax, [syscall_entry]
  xor edx, edx
  wrmsr

  ; --- IRETQ
%macro IRET 6 ; rip, cs, flags, rsp, ss
  TRY %1
  push %6
  mov rax, %5
  push rax
  push %4
  push %3
  mov rax, %2
  push rax
  iretq
  DONE
%endmacro
  IRET "iretq: cs null", .nowhere, 3, 2, user_stack, 0x33
  IRET "iretq: cs beyond the limit", .nowhere, 0x1003, 2, user_stack, 0x33
  IRET "iretq: cs of the LDT", .nowhere, 0x3f, 2, user_stack, 0x33
  IRET "iretq: data as cs", .nowhere, 0x33, 2, user_stack, 0x33
  IRET "iretq: cs of ring 0 for ring 3", .nowhere, 0xb, 2, user_stack, 0x33
  IRET "iretq: cs of ring 3 for ring 0", .nowhere, 0x38, 2, user_stack, 0x33
%ifndef QEMU
  IRET "iretq: cs with L and D", .nowhere, 0x50, 2, user_stack, 0
%endif
  IRET "iretq: ss null", .nowhere, 0x3b, 2, user_stack, 3
  IRET "iretq: ss of ring 0", .nowhere, 0x3b, 2, user_stack, 0x10
  IRET "iretq: ss of ring 0, rpl 3", .nowhere, 0x3b, 2, user_stack, 0x13
  IRET "iretq: code as ss", .nowhere, 0x3b, 2, user_stack, 0x3b
  IRET "iretq: ss of the LDT", .nowhere, 0x3b, 2, user_stack, 0x37
  IRET "iretq: ss beyond the limit", .nowhere, 0x3b, 2, user_stack, 0x1003
%ifndef QEMU
  IRET "iretq: rip not canonical", 0x0000800000000000, 0x3b, 2, user_stack, 0x33
%endif
  IRET "iretq: rip at the end of the lower half", 0x00007fffffffffff, 0x3b, 2, user_stack, 0x33
%ifndef QEMU
  IRET "iretq: rsp not canonical", .nowhere, 0x3b, 2, 0x0000800000000000, 0x33
%endif
  and byte [gdt + 0x3d], 0x7f
  IRET "iretq: cs not present", .nowhere, 0x3b, 2, user_stack, 0x33
  or byte [gdt + 0x3d], 0x80
  and byte [gdt + 0x35], 0x7f
%ifndef QEMU
  IRET "iretq: ss not present", .nowhere, 0x3b, 2, user_stack, 0x33
%endif
  or byte [gdt + 0x35], 0x80
  and byte [gdt + 0x35], ~2
  IRET "iretq: ss read-only", .nowhere, 0x3b, 2, user_stack, 0x33
  or byte [gdt + 0x35], 2
  and byte [gdt + 0x35], ~1
  and byte [gdt + 0x3d], ~1
  IRET "iretq: descriptors that were not accessed", .nowhere, 0x3b, 2, user_stack, 0x33
%ifndef QEMU
  TRY "their accessed bits"
  SHOW [gdt + 0x30]
  SHOW [gdt + 0x38]
  DONE
%endif
  mov dword [steps], 0
  IRET "iretq: TF", .nowhere, 0x3b, 0x102, user_stack, 0x33
  IRET "iretq: RF", .nowhere, 0x3b, 0x10002, user_stack, 0x33
  IRET "iretq: AC, NT, IOPL", .nowhere, 0x3b, 0x47002, user_stack, 0x33
  TRY "iretq under NT"
  pushfq
  or dword [rsp], 0x4000
  popfq
  iretq
  DONE
  pushfq
  and dword [rsp], ~0x4000
  popfq
  TRY "iretq: frame in an absent page"
  mov rsp, 0x00203fe8
  iretq
  DONE
  TRY "iretq: frame in two pages"
  mov rsp, 0x00203000 - 24
  lea rax, [.nowhere]
  mov [rsp], rax
  mov qword [rsp + 8], 0x3b
  mov qword [rsp + 16], 2
  lea rax, [user_stack]
  mov [rsp + 24], rax
  mov qword [rsp + 32], 0x33
  iretq
  DONE
  TRY "iretq: frame that is not aligned"
  lea rsp, [user_stack - 61]
  lea rax, [.nowhere]
  mov [rsp], rax
  mov qword [rsp + 8], 0x3b
  mov qword [rsp + 16], 2
  lea rax, [user_stack]
  mov [rsp + 24], rax
  mov qword [rsp + 32], 0x33
  iretq
  DONE
  TRY "iretq drops segments of ring 0"
  mov eax, 0x10
  mov ds, ax
  mov fs, ax
  mov eax, 0x33
  mov es, ax
  push 0x33
  lea rax, [user_stack]
  push rax
  push 2
  push 0x3b
  lea rax, [.dropped]
  push rax
  iretq
.dropped:
  xor eax, eax
  mov ax, ds
  int 0x41
  mov ax, fs
  int 0x41
  mov ax, es
  int 0x41
  ENDUSER
  xor eax, eax
  mov ds, ax
  mov es, ax
  mov fs, ax

  ; --- events from ring 3 with other gates and stacks
  and byte [gdt + 0xd], ~1
  USER "user: the handler's code segment was not accessed"
  ud2
  ENDUSER
%ifndef QEMU
  TRY "its accessed bit"
  SHOW [gdt + 8]
  DONE
%endif
  SETGATE 6, stubs + 6 * 16, 0x8e01
  USER "user: IST"
  ud2
  ENDUSER
  SETGATE 6, stubs + 6 * 16, 0x8f00
  USER "user: trap gate"
  ud2
  ENDUSER
%ifndef QEMU
  SETGATE 6, stubs + 6 * 16, 0x0e00
  USER "user: gate not present"
  ud2
  ENDUSER
%endif
  SETGATE 6, stubs + 6 * 16, 0x8e00
  mov rbx, [tss + 4]
  mov qword [tss + 4], 0x00203010
  USER "user: frame in two pages"
  ud2
  ENDUSER
  mov qword [tss + 4], 0x00203027
  USER "user: stack that is not aligned"
  ud2
  ENDUSER
  mov qword [tss + 4], 0x00204010
  SETGATE 8, stubs + 8 * 16, 0x8e01
  USER "user: no stack"
  ud2
  ENDUSER
  SETGATE 8, stubs + 8 * 16, 0x8e00
  mov [tss + 4], rbx

  TRY "sysenter in long mode, as AMD has it"
  sysenter
  DONE

  ; --- compatibility mode
  TRY "compatibility mode"
  mov ax, 0x10
  mov ss, ax
  mov ds, ax
  mov es, ax
  call far [compat_pointer]
  SHOW rbx
  DONE
  TRY "exception in compatibility mode"
  push 0x18
  lea rax, [compat_fault]
  push rax
  retfq
  DONE

  ; --- segment bases
  TRY "fs base"
  mov ecx, 0xc0000100
  mov eax, data
  xor edx, edx
  wrmsr
  mov rax, [fs:0]
  call hex16
%ifndef QEMU
  mov ecx, 0xc0000100
  mov edx, 0x80000000
  wrmsr
%endif
  DONE
  TRY "swapgs"
  mov ecx, 0xc0000102
  mov eax, data + 8
  xor edx, edx
  wrmsr
  swapgs
  mov rax, [gs:0]
  call hex16
  swapgs
  mov ecx, 0xc0000101
  rdmsr
  call hex16
  DONE
  TRY "fsgsbase"
  mov rax, cr4
  or eax, 0x10000
  mov cr4, rax
  mov rax, 0xffff800012345678
  wrgsbase rax
  rdgsbase rbx
  SHOW rbx
%ifndef QEMU
  mov rax, 0x8000000000000000
  wrgsbase rax
%endif
  DONE
  TRY "null gs clears the base"
  xor eax, eax
  mov gs, ax
  rdgsbase rbx
  DONE

  ; --- system registers
%macro WRMSR 4
  TRY %1
  mov ecx, %2
  mov eax, %3
  mov edx, %4
  wrmsr
  SAY "written"
  DONE
%endmacro
%ifndef QEMU
  WRMSR "lstar not canonical", 0xc0000082, 0, 0x80000000
  WRMSR "efer reserved", 0xc0000080, 0xd01 | 0x10000, 0
  WRMSR "efer: LME under paging", 0xc0000080, 0x801, 0
%macro CR 3
  TRY %1
  mov rax, %2
  %3
  mov %2, rax
  SAY "written"
  DONE
%endmacro
  CR "cr0: paging off", cr0, {btr rax, 31}
  CR "cr0: high bit", cr0, {bts rax, 40}
  CR "cr4: PAE off", cr4, {btr rax, 5}
  CR "cr4: LA57 in long mode", cr4, {bts rax, 12}
%endif
  TRY "cr8"
  mov eax, 5
  mov cr8, rax
  mov rbx, cr8
  SHOW rbx
  xor eax, eax
  mov cr8, rax
  DONE
%ifndef QEMU
  TRY "lgdt not canonical"
  lgdt [bad_table]
  DONE
%endif
  TRY "str, sldt, smsw"
  xor ebx, ebx
  str bx
  SHOW rbx
  sldt ebx
  SHOW rbx
  smsw rbx
  and ebx, 0xfffffff0
  SHOW rbx
  DONE
  TRY "lar and lsl of the TSS"
  mov eax, 0x40
  lar ebx, eax
  SHOW rbx
  mov eax, 0x40
  lsl ebx, eax
  SHOW rbx
  DONE
  TRY "ltr busy"
  mov ax, 0x40
  ltr ax
  DONE

  ; --- debug
  TRY "single steps"
  mov dword [steps], 3
  pushfq
  or dword [rsp], 0x100
  popfq
  nop
  mov eax, 1
  jmp .next
.next:
  nop
  nop
  SAY "on"
  DONE
  TRY "single steps through rep"
  mov dword [steps], 3
  mov ecx, 3
  lea rdi, [data]
  lea rsi, [data]
  pushfq
  or dword [rsp], 0x100
  popfq
  rep movsb
  nop
  nop
  SAY "on"
  DONE

  TRY "instruction breakpoint"
  lea rax, [.bp]
  mov dr3, rax
  mov eax, 0x80
  mov dr7, rax
  nop
.bp:
  nop
  SAY "passed"
  xor eax, eax
  mov dr7, rax
  DONE
  TRY "data breakpoint inside a wide access"
  lea rax, [data + 7]
  mov dr2, rax
  mov eax, 0x03000020
  mov dr7, rax
  mov rbx, [data]
  nop
  mov [data], rbx
  nop
  mov rbx, [data + 8]
  xor eax, eax
  mov dr7, rax
  SAY "done"
  DONE
  TRY "data breakpoint in a string"
  lea rax, [data + 4]
  mov dr2, rax
  mov eax, 0x01000020
  mov dr7, rax
  lea rsi, [data]
  mov rdi, rsi
  mov ecx, 8
  rep movsb
  nop
  SAY "done"
  xor eax, eax
  mov dr7, rax
  DONE

  ; --- state
  TRY "fxrstor and fxsave"
  fxrstor [image]
  fxsave [area]
  SHOW [area]
  mov eax, [area + 24]
  call hex16
  SHOW [area + 32 + 16]
  SHOW [area + 32 + 24]
  SHOW [area + 160 + 48]
  SHOW [area + 160 + 15 * 16 + 8]
  DONE
  TRY "fxsave misaligned"
  fxsave [area + 8]
  DONE
  TRY "device not available"
  mov rax, cr0
  or eax, 8
  mov cr0, rax
  movq xmm3, rax
  DONE
  clts

  ; --- interrupts
  TRY "timer"
  SETGATE 0x20, timer, 0x8e00
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x20
  out 0x21, al
  mov al, 0x28
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, 0xfe
  out 0x21, al
  mov al, 0xff
  out 0xa1, al
  mov al, 0x34
  out 0x43, al
  mov al, 0xa9
  out 0x40, al
  mov al, 4
  out 0x40, al
  sti
.wait:
  hlt
  cmp dword [ticks], 3
  jb .wait
  cli
  SHOW [ticks]
  DONE
  TRY "interrupt shadow"
  ; An interrupt that is pending when STI is executed comes after the next instruction.
  mov dword [ticks], 0
  xor ebx, ebx
.pending:
  mov al, 0x0a
  out 0x20, al
  in al, 0x20
  test al, 1
  jz .pending
  sti
  inc ebx
  cli
  SHOW rbx
  SHOW [ticks]
  DONE
%ifndef QEMU ; which aborts: its helper raises the line without the lock that this needs
  TRY "x87 error as IRQ 13, which IGNNE# lets pass until it is cleared"
  SETGATE 0x2d, ferr, 0x8e00
  mov dword [ticks], 0
  mov al, 0xfb
  out 0x21, al
  mov al, 0xdf
  out 0xa1, al
  mov rax, cr0
  and eax, ~0x20
  mov cr0, rax
  mov ebx, 2
.divide:
  fninit
  mov dword [area], 0x37b
  fldcw [area]
  fld1
  fldz
  fdivp
  sti
.waits:
  fwait
  jmp .passed
.passed:
  fwait
  jmp .again
.again:
  cli
  fnstsw ax
  SHOW rax
  SHOW [ticks]
  dec ebx
  jnz .divide
  fnclex
  mov rax, [ferr_at]
  lea rcx, [.waits]
  sub rax, rcx
  SHOW rax
  DONE
%endif
  ret

service:
  mov ebx, 0x5e
  iretq
show_flags:
  pushfq
  pop rbx
  and ebx, 0x4700
  iretq
leave_user:
  mov rsp, [savesp]
  SAY "left"
  jmp [recover]
show_user:
  push rcx
  call hex16
  pop rcx
  iretq
timer:
  push rax
  inc dword [ticks]
  mov al, 0x20
  out 0x20, al
  pop rax
  iretq
ferr:
  push rax
  inc dword [ticks]
  mov rax, [rsp + 8]
  mov [ferr_at], rax
  out 0xf0, al
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop rax
  iretq
syscall_entry:
  mov r8, rsp
  lea rsp, [stack_top - 1024]
  push rcx
  push r11
  mov rax, rcx
  lea rbx, [tests.after_syscall]
  sub rax, rbx
  call hex16
  mov rax, [rsp]
  and eax, 0x7700
  call hex16
  xor eax, eax
  mov ax, cs
  call hex16
  mov ax, ss
  call hex16
  pushfq
  pop rax
  and eax, 0x4700
  call hex16
  pop r11
  pop rcx
  mov rsp, r8
  mov eax, 0x77
  o64 sysret
; shows what it finds in R11 and in the flags
syscall_flags:
  pushfq
  pop rax
  cld
  mov r8, rsp
  lea rsp, [stack_top - 1024]
  push rcx
  push r11
  push rax
  mov rax, r11
  and eax, 0x44ed5
  call hex16
  pop rax
  and eax, 0x44ed5
  call hex16
  pop r11
  pop rcx
  mov rsp, r8
  o64 sysret
; the first instructions of a program of ring 3 that only says so
tests.nowhere:
  nop
  pushfq
  pop rax
  and eax, 0x47300
  int 0x41
  pushfq
  and dword [rsp], ~0x44000
  popfq
  int 0x40
gate_target:
  mov rbx, [rsp + 8]
  retfq
gate3_target:
  mov rax, [rsp + 24]
  call hex16
  mov rax, [rsp + 16]
  lea rbx, [user_stack]
  sub rax, rbx
  call hex16
  xor eax, eax
  mov ax, ss
  call hex16
  mov eax, 0x123
  retfq
bits 32
compat:
  mov ebx, 0xc0ffee
  mov eax, 0xffffffff
  inc eax
  adc ebx, 0
  push ds
  pop es
  mov ecx, [esp]
  retf
compat_fault:
  mov esp, stack_top - 512
  ud2
bits 64

%ifdef EDGES
%include "edges.inc"
%endif
%ifdef KEYS
%include "keys.inc"
%endif

align 16
data: dq 0x1111111111111111, 0x2222222222222222, 0x3333333333333333
recover: dq 0
savesp: dq 0
steps: dd 0
ticks: dq 0
ferr_at: dq 0
gate_pointer: dd 0
  dw 0x60
gate3_pointer: dd 0
  dw 0x73
tss_pointer: dd 0
  dw 0x40
compat_pointer: dd compat
  dw 0x18
bad_table: dw 0x7f
  dq 0x8000000000000000
gdtr: dw gdt_end - gdt - 1
  dq gdt
idtr: dw 0x50 * 16 - 1
  dq idt
align 8
gdt: dq 0
  dq 0x00af9a000000ffff ; 08 64-bit code
  dq 0x00cf92000000ffff ; 10 data
  dq 0x00cf9a000000ffff ; 18 32-bit code
  dq 0x00cf9a000000ffff ; 20
  dq 0x00cffa000000ffff ; 28 user 32-bit code
  dq 0x00cff2000000ffff ; 30 user data
  dq 0x00affa000000ffff ; 38 user 64-bit code
  dw 0x2067, tss - $$, 0x8910, 0 ; 40 TSS
  dq 0
  dq 0x00ef9a000000ffff ; 50 L and D
  dq 0
  dw gate_target - $$, 8, 0x8c00, 0x10 ; 60 call gate
  dq 0
  dw gate3_target - $$, 8, 0xec00, 0x10 ; 70 call gate, DPL 3
  dq 0
  dw 0, 0, 0, 0, 0, 0
gdt_end:
align 16
tss: dd 0
  dq ring0_stack, 0, 0, 0
  dq ist1, 0x0000900000000000, ist3, 0, 0, 0, 0
  dq 0
  dw 0, 0x68
  times 0x7f db 0xff
  db 0x00
  times 0x2000 - 0x80 db 0xff
  db 0xff
align 16
image: dw 0x37f, 0x2800, 0x00e0, 0
  dq 0, 0
  dd 0x1f80, 0
  dq 0x8000000000000000, 0x3fff, 0xc000000000000000, 0xc000
  times 160 - 64 db 0
  dq 0, 0, 0, 0, 0, 0, 0x1122334455667788, 0x99aabbccddeeff00
  times 11 dq 0, 0
  dq 0x0123456789abcdef, 0xfedcba9876543210
  times 96 db 0
area: times 512 db 0
idt: times 0x50 * 2 dq 0
  times 4096 db 0
stack_top:
  times 512 db 0
ring0_stack:
  times 512 db 0
user_stack:
  times 512 db 0
ist1:
  times 512 db 0
ist3:
align 4096
pml4: times 512 dq 0
pdpt: times 512 dq 0
pd: times 512 dq 0
pt: times 512 dq 0
