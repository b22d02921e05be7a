; Ways to die, at least one for each cause that reports name, and beside each a neighbour (its name ends with _ok) that does it right and halts.
; `case=NAME` on the command line chooses; the test puts the pc at a case when `choose` is reached. Multiboot 1 in an ELF64 file.
bits 32
MAGIC   equ 0x1badb002
WRITE   equ 3                           ; present, too
USER    equ 4
LARGE   equ 0x80
CODE    equ 8
DATA    equ 0x10
UDATA   equ 0x18 | 3
UCODE   equ 0x20 | 3
TSSSEL  equ 0x28
%macro CASE 1
%defstr casename %1
section .cases
        dq      %1
        db      casename, 0
section .text
global %1
%1:
%endmacro
; edx: the entry of a page in the first 2 MiB.
%macro PTE 1
        mov     edx, %1
        shr     edx, 12
        lea     edx, [pt + edx * 8]
%endmacro
section .cases progbits alloc noexec nowrite align=8
        dd      MAGIC, 0, -MAGIC, 0
cases:
section .text progbits alloc exec nowrite align=4096
global _start
_start: mov     esp, stack_top
        mov     [info], ebx
; The first 2 MiB have pages of 4 KiB, the rest of 1 GiB large ones. What user mode may use only the last level says.
        mov     dword [pml4], pdpt + WRITE + USER
        mov     dword [pdpt], pd + WRITE + USER
        mov     dword [pd], pt + WRITE + USER
        mov     edi, pt
        mov     eax, WRITE
.small: mov     [edi], eax
        add     edi, 8
        add     eax, 0x1000
        cmp     eax, 0x200000
        jb      .small
        or      eax, LARGE
        mov     edi, pd + 8
.large: mov     [edi], eax
        add     edi, 8
        add     eax, 0x200000
        cmp     eax, 0x40000000
        jb      .large
        mov     dword [pt], 0           ; null pointers
        PTE     guard
        mov     dword [edx], 0
        PTE     limits
        and     dword [edx], ~2         ; read-only
        PTE     upage
        or      dword [edx], USER
        PTE     ustack
        or      dword [edx], USER
        and     dword [pd + 8 * 8], ~USER
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1 << 8             ; LME
        wrmsr
choose32:                               ; in front of paging
        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 1 << 31 | 1 << 16 | 1
        mov     cr0, eax
        lgdt    [gdtr]
        jmp     CODE:start64
; Long mode without PAE.
pae_off:
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        jmp     $
bits 64
start64: mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     fs, eax
        mov     gs, eax
        mov     rax, tss
        mov     [gdt + TSSSEL + 2], ax
        shr     rax, 16
        mov     [gdt + TSSSEL + 4], al
        mov     [gdt + TSSSEL + 7], ah
        mov     eax, TSSSEL
        ltr     ax
        mov     qword [tss + 4], kstack_top
        mov     qword [tss + 36], istack_top
        mov     rdi, idt
        mov     rsi, stubs
        mov     ecx, 64
.gate:  mov     rax, rsi
        mov     [rdi], ax
        mov     word [rdi + 2], CODE
        mov     word [rdi + 4], 0x8e00
        shr     rax, 16
        mov     [rdi + 6], ax
        add     rdi, 16
        add     rsi, 16
        loop    .gate
        mov     byte [idt + 0x30 * 16 + 5], 0xee ; for user mode
        mov     byte [idt + 14 * 16 + 4], 1
        mov     byte [idt + 8 * 16 + 4], 1
        lidt    [idtr]
        mov     al, 0xff                ; no IRQs
        out     0x21, al
        out     0xa1, al
        xor     ebp, ebp
global choose
choose: mov     esi, [info]
        mov     esi, [rsi + 16]
.find:  cmp     byte [rsi], 0
        je      done
        cmp     dword [rsi], "case"
        lea     rsi, [rsi + 1]
        jne     .find
        add     rsi, 4
        mov     rdi, cases
.next:  mov     rbx, [rdi]
        test    rbx, rbx
        jz      done
        add     rdi, 8
        mov     rdx, rsi
        mov     ecx, 1
.byte:  mov     al, [rdi]
        inc     rdi
        test    al, al
        jz      .end
        cmp     al, [rdx]
        je      .same
        xor     ecx, ecx
.same:  inc     rdx
        jmp     .byte
.end:   cmp     byte [rdx], 0x20        ; a blank or the end behind it
        ja      .next
        test    ecx, ecx
        jz      .next
        jmp     rbx

; Handlers: of the number of the vector and an error code each makes a frame.
align 16
stubs:
%assign n 0
%rep 64
        align   16
        %if n = 8 || n = 10 || n = 11 || n = 12 || n = 13 || n = 14 || n = 17
        nop
        nop
        %else
        push    0
        %endif
        push    n
        jmp     near entry
%assign n n + 1
%endrep
entry:  push    rax
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        cld
        mov     rdi, [rsp + 72]
        call    handler
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rax
        add     rsp, 16
        iretq
handler:
        push    rbp
        mov     rbp, rsp
        cmp     edi, 0x20
        je      timer
        cmp     edi, 0x30
        je      done
        cmp     edi, 3
        je      .back
        call    [on_exception]
.back:  pop     rbp
        ret
timer:  inc     dword [ticks]
        mov     al, [eoi]
        out     0x20, al
        pop     rbp
        ret
give_up:
        cli
        hlt
        jmp     give_up
; A neighbour ends here.
done:   cli
        hlt
        jmp     done

; --- instructions
CASE sse_off
        call    uses_sse
        jmp     done
uses_sse:
        movaps  xmm0, [rel aligned]
        ret
CASE sse_on_ok
        call    sse
        call    uses_sse
        jmp     done
sse:    mov     rax, cr4
        or      eax, 3 << 9
        mov     cr4, rax
        ret
CASE misaligned
        call    sse
        call    no_idt_loaded
        mov     rbx, aligned + 8
        movaps  xmm0, [rbx]
        jmp     done
CASE misaligned_ok
        call    sse
        mov     rbx, aligned + 8
        movups  xmm0, [rbx]
        jmp     done
CASE fpu_off
        mov     rax, cr0
        or      eax, 8                  ; TS
        mov     cr0, rax
        fld1
        jmp     done
CASE fpu_on_ok
        clts
        fld1
        jmp     done
CASE undefined
        call    aborts
        jmp     done
aborts: ud2
CASE undefined_ok
        int3
        jmp     done
CASE no_gate
        int     0x50
        jmp     done
CASE avx
        vaddps  ymm0, ymm1, ymm2
        jmp     done
CASE avx_ok
        call    sse
        addps   xmm0, xmm1
        jmp     done
CASE syscall_off
        syscall
        jmp     done
CASE syscall_ok
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1                  ; SCE
        wrmsr
        mov     ecx, 0xc0000081         ; STAR
        mov     edx, CODE
        xor     eax, eax
        wrmsr
        mov     ecx, 0xc0000082         ; LSTAR
        mov     eax, done
        xor     edx, edx
        wrmsr
        syscall
CASE divide
        call    no_idt_loaded
        xor     ecx, ecx
        mov     eax, 7
        xor     edx, edx
        div     ecx
        jmp     done
CASE divide_ok
        mov     ecx, 3
        mov     eax, 7
        xor     edx, edx
        div     ecx
        jmp     done
CASE msr
        mov     ecx, 0x123456
        rdmsr
        jmp     done
CASE msr_ok
        mov     ecx, 0xc0000080
        rdmsr
        jmp     done
CASE selector
        mov     eax, 0x50
        mov     ds, eax
        jmp     done
CASE selector_ok
        mov     eax, DATA
        mov     ds, eax
        jmp     done
CASE not_canonical
        call    no_idt_loaded
        mov     rbx, 0x0000_8000_0000_0000
        mov     rax, [rbx + 8]
        jmp     done
CASE not_canonical_ok                   ; canonical, and not mapped: another cause
        call    no_idt_loaded
        mov     rbx, 0xffff_8000_0000_0000
        mov     rax, [rbx + 8]
        jmp     done

; --- where it went
CASE null_call
        xor     eax, eax
        call    rax
        jmp     done
CASE lost
        mov     eax, 0x40001234
        call    rax
        jmp     done
CASE call_ok
        mov     eax, .function
        call    rax
        jmp     done
.function:
        ret
CASE zeros                              ; null pointers are none of its mistakes
        xor     eax, eax
        mov     ebx, scratch
        call    rbx
CASE no_code                            ; physical memory that is not there, under a large page
        mov     eax, 0x30000000
        jmp     rax
CASE page_tables
        call    no_tables
        mov     eax, other_pml4
        mov     cr3, rax
        jmp     done
no_tables:
        ret
CASE page_tables_ok
        mov     rax, cr3
        mov     cr3, rax
        jmp     done

; --- page faults
CASE null_pointer
        xor     ebx, ebx
        mov     dword [rbx + 16], 1
        jmp     done
CASE null_pointer_ok
        mov     ebx, ticks
        mov     dword [rbx], 0
        jmp     done
CASE not_mapped
        mov     ebx, 0x40001000
        mov     eax, [rbx]
        jmp     done
CASE read_only
        mov     dword [limits], 1
        jmp     done
CASE read_only_ok
        mov     eax, [limits]
        jmp     done
nxe:    mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1 << 11
        wrmsr
        ret
CASE no_execute
        call    nxe
        PTE     scratch
        bts     qword [rdx], 63
        mov     eax, scratch
        call    rax
        jmp     done
CASE no_execute_ok
        call    nxe
        mov     byte [scratch], 0xc3    ; ret
        mov     eax, scratch
        call    rax
        jmp     done
CASE nx_reserved
        PTE     scratch
        bts     qword [rdx], 63
        mov     eax, [scratch]
        jmp     done
CASE nx_reserved_ok
        call    nxe
        PTE     scratch
        bts     qword [rdx], 63
        mov     eax, [scratch]
        jmp     done
CASE reserved_bit
        PTE     scratch
        bts     qword [rdx], 45
        mov     eax, [scratch]
        jmp     done
CASE smap
        mov     rax, cr4
        bts     eax, 21
        mov     cr4, rax
        mov     eax, [upage]
        jmp     done
CASE smap_ok
        mov     rax, cr4
        bts     eax, 21
        mov     cr4, rax
        stac
        mov     eax, [upage]
        jmp     done
CASE smep
        mov     rax, cr4
        bts     eax, 20
        mov     cr4, rax
        mov     eax, user_done
        jmp     rax

; --- user mode: rbx is where it begins
to_user:
        push    UDATA
        push    ustack + 4096
        push    2
        push    UCODE
        push    rbx
        iretq
CASE user_page                          ; the last level is closed
        mov     ebx, user_reads
        mov     esi, ticks
        jmp     to_user
CASE user_directory                     ; another one is
        mov     ebx, user_reads
        mov     esi, 8 << 21
        or      dword [pd + 8 * 8], USER
        and     dword [pdpt], ~USER
        mov     rax, cr3
        mov     cr3, rax
        jmp     to_user
CASE user_page_ok
        mov     ebx, user_reads
        mov     esi, upage
        jmp     to_user
CASE privileged
        mov     ebx, user_halts
        jmp     to_user
CASE gate_dpl
        mov     ebx, user_calls
        jmp     to_user
CASE gate_dpl_ok
        mov     ebx, user_done
        jmp     to_user
CASE no_rsp0
        mov     qword [tss + 4], 0
        mov     byte [idt + 8 * 16 + 4], 0
        mov     ebx, user_done
        jmp     to_user
CASE no_rsp0_ok
        mov     ebx, user_done
        jmp     to_user

; --- stacks
CASE overflow
        mov     byte [idt + 8 * 16 + 4], 0
        mov     byte [idt + 14 * 16 + 4], 0
        call    parse
        jmp     done
CASE overflow_handled                   ; the page fault's handler has a stack
        call    parse
        jmp     done
CASE overflow_ok
        mov     ecx, 100
        call    descend
        jmp     done
parse:  push    rbp
        mov     rbp, rsp
        sub     rsp, 48
        call    parse
        leave
        ret
descend:
        push    rbp
        mov     rbp, rsp
        sub     rsp, 48
        dec     ecx
        jz      .up
        call    descend
.up:    leave
        ret
CASE near_stack                         ; no access to the stack
        mov     ebx, guard + 16
        mov     eax, [rbx]
        jmp     done
CASE empty_ist
        mov     byte [idt + 6 * 16 + 4], 3
        mov     byte [idt + 8 * 16 + 4], 0
        ud2
CASE red_zone
        call    timer_on
        call    leaf
        jmp     done
; A leaf function that keeps a pointer below the stack pointer.
leaf:   mov     qword [rsp - 8], aligned
        mov     dword [ticks], 0
.wait:  cmp     dword [ticks], 2
        jb      .wait
        mov     rax, [rsp - 8]
        shl     rax, 32                 ; what the interrupt has left there is no pointer
        or      rax, [rsp - 8]
        mov     eax, [rax + 0x40000000]
        ret
CASE red_zone_ok                        ; the same, above
        call    timer_on
        call    leaf_above
        jmp     done
leaf_above:
        sub     rsp, 8
        mov     qword [rsp], aligned
        mov     dword [ticks], 0
.wait:  cmp     dword [ticks], 2
        jb      .wait
        mov     rax, [rsp]
        mov     eax, [rax]
        add     rsp, 8
        ret
CASE red_zone_faults                    ; interrupted, and faults for a reason of its own
        call    timer_on
        call    leaf_faults
        jmp     done
leaf_faults:
        lea     rcx, [rsp - 8]
        mov     dword [ticks], 0
.wait:  cmp     dword [ticks], 2
        jb      .wait
        mov     eax, [16]
        ret
CASE bios_memory
        mov     esp, 0x9ff00
        ud2
CASE bios_memory_ok
        mov     esp, stack_top
        ud2

; --- the IDT
no_idt_loaded:
        lidt    [nothing]
        ret
CASE no_idt
        call    no_idt_loaded
        xor     ebx, ebx
        mov     eax, [rbx + 8]
        jmp     done
CASE no_idt_ok
        xor     ebx, ebx
        mov     eax, [rbx + 8]
        jmp     done
CASE short_idt
        lidt    [few]
        xor     ebx, ebx
        mov     eax, [rbx + 8]
        jmp     done
CASE no_handler
        mov     dword [idt + 14 * 16 + 4], 0
        mov     dword [idt + 8 * 16 + 4], 0
        xor     ebx, ebx
        mov     eax, [rbx + 8]
        jmp     done
CASE bad_gate
        mov     byte [idt + 14 * 16 + 5], 0x8c
        mov     byte [idt + 13 * 16 + 5], 0
        mov     byte [idt + 8 * 16 + 5], 0
        xor     ebx, ebx
        mov     eax, [rbx + 8]
        jmp     done
CASE gate_selector
        mov     word [idt + 6 * 16 + 2], DATA
        mov     byte [idt + 13 * 16 + 5], 0
        mov     byte [idt + 8 * 16 + 5], 0
        ud2
CASE no_irq_handler
        mov     byte [idt + 32 * 16 + 5], 0
        mov     byte [idt + 13 * 16 + 5], 0
        mov     byte [idt + 11 * 16 + 5], 0
        mov     byte [idt + 8 * 16 + 5], 0
        call    timer_on
        jmp     $
CASE error_code_left
        mov     rax, bad_return
        mov     [idt + 14 * 16], ax
        shr     rax, 16
        mov     [idt + 14 * 16 + 6], ax
        mov     ebx, 0x40001000
        mov     eax, [rbx]
        jmp     done
bad_return:
        iretq
CASE handler_faults
        mov     qword [on_exception], careless
        call    aborts
        jmp     done
careless:
        push    rbp
        mov     rbp, rsp
        call    log
        leave
        ret
log:    mov     qword [on_exception], give_up
        mov     eax, [0x40002000]
        ret

CASE nested                             ; the same again in its own handler, twice
        mov     qword [on_exception], again
        call    aborts
again:  push    rbp
        mov     rbp, rsp
        inc     dword [ticks]
        cmp     dword [ticks], 2
        jb      .last
        mov     qword [on_exception], give_up
.last:  call    aborts
        leave
        ret

; --- interrupts
; The 8259s at 0x20 and 0x28; the 8254 a thousand times a second.
pic_at: mov     al, 0x11
        out     0x20, al
        mov     al, bl
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xfe
        out     0x21, al
        mov     al, 0x34
        out     0x43, al
        mov     al, 0xa9
        out     0x40, al
        mov     al, 4
        out     0x40, al
        sti
        ret
timer_on:
        mov     bl, 0x20
        jmp     pic_at
CASE pic
        mov     bl, 8
        call    pic_at
        jmp     $
CASE pic_ok
        call    timer_on
.wait:  cmp     dword [ticks], 2
        jb      .wait
        jmp     done
CASE no_eoi
        mov     byte [eoi], 0
        call    timer_on
.wait:  hlt
        jmp     .wait
CASE only_ticks                         ; interrupts come, and change nothing
        call    timer_on
.wait:  hlt
        jmp     .wait
CASE all_masked
        sti
        hlt
        jmp     done
CASE halted
        cli
        hlt

; --- loops
CASE endless
        jmp     $
CASE spinning
        mov     dword [lock_word], 1
        call    lock_it
        jmp     done
lock_it:
        mov     eax, 1
.again: pause
        xchg    eax, [lock_word]
        test    eax, eax
        jnz     .again
        ret
CASE deadlock                           ; the handler wants what the interrupted has
        mov     dword [lock_word], 1
        mov     qword [on_exception], lock_it
        ud2
CASE spinning_ok
        call    lock_it
        jmp     done

section .user progbits alloc exec nowrite align=4096
upage:
user_reads:
        mov     eax, [rsi]
        jmp     user_done
user_halts:
        hlt
user_calls:
        int     0x21
user_done:
        int     0x30
        jmp     user_done
section .rodata progbits alloc noexec nowrite align=4096
limits: dd      0
section .data progbits alloc write align=16
aligned: dq     1, 2
gdt:    dq      0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00cff2000000ffff, 0x00affa000000ffff
        dw      tss_end - tss - 1, 0
        db      0, 0x89, 0, 0
        dq      0
gdtr:   dw      $ - gdt - 1
        dq      gdt
idtr:   dw      64 * 16 - 1
        dq      idt
few:    dw      8 * 16 - 1
        dq      idt
nothing: dw     0
        dq      0
on_exception: dq give_up
lock_word: dd   0
ticks:  dd      0
info:   dd      0
eoi:    db      0x20
tss:    times 104 db 0
tss_end:
section .cases
        dq      0
section .bss nobits alloc write align=4096
pml4:   resb    4096
other_pml4: resb 4096
pdpt:   resb    4096
pd:     resb    4096
pt:     resb    4096
idt:    resb    64 * 16
        alignb  4096
guard:  resb    4096
stack:  resb    16384
stack_top:
istack: resb    4096
istack_top:
kstack: resb    4096
kstack_top:
        alignb  4096
ustack: resb    4096
scratch: resb   4096
