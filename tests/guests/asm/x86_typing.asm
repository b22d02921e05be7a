; A guest that is slow to take what is typed. The byte at offset 3 chooses how; tests change it in the image:
;   0  reads keys by INT 16h, after two seconds in which it does not look
;   1  has a handler of its own that puts scan codes into a ring of 16, and looks there twice a second
;   2  has a handler that keeps the last code only, and looks at it in each tick of the timer
;   3  as 1, but the keyboard is off while it does not look
;   4  has a handler for the serial port that puts bytes into the ring, and looks there twice a second
; It prints what it took, codes as two digits, and ends after Enter.
bits 16
org 0x7c00
  jmp short start
  nop
how: db 0
start:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  mov si, ready
.p: lodsb
  call putc
  cmp al, 10
  jne .p
  movzx bx, byte [how]
  add bx, bx
  jmp [ways + bx]

bios:
  mov cx, 36
  call busy
.k: xor ax, ax
  int 0x16
  call putc
  cmp al, 13
  jne .k
done:
  mov al, 10
  call putc
  mov dx, 0xf4
  mov eax, 0x10
  out dx, eax
  hlt

ring:
  mov dword [4 * 9], ring_isr
.b: cmp byte [how], 3
  jne .on
  mov al, 0xad
  out 0x64, al
.on: mov cx, 9
  call busy
  mov al, 0xae
  out 0x64, al
  hlt
.n: call take
  jz .b
  call hex
  cmp al, 0x9c
  jne .n
  jmp done

last:
  mov dword [4 * 9], last_isr
.t: mov cx, 1
  call busy
  mov al, [code]
  cmp al, [seen]
  je .t
  mov [seen], al
  call hex
  cmp al, 0x9c
  jne .t
  jmp done

serial:
  mov dword [4 * 12], serial_isr
  mov dx, 0x3f9
  mov al, 1
  out dx, al
  mov dx, 0x3fc
  mov al, 0x0b
  out dx, al
  in al, 0x21
  and al, ~0x10
  out 0x21, al
.b: mov cx, 9
  call busy
.n: call take
  jz .b
  call putc
  cmp al, 13
  jne .n
  jmp done

; Waits for cx ticks of the timer.
busy:
  sti
  mov bx, [0x46c]
.w: hlt
  mov dx, [0x46c]
  sub dx, bx
  cmp dx, cx
  jb .w
  ret

; The next byte of the ring in al; ZF when there is none.
take:
  mov bx, [head]
  cmp bx, [tail]
  je .r
  mov al, [codes + bx]
  inc bx
  and bx, 15
  mov [head], bx
  or bx, 16
.r: ret

; al into the ring, unless that is full.
put:
  mov bx, [tail]
  mov [codes + bx], al
  inc bx
  and bx, 15
  cmp bx, [head]
  je .r
  mov [tail], bx
.r: ret

ring_isr:
  push ax
  push bx
  in al, 0x60
  call put
  jmp eoi
last_isr:
  push ax
  push bx
  in al, 0x60
  mov [code], al
  jmp eoi
serial_isr:
  push ax
  push bx
  push dx
.m: mov dx, 0x3fd
  in al, dx
  test al, 1
  jz .x
  mov dx, 0x3f8
  in al, dx
  call put
  jmp .m
.x: pop dx
eoi:
  mov al, 0x20
  out 0x20, al
  pop bx
  pop ax
  iret

hex:
  push ax
  shr al, 4
  call .d
  pop ax
  push ax
  and al, 15
  call .d
  pop ax
  ret
.d: cmp al, 10
  sbb al, 0x69
  das
putc:
  push dx
  mov dx, 0x3f8
  out dx, al
  pop dx
  ret

ways: dw bios, ring, last, ring, serial
ready: db "ready", 10
code: db 0
seen: db 0
head: dw 0
tail: dw 0
codes: times 16 db 0
  times 510 - ($ - $$) db 0
  dw 0xaa55
