// The character set of the PC's screen and its colours. Source: IBM PS/2 Hardware Interface Technical Reference, "Characters and Keystrokes";
// Unicode's mapping table CP437.TXT.

/** Code page 437 as Unicode, with the pictures that a screen shows below 0x20. A zero is a blank. */
export const CP437 = [
  ..." ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼",
  ..." !\"#$%&'()*+,-./0123456789:;<=>?",
  ..."@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
  ..."`abcdefghijklmnopqrstuvwxyz{|}~⌂",
  ..."ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
  ..."áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
  ..."└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
  ..."αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0",
] as readonly string[];

/** Names of the sixteen text colours, by number. */
export const COLOURS = [
  "black",
  "blue",
  "green",
  "cyan",
  "red",
  "magenta",
  "brown",
  "lightgray",
  "darkgray",
  "lightblue",
  "lightgreen",
  "lightcyan",
  "lightred",
  "pink",
  "yellow",
  "white",
] as const;
export type Colour = typeof COLOURS[number];
