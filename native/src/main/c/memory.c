/* Memory of a pool: scratch that grows, weights in large pages. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "step.h"

#define REGION_BYTES ((size_t)64 << 20)

int reserve(room *room, size_t bytes) {
    if (room->bytes >= bytes) return SKEIN_OK;
    size_t wanted = (bytes + bytes / 2 + 4095) & ~(size_t)4095;
    void *data = aligned_alloc(64, wanted);
    if (!data) return SKEIN_NO_MEMORY;
    free(room->data);
    room->data = data;
    room->bytes = wanted;
    return SKEIN_OK;
}

void *map_pages(size_t bytes) {
    void *data = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return NULL;
    uintptr_t from = (uintptr_t)data;
    uintptr_t aligned = (from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    if (aligned > from) munmap(data, aligned - from);
    if (aligned - from < HUGE_PAGE) munmap((void *)(aligned + bytes), HUGE_PAGE - (aligned - from));
    madvise((void *)aligned, bytes, MADV_HUGEPAGE); /* slower without, not wrong */
    return (void *)aligned;
}

uint8_t *weight_memory(skein_cpu *cpu, size_t bytes) {
    bytes = (bytes + 4095 + 64) & ~(size_t)63; /* kernels fetch ahead */
    if (!cpu->regions || cpu->regions->bytes - cpu->regions->used < bytes) {
        region *made = malloc(sizeof *made);
        if (!made) return NULL;
        made->bytes = ((bytes > REGION_BYTES ? bytes : REGION_BYTES) + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        made->used = 0;
        made->data = map_pages(made->bytes);
        if (!made->data) {
            free(made);
            return NULL;
        }
        made->next = cpu->regions;
        cpu->regions = made;
    }
    uint8_t *data = cpu->regions->data + cpu->regions->used;
    cpu->regions->used += bytes;
    return data;
}

void free_weights(skein_cpu *cpu) {
    for (region *next, *each = cpu->regions; each; each = next) {
        next = each->next;
        munmap(each->data, each->bytes);
        free(each);
    }
    for (owned_weight *next, *each = cpu->weights; each; each = next) {
        next = each->next;
        free(each);
    }
}
