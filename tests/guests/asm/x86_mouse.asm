; The same as x86_bios, with movements of the mouse and its button in between: the handler prints the packets.
%define MOUSE 3
%include "x86_bios.asm"
