"""Whether two systems gave the same answer.

An answer is a list of rows of texts (None is null) and, for each column, whether it is floating
point there. Columns that are exact on both sides must be equal as numbers or texts; a column that
is floating point on one side must agree to a relative 1e-9 (DuckDB computes averages and quotients
of decimals in double precision). char(n) is compared without its padding.

Rows that ORDER BY leaves in no order may come in any: the columns it names must be equal in
sequence, and the rows as a multiset.
"""
import decimal
import re

FLOAT_TOLERANCE = 1e-9
OUTPUT = re.compile(r"order\s+by\s+([^()]*?)(?:limit\s+\d+\s*)?;?\s*$", re.I)


class Answer:
    def __init__(self, names, rows, is_float):
        self.names = [name.lower() for name in names]
        self.rows = [[normal(value) for value in row] for row in rows]
        self.is_float = is_float


def normal(value):
    """Numbers as Decimal, texts without padding."""
    if value is None:
        return None
    text = str(value)
    try:
        number = decimal.Decimal(text)
        return number if number.is_finite() else text
    except decimal.InvalidOperation:
        return text.rstrip(" ")


def same_value(a, b, loose):
    if loose and isinstance(a, decimal.Decimal) and isinstance(b, decimal.Decimal):
        return abs(a - b) <= decimal.Decimal(FLOAT_TOLERANCE) * max(abs(a), abs(b))
    return a == b


def same_row(a, b, loose):
    return all(same_value(x, y, l) for x, y, l in zip(a, b, loose))


def sort_key(row, loose):
    """Exact columns first, so that rounding does not decide where a row goes."""
    exact = [(v is None, str(v)) for v, l in zip(row, loose) if not l]
    rest = [(v is None, float(v) if isinstance(v, decimal.Decimal) else 0.0)
            for v, l in zip(row, loose) if l]
    return exact, rest


def ordered_columns(sql, names):
    found = OUTPUT.search(sql)
    words = re.findall(r"[a-z_]\w*", found.group(1).lower()) if found else []
    return [names.index(word) for word in words if word in names]


def difference(ours, theirs, sql):
    """None, or a text that says what differs first."""
    if len(ours.rows) != len(theirs.rows):
        return f"{len(ours.rows)} rows instead of {len(theirs.rows)}"
    if len(ours.names) != len(theirs.names):
        return f"{len(ours.names)} columns instead of {len(theirs.names)}"
    loose = [a or b for a, b in zip(ours.is_float, theirs.is_float)]
    columns = ordered_columns(sql, ours.names)
    for i, (a, b) in enumerate(zip(ours.rows, theirs.rows)):
        for column in columns:
            if not same_value(a[column], b[column], loose[column]):
                return f"row {i + 1} in order: {show(a)} instead of {show(b)}"
    for a, b in zip(sorted(ours.rows, key=lambda row: sort_key(row, loose)),
                    sorted(theirs.rows, key=lambda row: sort_key(row, loose))):
        if not same_row(a, b, loose):
            return f"{show(a)} instead of {show(b)}"
    return None


def show(row):
    return "|".join("" if value is None else str(value) for value in row)
