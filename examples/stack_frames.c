/* stack_frames.c - nested frames: a stack of plates.
 *
 * What was put down last is taken away first. Each level pushes something whose size is known only now, calls
 * the next level, and finds everything as it was when the call comes back. A result goes into the caller's
 * frame and outlives the frame of the function that made it.
 */
#include <freehold/stack_names.h>

#include <stdio.h>
#include <string.h>

static size_t used(void) {
    struct fh_region_info stats;
    fh_region_stats(NULL, &stats);
    return stats.used;
}

/* Its working memory is freed when it returns; the text it returns is in its caller's frame. */
static char *describe(int level) {
    char *text = NULL;
    scratch {
        char *stars = push_array_zero(char, (size_t)level + 1);
        if (stars == NULL) return NULL;
        memset(stars, '*', (size_t)level);
        outside text = push_format("plate %d %s", level, stars);
    }
    return text;
}

static int pile(int level, int most) {
    int above = 0;
    frame {
        char *plate = describe(level);
        if (plate == NULL) return -1;
        printf("%*s+ %-16s at %p, %4zu bytes in use\n", 2 * level, "", plate, (void *)plate, used());
        if (level < most) above = pile(level + 1, most);
        printf("%*s- %-16s at %p, %4zu bytes in use\n", 2 * level, "", plate, (void *)plate, used());
    }
    return above < 0 ? above : above + 1;
}

int main(void) {
    int plates = pile(1, 5);
    printf("%d plates were piled up and taken away; %zu bytes are in use\n", plates, used());
    return plates == 5 && used() == 0 ? 0 : 1;
}
