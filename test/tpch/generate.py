"""Data in the shape of TPC-H, small and deterministic: the eight tables with the value ranges and
correlations that the queries test for (not the official generator's rows)."""
import datetime
import os
import random

SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
TYPES = [f"{a} {b} {c}" for a in ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO")
         for b in ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED")
         for c in ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER")]
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
WORDS = "furiously carefully quick pending final ideas deposits accounts above the regular".split()
START = datetime.date(1992, 1, 1)


def generate(directory, scale=0.002, seed=1):
    """Writes <table>.csv with '|' between fields; returns the table names in load order."""
    r = random.Random(seed)

    def money(low, high):
        return f"{r.randint(low * 100, high * 100) / 100:.2f}"

    def comment():
        return " ".join(r.choice(WORDS) for _ in range(r.randint(2, 6)))[:40]

    def write(table, rows):
        with open(os.path.join(directory, table + ".csv"), "w") as file:
            file.writelines("|".join(map(str, row)) + "\n" for row in rows)

    suppliers, customers = max(10, int(10000 * scale)), int(150000 * scale)
    parts, orders = int(200000 * scale), int(1500000 * scale)
    write("region", [(i, name, comment()) for i, name in enumerate(REGIONS)])
    write("nation", [(i, f"NATION {i}", i % 5, comment()) for i in range(25)])
    write("supplier", [(i, f"Supplier#{i:09d}", comment(), r.randint(0, 24), f"{i:015d}",
                        money(-999, 9999), comment()) for i in range(1, suppliers + 1)])
    write("customer", [(i, f"Customer#{i:09d}", comment(), r.randint(0, 24), f"{i:015d}",
                        money(-999, 9999), r.choice(SEGMENTS), comment())
                       for i in range(1, customers + 1)])
    write("part", [(i, comment(), f"Manufacturer#{i % 5 + 1}", f"Brand#{i % 5 + 1}{i % 3 + 1}",
                    r.choice(TYPES), r.randint(1, 50), "JUMBO PKG", money(900, 2000), "part")
                   for i in range(1, parts + 1)])
    write("partsupp", [(i, (i + k * (suppliers // 4)) % suppliers + 1, r.randint(1, 9999),
                        money(1, 1000), comment()) for i in range(1, parts + 1) for k in range(4)])
    order_rows, line_rows = [], []
    for i in range(1, orders + 1):
        key = (i // 8) * 32 + i % 8 + 1
        day = START + datetime.timedelta(days=r.randint(0, 2405))
        total, states = 0, set()
        for line in range(1, r.randint(1, 7) + 1):
            quantity, price = r.randint(1, 50), r.randint(90000, 200000)
            ship = day + datetime.timedelta(days=r.randint(1, 121))
            commit = day + datetime.timedelta(days=r.randint(30, 90))
            receipt = ship + datetime.timedelta(days=r.randint(1, 30))
            flag = r.choice("RA") if receipt <= datetime.date(1995, 6, 17) else "N"
            state = "O" if ship > datetime.date(1995, 6, 17) else "F"
            states.add(state)
            total += quantity * price
            line_rows.append((key, r.randint(1, parts), r.randint(1, suppliers), line,
                              f"{quantity}.00", f"{quantity * price / 100:.2f}",
                              f"0.{r.randint(0, 10):02d}", f"0.{r.randint(0, 8):02d}", flag, state,
                              ship, commit, receipt, r.choice(INSTRUCTIONS), r.choice(MODES),
                              comment()))
        order_rows.append((key, r.randint(1, customers), states.pop() if len(states) == 1 else "P",
                           f"{total / 100:.2f}", day, r.choice(PRIORITIES),
                           f"Clerk#{r.randint(1, 1000):09d}", 0, comment()))
    write("orders", order_rows)
    write("lineitem", line_rows)
    return ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]
