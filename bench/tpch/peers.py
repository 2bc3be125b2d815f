"""The systems that bench/tpch measures, behind one interface: load once, run SQL, tell bytes.

Each keeps its database in a directory and opens what is there already. All get the same number
of threads and the same memory; every load is durable when it returns.
"""
import json
import os
import shutil
import subprocess
import time

from compare import Answer
from support import Postgres, Satori

HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]
FLOATS = (700, 701)  # PostgreSQL's type numbers of real and double precision


class QueryError(Exception):
    pass


def schema():
    with open(os.path.join(HERE, "schema.sql")) as file:
        return file.read()


def statements(text):
    return [part.strip() for part in text.split(";") if part.strip()]


def bytes_under(path):
    """Allocated bytes of a file or of all files of a directory."""
    if os.path.isfile(path):
        return os.stat(path).st_blocks * 512
    return sum(os.lstat(os.path.join(folder, name)).st_blocks * 512
               for folder, _, names in os.walk(path) for name in names)


def cpu_ms(pid):
    """Processor time of a process so far, all threads that live."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
        except FileNotFoundError:
            pass  # it has ended
    return total / 1e6


class Wire:
    """A server that speaks PostgreSQL's protocol."""
    server = connection = None

    def connect(self):
        import psycopg2
        import psycopg2.extensions as extensions
        self.connection = self.server.connect()
        self.connection.autocommit = True
        # Values as the texts that were sent.
        kinds = (16, 20, 21, 23, 700, 701, 1082, 1114, 1184, 1700)
        as_text = extensions.new_type(kinds, "AS_TEXT", lambda value, cursor: value)
        extensions.register_type(as_text, self.connection)
        self.error = psycopg2.Error

    def limit(self, timeout_s):
        """From now on a statement that runs longer is an error."""
        self.execute(f"set statement_timeout = '{timeout_s}s'")

    def execute(self, sql):
        """Runs the statements of sql in turn; returns (ms of all, Answer of the last with rows)."""
        answer = None
        begin = time.monotonic()
        seconds = 0
        try:
            with self.connection.cursor() as cursor:
                for statement in statements(sql):
                    begin = time.monotonic()
                    cursor.execute(statement)
                    rows = cursor.fetchall() if cursor.description else None
                    seconds += time.monotonic() - begin
                    if rows is not None:
                        columns = cursor.description
                        answer = Answer([column.name for column in columns], rows,
                                        [column.type_code in FLOATS for column in columns])
        except self.error as error:
            raise QueryError(str(error).strip().split("\n")[0]) from error
        return seconds * 1e3, answer

    def copy(self, table, path):
        with self.connection.cursor() as cursor, open(path, "rb") as file:
            cursor.copy_expert(f"copy {table} from stdin with (delimiter '|', format csv)", file,
                               1 << 20)

    def close(self):
        self.connection.close()
        self.server.stop()


class SatoriPeer(Wire):
    name = "satori"

    def __init__(self, directory, threads, memory_mb):
        self.directory = os.path.join(directory, "satori")
        os.makedirs(self.directory, exist_ok=True)
        self.server = Satori("--cores", str(threads), "--memory", f"{memory_mb}MB",
                             directory=self.directory)
        self.connect()
        self.version = self.execute("select version()")[1].rows[0][0]

    def cpu_ms(self):
        return cpu_ms(self.server.process.pid)

    def finish_load(self):
        self.execute("analyze")
        self.execute("vacuum (freeze)")
        self.execute("vacuum (full)")

    def bytes_on_disk(self):
        """Without the journal, a ring of fixed size."""
        return sum(bytes_under(os.path.join(self.server.data, name))
                   for name in os.listdir(self.server.data) if "journal" not in name)


class PostgresPeer(Wire):
    name = "PostgreSQL"

    def __init__(self, directory, threads, memory_mb):
        self.directory = os.path.join(directory, "postgres")
        os.makedirs(self.directory, exist_ok=True)
        self.server = Postgres(directory=self.directory, shared_buffers=f"{memory_mb // 2}MB",
                               effective_cache_size=f"{memory_mb}MB", work_mem="64MB",
                               max_parallel_workers_per_gather=str(threads - 1),
                               random_page_cost="1.1", max_wal_size="4GB")
        self.connect()
        self.version = self.execute("show server_version")[1].rows[0][0]

    def cpu_ms(self):
        """Not told: a statement's workers are processes that have ended by then."""
        return None

    def finish_load(self):
        self.execute("vacuum analyze")
        self.execute("checkpoint")

    def bytes_on_disk(self):
        return int(self.execute("select pg_database_size(current_database())")[1].rows[0][0])


class DuckDBPeer:
    name = "DuckDB"

    def __init__(self, directory, threads, memory_mb):
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "duckdb.db")
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "duckdb.js"), self.path, str(threads), f"{memory_mb}MB"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.execute("select version()")[1].rows[0][0]

    def execute(self, sql):
        ms, answer = 0, None
        for statement in statements(sql):
            self.process.stdin.write(json.dumps({"sql": statement}) + "\n")
            self.process.stdin.flush()
            found = json.loads(self.process.stdout.readline())
            if "error" in found:
                raise QueryError(found["error"].split("\n")[0])
            ms += found["ms"]
            if statement.lower().startswith(("select", "with", "show")):
                answer = Answer(found["names"], found["rows"],
                                [kind in ("FLOAT", "DOUBLE") for kind in found["types"]])
        return ms, answer

    def copy(self, table, path):
        self.execute(f"copy {table} from '{path}' (format csv, delimiter '|', header false)")

    def limit(self, timeout_s):
        """DuckDB has no such setting."""

    def cpu_ms(self):
        return cpu_ms(self.process.pid)

    def finish_load(self):
        self.execute("checkpoint")

    def bytes_on_disk(self):
        return bytes_under(self.path)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


KINDS = {"satori": SatoriPeer, "duckdb": DuckDBPeer, "postgres": PostgresPeer}
STORED = {"satori": ["satori"], "postgres": ["postgres"], "duckdb": ["duckdb.db", "duckdb.db.wal"]}


LOAD_MEMORY_MB = 8192  # not all can load with primary keys what they can query with less


def open_peers(names, directory, threads, memory_mb):
    """Opens each; one whose load did not end begins anew, with enough memory for that."""
    peers = []
    for name in names:
        loaded = os.path.join(directory, name + ".loaded")
        fresh = not os.path.exists(loaded)
        if fresh:
            forget([name], directory)
        peers.append(KINDS[name](directory, threads,
                                 max(memory_mb, LOAD_MEMORY_MB) if fresh else memory_mb))
        peers[-1].loaded, peers[-1].fresh = loaded, fresh
    return peers


def load(peer, rows_directory):
    """Makes the tables and loads them; returns the seconds of COPY, of all tables in turn."""
    for statement in statements(schema()):
        peer.execute(statement)
    seconds = 0
    for table in TABLES:
        begin = time.monotonic()
        peer.copy(table, os.path.join(rows_directory, table + ".csv"))
        seconds += time.monotonic() - begin
    peer.finish_load()
    with open(peer.loaded, "w"):
        pass
    return seconds


def forget(names, directory):
    """Removes what these systems have stored in the directory."""
    for name in names:
        for path in STORED[name] + [name + ".loaded"]:
            path = os.path.join(directory, path)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)
