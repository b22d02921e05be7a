// What a benchmark needs to run on a PC without an operating system: the serial port, memory, and "bench=NAME:COUNT" of the command line as
// the argument of a host's program.
#include <stddef.h>
#include <stdint.h>

int main(int count, char **arguments);

int putchar(int c) {
    __asm__ volatile("outb %0, %1" ::"a"((uint8_t)c), "Nd"((uint16_t)0x3f8));
    return c;
}

void *memset(void *to, int value, size_t count) {
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count)::"memory");
    return to;
}

// Xen's hvm_start_info: the address of the command line is at 24.
void x86_main(const uint8_t *info) {
    static const char key[] = "bench=";
    char *line = *(char *const *)(info + 24), *arguments[] = { "bench", 0, 0 };
    for (char *at = line; at && *at && !arguments[1]; at++) {
        size_t same = 0;
        while (key[same] && at[same] == key[same]) same++;
        if (!key[same]) arguments[1] = at + same;
    }
    main(arguments[1] ? 2 : 1, arguments);
}
