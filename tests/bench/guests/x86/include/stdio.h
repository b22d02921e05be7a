// For bench.c built as for a host: what it needs of a C library is in crt.c.
int putchar(int c);
