"""Random SQL over random tables: the grammar that test/differential and test/queries draw from.

Expressions are templates: text with holes, each hole a kind of value. {int} is any expression of
kind int, {int!} a literal, {cond} a condition, {cmp} a comparison, {n} a small number, {1} the first
hole's text again. A template that begins with '?' can fail (22012, 22003, 22P02 ...) and is used only
while `failing` is true: of several conditions the plan chooses which is looked at first, and so
whether the error is met.

    kind   types                     | kind   types
    int    smallint integer bigint   | ts     timestamp
    num    numeric                   | tz     timestamptz
    flt    double precision          | ivl    interval
    txt    text varchar              | time   time
    bool   boolean                   | byt    bytea
    date   date                      | ints   integer[]

A statement is a Query: its parts apart, so that a test can rewrite and reduce it. Nothing depends
on what a server answers: the same seed makes the same statements.
"""
import random
import re

TYPES = {
    "int": ["smallint", "integer", "bigint"],
    "num": ["numeric(10,2)", "numeric(25,6)", "numeric"],
    "flt": ["double precision"],
    "txt": ["text", "varchar(12)"],
    "bool": ["boolean"],
    "date": ["date"],
    "ts": ["timestamp"],
    "tz": ["timestamptz"],
    "ivl": ["interval"],
    "time": ["time"],
    "byt": ["bytea"],
    "ints": ["integer[]"],
}
CAST = {kind: types[0].split("(")[0] for kind, types in TYPES.items()}
CAST.update(int="int", txt="text")
WORDS = ["", "a", "ab", "abc", "Zeta", "été", "x y", "100%", "a_b", "null", "it''s", "B", "bcd"]
KINDS = list(TYPES)
COMMON = ["int", "int", "int", "num", "txt", "txt", "bool", "date", "ts", "flt"]

VALUES = {
    "int": """({int} + {int}); ({int} - {int}); ({int} * {int!}); abs({int}); (- {int}); length({txt});
({int})::bigint; greatest({int}, {int}); least({int}, {int}); extract(year from {date})::int;
({date} - date '2000-01-01'); char_length({txt}); position('a' in {txt}); ascii({txt}); sign({int})::int;
extract(month from {ts})::int; coalesce(array_length({ints}, 1), 0); ({ints})[{n}]; ({bool})::int;
octet_length({byt}); ({int} & 7); ({int} | 8); cardinality({ints}); num_nulls({txt}, {int});
date_part('dow', {date})::int;
?({int} / {int}); ?({int} % {int}); ?({int})::smallint; ?({txt})::int; ?({int} / {int}); ?({num})::int""",
    "num": """({num} + {num}); ({num} - {num}); ({num} * {num}); round({num}, 1); abs({num}); trunc({num});
({num})::numeric(22,3); floor({num}); ceil({num}); ({int})::numeric; ({num} + {int}); mod({num}, 7);
(- {num}); round({num}); greatest({num}, {num}); sign({num}); extract(epoch from {ts});
({num} / 8); ?({num} / {num}); ?({num} % {num}); ?({txt})::numeric; ?({num})::numeric(5,2); ?sqrt({num})""",
    "flt": """({flt} + {flt}); ({flt} * {flt}); ({flt} - {flt}); abs({flt}); ({int})::float8;
floor({flt}); greatest({flt}, {flt}); date_part('hour', {ts}); ?({flt} / {flt})""",
    "txt": """({txt} || {txt}); upper({txt}); lower({txt}); substring({txt}, {n}, 3); trim({txt});
replace({txt}, 'a', 'zz'); ({int})::text; left({txt}, 2); right({txt}, 2); lpad({txt}, 5, '*');
({num})::text; reverse({txt}); concat({txt}, {txt}); ({date})::text; rpad({txt}, {n}, 'xy');
repeat({txt}, {n}); initcap({txt}); split_part({txt}, 'b', {n}); ({bool})::text; md5({txt});
translate({txt}, 'abc', 'xy'); concat_ws('-', {txt}, {int}); btrim({txt}, 'a'); ({ts})::text;
substr({txt}, {n}); overlay({txt} placing 'QQ' from {n}); quote_literal({txt}); ({ivl})::text;
encode({byt}, 'hex'); to_char({date}, 'YYYY-MM-DD'); to_char({int}, '99999'); ({ints})::text;
({int} || {txt}); starts_with({txt}, 'a')::text; ({txt})::varchar(3);
regexp_replace({txt}, '[ab]+', '<&>');
({flt})::text; ({tz})::text;
?left({txt}, {int})""",
    "bool": "({cond}); ({cond}); ({int})::int::bool; ?({txt})::bool",
    "date": """({date} + {int!}); ({ts})::date; ({date} - {n}); greatest({date}, {date});
date_trunc('year', {ts})::date""",
    "ts": """({ts} + interval '{n} days'); date_trunc('month', {ts}); ({ts} - interval '3 hours');
({date})::timestamp; ({ts} + interval '1 month'); date_trunc('hour', {ts}); ({ts} + {ivl});
({date} + {time}); ({tz})::timestamp; ({tz} at time zone 'UTC'); least({ts}, {ts})""",
    "tz": """({ts})::timestamptz; ({tz} + interval '{n} hours'); ({tz} - interval '1 day');
date_trunc('day', {tz}); ({ts} at time zone 'UTC'); greatest({tz}, {tz})""",
    "ivl": """({ts} - {ts}); ({ivl} + {ivl}); ({ivl} * {n}); (- {ivl}); ({time})::interval;
age({ts}, {ts}); justify_hours({ivl})""",
    "time": "({ts})::time; ({time} + interval '{n} hours'); date_trunc('minute', {ts})::time",
    "byt": "({byt} || {byt}); substring({byt}, {n}, 2); decode('00ff', 'hex')",
    "ints": """array[{int}::int, {int!}]; ({ints} || {int!}); ({ints} || {ints}); array_append({ints}, {n});
array_remove({ints}, {n})""",
}
CONDITIONS = {
    "any": """{K} {cmp} {K}; {K} {cmp} {K}; {K} {cmp} {K}; {K} {cmp} {K!}; {K} = {K!}; {K} is null;
{K} is not null; {K} between {K!} and {K!}; {K} not between {K!} and {K!};
{K} in ({K!}, {K!}, {K}); {K} not in ({K!}, {K}); {K} is distinct from {K};
{K} is not distinct from {K!}; ({K}, {int}) {cmp} ({K}, {int!}); {K} = any(array[{K}, {K!}]);
{K} <> all(array[{K!}, {K!}]); case when {cond} then {K} else {K!} end {cmp} {K};
coalesce({K}, {K!}) {cmp} {K!}""",
    "txt": """{txt} like 'a%'; {txt} like '%b%'; {txt} not like '_b%'; {txt} like {txt!}; {txt} ilike '%B%';
{txt} ~ '^a'; {txt} ~ 'b$'; {txt} ~ '[a-c]+'; {txt} ~ 'z|a'; {txt} !~ '^$'; {txt} ~* 'B';
{txt} like '%a\\_b%'; starts_with({txt}, 'a'); {txt} like {txt} || '%'""",
    "bool": """{bool}; {bool} is true; {bool} is not true; {bool} = {bool}; {bool} is false;
{bool} is unknown; {bool} is not unknown; {bool} is distinct from {bool!}""",
    "ints": """{ints} @> array[{int!}::int]; {int} = any({ints}); {ints} && array[{n}, {int!}::int];
{int!} <> all({ints}); {ints} <@ {ints}; {ints} = {ints}""",
    "ivl": "{ivl} {cmp} {ivl}; {ivl} is null; {ivl} > interval '{n} days'",
}
AGGREGATES = {
    "any": "count({K}); min({K}); max({K}); count(*); count(distinct {K}); count(*)",
    "int": """sum({int}); avg({int}); sum(distinct {int}); stddev({int}); var_pop({int}); var_samp({int});
bit_and({int}); string_agg(({int})::text, ',' order by {1}); sum({int}) + count(*); coalesce(sum({int}), 0)""",
    "num": "sum({num}); avg({num}); sum(distinct {num}); max({num}) - min({num})",
    "txt": "string_agg({txt}, ',' order by {1} desc); max(length({txt})); string_agg(distinct {txt}, '-')",
    "bool": "bool_and({bool}); bool_or({bool}); every({bool}); count({bool})",
    "ints": "count({ints}); count({ints}) - 1",
    "ivl": "count({ivl}); sum({ivl})",
    "byt": "count({byt}); count(distinct {byt})",
}
HOLE = re.compile(r"\{(\w+!?)\}")


def compiled(text):
    """[(can fail, [text, hole, text, hole ... text])]"""
    pieces = [piece.strip() for piece in text.replace("\n", " ").split(";")]
    return [(piece[0] == "?", HOLE.split(piece.lstrip("?"))) for piece in pieces]


def grammar(table):
    return {kind: compiled(text) for kind, text in table.items()}


VALUES, CONDITIONS, AGGREGATES = grammar(VALUES), grammar(CONDITIONS), grammar(AGGREGATES)
SURE = {kind: [t for t in templates if not t[0]] for kind, templates in VALUES.items()}


class Query:
    """One SELECT. outputs: [(kind, text)]; a column list for GROUP BY is of positions, and so is
    ORDER BY."""

    def __init__(self, outputs, source, scope, where=None):
        self.outputs, self.source, self.scope, self.where = outputs, source, scope, where
        self.distinct = ""
        self.group, self.having, self.order, self.limit = [], None, [], ""
        self.more = ""        # UNION ... another
        self.join = None      # (left, join, right, condition) when the source is just that
        self.aggregate = False

    def copy(self, **changes):
        other = Query.__new__(Query)
        other.__dict__.update(self.__dict__, **changes)
        return other

    def names(self):
        return [f"o{i + 1}" for i in range(len(self.outputs))]

    def text(self, named=False):
        texts = [text for _, text in self.outputs]
        if named:
            texts = [f"{text} as {name}" for text, name in zip(texts, self.names())]
        sql = f"select {self.distinct}{', '.join(texts)}"
        if self.source:
            sql += f" from {self.source}"
        if self.where:
            sql += f" where {self.where}"
        if self.group:
            sql += " group by " + ", ".join(str(i) for i in self.group)
        if self.having:
            sql += f" having {self.having}"
        sql += self.more
        if self.order:
            sql += " order by " + ", ".join(self.order)
        return sql + self.limit

    __str__ = text


class Generator:
    """failing: whether expressions may fail; breadth: what only satori's own tests need (more kinds
    of columns, sources of every form, deeper subqueries)."""

    def __init__(self, seed, failing=True, breadth=False):
        self.random = random.Random(seed)
        self.tables = {}
        self.next_table = 0
        self.aliases = 0
        self.unique = {}       # table: columns with a unique index
        self.failing = failing
        self.breadth = breadth
        self.parameters = None  # a list: literals become holes \1n\2 that it describes
        self.kinds = KINDS if breadth else ["int", "num", "flt", "txt", "bool", "date", "ts"]
        self.nesting = 0
        self.narrow = False    # no deep subqueries: the tables are large

    def pick(self, items):
        return items[int(self.random.random() * len(items))]

    def chance(self, share):
        return self.random.random() < share

    def number(self, low, high):
        return low + int(self.random.random() * (high - low + 1))

    # ---- values and expressions, by kind

    def literal(self, kind):
        text = self.plain_literal(kind)
        if self.parameters is None or kind == "byt":
            return text
        self.parameters.append((kind, text))
        return f"\1{len(self.parameters) - 1}\2"

    def day(self):
        return f"{self.number(1990, 2030)}-{self.number(1, 12):02d}-{self.number(1, 28):02d}"

    def clock(self):
        return f"{self.number(0, 23):02d}:{self.number(0, 59):02d}:{self.number(0, 59):02d}"

    def plain_literal(self, kind):
        if self.chance(0.06):
            return f"null::{CAST[kind]}"
        if kind == "int":
            small = self.pick([0, 1, 2, 3, 7, 10, 100, -1, -5, None, None])
            if small is not None:
                return str(small)
            wide = self.failing and self.chance(0.3)
            return str(self.number(-30000, 30000) if wide else self.number(-50, 50))
        if kind == "num":
            return self.pick(["0.00", "1.5", "-2.25", "100.01", "3.14159", None]) or \
                f"{self.number(-999, 999)}.{self.number(0, 99):02d}"
        if kind == "flt":
            return self.pick(["0.5::float8", "-1.25::float8", "1e3::float8", "3::float8"])
        if kind == "txt":
            return "'" + self.pick(WORDS) + "'"
        if kind == "bool":
            return self.pick(["true", "false"])
        if kind == "date":
            return f"date '{self.day()}'"
        if kind == "ts":
            return f"timestamp '{self.day()} {self.clock()}'"
        if kind == "tz":
            return f"timestamptz '{self.day()} {self.clock()}+00'"
        if kind == "ivl":
            return "interval '" + self.pick(["1 day", "2 hours", "-3 days 04:05:06", "1 mon", "90 min",
                                             "1 year -2 days", "00:00:01.5", "0"]) + "'"
        if kind == "time":
            return f"time '{self.clock()}'"
        if kind == "byt":
            return self.pick(["'\\x00ff'::bytea", "'\\x'::bytea", "'\\x616263'::bytea"])
        return self.pick(["array[1,2,3]", "'{}'::int[]", "array[7]", "array[2,null,-1]", "array[1,2]"])

    def fill(self, template, scope, depth, kind=None):
        parts = template[1]
        if len(parts) == 1:
            return parts[0]
        made = [parts[0]]
        for i in range(1, len(parts), 2):
            hole = parts[i]
            literal = hole[-1] == "!"
            name = hole[:-1] if literal else hole
            if name == "K":
                name = kind
            if name.isdigit():
                made.append(made[2 * int(name) - 1])
            elif name == "n":
                made.append(str(self.number(1, 4)))
            elif name == "cmp":
                made.append(self.pick(["=", "<>", "<", "<=", ">", ">=", "="]))
            elif name == "cond":
                made.append(self.condition(scope, depth - 1))
            elif literal:
                made.append(self.literal(name))
            else:
                made.append(self.value(name, scope, depth - 1))
            made.append(parts[i + 1])
        return "".join(made)

    def columns_of(self, scope, kind):
        return [f"{alias}.{name}" for alias, columns in scope for name, k in columns if k == kind]

    def value(self, kind, scope, depth):
        columns = self.columns_of(scope, kind)
        if columns and self.chance(0.65 if depth > 0 else 0.85):
            return self.pick(columns)
        if depth <= 0 or self.chance(0.25):
            return self.literal(kind)
        choice = self.random.random()
        sub = depth - 1
        if choice < 0.10:
            tail = f" else {self.value(kind, scope, sub)} end" if self.chance(0.8) else " end"
            return f"case when {self.condition(scope, sub)} then {self.value(kind, scope, sub)}{tail}"
        if choice < 0.13:
            return (f"case {self.value('int', scope, sub)} when {self.literal('int')} then "
                    f"{self.value(kind, scope, sub)} when 2 then {self.literal(kind)} end")
        if choice < 0.20:
            return f"coalesce({self.value(kind, scope, sub)}, {self.literal(kind)})"
        if choice < 0.24:
            return f"nullif({self.value(kind, scope, sub)}, {self.literal(kind)})"
        if choice < 0.30 and self.breadth and self.nesting < 2 and not self.narrow and scope:
            return self.scalar_subquery(kind, scope)
        templates = VALUES if self.failing else SURE
        return self.fill(self.pick(templates[kind]), scope, depth)

    def surely(self, make, *arguments):
        """A text that cannot fail."""
        failing, self.failing = self.failing, False
        text = make(*arguments)
        self.failing = failing
        return text

    def where(self, scope, depth):
        """Of one table, and not several joined by AND, may fail: an index may serve any of them."""
        if len(scope) > 1:
            return self.surely(self.condition, scope, max(depth, 1))
        if self.chance(0.3):
            a, b = (self.surely(self.condition, scope, depth - 1) for _ in range(2))
            return f"({a} and {b})"
        if self.chance(0.2):
            return f"({self.where(scope, depth - 1)} or {self.where(scope, depth - 1)})"
        return self.condition(scope, 0) if depth <= 0 else self.comparison(scope, depth)

    def condition(self, scope, depth):
        if depth > 0 and self.chance(0.35):
            form = self.number(0, 3)
            a = self.condition(scope, depth - 1)
            if form == 0:
                return f"(not {a})"
            b = self.condition(scope, depth - 1)
            return f"({a} {'and' if form == 1 else 'or'} {b})"
        if self.breadth and depth > 0 and scope and self.nesting < 2 and self.chance(0.12):
            return self.subquery_condition(scope)
        return self.comparison(scope, depth)

    def comparison(self, scope, depth):
        if self.breadth and scope and self.chance(0.7):
            kind = self.pick(self.pick(scope)[1])[1]
        else:
            kind = self.pick(COMMON)
        special = CONDITIONS.get(kind)
        if special and (kind == "ints" or self.chance(0.35)):
            return self.fill(self.pick(special), scope, depth, kind)
        return self.fill(self.pick(CONDITIONS["any"]), scope, depth, kind)

    # ---- subqueries

    def alias(self):
        self.aliases += 1
        return f"s{self.aliases}"

    def inner(self, scope):
        """A table for a subquery, and the scope inside: its own columns first, then the outer's."""
        alias = self.alias()
        name = self.pick(list(self.tables))
        own = [(alias, self.tables[name])]
        return f"{name} {alias}", own, own + scope

    def link(self, own, scope):
        """A condition between the subquery's table and the outer ones, or one inside."""
        kind = self.pick(["int", "int", "txt", "num"])
        a, b = self.columns_of(own, kind), self.columns_of(scope, kind)
        if a and b and self.chance(0.8):
            return f"{self.pick(a)} {self.pick(['=', '=', '=', '<', '>='])} {self.pick(b)}"
        return self.comparison(own, 1)

    def scalar_subquery(self, kind, scope):
        self.nesting += 1
        text, own, both = self.inner(scope)
        value = self.value(kind, own, 0)
        if kind == "ints":
            sql = (f"array(select {self.value('int', own, 0)} from {text} "
                   f"where {self.link(own, scope)} order by 1)")
        elif kind in ("bool", "byt"):
            sql = f"(select {value} from {text} where {self.link(own, scope)} order by 1 limit 1)"
        elif kind == "int" and self.chance(0.3):
            sql = f"(select count(*)::int from {text} where {self.link(own, scope)})"
        elif self.chance(0.3):
            sql = f"(select {value} from {text} order by 1 desc nulls last limit 1)"
        else:
            sql = (f"(select {self.pick(['min', 'max'])}({value}) from {text} "
                   f"where {self.link(own, scope)})")
        self.nesting -= 1
        return sql

    def subquery_condition(self, scope):
        self.nesting += 1
        text, own, both = self.inner(scope)
        kind = self.pick(["int", "int", "txt", "num", "date"])
        columns, outer = self.columns_of(own, kind), self.columns_of(scope, kind)
        if not columns or not outer:
            self.nesting -= 1
            return self.comparison(scope, 1)
        a, b = self.pick(outer), self.pick(columns)
        more = self.condition(both if self.breadth and not self.narrow else own, 1)
        form = self.number(0, 15 if self.breadth else 5)
        compare = self.pick(["=", "<>", "<", ">="])
        sql = [f"{a} in (select {b} from {text} where {more})",
               f"{a} not in (select {b} from {text} where {b} is not null)",
               f"exists (select 1 from {text} where {b} = {a})",
               f"not exists (select 1 from {text} where {b} = {a} and {more})",
               f"{a} = (select max({b}) from {text})",
               f"{a} > (select min({b}) from {text} where {own[0][0]}.id <> {self.literal('int')})",
               f"{a} not in (select {b} from {text} where {more})",
               f"{a} {compare} any (select {b} from {text} where {more})",
               f"{a} {compare} all (select {b} from {text} where {more})",
               f"({a}, 1) in (select {b}, 1 from {text} where {more})",
               f"exists (select {b} from {text} where {more} group by {b} having count(*) > 1)",
               f"{a} = any (array(select {b} from {text}))",
               f"exists (select from {text} where {b} {compare} {a} order by {b} limit 2 offset 1)",
               f"({a}, {self.literal('int')}) {compare} (select max({b}), count(*) from {text})",
               f"(1, {a}) {compare} (select count(*), min({b}) from {text} where {more})",
               f"({a}, 1) {compare} {self.pick(['any', 'all'])} (select {b}, 1 from {text} where {more})",
               ][form]
        self.nesting -= 1
        return sql

    # ---- tables and changes

    def create(self, definitions_only=False):
        self.next_table += 1
        name = f"d{self.next_table}"
        columns, definitions = [("id", "int")], ["id integer primary key"]
        for i in range(self.number(2, 6)):
            kind = self.pick(self.kinds)
            extra = self.pick(["", "", "", " not null" if kind in ("int", "txt") else "",
                               " default 5" if kind == "int" else ""])
            definitions.append(f"c{i} {self.pick(TYPES[kind])}{extra}")
            columns.append((f"c{i}", kind))
        if self.chance(0.3):
            definitions.append(f"check (id < {self.number(400, 2000)})")
        self.tables[name] = columns
        self.unique[name] = {"id"}
        yield f"create table {name} ({', '.join(definitions)})"
        for _ in range(self.number(1, 3)):
            yield self.insert(name, self.number(1, 30))
        if self.chance(0.7):
            unique = "unique " if self.chance(0.15) else ""
            column, kind = self.pick(columns)
            if kind == "ints":
                column, kind = columns[0]
            if unique:
                self.unique[name].add(column)
            yield f"create {unique}index {name}_i on {name} ({column}{self.pick(['', ' desc'])})"
        if self.chance(0.4):
            # Uniqueness is looked at after each row, and in which order rows are met is not said:
            # no new key is an old one.
            yield (f"update {name} set id = {self.pick(['id - 1000', '- id', '-7', '- id / 2 - 1'])}"
                   f"{self.pick(['', ' where id > 250', ' where id % 2 = 0'])}")

    def insert(self, name, count):
        columns = self.tables[name]
        rows = []
        for _ in range(count):
            values = [str(self.number(1, 500))]
            values += [self.literal(kind) for _, kind in columns[1:]]
            rows.append(f"({', '.join(values)})")
        tail = self.pick(["", "", " on conflict do nothing"]) if count > 1 else ""
        if self.breadth and self.chance(0.3) and len(columns) > 1:
            column = self.pick(columns[1:])[0]
            if column not in self.unique[name]:
                rows = rows[:1]
                tail = (f" on conflict (id) do update set {column} = "
                        f"{self.pick(['excluded.' + column, f'{name}.{column}', 'default'])}")
        if self.breadth and self.chance(0.3):
            tail += " returning *"
        return f"insert into {name} values {', '.join(rows)}{tail}"

    def change(self):
        name = self.pick(list(self.tables))
        scope = [(name, self.tables[name])]
        returning = " returning *" if self.chance(0.4) else ""
        if self.chance(0.3):
            where = f" where {self.where(scope, 2)}" if self.chance(0.9) else ""
            return f"delete from {name}{where}{returning}"
        # The order of rows decides which error is first when their new values may be at fault, too.
        where = ""
        if self.chance(0.9):
            where = f" where {self.surely(self.where, scope, 2)}"
        column, kind = self.pick(self.tables[name])
        if column in self.unique[name]:
            # One row: the order of several would decide whether two have one key for a while.
            return (f"update {name} set {column} = {self.value(kind, scope, 1)} "
                    f"where id = {self.number(1, 500)}{returning}")
        return f"update {name} set {column} = {self.value(kind, scope, 2)}{where}{returning}"

    # ---- queries

    def relation(self, alias):
        """Text and scope of one item of FROM."""
        if self.breadth and self.nesting < 2 and self.chance(0.15):
            form = self.number(0, 4)
            if form == 0:
                rows = ", ".join(f"({self.plain_literal('int')}, {self.plain_literal('txt')})"
                                 for _ in range(self.number(1, 3)))
                return f"(values {rows}) {alias}(v1, v2)", [(alias, [("v1", "int"), ("v2", "txt")])]
            if form == 1:
                return (f"generate_series({self.number(-2, 2)}, {self.number(1, 6)}) {alias}(g)",
                        [(alias, [("g", "int")])])
            self.nesting += 1
            query = self.query(simple=form == 2)
            self.nesting -= 1
            columns = [(name, kind) for name, (kind, _) in zip(query.names(), query.outputs)]
            return f"({query.text(named=True)}) {alias}", [(alias, columns)]
        name = self.pick(list(self.tables))
        return f"{name} {alias}", [(alias, self.tables[name])]

    def source(self):
        """(text, scope, (left, join, right, condition) or None)"""
        first = self.alias() if self.nesting else "t1"
        text, scope = self.relation(first)
        joined = None
        count = 0
        while self.chance(0.45 if count == 0 else 0.25) and count < (3 if self.breadth else 1):
            if self.narrow and count > 0:
                break
            count += 1
            other = self.alias() if self.nesting else f"t{count + 1}"
            left = text
            right, right_scope = self.relation(other)
            joinable = [(f"{x}.{a}", f"{y}.{b}") for x, columns in scope for a, k in columns
                        for y, others in right_scope for b, k2 in others
                        if k == k2 and k not in ("ints", "byt")]
            if not joinable:
                break
            a, b = self.pick(joinable)
            join = self.pick(["join", "join", "left join", "right join", "full join"])
            condition = f"{a} = {b}"
            scope = scope + right_scope
            if self.chance(0.2) and join != "full join":
                condition += f" and {self.surely(self.condition, scope, 1)}"
            text = f"{left} {join} {right} on {condition}"
            joined = (left, join, right, condition)
        return text, scope, joined if count == 1 else None

    def output_kind(self, scope):
        if self.breadth and self.chance(0.6):
            return self.pick(self.pick(scope)[1])[1]
        return self.pick(self.kinds)

    def query(self, simple=False):
        text, scope, joined = self.source()
        where = None
        if self.chance(0.7):
            where = (self.surely(self.subquery_condition, scope) if self.chance(0.25)
                     else self.where(scope, 2))
        if not simple and self.chance(0.35):
            query = self.aggregate(text, scope, where)
        else:
            kinds = [self.output_kind(scope) for _ in range(self.number(1, 4))]
            query = Query([(kind, self.value(kind, scope, 2)) for kind in kinds], text, scope, where)
            if not simple:
                self.finish(query, kinds)
        query.join = joined
        return query

    def finish(self, query, kinds):
        if "ints" in kinds:
            return
        if self.chance(0.15):
            query.distinct = "distinct "
        if self.chance(0.5):
            query.order = [f"{i + 1}{self.pick(['', ' desc', ' nulls first', ' desc nulls last'])}"
                           for i in range(len(kinds))]
            if self.chance(0.5):
                limit = f" limit {self.number(0, 10)}"
                if self.chance(0.4):
                    limit += f" offset {self.number(0, 5)}"
                # With an index for the first key PostgreSQL sorts only as far as the limit, and
                # never computes the rest.
                if not self.failing:
                    query.limit = limit
        elif self.chance(0.1):
            text, scope, _ = self.source()
            outputs = [self.value(kind, scope, 1) for kind in kinds]
            operation = self.pick(["union", "union all", "intersect", "except", "intersect all",
                                   "except all"] if self.breadth else
                                  ["union", "union all", "intersect", "except"])
            query.more = f" {operation} select {', '.join(outputs)} from {text}"

    def aggregate_call(self, scope):
        kind = self.pick(["int", "num", "txt", "date", "int"] if not self.breadth else self.kinds)
        templates = AGGREGATES.get(kind)
        if templates is None or (kind not in ("ints", "ivl", "byt", "bool") and self.chance(0.5)):
            templates = AGGREGATES["any"]
        call = self.fill(self.pick(templates), scope, 2, kind)
        if self.chance(0.15) and call[-1] == ")" and call.count("(") == call.count(")") and \
                re.match(r"\w+\(", call) and not call.startswith("coalesce"):
            if " - min(" not in call:
                call += f" filter (where {self.condition(scope, 1)})"
        name = re.match(r"\w+", call)[0]
        result = {"count": "int", "string_agg": "txt", "bool_and": "bool", "bool_or": "bool",
                  "every": "bool", "min": kind, "max": kind}.get(name, "num")
        if call.startswith("max(length("):
            result = "int"
        return "ivl" if kind == "ivl" and name == "sum" else result, call

    def aggregate(self, text, scope, where):
        group = [(kind, self.value(kind, scope, 1))
                 for kind in (self.pick(["int", "txt", "bool", "date"])
                              for _ in range(self.number(0, 2)))]
        group = [(kind, g) for kind, g in group
                 if "." in g and "(select" not in g]  # constants in GROUP BY mean positions
        calls = [self.aggregate_call(scope) for _ in range(self.number(1, 3))]
        query = Query(group + calls, text, scope, where)
        query.aggregate = True
        query.group = list(range(1, len(group) + 1))
        if group and self.chance(0.25):
            query.having = f"count(*) > {self.number(0, 2)}"
        return query

    def select(self):
        return self.query().text()

    def statements(self, count):
        made = 0
        while made < count:
            if len(self.tables) < 3 or self.chance(0.01):
                for sql in self.create():
                    made += 1
                    yield sql
                continue
            made += 1
            choice = self.random.random()
            if choice < 0.70:
                yield self.select()
            elif choice < 0.82:
                yield self.insert(self.pick(list(self.tables)), self.number(1, 8))
            elif choice < 0.97:
                yield self.change()
            elif choice < 0.98 and len(self.tables) > 4:
                name = self.pick(list(self.tables))
                del self.tables[name]
                yield f"drop table {name}"
            else:
                yield self.pick(["select nosuch from d1", "select * from nosuch", "selec 1",
                                 "select 1/0", "select 'a'::int", "select 70000::smallint",
                                 "insert into d1 (id) values ('x')", "select date '2001-02-30'",
                                 "select sum('a')", "select count(*) from d1 group by nosuch"])


# ---- comparing answers

def by_value(rows, types):
    """Numerics without the zeros that their scale adds, one floating-point zero; intervals not at
    all, since a month is 30 days."""
    numeric = [i for i, code in enumerate(types) if code in (1700, 701)]
    interval = [i for i, code in enumerate(types) if code == 1186]

    def plain(text):
        if text is None or text == "-0":
            return text and "0"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if len(text) > 20:  # satori's numeric has 38 digits
            return f"{float(text):.14g}"
        return text
    if not numeric and not interval:
        return rows
    return [tuple(plain(v) if i in numeric else v is None if i in interval else v
                  for i, v in enumerate(row)) for row in rows]
