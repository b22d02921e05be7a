// What the built-in BIOS answers, next to SeaBIOS on the same machine: some hundred calls, made by one guest under each of them; registers, CF and
// ZF, and memory that they write. Each difference that is left stands in the table with its reason.
import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { silent } from "../src/core/log.ts";
import { createMachine, type Host, loadGraph, type Machine } from "../src/machine/machine.ts";

const PC = new URL("../machines/pc.toml", import.meta.url).pathname;
/** Debian's package `seabios`. */
const SEABIOS = "/usr/share/seabios/bios-256k.bin", ignore = !existsSync(SEABIOS);
if (ignore) console.log(`answers of SeaBIOS: skipped, there is no ${SEABIOS}`);

/**
 * The boot sector. From 0x10000 on there are records of 128 bytes: it loads the registers, makes the call, stores the registers, and copies what is
 * to be looked at behind them; interrupt 0 writes memory instead, 0xff ends the run.
 */
const GUEST = `
fafc31c08ed089c4bc007cfb                    cli; cld; xor ax, ax; mov ss, ax; mov sp, ax; mov sp, 0x7c00; sti
2ec706147d0010                              mov word [cs:record], 0x1000
2e8e26147d64a000003cff0f84ee00              next: mov fs, [cs:record]; mov al, [fs:0]; cmp al, 0xff; je done
3cfe0f84aa0084c0747a2ea2657c                cmp al, 0xfe; je keys; test al, al; jz poke; mov [cs:vector], al
6466a1080064668b1e0c0064668b0e1000          mov eax, [fs:8]; mov ebx, [fs:12]; mov ecx, [fs:16]
64668b16140064668b36180064668b3e1c00        mov edx, [fs:20]; mov esi, [fs:24]; mov edi, [fs:28]
64668b2e2000648e060400648e1e0200f8cd        mov ebp, [fs:32]; mov es, [fs:4]; mov ds, [fs:2]; clc; db 0xcd
002e8e26147d6466a308006466891e0c00          vector: db 0; mov fs, [cs:record]; mov [fs:8], eax; mov [fs:12], ebx
6466890e1000646689161400646689361800        mov [fs:16], ecx; mov [fs:20], edx; mov [fs:24], esi
6466893e1c006466892e2000648c060400          mov [fs:28], edi; mov [fs:32], ebp; mov [fs:4], es
648c1e02009c648f060600eb12                  mov [fs:2], ds; pushf; pop word [fs:6]; jmp look
64c43e24000fa01fbe2800648b0e0200            poke: les di, [fs:36]; push fs; pop ds; mov si, 40; mov cx, [fs:2]
f3a4                                        rep movsb
fc64c53624000fa007bf2800b92c00              look: cld; lds si, [fs:36]; push fs; pop es; mov di, 40; mov cx, 44
f3a52e8306147d08e941ff                      rep movsw; add word [cs:record], 8; jmp next
64c43e24000fa01fbe0800b90700                keys: les di, [fs:36]; push fs; pop ds; mov si, 8; mov cx, 7
f3a4648b0e0200be2800                        rep movsb; mov cx, [fs:2]; mov si, 40
e464a80275fab0d2e664                        .next: in al, 0x64; test al, 2; jnz .next; mov al, 0xd2; out 0x64, al
e464a80275fa648a0446                        .told: in al, 0x64; test al, 2; jnz .told; mov al, [fs:si]; inc si
e660ba9001                                  out 0x60, al; mov dx, 400
4a75fde464a80175f7                          .wait: dec dx; jnz .wait; in al, 0x64; test al, 1; jnz .wait
e2dceba8                                    loop .next; jmp look
b010e6f4                                    done: mov al, 0x10; out 0xf4, al
0000                                        record: dw 0`;
const CODE = Uint8Array.from(
  GUEST.trim().split("\n").flatMap((line) => line.split(" ")[0].match(/../g)!.map((byte) => parseInt(byte, 16))),
);
const RECORDS = 0x1_0000, RECORD = 128, LOOK = 40, BUFFER = 0x9000;
const NAMES = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"] as const;

/** `int ax bx cx dx si di bp` with ES and DS at the buffer, or `segment:offset bytes...` to write memory; `@segment:offset` is looked at. */
const CALLS = `
11
12
12 ffffffff
14 00e3 0 0 0
14 0041 0 0 0
14 0300 0 0 0
14 0300 0 0 1
14 0300 0 0 4
14 0300 0 0 ffff
14 0700 0 0 0
14 00e3 0 0 5
17 0041 0 0 0
17 0100 0 0 0
17 0200 0 0 0
17 0200 0 0 1
17 0200 0 0 3
17 0300 0 0 0
0040:0080 1e 00 3e 00
0040:001a 1e 00 1e 00
16 0100
16 1100
16 0200
0040:0017 55
16 0200
0040:0017 00 00
0040:0017 aa 73
0040:0096 1c
16 1200
0040:0018 04
16 1200
0040:0018 8c
0040:0096 10
16 1200
0040:0017 00 00
16 0500 0 1e61
16 0500 0 84e0
16 0500 0 48e0
16 0500 0 e00d
16 0500 0 e00a
16 0500 0 e02f
16 0500 0 8500
16 0500 0 5300
16 0500 0 00e0
16 0500 0 0bf0
16 0500 0 03f0
16 0500 0 8632
16 0500 0 a300
16 0500 0 1c0d
16 0500 0 1c0a
16 0500 0 9999
16 0500 0 8888
@0040:001a+24
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
16 0000
16 0100
@0040:001a+24
0040:001a 1e 00 1e 00
16 0500 0 1e61
16 0500 0 84e0
16 0500 0 48e0
16 0500 0 e00d
16 0500 0 8500
16 0500 0 00e0
16 0500 0 0bf0
16 1100
16 1000
16 1100
16 1000
16 1100
16 1000
16 1100
16 1000
16 1100
16 1000
16 1100
16 1000
16 1100
16 1000
16 1100
16 0300
16 0305 0
16 0306 0
16 0900
16 0a00
16 9200
16 a200
16 6f08
16 6f00
16 7e00
0040:006c 34 12 05 00 00
1a 0000
0040:0070 01
1a 0000
1a 0000
1a 0100 0 0017 1234
1a 0000
1a 0200
1a 0400
1a 0300 0 1234 5600
1a 0200
1a 0500 0 2031 1224
1a 0400
1a 0600 0 2359 5900
1a 0600 0 1111 1100
1a 0700
1a 0600 0 2359 5900
1a 0700
1a 0800
1a 7e00
1a b101
1a b102 0 7000 8086 0
1a b102 0 7010 8086 0
1a b102 0 7010 8086 1
1a b102 0 1111 1234 0
1a b102 0 0000 ffff 0
1a b102 0 ffff 8086 0
1a b103 0 00010180 0 0
1a b103 0 00030000 0 0
1a b103 0 00030000 0 1
1a b103 0 ff068000 0 0
1a b103 0 00123456 0 0
1a b108 0008 0 0 0 0
1a b108 0008 0 0 0 3
1a b108 0008 0 0 0 ff
1a b108 0008 0 0 0 100
1a b108 0100 0 0 0 0
1a b108 00f8 0 0 0 0
1a b109 0009 0 0 0 2
1a b109 0009 0 0 0 3
1a b109 0009 0 0 0 0a
1a b109 00f8 0 0 0 0
1a b10a 0009 0 0 0 8
1a b10a 0009 0 0 0 9
1a b10a 0009 0 0 0 a
1a b10a 00f8 0 0 0 0
1a b10b 0009 11 0 0 0d
1a b10b 0009 ffff 0 0 3c
1a b108 0009 0 0 0 3c
1a b10b 0009 0000 0 0 3c
1a b10c 0009 0007 0 0 04
1a b10c 0009 0007 0 0 05
1a b109 0009 0 0 0 04
1a b10c 0009 0003 0 0 04
1a b10d 0009 80008000 0 0 40
1a b10d 0009 80008000 0 0 42
1a b10a 0009 0 0 0 40
1a b10e
1a b10f
1a b104
1a b181
15 2400
15 2402
15 2401
15 2402
15 2403
15 2404
15 4f1e
15 5200
15 5300
15 5301
15 5304
15 5305
15 5306
15 5308 1 1
15 530a 1
15 530b
15 530c 1
15 530e 0 0102
15 530f 1 1
15 5310
15 5320
15 8300 9000 0 0
15 8302 9000 0 0
15 8600 0 0 100
15 8600 0 0 0
15 8800
15 9000
15 9100
15 c000
15 c100
15 c200
15 c2ff
15 e801
15 e881
15 e820 0 20 534d4150 0 0
15 e820 0 14 534d4150 0 0
15 e820 0 13 534d4150 0 0
15 e820 0 20 534d4151 0 0
15 e820 1 20 534d4150 0 0
15 e820 2 20 534d4150 0 0
15 e820 3 20 534d4150 0 0
15 e820 4 20 534d4150 0 0
15 e820 5 20 534d4150 0 0
15 e820 6 20 534d4150 0 0
15 e820 ff 20 534d4150 0 0
15 7e00
9000:0010 ff ff 00 00 06 93 00 00 ff ff 00 10 09 93 00 00
15 8700 0 4 0 0
9000:0010 ff ff 00 7c 00 93 00 00 ff ff 00 01 09 93 00 00
15 8700 0 10 0 0
@9000:0100
15 8700 0 0 0 0
15 8700 0 8001 0 0
13 0000 0 0 0080
13 0100 0 0 0080
13 0000 0 0 0081
13 0100 0 0 0080
13 0000 0 0 0000
13 0000 0 0 0001
13 0000 0 0 0002
13 0201 0 0001 0080
13 0201 0 0002 0080
13 0202 0 0a05 0f80
13 0201 0 003f 0080
13 0202 0 003f 0080
13 0201 0 0000 0080
13 0201 0 0001 1080
13 0201 0 1301 0080
13 0201 0 1401 0080
13 0201 0 1241 0080
13 0100 0 0 0080
13 0200 0 0001 0080
13 0281 0 0001 0080
13 0201 0 0001 0081
13 0201 0 0001 007f
13 0201 0 0001 0000
13 0201 0 0002 0000
13 0201 0 4f12 0100
13 0201 0 4f13 0100
13 0201 0 5001 0100
13 0201 0 0001 0200
13 0201 0 0001 0001
13 0100 0 0 0000
13 0302 0 0002 0080
13 0202 0 0002 0080
13 0301 0 0002 0000
13 0201 0 0002 0000
13 0401 0 0001 0080
13 0401 0 1401 0080
13 0401 0 0001 0000
13 0501 0 0000 0000
13 0501 0 0000 0080
13 0800 0 0 0080
13 0800 0 0 0081
13 0800 0 0 0000
13 0800 0 0 0001
13 0800 0 0 0004
13 0800 0 0 00e0
13 0900 0 0 0080
13 0900 0 0 0081
13 0c00 0 0001 0080
13 0d00 0 0 0080
13 1000 0 0 0080
13 1000 0 0 0081
13 1000 0 0 0000
13 1100 0 0 0080
13 0900 0 0 0000
13 0c00 0 0001 0000
13 0d00 0 0 0000
13 1100 0 0 0000
13 1400 0 0 0000
13 0900 0 0 00e0
13 0d00 0 0 00e0
13 1000 0 0 00e0
13 1100 0 0 00e0
13 1400 0 0 00e0
13 0c00 0 0001 00e0
13 1400 0 0 0080
13 1500 0 0 0080
13 1500 0 0 0081
13 1500 0 0 0000
13 1500 0 0 0001
13 1500 0 0 00e0
13 1600 0 0 0080
13 1600 0 0 0000
13 1600 0 0 0001
13 1700 0 0 0000
13 1800 0 4f12 0000
13 4100 55aa 0 0080
13 4100 55ab 0 0080
13 4100 55aa 0 0081
13 4100 55aa 0 0000
13 4100 55aa 0 00e0
9000:0000 10 00 01 00 00 00 10 90 05 00 00 00 00 00 00 00
13 4200 0 0 0080 0
9000:0000 10 00 02 00 00 00 10 90 bf 4e 00 00 00 00 00 00
13 4200 0 0 0080 0
9000:0000 10 00 01 00 00 00 10 90 c0 4e 00 00 00 00 00 00
13 4200 0 0 0080 0
9000:0000 0f 00 01 00 00 00 10 90 05 00 00 00 00 00 00 00
13 4200 0 0 0080 0
9000:0000 10 00 00 00 00 00 10 90 05 00 00 00 00 00 00 00
13 4200 0 0 0080 0
9000:0000 10 00 01 00 00 00 10 90 05 00 00 00 01 00 00 00
13 4200 0 0 0080 0
9000:0000 10 00 01 00 00 00 10 90 05 00 00 00 00 00 00 00
13 4400 0 0 0080 0
13 4700 0 0 0080 0
13 4300 0 0 0080 0
13 4200 0 0 0081 0
13 4200 0 0 0000 0
13 4200 0 0 00e0 0
13 4300 0 0 00e0 0
13 4500 0 0 0080
13 4502 0 0 00e0
13 4500 0 0 00e0
13 4600 0 0 00e0
13 4501 0 0 00e0
13 4501 0 0 00e0
13 4503 0 0 00e0
13 4600 0 0 0080
9000:0000 1a 00
13 4800 0 0 0080 0
9000:0000 19 00
13 4800 0 0 0080 0
9000:0000 1e 00
13 4800 0 0 0080 0
9000:0000 42 00
13 4800 0 0 0080 0
9000:0000 1a 00
13 4800 0 0 00e0 0
13 4800 0 0 0081 0
13 4800 0 0 0000 0
13 4900 0 0 0080
13 4900 0 0 00e0
13 4900 0 0 0081
13 4b01 0 0 0080 0
13 4e01 0 0 0080
13 4e00 0 0 0080
13 4e06 0 0 0080
13 7e00 0 0 0080
13 0600 0 0 0080
`;

interface Row {
  readonly text: string;
  readonly bytes: Uint8Array;
  /** How much of the memory that is looked at counts. */
  readonly length: number;
}
function row(text: string): Row {
  const bytes = new Uint8Array(RECORD), view = new DataView(bytes.buffer), words = text.split(" ");
  // How much of it counts: "+16".
  const length = words.find((w) => w[0] === "@")?.split("+")[1];
  const far = (at: string) => at.split(/[:+]/).map((part) => parseInt(part, 16));
  const look = words.find((w) => w[0] === "@")?.slice(1), poke = words[0].includes(":") ? words.shift()!.replace("@", "") : undefined;
  const [segment, offset] = far(poke ?? look ?? `${BUFFER.toString(16)}:0`);
  view.setUint16(36, offset, true), view.setUint16(38, segment, true);
  const numbers = words.filter((w) => w[0] !== "@").map((w) => parseInt(w, 16));
  const keys = words[0] === "keys";
  if (keys) numbers.shift();
  if (poke || keys) {
    if (keys) {
      bytes[0] = 0xfe;
      bytes.set([numbers.shift()!, 0, 0, 0x1e, 0, 0x1e, 0], 8);
    }
    view.setUint16(2, numbers.length, true);
    bytes.set(numbers, LOOK);
  } else {
    bytes[0] = numbers[0];
    view.setUint16(2, BUFFER, true), view.setUint16(4, BUFFER, true);
    // What a call does not take has upper and lower halves that it has to keep.
    for (let i = 0; i < NAMES.length; i++) view.setUint32(8 + 4 * i, numbers[i + 1] ?? 0x1111_1111 * (i + 1), true);
  }
  return { text, bytes, length: parseInt(length ?? (poke && !text.startsWith("@") ? "0" : "58"), 16) };
}

/** Flags of the keyboard at 0040:0017, and codes of it, each with all of them. */
const STATES = ["00", "01", "04", "08", "20", "21", "40", "41"];
const EXTENDED = "1c 1d 35 37 38 46 47 48 49 4b 4d 4f 50 51 52 53 5b 5c 5d 9d b8 2a 36 aa b6 9c".split(" ").map((code) => `e0 ${code}`);
const KEYS = STATES.flatMap((state) =>
  [...[...Array(0x58).keys()].map((i) => (i + 1).toString(16)), ..."aa b6 9d b8 ba 9e".split(" "), ...EXTENDED].map((codes) =>
    `keys ${state} ${codes} @0040:0017`
  )
);
const VIDEO = `
10 0003
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0300 0 0 0
10 0f00
@b800:0000
10 0200 0 0 0203
10 0300 0 0 0
10 0100 0 0607 0
10 0300 0 0 0
10 0200 0 0 0000
10 0941 001e 0003 0
10 0942 001e 0001 0
10 0a43 0000 0002 0
@b800:0000
10 0800 0 0 0
10 0e44 0007 0 0
10 0e0d 0007 0 0
10 0e45 0007 0 0
10 0e08 0007 0 0
10 0e0a 0007 0 0
10 0e07 0007 0 0
10 0300 0 0 0
@b800:0000
9000:0000 48 65 6c 6c 6f 0a 0d 21 48 1e 49 2e 0a 07
10 1300 0007 0008 0505 0 0 0
10 0300 0 0 0
@b800:032a
10 1301 0007 0008 0605 0 0 0
10 0300 0 0 0
10 1303 0007 0002 0805 0 0 8
10 0300 0 0 0
@b800:0500
10 0300 0 0 0
10 0200 0 0 1800
10 0e5a 0007 0 0
10 0e0a 0007 0 0
10 0300 0 0 0
@b800:0e60
10 0601 1700 0000 184f
@b800:0000
@b800:0e60
10 0602 2700 0303 0507
@b800:01e0
10 0701 3700 0000 184f
@b800:0000
10 0702 4700 0202 0406
@b800:0140
10 0600 0700 0000 184f
@b800:0000
10 0501
10 0f00
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0200 0100 0 0102
10 0300 0100 0 0
10 0941 011e 0001 0
@b800:1000
10 0800 0100 0 0
10 0500
10 0b00 0001
10 0b01 0001
10 1000 0502
10 1007 0002
10 1001 0300
10 1008
10 1003 0000
10 1003 0001
10 1010 0007 1020 3000
10 1015 0007
9000:0000 01 02 03 04 05 06 07 08 09
10 1012 0010 0003 0000
10 1017 0010 0003 0010 @9000:0000+9
@9000:0010+9
10 1015 0011
10 1007 0010
10 1009 0 0 0000 @9000:0000+11
10 101a
10 1013 0100
10 101a
10 1013 0201
10 101a
10 1013 0000
10 1018 00ff
10 1019
10 1100
10 1130 0000
10 1130 0100
10 1130 0200
10 1130 0300
10 1130 0400
10 1130 0500
10 1130 0600
10 1130 0700
10 1200 0010
10 1201 0030
10 1202 0030
10 1200 0031
10 1200 0032
10 1200 0033
10 1200 0034
10 1200 0036
10 1a00
10 1a01
10 1b00 0 0 0 0 0 0
10 1c00 0 7 0
10 7e00
10 0086
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0c01 0 0005 0007
10 0d00 0 0005 0007
10 0d00 0 0006 0007
10 0084
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0c03 0 0005 0007
10 0d00 0 0005 0007
10 0c82 0 0005 0007
10 0d00 0 0005 0007
10 0092
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0c0d 0 0005 0007
10 0d00 0 0005 0007
10 0c83 0 0005 0007
10 0d00 0 0005 0007
10 0300
10 0093
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0c55 0 0005 0001
10 0d00 0 0005 0001
10 008d
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0090
@0040:0049+17
@0040:0062+6
@0040:0084+2
10 0093
10 0f00
10 4f00 0 0 0 0 0
9000:0000 56 42 45 32
10 4f00 0 0 0 0 0
10 4f01 0 0100 0 0 0
10 4f01 0 0101 0 0 0
10 4f01 0 0110 0 0 0
10 4f01 0 0111 0 0 0
10 4f01 0 0112 0 0 0
10 4f01 0 0142 0 0 0
10 4f01 0 0144 0 0 0
10 4f01 0 0192 0 0 0
10 4f01 0 017a 0 0 0
10 4f01 0 01ff 0 0 0
10 4f02 8101
10 4f03
10 4f02 c101
10 4f03
10 4f06 0001 0 0
10 4f06 0003 0 0
10 4f06 0000 0400 0
10 4f06 0001 0 0
10 4f06 0002 0500 0
10 4f07 0000 0010 0020
10 4f07 0001 0 0
10 4f07 0080 0000 0000
10 4f05 0000 0 0003
10 4f05 0100 0 0
10 4f05 0002 0 0
10 4f08 0800
10 4f08 0001
10 4f08 0002
10 4f09 0001 0002 0007 0 0
10 4f09 0003 0002 0007 0 0
10 4f02 c142
10 4f03
10 4f06 0001 0 0
10 4f08 0001
10 4f02 01ff
10 4f02 0003
10 4f03
10 4f06 0001
10 4f04 0 0 0
10 4f0a
10 4f10
10 4f15 0000
10 4f15 0001 0 0 0 0
10 4f15 0001 0 1 0 0
10 4fff
10 0003
`;

/** What a record says after its call. */
function answerOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset), hex = (n: number) => n.toString(16);
  const flags = view.getUint16(6, true), registers = NAMES.map((name, i) => `${name}=${hex(view.getUint32(8 + 4 * i, true))}`);
  const memory = Array.from(bytes.subarray(LOOK), (b) => hex(b).padStart(2, "0")).join("").replace(/(00)+$/, "");
  // Flags, and the key if there is one in the buffer.
  if (bytes[0] === 0xfe) {
    return memory.slice(0, 4) + (bytes[LOOK + 3] === bytes[LOOK + 5] ? "" : ` ${memory.slice(16, 18)}${memory.slice(14, 16)}`);
  }
  if (bytes[0] === 0) return `[${memory}]`;
  return `${flags & 1 ? "C" : "-"}${flags & 0x40 ? "Z" : "-"} ${registers.join(" ")} ds=${hex(view.getUint16(2, true))} es=${
    hex(view.getUint16(4, true))
  } [${memory}]`;
}

/** Where the two differ, and why. */
const DIFFERENT: Readonly<Record<string, readonly string[]>> = {
  "AX of get cursor is 0, as Phoenix has it": ["10 0300", "10 0300 0 0 0", "10 0300 0100 0 0"],
  "the cursor's lines are those of the VGA, which has 16": ["10 0300 0 0 0"],
  "AH=0Bh, BH=0: in text modes the border only": ["10 1009 0 0 0000 @9000:0000+11"],
  "fonts of its own, at places of their own": [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `10 1130 0${n}00`),
  "the table's place, and what it can do": ["10 1b00 0 0 0 0 0 0"],
  "not modelled: saving the state": ["10 1c00 0 7 0", "10 4f04 0 0 0"],
  "modes, their texts and where things are": [
    "10 4f00 0 0 0 0 0",
    ..."100 101 110 111 112 142 144 17a 192".split(" ").map((mode) => `10 4f01 0 0${mode} 0 0 0`),
  ],
  "VBE 3.0, 4.8 and 4.9: a window in linear modes, the longest line; neither in text modes": [
    "10 4f05 0000 0 0003",
    "10 4f05 0100 0 0",
    "10 4f06 0003 0 0",
    "10 4f06 0001",
  ],
  "VBE 3.0, 4.12: the palette, which SeaBIOS does not have": ["10 4f09 0001 0002 0007 0 0", "10 4f09 0003 0002 0007 0 0"],
  "not modelled: power management": ["10 4f10"],
  "a monitor of its own, with one block": ["10 4f15 0000", "10 4f15 0001 0 0 0 0", "10 4f15 0001 0 1 0 0"],
  "a reset is one of the controller, whichever drive is given": ["13 0000 0 0 0001", "13 0000 0 0 0002"],
  "a floppy drive that is not there does not answer: status 80h": [
    "13 0201 0 0001 0001",
    "13 0201 0 0001 007f",
    "13 0100 0 0 0000",
    "13 1600 0 0 0001",
  ],
  "hard disks are not formatted": ["13 0501 0 0000 0080"],
  "the place of the floppy's table": ["13 0800 0 0 0000"],
  "no disk is changed here; the medium of a floppy can be set": [
    "13 1600 0 0 0000",
    "13 1700 0 0 0000",
    "13 1800 0 4f12 0000",
    "13 4900 0 0 00e0",
  ],
  "EDD 3.0, 8.1 and 8.3: 55AAh, 16 bytes at least, nothing is moved past the end": ["13 4100 55ab 0 0080", "13 4200 0 0 0080 0"],
  "not modelled: the device path and the ports; a CD's size is told": ["13 4800 0 0 0080 0", "13 4800 0 0 00e0 0"],
  "nothing was emulated by a CD": ["13 4b01 0 0 0080 0"],
  "not modelled: APM in protected mode": ["15 5300"],
  "AL when a function is not there": ["15 8302 9000 0 0"],
  "the caller's descriptors are left alone, and 64 KiB is the most": ["15 8700 0 10 0 0", "15 8700 0 4 0 0", "15 8700 0 8001 0 0"],
  "128 KiB of tables at the end of memory, not 4; nothing is said of the ROM below 4 GiB": [
    "15 8800",
    "15 e801",
    ...["3", "4", "5"].map((n) => `15 e820 ${n} 20 534d4150 0 0`),
  ],
  "AH=0: nobody waited": ["15 9000", "15 9100"],
  "the place of the configuration table": ["15 c000"],
  "SeaBIOS does not have it": ["15 e881"],
  "old functions drop the keys of newer keyboards, as the AT's do": ["16 0000", "16 0100", "@0040:001a+24"],
  "SysReq": ["16 1200"],
  "Insert changes its state": STATES.flatMap((state) => [`keys ${state} 52 @0040:0017`, `keys ${state} e0 52 @0040:0017`]).filter((text) =>
    !/keys (20|21|60) 52/.test(text)
  ),
  "AX is no result": [
    "1a 0100 0 0017 1234",
    "1a 0200",
    "1a 0300 0 1234 5600",
    "1a 0400",
    "1a 0500 0 2031 1224",
    "1a 0600 0 1111 1100",
    "1a 0600 0 2359 5900",
    "1a 0700",
  ],
  "not modelled: the entry for protected mode, interrupt routing": ["1a b101", "1a b181", "1a b10e"],
  "PCI BIOS 2.1, 3.2 to 3.4: vendor FFFFh, classes of 24 bits, registers that are there and aligned": [
    "1a b102 0 0000 ffff 0",
    "1a b103 0 ff068000 0 0",
    "1a b108 0008 0 0 0 100",
    "1a b109 0009 0 0 0 3",
    "1a b10a 0009 0 0 0 9",
    "1a b10a 0009 0 0 0 a",
    "1a b10c 0009 0007 0 0 05",
    "1a b10d 0009 80008000 0 0 42",
  ],
};

const SECTORS = 16 * 63 * 20;
const DISK = (() => {
  const disk = new Uint8Array(512 * SECTORS);
  for (let lba = 1; lba < SECTORS; lba++) disk.fill(lba * 7 + (lba >> 8), 512 * lba, 512 * lba + 512);
  disk.set(CODE), disk.set([0x55, 0xaa], 510);
  return disk;
})();
const FLOPPY = Uint8Array.from({ length: 2880 * 512 }, (_, i) => i >> 9), CD = Uint8Array.from({ length: 300 * 2048 }, (_, i) => i >> 11);
const host: Host = {
  readFile: (path) => path === "disk" ? DISK : path === "floppy" ? FLOPPY : path === "cd" ? CD : Deno.readFileSync(path),
  log: silent,
};

async function answers(firmware: string, rows: readonly Row[]): Promise<string[]> {
  const options = {
    file: PC,
    kernel: "disk",
    set: { firmware, "memory.ram.size": "32MiB", "device.ide.disk2.file": "cd", "device.fdc.drive0.file": "floppy" },
  };
  const m: Machine = createMachine(options, host, await loadGraph(options, host)), [cpu] = m.cpus;
  cpu.breakpoints.add(0x7c00n), cpu.breakpointsChanged();
  assertEquals(m.run(5e9)?.kind, "breakpoint", "it boots from the disk");
  cpu.breakpoints.clear(), cpu.breakpointsChanged();
  for (const [i, { bytes }] of [...rows, { bytes: Uint8Array.of(0xff) }].entries()) m.bus.writeBytes(RECORDS + RECORD * i, bytes);
  assertEquals(m.run(60e9)?.kind, "exit", "all calls come back");
  // What was at a place before is of no interest again.
  const before = new Map<string, string>();
  return rows.map(({ length }, i) => {
    const bytes = m.bus.readBytes(RECORDS + RECORD * i, RECORD), at = bytes.slice(36, 40).join(), memory = bytes.slice(LOOK).join();
    bytes.fill(0, LOOK + length);
    if (bytes[0] !== 0xfe && bytes[0] !== 0 && before.get(at) === memory) bytes.fill(0, LOOK);
    before.set(at, memory);
    return answerOf(bytes);
  });
}

Deno.test({
  name: "the built-in BIOS answers as SeaBIOS does",
  ignore,
  fn: async () => {
    const texts = [CALLS, VIDEO].flatMap((text) => text.trim().split("\n"));
    const rows = [...texts, ...KEYS].map(row), [ours, theirs] = [await answers("builtin", rows), await answers(SEABIOS, rows)];
    const known = new Set(Object.values(DIFFERENT).flat()), different = new Map<string, string>();
    for (const [i, { text }] of rows.entries()) {
      if (ours[i] !== theirs[i]) different.set(text, `${text}\n  ours   ${ours[i]}\n  theirs ${theirs[i]}`);
    }
    assertEquals(
      [...different.keys()].filter((text) => !known.has(text)).map((text) => different.get(text)),
      [],
      "differences without a reason",
    );
    assertEquals([...known].filter((text) => !different.has(text)), [], "reasons without a difference");
  },
});
