/* GROUP BY: which of its columns tell groups apart. */
#include "sql/plan.h"

static bool is_grouped(const struct query *query, uint32_t relation, int16_t column) {
    for (uint32_t i = 0; i < query->group_count; i++) {
        const struct expression *group = query->groups[i];
        if (group->kind == EXPRESSION_VARIABLE && group->variable.level == 0 &&
            group->variable.relation == relation && group->variable.column == column)
            return true;
    }
    return false;
}

/* Are all columns of a key of the relation among the groups? (A row that an outer join made of
   nulls has a null key, and nothing else but nulls.) */
static const struct index *grouped_key(const struct frame *frame, uint32_t relation) {
    const struct query *query = frame->query;
    const struct table *table = query->relations[relation]->table;
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        bool all = index->unique && plan_index_usable(frame, index);
        for (uint32_t c = 0; c < index->column_count && all; c++) {
            int16_t column = index->columns[c].column_number;
            all = column > 0 && table->columns[column - 1].not_null &&
                  is_grouped(query, relation, column);
        }
        if (all)
            return index;
    }
    return NULL;
}

static bool has_column(const struct index *index, int16_t number) {
    for (uint32_t c = 0; c < index->column_count; c++)
        if (index->columns[c].column_number == number)
            return true;
    return false;
}

enum status plan_followers(struct frame *frame, const bool **follows_out) {
    const struct query *query = frame->query;
    bool *follows, any = false;
    TRY(BIND_ARRAY(frame->p->b, query->group_count, &follows));
    for (uint32_t i = 0; i < query->group_count; i++) {
        const struct expression *group = query->groups[i];
        follows[i] = false;
        if (group->kind != EXPRESSION_VARIABLE || group->variable.level != 0 ||
            group->variable.relation >= query->relation_count ||
            query->relations[group->variable.relation]->source != RELATION_OF_TABLE)
            continue;
        const struct index *key = grouped_key(frame, group->variable.relation);
        follows[i] = key != NULL && !has_column(key, group->variable.column);
        any |= follows[i];
    }
    *follows_out = any ? follows : NULL;
    return STATUS_OK;
}
