// The keys of a US keyboard: what each sends in the three sets of scan codes. Source: IBM PS/2 Hardware
// Interface Technical Reference (October 1990), "Keyboards", its tables of key numbers; the three keys of Windows: Microsoft, "Keyboard Scan Code
// Specification" 1.3a. A high byte of 0xe0 is a prefix.
export const KEYS: readonly (readonly [name: string, set1: number, set2: number, set3: number])[] = `
\` 29 0e 0e|1 02 16 16|2 03 1e 1e|3 04 26 26|4 05 25 25|5 06 2e 2e|6 07 36 36|7 08 3d 3d|8 09 3e 3e|9 0a 46 46|0 0b 45 45
- 0c 4e 4e|= 0d 55 55|backspace 0e 66 66|tab 0f 0d 0d|q 10 15 15|w 11 1d 1d|e 12 24 24|r 13 2d 2d|t 14 2c 2c|y 15 35 35
u 16 3c 3c|i 17 43 43|o 18 44 44|p 19 4d 4d|[ 1a 54 54|] 1b 5b 5b|\\ 2b 5d 5c|capslock 3a 58 14|a 1e 1c 1c|s 1f 1b 1b
d 20 23 23|f 21 2b 2b|g 22 34 34|h 23 33 33|j 24 3b 3b|k 25 42 42|l 26 4b 4b|; 27 4c 4c|' 28 52 52|enter 1c 5a 5a
shift 2a 12 12|z 2c 1a 1a|x 2d 22 22|c 2e 21 21|v 2f 2a 2a|b 30 32 32|n 31 31 31|m 32 3a 3a|, 33 41 41|. 34 49 49|/ 35 4a 4a
rightshift 36 59 59|ctrl 1d 14 11|alt 38 11 19|space 39 29 29|altgr e038 e011 39|rightctrl e01d e014 58
insert e052 e070 67|delete e053 e071 64|home e047 e06c 6e|end e04f e069 65|pageup e049 e07d 6f|pagedown e051 e07a 6d
up e048 e075 63|left e04b e06b 61|down e050 e072 60|right e04d e074 6a
numlock 45 77 76|keypad7 47 6c 6c|keypad4 4b 6b 6b|keypad1 4f 69 69|keypad/ e035 e04a 77|keypad8 48 75 75|keypad5 4c 73 73
keypad2 50 72 72|keypad0 52 70 70|keypad* 37 7c 7e|keypad9 49 7d 7d|keypad6 4d 74 74|keypad3 51 7a 7a|keypad. 53 71 71
keypad- 4a 7b 84|keypad+ 4e 79 7c|keypadenter e01c e05a 79
esc 01 76 08|f1 3b 05 07|f2 3c 06 0f|f3 3d 04 17|f4 3e 0c 1f|f5 3f 03 27|f6 40 0b 2f|f7 41 83 37|f8 42 0a 3f|f9 43 01 47
f10 44 09 4f|f11 57 78 56|f12 58 07 5e|print e037 e07c 57|scrolllock 46 7e 5f|meta e05b e01f 8b|rightmeta e05c e027 8c|menu e05d e02f 8d
`.trim().split(/[|\n]/).map((key) => {
  const [name, ...codes] = key.split(" "), [set1, set2, set3] = codes.map((code) => parseInt(code, 16));
  return [name, set1, set2, set3];
});
/** The bytes of a code; of its release in the sets 1, and 2 and 3. */
export const pressed = (code: number): number[] => code > 0xff ? [code >> 8, code & 0xff] : [code];
export const released1 = (code: number): number[] => code > 0xff ? [code >> 8, code & 0xff | 0x80] : [code | 0x80];
export const released2 = (code: number): number[] => code > 0xff ? [code >> 8, 0xf0, code & 0xff] : [0xf0, code];
