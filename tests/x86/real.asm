; Real mode: vectors, flags, wrap-around, big segments ("unreal mode"), A20, 16-bit protected mode and back.
; A Multiboot kernel that goes back to real mode and prints one line for each case on COM1; the expected text is what QEMU prints.
; nasm -f bin real.asm -o bin/real.bin
bits 32
org 0x100000
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  dd header, header, 0, 0, start
start:
  cli
  ; the real-mode part goes to 1000:0
  mov esi, low
  mov edi, 0x10000
  mov ecx, (low_end - low + 3) / 4
  cld
  rep movsd
  lgdt [gdtr]
  jmp 8:.small - $$
.small:
bits 16
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  jmp 0x1000:0
bits 32
align 8
gdt: dq 0
  dq 0x00009a100000ffff ; 08 16-bit code at 1 MiB
  dq 0x000092000000ffff ; 10 data, 64 KiB
  dq 0x00cf92000000ffff ; 18 data, 4 GiB
  dq 0x00009a010000ffff ; 20 16-bit code at 64 KiB
gdtr: dw 39
  dd gdt

align 16
low:
bits 16
section low16 vstart=0 follows=.text
real:
  mov ax, cs
  mov ds, ax
  xor ax, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ax, 0x8000
  mov ss, ax
  mov sp, 0xfff0
  lidt [ivt]
  ; vectors 0..31
  xor di, di
  mov si, stubs
  mov cx, 32
.vector:
  mov [es:di], si
  mov [es:di + 2], cs
  add di, 4
  add si, 8
  loop .vector
  jmp tests

putc:
  push dx
  mov dx, 0x3f8
  out dx, al
  pop dx
  ret
puts:
  lodsb
  test al, al
  jz .end
  call putc
  jmp puts
.end: ret
; eax in cx digits
hex8: mov cx, 8
hexn:
  pushad
  mov bx, cx
  neg cx
  add cx, 8
  shl cx, 2
  shl eax, cl
  mov cx, bx
  mov edx, eax
.digit:
  rol edx, 4
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
  popad
  ret

%macro TRY 1
  %push t
  mov word [recover], %$done
  mov si, %$name
  call puts
  jmp %$go
%$name: db %1, ": ", 0
%$go:
%endmacro
%macro DONE 0
%$done:
  mov ax, 0x8000
  mov ss, ax
  mov sp, 0xfff0
  xor ax, ax
  mov es, ax
  mov al, 10
  call putc
  %pop
%endmacro
%macro SHOW 1
  mov eax, %1
  call hex8
%endmacro

align 8
stubs:
%assign v 0
%rep 32
  align 8
  push word v
  jmp near caught
%assign v v+1
%endrep
caught:
  push ds
  push cs
  pop ds
  pushad
  mov bp, sp
  movzx eax, word [bp + 34]
  mov cx, 2
  call hexn
  movzx eax, word [bp + 38]
  mov cx, 4
  call hexn
  movzx eax, word [bp + 36]
  call hexn
  movzx eax, word [bp + 40]
  and ax, 0x7700
  call hexn
  pushf
  pop ax
  and ax, 0x7700
  call hexn
  mov ax, sp
  call hexn
  jmp [recover]

tests:
  TRY "divide"
  xor cx, cx
  div cx
  DONE
  TRY "int3"
  int3
  DONE
  TRY "into"
  mov al, 0x7f
  inc al
  into
  DONE
  TRY "bound"
  mov ax, 5
  bound ax, [limits]
  DONE
  TRY "ud2"
  ud2
  DONE
  TRY "int and iret"
  mov word [es:0x80 * 4], .service
  mov [es:0x80 * 4 + 2], cs
  sti
  pushf
  pop ax
  and eax, 0x300
  call hex8
  int 0x80
  and eax, 0x300
  call hex8
  pushf
  pop ax
  and eax, 0x300
  call hex8
  cli
  jmp .after
.service:
  pushf
  pop ax
  iret
.after:
  DONE
  TRY "iret changes IOPL and NT"
  push word 0x7002
  push cs
  push word .iopl
  iret
.iopl:
  pushf
  pop ax
  and eax, 0x7000
  call hex8
  push word 2
  popf
  DONE
  TRY "protected instructions"
  db 0x0f, 0x00, 0xc8 ; str
  DONE
  TRY "smsw"
  smsw ax
  and eax, 0xf
  call hex8
  DONE
  TRY "far call and return"
  mov eax, 0
  call 0x1000:.far
  SHOW ecx
  jmp .farend
.far:
  mov bp, sp
  mov ecx, [bp]
  sub cx, .far
  retf
.farend:
  DONE
  TRY "far pointers"
  les bx, [pointer]
  mov ax, es
  SHOW eax
  DONE
  TRY "push wraps the stack"
  mov sp, 0
  push word 0x1234
  movzx eax, sp
  call hex8
  mov ax, [ss:0xfffe]
  and eax, 0xffff
  call hex8
  DONE
  TRY "push sp, pusha"
  push sp
  pop ax
  and eax, 0xffff
  call hex8
  pusha
  movzx eax, sp
  call hex8
  popa
  DONE
  TRY "A20"
  mov ax, 0xffff
  mov gs, ax
  mov dword [es:0x7e00], 0x11111111
  mov dword [gs:0x7e10], 0x22222222
  SHOW [es:0x7e00]
  in al, 0x92
  and al, ~2
  out 0x92, al
  mov dword [gs:0x7e10], 0x33333333
  SHOW [es:0x7e00]
  in al, 0x92
  or al, 2
  out 0x92, al
  SHOW [es:0x7e00]
  SHOW [gs:0x7e10]
  DONE
  TRY "unreal mode"
  lgdt [gdt_pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov bx, 8
  mov fs, bx
  and al, 0xfe
  mov cr0, eax
  mov edi, 0x00300000
  mov dword [fs:edi], 0xabcdef01
  SHOW [fs:edi]
  xor bx, bx
  mov fs, bx
  SHOW [fs:edi]
  DONE
  TRY "16-bit protected mode and back"
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 0x10:.pm
.pm:
  mov ax, 0x18
  mov es, ax
  mov ss, ax
  mov sp, 0x200
  call .near
  mov ebx, 0
  mov bx, cs
  mov ax, [es:0]
  mov cx, ss
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  jmp 0x1000:.rm
.near:
  ret
.rm:
  SHOW ebx
  movzx eax, cx
  call hex8
  DONE
  TRY "single step"
  mov word [recover], .stepped
  pushf
  pop ax
  or ax, 0x100
  push ax
  popf
  nop
.stepped:
  DONE
  TRY "string with wrap"
  mov di, 0xfffe
  mov si, limits
  mov cx, 4
  mov ax, 0x9000
  mov es, ax
  rep movsb
  movzx eax, di
  call hex8
  SHOW [es:0]
  DONE
  TRY "32-bit addressing in 16-bit code"
  mov esi, limits
  mov eax, [esi]
  call hex8
  xor ecx, ecx
  mov eax, [esi + ecx * 4 + 4]
  call hex8
  DONE
%ifndef QEMU ; TCG does not check limits
  TRY "offset above 64 KiB"
  mov esi, 0x10000
  mov eax, [esi]
  DONE
  TRY "word at the end of a segment"
  mov si, 0xffff
  mov ax, [si]
  DONE
  TRY "stack fault"
  mov bp, 0xffff
  mov ax, [bp]
  DONE
  TRY "vector beyond the limit"
  lidt [short_ivt]
  int 0x81
  DONE
  lidt [ivt]
%endif
  mov eax, 0x10
  out 0xf4, eax
  hlt

align 4
ivt: dw 0x3ff
  dd 0
short_ivt: dw 0x206
  dd 0
gdt_pointer: dw 31
  dd gdt16 + 0x10000
limits: dw 10, 20, 30, 40
pointer: dw 0x1122, 0x3344
recover: dw 0
align 8
gdt16: dq 0
  dq 0x00cf92000000ffff ; 08 data, 4 GiB
  dq 0x00009a010000ffff ; 10 16-bit code at 64 KiB
  dq 0x000092020000ffff ; 18 data at 128 KiB
low_size equ $ - real
section .text
low_end equ low + 0x2000
