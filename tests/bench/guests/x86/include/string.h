// For bench.c built as for a host: what it needs of a C library is in crt.c.
#include <stddef.h>
void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);
