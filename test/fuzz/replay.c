/* A target without the fuzzer: runs over the files of directories. usage: x_replay NAME DIR... */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void replay(const char *path) {
    FILE *file = fopen(path, "rb");
    fuzz_require(file != NULL);
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1); /* so that the sanitizer sees its end */
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        struct dirent **names;
        int count = scandir(argv[i], &names, NULL, alphasort);
        if (count < 0) {
            perror(argv[i]);
            return 1;
        }
        int replayed = 0;
        for (int n = 0; n < count; n++) {
            char path[4096];
            if (names[n]->d_name[0] != '.') {
                snprintf(path, sizeof path, "%s/%s", argv[i], names[n]->d_name);
                fprintf(stderr, "%s\n", path); /* the last line names the one that crashed */
                replay(path);
                replayed++;
            }
            free(names[n]);
        }
        free(names);
        printf("ok %s: %d inputs\n", argv[1], replayed);
    }
    return 0;
}
