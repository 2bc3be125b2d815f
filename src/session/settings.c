#include "session/settings.h"

#include <strings.h>

#include "base/base_memory.h"

static void values_release(struct setting_value *values) {
    for (int id = 0; id < SETTING_COUNT; id++)
        setting_value_release(&values[id]);
}

enum status settings_defaults(struct setting_value values[SETTING_COUNT]) {
    for (int id = 0; id < SETTING_COUNT; id++)
        TRY(setting_parse(id, setting_infos[id].default_text, &values[id]));
    return STATUS_OK;
}

enum status settings_init(struct settings *settings, const struct setting_value *values) {
    *settings = (struct settings){.changes = 1};
    for (int id = 0; id < SETTING_COUNT; id++) {
        TRY(setting_value_copy(&values[id], &settings->values[id]));
        TRY(setting_value_copy(&values[id], &settings->reset[id]));
    }
    return STATUS_OK;
}

void settings_release(struct settings *settings) {
    values_release(settings->values);
    values_release(settings->reset);
    for (size_t i = 0; i < settings->trail_count; i++) {
        setting_value_release(&settings->trail[i].before);
        setting_value_release(&settings->trail[i].after);
    }
    memory_free(settings->trail);
    for (size_t i = 0; i < settings->custom_count; i++) {
        memory_free(settings->custom[i].name);
        memory_free(settings->custom[i].value);
    }
    memory_free(settings->custom);
    *settings = (struct settings){0};
}

static void replace(struct settings *settings, struct setting_value *place,
                    struct setting_value value) {
    setting_value_release(place);
    *place = value;
    settings->changes++;
}

static struct trail_entry *trail_find(struct settings *settings, enum setting_id id) {
    for (size_t i = 0; i < settings->trail_count; i++)
        if (settings->trail[i].id == id)
            return &settings->trail[i];
    return NULL;
}

/* The entry of this transaction, made of the present value if there is none. */
static enum status trail_touch(struct settings *settings, enum setting_id id,
                               struct trail_entry **entry_out) {
    struct trail_entry *entry = trail_find(settings, id);
    if (entry == NULL) {
        if (!memory_grow(&settings->trail, &settings->trail_capacity, settings->trail_count + 1,
                         sizeof *settings->trail))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        entry = &settings->trail[settings->trail_count];
        *entry = (struct trail_entry){.id = id};
        TRY(setting_value_copy(&settings->values[id], &entry->before));
        enum status status = setting_value_copy(&settings->values[id], &entry->after);
        if (status != STATUS_OK) {
            setting_value_release(&entry->before);
            return status;
        }
        settings->trail_count++;
    }
    *entry_out = entry;
    return STATUS_OK;
}

static enum status may_change(enum setting_id id) {
    const struct setting_info *info = &setting_infos[id];
    if (info->context == CONTEXT_INTERNAL)
        return error_set(STATUS_CANNOT_CHANGE_PARAMETER, "parameter \"%s\" cannot be changed",
                         info->name);
    if (info->context == CONTEXT_START)
        return error_set(STATUS_CANNOT_CHANGE_PARAMETER,
                         "parameter \"%s\" cannot be changed without restarting the server",
                         info->name);
    return STATUS_OK;
}

/* Values that are readable but have no other side here. */
static enum status check_supported(enum setting_id id, const struct setting_value *value) {
    if (id == SETTING_STANDARD_CONFORMING_STRINGS && !value->number)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "standard_conforming_strings = off is not supported");
    if ((id == SETTING_TRANSACTION_ISOLATION || id == SETTING_DEFAULT_TRANSACTION_ISOLATION) &&
        value->number == 0) {
        enum status status = error_set(STATUS_FEATURE_NOT_SUPPORTED,
                                       "transaction isolation level SERIALIZABLE is not supported");
        error_hint("Use REPEATABLE READ.");
        return status;
    }
    return STATUS_OK;
}

enum status settings_set(struct settings *settings, enum setting_id id, const char *text,
                         bool local) {
    TRY(may_change(id));
    struct setting_value value, after = {0};
    if (text != NULL)
        TRY(setting_parse(id, text, &value));
    else
        TRY(setting_value_copy(&settings->reset[id], &value));
    struct trail_entry *entry = NULL;
    enum status status = check_supported(id, &value);
    if (status == STATUS_OK)
        status = trail_touch(settings, id, &entry);
    if (status == STATUS_OK && !local)
        status = setting_value_copy(&value, &after);
    if (status != STATUS_OK) {
        setting_value_release(&value);
        return status;
    }
    if (!local)
        replace(settings, &entry->after, after);
    replace(settings, &settings->values[id], value);
    return STATUS_OK;
}

enum status settings_set_initial(struct settings *settings, enum setting_id id, const char *text) {
    TRY(may_change(id));
    struct setting_value value, copy;
    TRY(setting_parse(id, text, &value));
    enum status status = check_supported(id, &value);
    if (status == STATUS_OK)
        status = setting_value_copy(&value, &copy);
    if (status != STATUS_OK) {
        setting_value_release(&value);
        return status;
    }
    replace(settings, &settings->values[id], value);
    replace(settings, &settings->reset[id], copy);
    return STATUS_OK;
}

void settings_set_number(struct settings *settings, enum setting_id id, int64_t number) {
    if (settings->values[id].number != number) {
        settings->values[id].number = number;
        settings->changes++;
    }
}

enum status settings_set_text(struct settings *settings, enum setting_id id, const char *text) {
    struct setting_value source = {.text = (char *)text}, value, copy;
    TRY(setting_value_copy(&source, &value));
    enum status status = setting_value_copy(&source, &copy);
    if (status != STATUS_OK) {
        setting_value_release(&value);
        return status;
    }
    replace(settings, &settings->values[id], value);
    replace(settings, &settings->reset[id], copy);
    return STATUS_OK;
}

static bool same_value(const struct setting_value *a, const struct setting_value *b) {
    return a->number == b->number &&
           strcmp(a->text == NULL ? "" : a->text, b->text == NULL ? "" : b->text) == 0;
}

void settings_end(struct settings *settings, bool committed, bool *changed_out) {
    for (size_t i = 0; i < settings->trail_count; i++) {
        struct trail_entry *entry = &settings->trail[i];
        struct setting_value *keep = committed ? &entry->after : &entry->before;
        struct setting_value *drop = committed ? &entry->before : &entry->after;
        if (changed_out != NULL && !same_value(keep, &settings->values[entry->id]))
            changed_out[entry->id] = true;
        replace(settings, &settings->values[entry->id], *keep);
        setting_value_release(drop);
    }
    settings->trail_count = 0;
}

/* ---- custom settings -------------------------------------------------------------------- */

static struct custom_setting *custom_find(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->custom_count; i++)
        if (strcasecmp(settings->custom[i].name, name) == 0)
            return &settings->custom[i];
    return NULL;
}

const char *settings_custom(const struct settings *settings, const char *name) {
    const struct custom_setting *custom = custom_find(settings, name);
    return custom == NULL ? NULL : custom->value;
}

enum status settings_set_custom(struct settings *settings, const char *name, const char *value) {
    struct setting_value name_source = {.text = (char *)name}, name_copy = {0};
    struct setting_value source = {.text = (char *)value}, copy = {0};
    struct custom_setting *custom = custom_find(settings, name);
    if (custom == NULL && settings->custom_count == CUSTOM_SETTINGS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "more than %d custom parameters",
                         CUSTOM_SETTINGS_MAX);
    TRY(setting_value_copy(&source, &copy));
    if (custom == NULL) {
        enum status status = setting_value_copy(&name_source, &name_copy);
        if (status == STATUS_OK &&
            !memory_grow(&settings->custom, &settings->custom_capacity, settings->custom_count + 1,
                         sizeof *settings->custom))
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (status != STATUS_OK) {
            setting_value_release(&copy);
            setting_value_release(&name_copy);
            return status;
        }
        custom = &settings->custom[settings->custom_count++];
        *custom = (struct custom_setting){.name = name_copy.text};
    }
    memory_free(custom->value);
    custom->value = copy.text;
    return STATUS_OK;
}
