/* What is lost of a table, in row ids and keys (row_losses.h). */
#include "table/row_losses.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/base_memory.h"
#include "table/block_format.h"

enum { VALUE_SIZE_MAX = 64 }; /* bytes of a key's value that are told */

void row_losses_release(struct row_losses *losses) {
    for (size_t i = 0; i < losses->count; i++) {
        buffer_release(&losses->losses[i].least);
        buffer_release(&losses->losses[i].most);
    }
    buffer_release(&losses->elsewhere.least);
    buffer_release(&losses->elsewhere.most);
    memory_free(losses->losses);
    *losses = (struct row_losses){.table = losses->table};
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* Do b's rows overlap a's or follow them? b does not begin before a. */
static bool touches(const struct row_loss *a, const struct row_loss *b) {
    return a->partition == b->partition && (a->last == UINT64_MAX || b->first <= a->last + 1);
}

void row_losses_add(struct row_losses *losses, unsigned partition, uint64_t first, uint64_t last) {
    struct row_loss loss = {.partition = partition, .first = first, .last = last};
    struct row_loss *newest = losses->count > 0 ? &losses->losses[losses->count - 1] : NULL;
    if (newest != NULL && newest->first <= first && touches(newest, &loss)) {
        newest->last = last > newest->last ? last : newest->last;
        return;
    }
    if (memory_grow(&losses->losses, &losses->capacity, losses->count + 1, sizeof loss))
        losses->losses[losses->count++] = loss;
    else
        losses->failed = true;
}

static int compare(const void *x, const void *y) {
    const struct row_loss *a = x, *b = y;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

enum status row_losses_settle(struct row_losses *losses) {
    if (losses->failed)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (losses->count == 0)
        return STATUS_OK;
    struct row_loss *all = losses->losses;
    qsort(all, losses->count, sizeof *all, compare);
    size_t kept = 0;
    for (size_t i = 1; i < losses->count; i++) {
        ASSERT(all[i].rows == 0);
        if (!touches(&all[kept], &all[i]))
            all[++kept] = all[i];
        else if (all[i].last > all[kept].last)
            all[kept].last = all[i].last;
    }
    losses->count = kept + 1;
    return STATUS_OK;
}

static struct row_loss *find(const struct row_losses *losses, struct row_address address) {
    size_t low = 0, high = losses->count;
    while (low < high) { /* the last that begins at or before the row */
        size_t middle = low + (high - low) / 2;
        struct row_loss place = {.partition = address.partition, .first = address.row.value};
        if (compare(&losses->losses[middle], &place) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct row_loss *loss = low > 0 ? &losses->losses[low - 1] : NULL;
    bool holds =
        loss != NULL && loss->partition == address.partition && loss->last >= address.row.value;
    return holds ? loss : NULL;
}

bool row_losses_have(const struct row_losses *losses, struct row_address address) {
    return find(losses, address) != NULL;
}

static void keep(struct buffer *kept, struct slice key) {
    buffer_clear(kept);
    buffer_append_slice(kept, key);
}

enum status row_losses_note(struct row_losses *losses, struct row_address address,
                            struct slice entry_key) {
    struct row_loss *loss = find(losses, address);
    struct slice key;
    if (loss == NULL)
        loss = &losses->elsewhere;
    TRY(index__key_columns(losses->table->indexes[0], entry_key, &key));
    if (loss->rows == 0 || slice_compare(key, buffer_slice(&loss->least)) < 0)
        keep(&loss->least, key);
    if (loss->rows == 0 || slice_compare(key, buffer_slice(&loss->most)) > 0)
        keep(&loss->most, key);
    loss->rows++;
    TRY(buffer_status(&loss->least));
    return buffer_status(&loss->most);
}

/* Keys of these trees begin with 8 bytes that name a row, perhaps cut short. */
static uint64_t row_of_key(enum row_tree tree, struct slice key) {
    uint8_t bytes[8] = {0};
    if (key.size > 0)
        memcpy(bytes, key.data, key.size < sizeof bytes ? key.size : sizeof bytes);
    uint64_t number = get_be64(bytes);
    return tree == ROW_TREE_LARGE ? number >> LARGE_COLUMN_BITS : number;
}

void row_losses_of_keys(enum row_tree tree, struct slice lower, const struct slice *upper,
                        uint64_t *first_out, uint64_t *last_out) {
    *first_out = row_of_key(tree, lower);
    *last_out = upper != NULL ? row_of_key(tree, *upper) : UINT64_MAX;
    if (tree == ROW_TREE_BLOCKS) {
        *first_out = block_first_row(*first_out >> BLOCK_RANGE_BITS);
        *last_out |= BLOCK_ROWS_MAX - 1;
    } else if (tree == ROW_TREE_ROWS && upper != NULL && *last_out > *first_out) {
        --*last_out;
    }
}

/* ---- in words ------------------------------------------------------------------------------- */

void row_losses_name(const struct row_losses *losses, const struct row_loss *loss,
                     struct buffer *text) {
    buffer_append_format(text, "table %s.%s, ", losses->table->namespace_name, losses->table->name);
    if (loss == &losses->elsewhere) {
        buffer_append_text(text, "elsewhere");
        return;
    }
    buffer_append_format(text, "partition %u, row ids %" PRIu64, loss->partition, loss->first);
    if (loss->last == UINT64_MAX)
        buffer_append_text(text, " and above");
    else
        buffer_append_format(text, " to %" PRIu64, loss->last);
}

static void append_cut(struct buffer *text, const struct value *value) {
    size_t start = text->size;
    row__append_value(text, value);
    if (text->failed || text->size - start <= VALUE_SIZE_MAX)
        return;
    size_t size = VALUE_SIZE_MAX;
    while (size > 0 && (text->data[start + size] & 0xC0) == 0x80)
        size--;
    text->size = start + size;
    buffer_append_text(text, "...");
}

/* False: keys of the index cannot be turned back into values. */
static bool append_key(const struct index *index, struct slice key, struct buffer *text) {
    struct value values[INDEX_COLUMNS_MAX];
    struct arena arena = {0};
    bool many = index->column_count > 1;
    enum status status =
        key_decode(index->key_columns, index->column_count, key, &arena, values, NULL);
    if (status == STATUS_OK && many)
        buffer_append_text(text, "(");
    for (unsigned i = 0; i < index->column_count && status == STATUS_OK; i++) {
        if (i > 0)
            buffer_append_text(text, ", ");
        append_cut(text, &values[i]);
    }
    if (status == STATUS_OK && many)
        buffer_append_text(text, ")");
    if (status != STATUS_OK)
        error_clear();
    arena_release(&arena);
    return status == STATUS_OK;
}

static void append_columns(const struct table *table, const struct index *index,
                           struct buffer *text) {
    buffer_append_text(text, index->column_count > 1 ? "(" : "");
    for (unsigned i = 0; i < index->column_count; i++)
        buffer_append_format(text, "%s%s", i > 0 ? ", " : "",
                             table->columns[index->columns[i].column_number - 1].name);
    buffer_append_text(text, index->column_count > 1 ? ")" : "");
}

void row_losses_word(const struct row_losses *losses, const struct row_loss *loss,
                     struct buffer *text) {
    const struct index *index = losses->table->indexes[0];
    const char *bound = losses->index_damaged ? "at least " : "";
    if (loss->rows == 0) {
        buffer_append_format(text, "no rows that index %s knows of%s", index->name,
                             losses->index_damaged ? ", which is damaged, too" : "");
        return;
    }
    buffer_append_format(text, "%s%" PRIu64 " row%s", bound, loss->rows,
                         loss->rows == 1 ? "" : "s");
    size_t size = text->size;
    buffer_append_text(text, ", ");
    append_columns(losses->table, index, text);
    buffer_append_text(text, loss->rows == 1 ? " = " : " from ");
    bool told = append_key(index, buffer_slice(&loss->least), text);
    if (loss->rows > 1) {
        buffer_append_text(text, " to ");
        told = told && append_key(index, buffer_slice(&loss->most), text);
    }
    if (!told)
        text->size = size;
}
