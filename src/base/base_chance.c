#include "base/base_chance.h"

bool (*base__chance)(const char *place);

void chance_set(bool (*answer)(const char *place)) {
    base__chance = answer;
}
