// Code of the BIOS that runs on the processor: what the emulator cannot do while an instruction waits for it, calling the guest and changing the
// processor's mode. Every routine is reached from a stub (`Call.jump`) with the caller's IP, CS and flags on the stack.
import { EBDA_SEGMENT } from "./host.ts";

/** The extended BIOS data area: the mouse handler's far address, flags and packet (IBM PS/2 and PC BIOS Interface Technical Reference). */
export const MOUSE_HANDLER = 0x22, MOUSE_INDEX = 0x26, MOUSE_FLAGS = 0x27, MOUSE_PACKET = 0x28;
const low = (n: number) => n & 0xff, high = (n: number) => n >> 8;

/** Calls the mouse handler with status, x, y and 0 on its stack, ends the interrupt and returns. */
export const CALL_MOUSE = 0x1100;
const callMouse = [
  ...[0x60, 0x1e, 0x06], // pusha; push ds; push es
  ...[0xb8, low(EBDA_SEGMENT), high(EBDA_SEGMENT), 0x8e, 0xd8, 0x31, 0xc0], // mov ax, EBDA; mov ds, ax; xor ax, ax
  ...[0, 1, 2].flatMap((i) => [0xa0, MOUSE_PACKET + i, 0, 0x50]), // mov al, [packet + i]; push ax
  ...[0x6a, 0x00, 0xfb], // push 0; sti
  ...[0xff, 0x1e, MOUSE_HANDLER, 0], // call far [handler]
  ...[0xfa, 0xfc, 0x83, 0xc4, 0x08], // cli; cld; add sp, 8
  ...[0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20], // mov al, 20h; out a0h, al; out 20h, al
  ...[0x07, 0x1f, 0x61, 0xcf], // pop es; pop ds; popa; iret
];

/** Int 15h, AH=89h: ES:SI has the descriptors; returns by the selector of CS with interrupts off. */
export const PROTECT = 0x1140;
const PROTECTED = PROTECT + 23;
const protect = [
  ...[0x26, 0x0f, 0x01, 0x54, 0x08], // lgdt es:[si + 8]
  ...[0x26, 0x0f, 0x01, 0x5c, 0x10], // lidt es:[si + 10h]
  ...[0x0f, 0x01, 0xe0, 0x0c, 0x01, 0x0f, 0x01, 0xf0], // smsw ax; or al, 1; lmsw ax
  ...[0xea, low(PROTECTED), high(PROTECTED), 0x38, 0x00], // jmp 38h:PROTECTED
  ...[[0x18, 0xd8], [0x20, 0xc0], [0x28, 0xd0]].flatMap(([selector, to]) => [0xb8, selector, 0, 0x8e, to]), // mov ax, selector; mov ds/es/ss, ax
  ...[0x58, 0x83, 0xc4, 0x04], // pop ax; add sp, 4
  ...[0x6a, 0x30, 0x50, 0x31, 0xc0, 0xcb], // push 30h; push ax; xor ax, ax; retf
];

/** Int 75h: the coprocessor's interrupt becomes an NMI, as on the PC. Int 70h: the clock's alarm is int 4Ah. */
export const COPROCESSOR = 0x1180, ALARM = 0x1184;

export const ROM_CODE: readonly { readonly at: number; readonly code: readonly number[] }[] = [
  { at: CALL_MOUSE, code: callMouse },
  { at: PROTECT, code: protect },
  { at: COPROCESSOR, code: [0xcd, 0x02, 0xcf] }, // int 2; iret
  { at: ALARM, code: [0xcd, 0x4a, 0xcf] }, // int 4ah; iret
];
