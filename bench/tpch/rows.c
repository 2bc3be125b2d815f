#include "rows.h"

#include <math.h>
#include <string.h>

#include "put.h"
#include "random.h"
#include "text.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

const char *const TABLE_NAMES[TABLE_COUNT] = {"region", "nation",   "supplier", "customer",
                                              "part",   "partsupp", "orders",   "lineitem"};

static const char *const REGIONS[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"};
static const struct {
    const char *name;
    int region;
} NATIONS[] = {{"ALGERIA", 0},      {"ARGENTINA", 1}, {"BRAZIL", 1}, {"CANADA", 1},
               {"EGYPT", 4},        {"ETHIOPIA", 0},  {"FRANCE", 3}, {"GERMANY", 3},
               {"INDIA", 2},        {"INDONESIA", 2}, {"IRAN", 4},   {"IRAQ", 4},
               {"JAPAN", 2},        {"JORDAN", 4},    {"KENYA", 0},  {"MOROCCO", 0},
               {"MOZAMBIQUE", 0},   {"PERU", 1},      {"CHINA", 2},  {"ROMANIA", 3},
               {"SAUDI ARABIA", 4}, {"VIETNAM", 2},   {"RUSSIA", 3}, {"UNITED KINGDOM", 3},
               {"UNITED STATES", 1}};
static const char *const COLOURS[] = {
    "almond",   "antique",   "aquamarine", "azure",      "beige",     "bisque",    "black",
    "blanched", "blue",      "blush",      "brown",      "burlywood", "burnished", "chartreuse",
    "chiffon",  "chocolate", "coral",      "cornflower", "cornsilk",  "cream",     "cyan",
    "dark",     "deep",      "dim",        "dodger",     "drab",      "firebrick", "floral",
    "forest",   "frosted",   "gainsboro",  "ghost",      "goldenrod", "green",     "grey",
    "honeydew", "hot",       "indian",     "ivory",      "khaki",     "lace",      "lavender",
    "lawn",     "lemon",     "light",      "lime",       "linen",     "magenta",   "maroon",
    "medium",   "metallic",  "midnight",   "mint",       "misty",     "moccasin",  "navajo",
    "navy",     "olive",     "orange",     "orchid",     "pale",      "papaya",    "peach",
    "peru",     "pink",      "plum",       "powder",     "puff",      "purple",    "red",
    "rose",     "rosy",      "royal",      "saddle",     "salmon",    "sandy",     "seashell",
    "sienna",   "sky",       "slate",      "smoke",      "snow",      "spring",    "steel",
    "tan",      "thistle",   "tomato",     "turquoise",  "violet",    "wheat",     "white",
    "yellow"};
static const char *const TYPES_1[] = {"STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"};
static const char *const TYPES_2[] = {"ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"};
static const char *const TYPES_3[] = {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"};
static const char *const CONTAINERS_1[] = {"SM", "LG", "MED", "JUMBO", "WRAP"};
static const char *const CONTAINERS_2[] = {"CASE", "BOX",  "BAG", "JAR",
                                           "PKG",  "PACK", "CAN", "DRUM"};
static const char *const SEGMENTS[] = {"AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY",
                                       "HOUSEHOLD"};
static const char *const PRIORITIES[] = {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED",
                                         "5-LOW"};
static const char *const INSTRUCTIONS[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE",
                                           "TAKE BACK RETURN"};
static const char *const MODES[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};

enum {
    DAY_START = 8035,             /* 1992-01-01, days since 1970-01-01 */
    DAY_CURRENT = 9298,           /* 1995-06-17 */
    DAY_LAST_ORDER = 10591 - 151, /* 1998-12-31 less 151 days */
    LINES_MAX = 7,
};

struct line {
    int64_t part, supplier, quantity, price, discount, tax; /* money in cents, rates in percent */
    int32_t ship, commit, receipt;                          /* days since 1970-01-01 */
};

void rows_init(struct rows *rows, uint64_t seed, double scale, const char *text_pool) {
    int64_t clerks = llround(1000 * scale);
    *rows = (struct rows){.seed = seed,
                          .text_pool = text_pool,
                          .suppliers = llround(10000 * scale),
                          .customers = llround(150000 * scale),
                          .parts = llround(200000 * scale),
                          .orders = llround(1500000 * scale),
                          .clerks = clerks < 1000 ? 1000 : clerks};
}

int64_t rows_items(const struct rows *rows, enum table table) {
    const int64_t items[TABLE_COUNT] = {
        [TABLE_REGION] = LENGTH(REGIONS),   [TABLE_NATION] = LENGTH(NATIONS),
        [TABLE_SUPPLIER] = rows->suppliers, [TABLE_CUSTOMER] = rows->customers,
        [TABLE_PART] = rows->parts,         [TABLE_PARTSUPP] = rows->parts,
        [TABLE_ORDERS] = rows->orders,      [TABLE_LINEITEM] = rows->orders};
    return items[table];
}

/* ---- values that several tables have */

static int64_t draw(const struct rows *r, enum stream stream, int64_t row, int64_t low,
                    int64_t high) {
    return random_range(r->seed, stream, (uint64_t)row, low, high);
}

/* A piece of the text pool of low .. high bytes (4.2.2.10). */
static char *put_text(const struct rows *r, enum stream stream, int64_t row, int64_t low,
                      int64_t high, char *to) {
    uint64_t bits = random_bits(r->seed, stream, (uint64_t)row);
    size_t count = (size_t)low + (bits & 0xffff) * (size_t)(high - low + 1) / 0x10000;
    memcpy(to, r->text_pool + random_scale(bits, TEXT_POOL_BYTES - (uint64_t)high), count);
    return to + count;
}

/* 10 .. 40 random characters of an alphabet of 64 (4.2.2.7). */
static char *put_address(const struct rows *r, enum stream stream, int64_t row, char *to) {
    static const char alphabet[] =
        "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,";
    uint64_t bits = random_bits(r->seed, stream, (uint64_t)row * 8);
    int64_t count = 10 + (int64_t)random_scale(bits, 31);
    for (int64_t i = 0; i < count; i++) {
        if (i % 10 == 0)
            bits = random_bits(r->seed, stream, (uint64_t)(row * 8 + 1 + i / 10));
        *to++ = alphabet[bits & 63];
        bits >>= 6;
    }
    return to;
}

/* Country code, then local number (4.2.2.9). */
static char *put_phone(const struct rows *r, enum stream stream, int64_t row, int64_t nation,
                       char *to) {
    to = put_padded(to, nation + 10, 2);
    *to++ = '-';
    to = put_padded(to, draw(r, stream, row * 4, 100, 999), 3);
    *to++ = '-';
    to = put_padded(to, draw(r, stream, row * 4 + 1, 100, 999), 3);
    *to++ = '-';
    return put_padded(to, draw(r, stream, row * 4 + 2, 1000, 9999), 4);
}

/* 4.2.3: cents. */
static int64_t retail_price(int64_t part) {
    return 90000 + part / 10 % 20001 + 100 * (part % 1000);
}

/* The i-th (0 .. 3) supplier of a part (4.2.3). Where the table of suppliers is so small that the
 * formula would name one twice (below scale factor 0.023), the next distance that does not is
 * taken: the pair is a key. */
static int64_t part_supplier(const struct rows *r, int64_t part, int64_t i) {
    int64_t s = r->suppliers;
    int64_t distance = s / 4 + (part - 1) / s;
    while (distance % s == 0 || 2 * distance % s == 0 || 3 * distance % s == 0)
        distance++;
    return (part + i * distance) % s + 1;
}

/* ---- the tables */

static char *write_region(const struct rows *r, int64_t item, char *to) {
    to = put_field_number(to, item);
    to = put_field(to, REGIONS[item]);
    return put_text(r, STREAM_REGION_COMMENT, item, 31, 115, to);
}

static char *write_nation(const struct rows *r, int64_t item, char *to) {
    to = put_field_number(to, item);
    to = put_field(to, NATIONS[item].name);
    to = put_field_number(to, NATIONS[item].region);
    return put_text(r, STREAM_NATION_COMMENT, item, 31, 114, to);
}

/* Five suppliers of 10,000 have "Customer ... Complaints" in their comment and five others
 * "Customer ... Recommends" (4.2.3): one of each in every 2,000 rows, or one in a smaller table. */
static void put_remark(const struct rows *r, int64_t item, char *comment, int64_t count) {
    int64_t groups = r->suppliers < 2000 ? 1 : r->suppliers / 2000;
    int64_t group = item * groups / r->suppliers;
    int64_t first = (group * r->suppliers + groups - 1) / groups;
    int64_t rows = ((group + 1) * r->suppliers + groups - 1) / groups - first;
    int64_t complaint = draw(r, STREAM_SUPPLIER_REMARK, group * 4, 0, rows - 1);
    int64_t praise = draw(r, STREAM_SUPPLIER_REMARK, group * 4 + 1, 0, rows - 2);
    praise += praise >= complaint;
    if (item - first != complaint && item - first != praise)
        return;
    int64_t gap = draw(r, STREAM_SUPPLIER_REMARK, group * 4 + 2, 0, count - 18);
    int64_t begin = draw(r, STREAM_SUPPLIER_REMARK, group * 4 + 3, 0, count - 18 - gap);
    memcpy(comment + begin, "Customer", 8);
    memcpy(comment + begin + 8 + gap, item - first == complaint ? "Complaints" : "Recommends", 10);
}

static char *write_supplier(const struct rows *r, int64_t item, char *to) {
    int64_t key = item + 1, nation = draw(r, STREAM_SUPPLIER_NATION, key, 0, 24);
    to = put_field_number(to, key);
    to = put_name(to, "Supplier#", key);
    to = put_separator(put_address(r, STREAM_SUPPLIER_ADDRESS, key, to));
    to = put_field_number(to, nation);
    to = put_separator(put_phone(r, STREAM_SUPPLIER_PHONE, key, nation, to));
    to = put_field_cents(to, draw(r, STREAM_SUPPLIER_BALANCE, key, -99999, 999999));
    char *end = put_text(r, STREAM_SUPPLIER_COMMENT, key, 25, 100, to);
    put_remark(r, item, to, end - to);
    return end;
}

static char *write_customer(const struct rows *r, int64_t item, char *to) {
    int64_t key = item + 1, nation = draw(r, STREAM_CUSTOMER_NATION, key, 0, 24);
    to = put_field_number(to, key);
    to = put_name(to, "Customer#", key);
    to = put_separator(put_address(r, STREAM_CUSTOMER_ADDRESS, key, to));
    to = put_field_number(to, nation);
    to = put_separator(put_phone(r, STREAM_CUSTOMER_PHONE, key, nation, to));
    to = put_field_cents(to, draw(r, STREAM_CUSTOMER_BALANCE, key, -99999, 999999));
    to = put_field(to, SEGMENTS[draw(r, STREAM_CUSTOMER_SEGMENT, key, 0, LENGTH(SEGMENTS) - 1)]);
    return put_text(r, STREAM_CUSTOMER_COMMENT, key, 29, 116, to);
}

/* Five different colours: the i-th draw is among those left, kept in order of place. */
static char *put_part_name(const struct rows *r, int64_t key, char *to) {
    int64_t taken[5];
    for (int i = 0; i < 5; i++) {
        int64_t place = draw(r, STREAM_PART_NAME, key * 8 + i, 0, (int64_t)LENGTH(COLOURS) - 1 - i);
        const char *separator = i < 4 ? " " : "|";
        int at = 0;
        for (; at < i && taken[at] <= place; at++)
            place++;
        memmove(taken + at + 1, taken + at, (size_t)(i - at) * sizeof *taken);
        taken[at] = place;
        to = put_string(put_string(to, COLOURS[place]), separator);
    }
    return to;
}

static char *write_part(const struct rows *r, int64_t item, char *to) {
    int64_t key = item + 1, maker = draw(r, STREAM_PART_MAKER, key, 1, 5);
    to = put_field_number(to, key);
    to = put_part_name(r, key, to);
    to = put_field_number(put_string(to, "Manufacturer#"), maker);
    to = put_field_number(put_string(to, "Brand#"),
                          maker * 10 + draw(r, STREAM_PART_BRAND, key, 1, 5));
    int64_t type = draw(r, STREAM_PART_TYPE, key, 0, 6 * 5 * 5 - 1);
    to = put_string(put_string(to, TYPES_1[type / 25]), " ");
    to = put_string(put_string(to, TYPES_2[type / 5 % 5]), " ");
    to = put_field(to, TYPES_3[type % 5]);
    to = put_field_number(to, draw(r, STREAM_PART_SIZE, key, 1, 50));
    int64_t container = draw(r, STREAM_PART_CONTAINER, key, 0, 5 * 8 - 1);
    to = put_string(put_string(to, CONTAINERS_1[container / 8]), " ");
    to = put_field(to, CONTAINERS_2[container % 8]);
    to = put_field_cents(to, retail_price(key));
    return put_text(r, STREAM_PART_COMMENT, key, 5, 22, to);
}

static char *write_partsupp(const struct rows *r, int64_t item, char *to) {
    for (int64_t i = 0; i < 4; i++) {
        int64_t row = item * 4 + i;
        to = i == 0 ? to : put_line_end(to);
        to = put_field_number(to, item + 1);
        to = put_field_number(to, part_supplier(r, item + 1, i));
        to = put_field_number(to, draw(r, STREAM_PARTSUPP_QUANTITY, row, 1, 9999));
        to = put_field_cents(to, draw(r, STREAM_PARTSUPP_COST, row, 100, 100000));
        to = put_text(r, STREAM_PARTSUPP_COMMENT, row, 49, 198, to);
    }
    return to;
}

/* Of each 32 keys the first eight are used (4.2.3); orders count from 1. */
static int64_t order_key(int64_t order) {
    return order / 8 * 32 + order % 8;
}

static int32_t order_date(const struct rows *r, int64_t order) {
    return (int32_t)draw(r, STREAM_ORDER_DATE, order, DAY_START, DAY_LAST_ORDER);
}

static int64_t order_lines(const struct rows *r, int64_t order) {
    return draw(r, STREAM_ORDER_LINES, order, 1, LINES_MAX);
}

static struct line order_line(const struct rows *r, int64_t order, int64_t number, int32_t date) {
    int64_t row = order * 8 + number;
    struct line line = {.part = draw(r, STREAM_LINE_PART, row, 1, r->parts),
                        .quantity = draw(r, STREAM_LINE_QUANTITY, row, 1, 50),
                        .discount = draw(r, STREAM_LINE_DISCOUNT, row, 0, 10),
                        .tax = draw(r, STREAM_LINE_TAX, row, 0, 8)};
    line.supplier = part_supplier(r, line.part, draw(r, STREAM_LINE_SUPPLIER, row, 0, 3));
    line.price = line.quantity * retail_price(line.part);
    line.ship = date + (int32_t)draw(r, STREAM_LINE_SHIP, row, 1, 121);
    line.commit = date + (int32_t)draw(r, STREAM_LINE_COMMIT, row, 30, 90);
    line.receipt = line.ship + (int32_t)draw(r, STREAM_LINE_RECEIPT, row, 1, 30);
    return line;
}

/* Customers whose number is divisible by three have no orders. */
static int64_t order_customer(const struct rows *r, int64_t order) {
    int64_t place = draw(r, STREAM_ORDER_CUSTOMER, order, 0, r->customers - r->customers / 3 - 1);
    return place / 2 * 3 + place % 2 + 1;
}

static char *write_order(const struct rows *r, int64_t item, char *to) {
    int64_t order = item + 1, lines = order_lines(r, order), shipped = 0, total = 0;
    int32_t date = order_date(r, order);
    for (int64_t number = 1; number <= lines; number++) {
        struct line line = order_line(r, order, number, date);
        shipped += line.ship <= DAY_CURRENT;
        total += line.price * (100 - line.discount) * (100 + line.tax);
    }
    to = put_field_number(to, order_key(order));
    to = put_field_number(to, order_customer(r, order));
    to = put_field(to, shipped == lines ? "F" : shipped == 0 ? "O" : "P");
    to = put_field_cents(to, (total + 5000) / 10000);
    to = put_field_date(to, date);
    to =
        put_field(to, PRIORITIES[draw(r, STREAM_ORDER_PRIORITY, order, 0, LENGTH(PRIORITIES) - 1)]);
    to = put_name(to, "Clerk#", draw(r, STREAM_ORDER_CLERK, order, 1, r->clerks));
    to = put_field_number(to, 0);
    return put_text(r, STREAM_ORDER_COMMENT, order, 19, 78, to);
}

static char *write_line(const struct rows *r, int64_t order, int64_t number, int32_t date,
                        char *to) {
    int64_t row = order * 8 + number;
    struct line line = order_line(r, order, number, date);
    const char *returned = draw(r, STREAM_LINE_RETURN, row, 0, 1) == 0 ? "R" : "A";
    to = put_field_number(to, order_key(order));
    to = put_field_number(to, line.part);
    to = put_field_number(to, line.supplier);
    to = put_field_number(to, number);
    to = put_field_number(to, line.quantity);
    to = put_field_cents(to, line.price);
    to = put_field_cents(to, line.discount);
    to = put_field_cents(to, line.tax);
    to = put_field(to, line.receipt <= DAY_CURRENT ? returned : "N");
    to = put_field(to, line.ship > DAY_CURRENT ? "O" : "F");
    to = put_field_date(to, line.ship);
    to = put_field_date(to, line.commit);
    to = put_field_date(to, line.receipt);
    to = put_field(
        to, INSTRUCTIONS[draw(r, STREAM_LINE_INSTRUCTION, row, 0, LENGTH(INSTRUCTIONS) - 1)]);
    to = put_field(to, MODES[draw(r, STREAM_LINE_MODE, row, 0, LENGTH(MODES) - 1)]);
    return put_text(r, STREAM_LINE_COMMENT, row, 10, 43, to);
}

static char *write_lineitem(const struct rows *r, int64_t item, char *to) {
    int64_t order = item + 1, lines = order_lines(r, order);
    int32_t date = order_date(r, order);
    for (int64_t number = 1; number <= lines; number++)
        to = write_line(r, order, number, date, number == 1 ? to : put_line_end(to));
    return to;
}

char *rows_write(const struct rows *rows, enum table table, int64_t item, char *to) {
    static char *(*const write[TABLE_COUNT])(const struct rows *, int64_t, char *) = {
        write_region, write_nation,   write_supplier, write_customer,
        write_part,   write_partsupp, write_order,    write_lineitem};
    return put_line_end(write[table](rows, item, to));
}
