/* Point reads. The base is read first, history after it: see the order of events in history.c. */
#include "base/base_memory.h"
#include "txn/store.h"

/* The key in one of the transaction's own layers. */
static enum status own_get(struct fiber *f, struct layer *layer, struct tree_id tree,
                           struct slice key, struct arena *arena, bool *known_out, bool *found_out,
                           struct slice *value_out) {
    *known_out = false;
    if (layer->count == 0)
        return STATUS_OK;
    struct layer_cursor cursor;
    enum status status = layer_seek(f, layer, &cursor, tree, key, 0);
    if (status == STATUS_OK && cursor.valid && cursor.entry.tree.value == tree.value &&
        slice_equal(cursor.entry.key, key)) {
        *known_out = true;
        *found_out = cursor.entry.flags != CHANGE_DELETE;
        if (*found_out && arena != NULL)
            *value_out = arena_copy_slice(arena, cursor.entry.value);
    }
    layer_cursor_release(&cursor);
    return status;
}

static enum status base_get(struct fiber *f, struct tree *tree, struct slice key,
                            struct arena *arena, bool *found_out, struct slice *value_out) {
    struct btree_pin pin;
    struct slice value;
    TRY(btree_get(f, &tree->base, key, found_out, &value, &pin));
    if (!*found_out)
        return STATUS_OK;
    if (arena != NULL)
        *value_out = arena_copy_slice(arena, value);
    btree_unpin(&pin);
    return STATUS_OK;
}

enum status txn_get(struct fiber *f, struct transaction *transaction, struct partition *partition,
                    struct tree_id tree_id, struct slice key, struct arena *arena, bool *found_out,
                    struct slice *value_out) {
    struct slice unused;
    if (value_out == NULL)
        value_out = &unused;
    *value_out = SLICE_EMPTY;
    ASSERT(transaction->snapshot_active);
    struct transaction_part *part = transaction__part_if(transaction, partition->number);
    if (part != NULL) {
        bool known;
        TRY(own_get(f, &part->own, tree_id, key, arena, &known, found_out, value_out));
        if (known)
            return STATUS_OK;
    }
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    TRY(base_get(f, tree, key, arena, found_out, value_out));
    if (tree->changed_newest <= transaction->snapshot)
        return STATUS_OK;
    struct history_answer answer;
    TRY(history__get(f, partition, tree, key, transaction->snapshot, arena, &answer));
    if (answer.known) {
        *found_out = answer.present;
        *value_out = answer.value;
    }
    return STATUS_OK;
}

enum status txn_get_newest(struct fiber *f, struct transaction *transaction,
                           struct partition *partition, struct tree_id tree_id, struct slice key,
                           struct arena *arena, bool *found_out, struct slice *value_out) {
    struct slice unused;
    if (value_out == NULL)
        value_out = &unused;
    *value_out = SLICE_EMPTY;
    struct transaction_part *part = transaction__part_if(transaction, partition->number);
    if (part != NULL) {
        bool known;
        TRY(own_get(f, &part->staged, tree_id, key, arena, &known, found_out, value_out));
        if (!known)
            TRY(own_get(f, &part->own, tree_id, key, arena, &known, found_out, value_out));
        if (known)
            return STATUS_OK;
    }
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    TRY(base_get(f, tree, key, arena, found_out, value_out));
    transaction__depend(transaction, tree->changed_newest);
    return STATUS_OK;
}

enum status txn_moved_to(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, struct tree_id tree, struct slice key,
                         uint8_t moved_to[TXN_MOVED_SIZE_MAX], size_t *size_out) {
    return history__moved(f, partition, tree, key, transaction->snapshot, moved_to, size_out);
}

enum status txn_key_state(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree_id, struct slice key,
                          struct txn_key_state *state_out) {
    *state_out = (struct txn_key_state){0};
    bool found, staged = false, own = false;
    struct transaction_part *part = transaction__part_if(transaction, partition->number);
    if (part != NULL) {
        TRY(own_get(f, &part->staged, tree_id, key, NULL, &staged, &found, NULL));
        TRY(own_get(f, &part->own, tree_id, key, NULL, &own, &found, NULL));
    }
    state_out->staged_by_this_statement = staged;
    state_out->own_write = staged || own;
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    return history__changed(f, partition, tree, key, transaction->snapshot,
                            &state_out->changed_since_snapshot);
}
