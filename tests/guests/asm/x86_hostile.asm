; Guests that are hard to stop, or that have stopped themselves: the test puts the number of one behind the mark. A Multiboot kernel.
bits 32
MAGIC   equ 0x1badb002
section .text progbits alloc exec write align=16
        dd      MAGIC, 0, -MAGIC
        db      "<which>:"
which:  dd      0
global _start
_start: mov     esp, stack.top
        mov     eax, [which]
        jmp     [table + 4 * eax]
table:  dd      idle_then_slow, fw_cfg, state, changing, bars, outs, disk, fill
        dd      dead, masked, far_alarm, keyboard, apic, nmi, writes, writes_all
        dd      pic_unended, pic_ended, pic_slave_unended, pic_master_unended, pic_both_ended, pic_higher
        dd      apic_unended, apic_ended, apic_priority, apic_lower, apic_same, apic_higher, ioapic_unended, rtc_unread

; Sleeps for 20 s of the 8254's ticks, and then computes sines.
idle_then_slow:
        call    interrupts
        mov     al, 0xfe                ; the 8254 alone
        out     0x21, al
        sti
.wait:  hlt
        cmp     dword [ticks], 364
        jb      .wait
        cli
        fninit
        fld1
.sine:  fsin
        fcos
        jmp     .sine

; 50 M quick instructions, and then a DMA of 100 MiB by each OUT.
fw_cfg: mov     ecx, 25000000
.quick: dec     ecx
        jnz     .quick
.again: mov     dword [block], 0x02000000
        mov     dword [block + 4], 0x00004006
        mov     dword [block + 8], 0
        mov     dword [block + 12], 0x00004000
        mov     dx, 0x518
        mov     eax, block
        bswap   eax
        out     dx, eax
        jmp     .again

; Saves and restores the floating-point state, asks what the processor is.
state:  mov     eax, cr4
        or      eax, 0x200
        mov     cr4, eax
.again: fxsave  [area]
        fxrstor [area]
        xor     eax, eax
        cpuid
        rdtsc
        jmp     .again

; Writes an immediate of its own loop.
changing:
        inc     dword [.place + 1]
.place: mov     eax, 0
        jmp     changing

; Moves the display's memory about.
bars:   mov     ebx, 0xe0000000
.again: mov     dx, 0xcf8
        mov     eax, 0x80001010
        out     dx, eax
        mov     dx, 0xcfc
        mov     eax, ebx
        out     dx, eax
        xor     ebx, 0x01000000
        jmp     .again

; Prints memory.
outs:   mov     esi, 0x100000
        mov     ecx, 0x1000000
        mov     dx, 0x3f8
        rep     outsb
        jmp     outs

; Reads 32 MiB by one command of the disk, for ever.
disk:   mov     ebx, 0x80000920         ; the bus master's registers are at port 0xc000
        mov     eax, 0xc001
        call    pci
        mov     ebx, 0x80000904
        mov     eax, 5
        call    pci
        mov     edi, 0x300000           ; 512 descriptors of 64 KiB
        mov     ecx, 512
.table: mov     dword [edi], 0x400000
        mov     dword [edi + 4], 0
        add     edi, 8
        loop    .table
        mov     dword [edi - 4], 0x80000000
.again: mov     dx, 0xc000
        xor     al, al
        out     dx, al
        mov     dx, 0xc002
        mov     al, 6
        out     dx, al
        mov     dx, 0xc004
        mov     eax, 0x300000
        out     dx, eax
        mov     dx, 0x1f6
        mov     al, 0xe0
        out     dx, al
        mov     ecx, 2
.lba:   mov     dx, 0x1f2
        xor     al, al
        out     dx, al
        inc     dx
        out     dx, al
        inc     dx
        out     dx, al
        inc     dx
        out     dx, al
        loop    .lba
        mov     dx, 0x1f7
        mov     al, 0x25
        out     dx, al
        mov     dx, 0xc000
        mov     al, 9
        out     dx, al
        mov     dx, 0x1f7
.busy:  in      al, dx
        test    al, 0x80
        jnz     .busy
        jmp     .again

; Fills memory, reads a port into it, copies it.
fill:   mov     edi, 0x400000
        mov     ecx, 0x1000000
        rep     stosd
        mov     esi, 0x400000
        mov     edi, 0x800000
        mov     ecx, 0x100000
        rep     movsd
        mov     edi, 0x400000
        mov     ecx, 0x100000
        mov     dx, 0x61
        rep     insb
        jmp     fill

; Halts with interrupts off.
dead:   cli
.halt:  hlt
        jmp     .halt

; Halts with interrupts on, all of them masked.
masked: mov     al, 0xff
        out     0x21, al
        out     0xa1, al
        call    interrupts.table
        sti
.halt:  hlt
        jmp     .halt

; Halts for half a day of the 8254's ticks with interrupts on, and ends with status 33 then.
far_alarm:
        call    interrupts
        mov     al, 0xfe
        out     0x21, al
        sti
.halt:  hlt
        cmp     dword [ticks], 786000
        jb      .halt
exit:   mov     dx, 0xf4
        mov     eax, 0x10
        out     dx, eax
        jmp     exit

; Halts until somebody types something on the serial port, and ends with status 33 then.
keyboard:
        call    interrupts
        mov     al, 0xef                ; the serial port alone
        out     0x21, al
        mov     dx, 0x3fc               ; OUT2 lets its interrupt through
        mov     al, 8
        out     dx, al
        mov     dx, 0x3f9
        mov     al, 1
        out     dx, al
        sti
.halt:  hlt
        jmp     exit

; Halts with interrupts on, waiting for the local APIC's timer, which is not started; the 8259s are masked.
apic:   mov     al, 0xff
        out     0x21, al
        out     0xa1, al
        call    interrupts.table
        mov     dword [0xfee000f0], 0x1ff
        mov     dword [0xfee00320], 0x20020
        mov     dword [0xfee00350], 0x10000
        mov     dword [0xfee00360], 0x10000
        sti
.halt:  hlt
        jmp     .halt

; Halts with interrupts off, but the 8254 raises an NMI by way of LINT0; ends with status 33 then.
nmi:    call    interrupts
        mov     al, 0xfe
        out     0x21, al
        mov     dword [0xfee000f0], 0x1ff
        mov     dword [0xfee00350], 0x400
        cli
.halt:  hlt
        jmp     exit

; Interrupts that nobody ends: a bit of [ends] for each thing that the handler does, and [wanted] how many it has to take.
MASTER  equ 1
SLAVE   equ 2
APIC    equ 4
READ_C  equ 8                           ; the CMOS clock's line stays high until its register C is read
pic_unended:
        mov     byte [ends], 0
        jmp     pit
pic_ended:
        mov     byte [ends], MASTER
pit:    call    interrupts
        mov     al, 0xfe
        out     0x21, al
; Halts with interrupts on, and ends with status 33 when it has taken enough.
served: sti
.halt:  hlt
        mov     eax, [ticks]
        cmp     eax, [wanted]
        jb      .halt
        jmp     exit
pic_slave_unended:
        mov     byte [ends], MASTER + READ_C
        jmp     rtc
pic_master_unended:
        mov     byte [ends], SLAVE + READ_C
        jmp     rtc
rtc_unread:
        mov     byte [ends], MASTER + SLAVE
        jmp     rtc
pic_both_ended:
        mov     byte [ends], MASTER + SLAVE + READ_C
rtc:    mov     bl, 0xfb
; The CMOS clock's periodic interrupt by the slave; the master's mask is in BL.
.masked:
        call    interrupts
        mov     al, bl
        out     0x21, al
        mov     al, 0xfe
        out     0xa1, al
        mov     al, 0x0b
        out     0x70, al
        mov     al, 0x52
        out     0x71, al
        jmp     served
; The clock's interrupt is not ended in the slave; the 8254's comes on.
pic_higher:
        mov     byte [ends], MASTER + READ_C
        mov     bl, 0xfa
        jmp     rtc.masked

apic_unended:
        mov     byte [ends], 0
        jmp     timer
apic_ended:
        mov     byte [ends], APIC
; The local APIC's timer, vector 0x30, periodic.
timer:  call    .start
        jmp     served
.start: mov     al, 0xff
        out     0x21, al
        out     0xa1, al
        call    interrupts.table
        mov     dword [0xfee000f0], 0x1ff
        mov     dword [0xfee00320], 0x20030
        mov     dword [0xfee00380], 0x10000
        ret
; The task priority holds it back.
apic_priority:
        mov     byte [ends], APIC
        mov     dword [0xfee00080], 0x30
        jmp     timer
; It is not ended, and the I/O APIC's input 2, the 8254, has a vector of the class below, of the same, of one above.
apic_lower:
        mov     ebx, 0x2f
        jmp     both
apic_same:
        mov     ebx, 0x3f
        jmp     both
apic_higher:
        mov     ebx, 0x40
both:   mov     byte [ends], 0
        mov     dword [wanted], 2
        call    interrupts
        call    timer.start
.input: mov     dword [0xfec00000], 0x14
        mov     [0xfec00010], ebx
        jmp     served
; The 8254's interrupt by the I/O APIC, level-triggered, is not ended.
ioapic_unended:
        mov     byte [ends], 0
        call    interrupts
        mov     dword [0xfee000f0], 0x1ff
        mov     ebx, 0x8040
        jmp     both.input

; Fills sector 1 of the first disk, says so, and ends with status 33.
writes: mov     ecx, 1
        call    sector
        mov     dx, 0x3f8
        mov     esi, .done
        mov     ecx, 5
        rep     outsb
        jmp     exit
.done:  db      "done", 10

; Fills the first disk from its beginning to its end, again and again.
writes_all:
        xor     ecx, ecx
.next:  push    ecx
        call    sector
        pop     ecx
        inc     ecx
        and     ecx, 0x1ffff
        jmp     .next

; Fills the sector that ECX names with something.
sector: mov     dx, 0x1f6
        mov     eax, ecx
        shr     eax, 24
        or      al, 0xe0
        out     dx, al
        mov     dx, 0x1f2
        mov     al, 1
        out     dx, al
        mov     eax, ecx
        inc     dx
        out     dx, al
        inc     dx
        shr     eax, 8
        out     dx, al
        inc     dx
        shr     eax, 8
        out     dx, al
        mov     dx, 0x1f7
        mov     al, 0x30
        out     dx, al
.busy:  in      al, dx
        test    al, 0x80
        jnz     .busy
        mov     dx, 0x1f0
        mov     esi, sector
        mov     ecx, 256
        rep     outsw
        mov     dx, 0x1f7
.end:   in      al, dx
        test    al, 0x80
        jnz     .end
        ret

; Writes EAX to the PCI register that EBX names.
pci:    mov     dx, 0xcf8
        xchg    eax, ebx
        out     dx, eax
        mov     dx, 0xcfc
        xchg    eax, ebx
        out     dx, eax
        ret

; The 8259s at vectors 0x20 and 0x28, all masked; the 8254's channel 0 at 18.2 Hz; every vector counts.
interrupts:
        mov     esi, .words
        mov     ecx, 14
.next:  movzx   dx, byte [esi]
        mov     al, [esi + 1]
        out     dx, al
        add     esi, 2
        loop    .next
.table: lgdt    [gdtr]
        jmp     8:.flat
.flat:  xor     ecx, ecx
.gate:  mov     eax, handler
        mov     [idt + 8 * ecx], ax
        mov     word [idt + 8 * ecx + 2], 8
        mov     word [idt + 8 * ecx + 4], 0x8e00
        shr     eax, 16
        mov     [idt + 8 * ecx + 6], ax
        inc     ecx
        cmp     ecx, 80
        jb      .gate
        lidt    [idtr]
        ret
.words: db      0x20, 0x11, 0xa0, 0x11, 0x21, 0x20, 0xa1, 0x28, 0x21, 4, 0xa1, 2, 0x21, 1, 0xa1, 1
        db      0x21, 0xff, 0xa1, 0xff, 0x43, 0x34, 0x40, 0, 0x40, 0, 0x21, 0xff
handler:
        inc     dword [ticks]
        push    eax
        mov     al, 0x20
        test    byte [ends], MASTER
        jz      .slave
        out     0x20, al
.slave: test    byte [ends], SLAVE
        jz      .clock
        out     0xa0, al
.clock: test    byte [ends], READ_C
        jz      .apic
        mov     al, 0x0c
        out     0x70, al
        in      al, 0x71
.apic:  test    byte [ends], APIC
        jz      .end
        mov     dword [0xfee000b0], 0
.end:   pop     eax
        iretd
section .data progbits alloc write align=8
ends:   dd      MASTER
wanted: dd      20
gdt:    dq      0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:   dw      23
        dd      gdt
idtr:   dw      80 * 8 - 1
        dd      idt
section .bss nobits alloc write align=16
block:  resd    4
area:   resb    512
ticks:  resd    1
idt:    resb    80 * 8
        resb    4096
stack.top:
