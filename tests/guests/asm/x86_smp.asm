; Four processors: listed in the MP and ACPI tables, started by INIT and SIPI, with locked counters, interrupts between them, the local APIC's
; timer, and the 8254's interrupt through the I/O APIC. It prints nothing that depends on how the processors take turns.
bits 32
MAGIC   equ 0x1badb002
FLAGS   equ 3
CPUS    equ 4
ROUNDS  equ 10000
APIC    equ 0xfee00000
IOAPIC  equ 0xfec00000
TRAMPOLINE equ 0x8000

section .text progbits alloc exec align=4
        dd      MAGIC, FLAGS, -(MAGIC + FLAGS)
global _start
_start: cli
        mov     esp, stacks + 4096
        mov     esi, hello
        call    print
        call    mptable
        call    acpi
        mov     al, 0xff                ; no interrupts of the 8259s
        out     0x21, al
        out     0xa1, al
        ; interrupt gates
        mov     eax, nmi
        mov     ecx, 2
        call    gate
        mov     eax, ipi
        mov     ecx, 0x41
        call    gate
        mov     eax, timer
        mov     ecx, 0x42
        call    gate
        mov     eax, pit
        mov     ecx, 0x43
        call    gate
        lgdt    [gdtr]
        jmp     8:.flat
.flat:  mov     eax, 16
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        lidt    [idtr]
        call    enable
        ; the others start in real mode
        mov     esi, real
        mov     edi, TRAMPOLINE
        mov     ecx, gdtr16.end - real
        rep     movsb
        mov     dword [APIC + 0x300], 0x000c4500        ; INIT to all others
        call    pause
        mov     dword [APIC + 0x300], 0x000c4600 | TRAMPOLINE >> 12
.wait:  pause
        cmp     dword [alive], CPUS - 1
        jne     .wait
        mov     esi, started
        mov     eax, [alive]
        call    report
        ; they count with us
        mov     dword [go], 1
        call    count
.all:   pause
        cmp     dword [ready], CPUS
        jne     .all
        mov     esi, locked
        mov     eax, [counter]
        call    report
        mov     esi, guarded
        mov     eax, [plain]
        call    report
        mov     esi, ids
        mov     eax, [seen]
        call    report
        ; an interrupt for all others
        mov     dword [APIC + 0x300], 0x000c4041
        mov     ebx, 3
        call    await
        mov     esi, others
        call    report
        ; for two of them by a logical destination
        mov     dword [APIC + 0x310], 0x0a000000
        mov     dword [APIC + 0x300], 0x00004841
        mov     ebx, 5
        call    await
        mov     esi, logical
        call    report
        ; for one by its number
        mov     dword [APIC + 0x310], 2 << 24
        mov     dword [APIC + 0x300], 0x00004041
        mov     ebx, 6
        call    await
        mov     esi, single
        call    report
        ; for ourselves
        sti
        mov     dword [APIC + 0x300], 0x00044041
        mov     ebx, 7
        call    await
        cli
        mov     esi, itself
        call    report
        ; NMI
        mov     dword [APIC + 0x310], 1 << 24
        mov     dword [APIC + 0x300], 0x00004400
.nmi:   pause
        cmp     dword [nmis], 1
        jne     .nmi
        mov     esi, nonmask
        mov     eax, [nmiat]
        call    report
        ; the local timer, periodic
        mov     dword [APIC + 0x3e0], 0xb
        mov     dword [APIC + 0x320], 0x20042
        mov     dword [APIC + 0x380], 100000
        sti
.tick:  hlt
        cmp     dword [ticks], 5
        jb      .tick
        cli
        mov     dword [APIC + 0x320], 0x10000
        mov     esi, ticked
        mov     eax, 5
        call    report
        ; input 2 of the I/O APIC (the 8254) to processor 2
        mov     dword [IOAPIC], 0x15
        mov     dword [IOAPIC + 0x10], 2 << 24
        mov     dword [IOAPIC], 0x14
        mov     dword [IOAPIC + 0x10], 0x43
        mov     al, 0x34
        out     0x43, al
        mov     al, 0xa9
        out     0x40, al
        mov     al, 4
        out     0x40, al                ; 1 kHz
.pit:   pause
        cmp     dword [pits], 3
        jb      .pit
        mov     dword [IOAPIC], 0x14
        mov     dword [IOAPIC + 0x10], 0x10000
        mov     esi, routed
        mov     eax, [pitat]
        call    report
        ; processor 3 once more
        mov     dword [APIC + 0x310], 3 << 24
        mov     dword [APIC + 0x300], 0x00004500
        call    pause
        mov     dword [APIC + 0x310], 3 << 24
        mov     dword [APIC + 0x300], 0x00004600 | TRAMPOLINE >> 12
.again: pause
        cmp     dword [alive], CPUS
        jne     .again
        mov     esi, restart
        mov     eax, [alive]
        call    report
        mov     esi, done
        call    print
        cli
        mov     eax, 0x10
        out     0xf4, eax
.stop:  hlt
        jmp     .stop

; EBX interrupts have come; EAX says how many.
await:  pause
        cmp     [ipis], ebx
        jb      await
        mov     eax, [ipis]
        ret
pause:  mov     ecx, 100000
.loop:  pause
        loop    .loop
        ret
; EAX: handler, ECX: vector
gate:   lea     edi, [idt + 8 * ecx]
        mov     [edi], ax
        mov     word [edi + 2], 8
        mov     word [edi + 4], 0x8e00
        shr     eax, 16
        mov     [edi + 6], ax
        ret
; Switches this processor's APIC on, with the logical ID 1 << ID.
enable: mov     dword [APIC + 0xf0], 0x1ff
        mov     ecx, [APIC + 0x20]
        shr     ecx, 24
        mov     eax, 1 << 24
        shl     eax, cl
        mov     [APIC + 0xd0], eax
        ret
; Counts with a locked instruction and under a lock; marks the ID that CPUID tells.
count:  mov     ecx, ROUNDS
.loop:  lock inc dword [counter]
        mov     eax, 1
.lock:  xchg    [mutex], eax
        test    eax, eax
        jnz     .lock
        mov     eax, [plain]
        inc     eax
        mov     [plain], eax
        mov     dword [mutex], 0
        loop    .loop
        mov     eax, 1
        cpuid
        shr     ebx, 24
        lock bts [seen], ebx
        lock inc dword [ready]
        ret
nmi:    push    eax
        mov     eax, [APIC + 0x20]
        shr     eax, 24
        mov     [nmiat], eax
        lock inc dword [nmis]
        pop     eax
        iret
ipi:    lock inc dword [ipis]
        jmp     eoi
timer:  lock inc dword [ticks]
        jmp     eoi
pit:    push    eax
        mov     eax, [APIC + 0x20]
        shr     eax, 24
        mov     [pitat], eax
        pop     eax
        lock inc dword [pits]
eoi:    mov     dword [APIC + 0xb0], 0
        iret
; Where the other processors arrive in protected mode.
other:  mov     eax, 16
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        lidt    [idtr]
        mov     esp, [APIC + 0x20]
        shr     esp, 24 - 12
        add     esp, stacks + 4096
        call    enable
        lock inc dword [alive]
.wait:  pause
        cmp     dword [go], 0
        je      .wait
        cmp     dword [ready], CPUS
        jae     .idle
        call    count
.idle:  sti
        hlt
        jmp     .idle
; Copied to TRAMPOLINE: CS is its segment.
bits 16
real:   cli
        mov     ax, cs
        mov     ds, ax
        o32 lgdt [cs:gdtr16 - real]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 8:other
gdtr16: dw      23
        dd      gdt
.end:

bits 32
; Floating pointer in the last 64 KiB, table: whether there are processors.
mptable: mov    esi, 0xf0000
.find:  cmp     dword [esi], "_MP_"
        je      .found
        add     esi, 16
        cmp     esi, 0x100000
        jb      .find
        mov     esi, nomp
        jmp     print
.found: mov     esi, [esi + 4]
        movzx   ecx, word [esi + 34]
        add     esi, 44
        xor     eax, eax
.entry: cmp     byte [esi], 0
        jne     .short
        test    byte [esi + 3], 1       ; usable
        jz      .skip
        inc     eax
.skip:  add     esi, 12
.short: add     esi, 8
        loop    .entry
        ; SeaBIOS lists one of each package.
        mov     esi, mp
        test    eax, eax
        jnz     print
        mov     esi, nomp
        jmp     print
; Root pointer, RSDT, MADT: how many local APICs.
acpi:   mov     esi, 0xe0000
.find:  cmp     dword [esi], "RSD "
        jne     .next
        cmp     dword [esi + 4], "PTR "
        je      .found
.next:  add     esi, 16
        cmp     esi, 0x100000
        jb      .find
        mov     esi, noacpi
        jmp     print
.found: mov     esi, [esi + 16]
        mov     ecx, [esi + 4]
        lea     edi, [esi + ecx]        ; its end
        add     esi, 36
.table: mov     ebx, [esi]
        cmp     dword [ebx], "APIC"
        je      .madt
        add     esi, 4
        cmp     esi, edi
        jb      .table
        mov     esi, noacpi
        jmp     print
.madt:  mov     edi, ebx
        add     edi, [ebx + 4]
        add     ebx, 44
        xor     eax, eax
.entry: cmp     byte [ebx], 0
        jne     .other
        test    byte [ebx + 4], 1       ; usable
        jz      .other
        inc     eax
.other: movzx   ecx, byte [ebx + 1]
        add     ebx, ecx
        cmp     ebx, edi
        jb      .entry
        mov     esi, madt
; Prints the text at ESI, EAX in decimal, and the end of the line.
report: push    eax
        call    print
        pop     eax
        mov     edi, digits.end
        mov     ecx, 10
.digit: xor     edx, edx
        div     ecx
        add     dl, '0'
        dec     edi
        mov     [edi], dl
        test    eax, eax
        jnz     .digit
        mov     esi, edi
; Prints the text at ESI on COM1.
print:  lodsb
        test    al, al
        jz      .end
        mov     edx, 0x3f8
        out     dx, al
        jmp     print
.end:   ret

section .data progbits alloc write align=8
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   dw      23
        dd      gdt
idtr:   dw      8 * 256 - 1
        dd      idt
hello:  db      "Hello processors.", 10, 0
mp:     db      "MP table with processors", 10, 0
nomp:   db      "no MP table", 10, 0
madt:   db      "ACPI: ", 0
noacpi: db      "no ACPI tables", 10, 0
started: db     "started: ", 0
locked: db      "locked counter: ", 0
guarded: db     "guarded counter: ", 0
ids:    db      "IDs: ", 0
others: db      "after all but self: ", 0
logical: db     "after a logical destination: ", 0
single: db      "after a physical destination: ", 0
itself: db      "after self: ", 0
nonmask: db     "NMI at ", 0
ticked: db      "local timer: ", 0
routed: db      "I/O APIC to ", 0
restart: db     "started in all: ", 0
done:   db      "Done.", 10, 0
digits: times 10 db 0
.end:   db      10, 0
section .bss nobits alloc write align=4096
stacks: resb    4096 * CPUS
idt:    resb    8 * 256
alive:  resd    1
go:     resd    1
ready:  resd    1
counter: resd   1
plain:  resd    1
mutex:  resd    1
seen:   resd    1
ipis:   resd    1
nmis:   resd    1
nmiat:  resd    1
ticks:  resd    1
pits:   resd    1
pitat:  resd    1
