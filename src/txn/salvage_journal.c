/* The journal of a damaged data directory, replayed into the copy (txn_salvage.h). */
#include <inttypes.h>
#include <stdio.h>

#include "txn/salvage.h"

struct replaying {
    struct store_salvage *salvage;
    const struct salvage_trees *trees;
    bool quiet;
    bool damaged;
    char first[ERROR_MESSAGE_SIZE]; /* line about damage */
};

static bool is_wanted(void *context, struct tree_id tree) {
    const struct replaying *replaying = context;
    return tree.value != TREE_DROPPED &&
           replaying->trees->wish(replaying->trees->context, tree) == SALVAGE_COPY;
}

static void note_damage(void *context, const char *line) {
    struct replaying *replaying = context;
    if (!replaying->damaged)
        snprintf(replaying->first, sizeof replaying->first, "%s", line);
    replaying->damaged = true;
}

/* Partitions whose manifest is damaged may ask for commits that the journal let go long ago: they
   get what the others need. */
static void applied_raise(const struct store_salvage *salvage, uint64_t *applied) {
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < salvage->partition_count; i++)
        if (salvage->pagers[i] != NULL && pager_salvage_damage(salvage->pagers[i]) == 0 &&
            applied[i] < least)
            least = applied[i];
    for (unsigned i = 0; i < salvage->partition_count; i++)
        if (least != UINT64_MAX && applied[i] < least)
            applied[i] = least;
}

/* The largest commit that pages are known to hold: the journal held it, too. */
static uint64_t applied_most(const struct store_salvage *salvage) {
    uint64_t most = 0;
    for (unsigned i = 0; i < salvage->partition_count; i++)
        if (salvage->applied[i] != UINT64_MAX && salvage->applied[i] > most)
            most = salvage->applied[i];
    return most;
}

static void tell(const struct replaying *replaying, const struct journal_salvage *result) {
    struct store_salvage *salvage = replaying->salvage;
    char text[2 * ERROR_MESSAGE_SIZE];
    uint64_t most = applied_most(salvage);
    if (result->lost_from.value > 0) {
        snprintf(text, sizeof text, "%s; commits from %" PRIu64 " on are lost%s",
                 replaying->damaged ? replaying->first : "the journal does not begin early enough",
                 result->lost_from.value, "");
        if (result->newest.value >= result->lost_from.value)
            snprintf(text + strlen(text), sizeof text - strlen(text), ", %" PRIu64 " at least",
                     result->newest.value - result->lost_from.value + 1);
        salvage__tell(salvage, STORE_LOSS_JOURNAL, 0, text);
    } else if (result->tail_unreadable && result->last.value + 1 > most) {
        snprintf(text, sizeof text,
                 "the journal's last frame, behind commit %" PRIu64
                 ", cannot be read: half written when the server ended, or damaged since",
                 result->last.value);
        salvage__tell(salvage, STORE_LOSS_JOURNAL, 0, text);
    } else if (result->last.value < most || replaying->damaged) {
        snprintf(text, sizeof text, "%s; no commit of it is needed",
                 replaying->damaged ? replaying->first : "the journal's end cannot be read");
        salvage__tell(salvage, STORE_LOSS_NOTE, 0, text);
    }
}

enum status store_salvage_replay(struct fiber *f, struct store_salvage *salvage,
                                 struct store *store, const struct salvage_trees *trees,
                                 bool quiet) {
    char path[STORE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/journal", salvage->directory);
    struct replaying replaying = {.salvage = salvage, .trees = trees, .quiet = quiet};
    struct salvage_journal source = {.directory = path,
                                     .database_id = salvage->database_id,
                                     .wanted = is_wanted,
                                     .report = note_damage,
                                     .context = &replaying};
    memcpy(source.applied, salvage->applied, sizeof source.applied);
    struct journal_salvage result;
    bool any = false;
    for (unsigned i = 0; i < salvage->partition_count; i++)
        any = any || (salvage->pagers[i] != NULL &&
                      (!salvage->stopped || pager_salvage_damage(salvage->pagers[i]) > 0));
    if (!any)
        return STATUS_OK;
    TRY(recover__salvage(f, store, &source, &result));
    if (result.lost_from.value > 0 && result.newest.value == 0) {
        applied_raise(salvage, source.applied);
        TRY(recover__salvage(f, store, &source, &result));
    }
    if (!quiet)
        tell(&replaying, &result);
    return STATUS_OK;
}
