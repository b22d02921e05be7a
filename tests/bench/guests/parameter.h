// What the command line of a run says: "bench=NAME:COUNT" in the device tree's bootargs, or the first argument of a native program.
#include <stdint.h>

struct parameter { char name[24]; uint32_t count; };

// Reads "NAME:COUNT"; a count that is not there is 1.
static struct parameter parse(const char *text) {
    struct parameter found = { .count = 1 };
    unsigned length = 0;
    for (; *text && *text != ':' && *text != ' ' && length < sizeof found.name - 1; text++) found.name[length++] = *text;
    if (*text != ':') return found;
    found.count = 0;
    for (text++; *text >= '0' && *text <= '9'; text++) found.count = found.count * 10 + (uint32_t)(*text - '0');
    return found;
}

// The text after "bench=" anywhere in a flattened device tree (its size is the second word, big-endian); "" when there is none.
static const char *find_parameter(const uint8_t *tree) {
    static const char key[] = "bench=";
    uint32_t size = (uint32_t)tree[4] << 24 | tree[5] << 16 | tree[6] << 8 | tree[7];
    for (uint32_t at = 0; at + sizeof key < size; at++) {
        uint32_t same = 0;
        while (key[same] && tree[at + same] == (uint8_t)key[same]) same++;
        if (!key[same]) return (const char *)tree + at + same;
    }
    return "";
}

static int equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}
