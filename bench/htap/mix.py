"""The two sides of bench/htap: writers that log their commits, analysts that note what they saw.

A commit is missing from an analyst's snapshot if it was acknowledged before the snapshot was asked
for and its number is larger than the one the snapshot shows for its client.
"""
import collections
import glob
import os
import shutil
import subprocess
import tempfile
import threading
import time

PGBENCH_SCALE = 1
FIRST_KEY = 1 << 40  # order keys of order entry begin here
# A commit counts as missing only if it was acknowledged this long before the snapshot was asked
# for: pgbench computes the wall clock from another clock.
CLOCK_SLACK_S = 0.001
SETUP = f"""
create table freshness (client integer primary key, commits bigint not null);
create sequence order_keys start {FIRST_KEY};
insert into freshness select i, 0 from generate_series(0, 63) as g (i);
"""
# Each pair must be equal in any snapshot.
SUMS = f"""select
    (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
    (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
    (select sum(abalance) from pgbench_accounts),
    (select coalesce(sum(delta), 0) from pgbench_history),
    (select coalesce(sum(o_totalprice), 0) from orders where o_orderkey >= {FIRST_KEY}),
    (select coalesce(sum(l_extendedprice), 0) from lineitem where l_orderkey >= {FIRST_KEY})"""


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


class Writers:
    """pgbench with a log of every transaction: client, its number, microseconds, when it ended."""

    def __init__(self, server, count, seconds, chosen, scripts):
        self.directory = tempfile.mkdtemp(prefix="satori-htap-")
        scale = chosen.scale
        variables = dict(scale=PGBENCH_SCALE, customers=round(150000 * scale),
                         parts=round(200000 * scale), suppliers=round(10000 * scale))
        command = ["pgbench", "-n", "-M", "prepared", "-c", str(count), "-j", "1",
                   "-T", str(seconds), "-l", f"--log-prefix={self.directory}/log", *scripts]
        for name, value in variables.items():
            command += ["-D", f"{name}={value}"]
        self.process = subprocess.Popen(command, env=server.environment(), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self):
        """Ends of commits by client, in order, in seconds since 1970; latencies in ms."""
        _, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise SystemExit(f"pgbench: {errors[-1000:]}")
        ends, latencies = collections.defaultdict(list), []
        for path in glob.glob(os.path.join(self.directory, "log*")):
            with open(path) as file:
                for line in file:
                    client, number, micros, _, second, micro = map(int, line.split()[:6])
                    ends[client].append((number, second + micro / 1e6))
                    latencies.append(micros / 1e3)
        shutil.rmtree(self.directory)
        in_order = {client: [end for _, end in sorted(found)] for client, found in ends.items()}
        return in_order, latencies


class Analyst(threading.Thread):
    def __init__(self, server, texts, first, deadline):
        super().__init__()
        self.connection = server.connect()
        self.texts, self.next, self.deadline = texts, first, deadline
        self.seen = []  # (when asked, {client: commits})
        self.seconds = []
        self.wrong = 0
        self.error = None

    def run(self):
        try:
            while time.time() < self.deadline:
                self.analyse(self.texts[self.next % len(self.texts)])
                self.next += 1
        except Exception as error:  # shown by the driver
            self.error = error
        self.connection.close()

    def analyse(self, text):
        begin = time.time()
        with self.connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            begin_snapshot = time.time()
            cursor.execute("select client, commits from freshness")
            self.seen.append((begin_snapshot, dict(cursor.fetchall())))
            cursor.execute(text)
            cursor.fetchall()
            cursor.execute(SUMS)
            sums = cursor.fetchone()
            self.wrong += any(sums[i] != sums[i + 1] for i in range(0, len(sums), 2))
        self.connection.commit()
        self.seconds.append(time.time() - begin)


def lag_ms(ends, analysts):
    worst = 0.0
    for analyst in analysts:
        for asked, commits in analyst.seen:
            for client, found in ends.items():
                missing = commits[client]  # the first that is not there, from 0
                if missing < len(found) and asked - found[missing] > CLOCK_SLACK_S:
                    worst = max(worst, (asked - found[missing]) * 1e3)
    return worst
