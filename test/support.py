"""What test and bench scripts share: servers in temporary directories, and cases that are counted.

Servers bind to loopback on a free port and are stopped by their own process id.
"""
import atexit
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PG_BIN = next((p for p in ("/usr/lib/postgresql/15/bin",) if os.path.isdir(p)), None)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SATORI = os.environ.get("SATORI", os.path.join(ROOT, "build", "satori"))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cases:
    """Prints one line for each case; exit() ends the script with the right status."""

    def __init__(self):
        self.failed = 0

    def ok(self, name):
        print(f"ok {name}", flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"not ok {name}: " + str(why).replace("\n", "\n    "), flush=True)

    def skip(self, name, why):
        print(f"skip {name}: {why}", flush=True)

    def check(self, name, condition, why=""):
        if condition:
            self.ok(name)
        else:
            self.fail(name, why)
        return condition

    def equal(self, name, ours, wanted):
        return self.check(name, ours == wanted, f"{ours!r} instead of {wanted!r}")

    def run(self, name, function, *arguments):
        """A case that passes when the function does not raise."""
        try:
            function(*arguments)
        except Exception as error:  # any failure is this case's failure
            self.fail(name, f"{type(error).__name__}: {error}")
            return False
        self.ok(name)
        return True

    def exit(self):
        sys.exit(1 if self.failed else 0)


class Server:
    """Common part: a process, its port, stop and kill."""
    process = None
    port = None
    log_path = None

    def dsn(self, **more):
        parts = dict(host="127.0.0.1", port=self.port, user=self.user, dbname=self.database, **more)
        return " ".join(f"{k}={v}" for k, v in parts.items())

    def connect(self, **more):
        import psycopg2
        return psycopg2.connect(self.dsn(**more))

    def environment(self):
        return dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER=self.user,
                    PGDATABASE=self.database, PGCONNECT_TIMEOUT="30")

    def psql(self, sql, *options, check=True):
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options],
                              input=sql, text=True, capture_output=True, env=self.environment())
        if check and done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout

    def log(self):
        if self.log_path is None:
            return ""
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def kill(self):
        """As a crash would: SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024

    def peak_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024


class Satori(Server):
    user = database = "satori"
    name = "satori"

    def __init__(self, *options, directory=None, start=True, environment=None):
        self.options = options
        self.process_environment = environment
        self.own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="satori-test-")
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        atexit.register(self.remove)
        if start:
            self.start()

    def start(self, timeout=120):
        log = open(self.log_path, "a")
        self.process = subprocess.Popen(
            [SATORI, "server", "--data", self.data, "--create", "--listen", "127.0.0.1:0",
             *self.options], stdout=subprocess.PIPE, stderr=log, text=True,
            env=self.process_environment)
        log.close()
        line = self.process.stdout.readline()
        found = re.search(r"on 127\.0\.0\.1:(\d+)", line)
        if not found:
            self.process.wait()
            raise RuntimeError(f"satori did not start: {line}{self.log()[-2000:]}")
        self.port = int(found.group(1))
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=120)
        return self.process.returncode

    def check(self):
        return subprocess.run([SATORI, "check", self.data], capture_output=True, text=True,
                              env=self.process_environment)

    def remove(self):
        self.kill()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)


class Postgres(Server):
    """A PostgreSQL 15 cluster, throw-away unless it is given a directory; runs as user postgres when
    we are root."""
    user = "postgres"
    database = "postgres"
    name = "PostgreSQL"

    def __init__(self, directory=None, **settings):
        if PG_BIN is None:
            raise RuntimeError("PostgreSQL 15 is not installed")
        self.own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="satori-peer-")
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.settings = {"fsync": "on", "unix_socket_directories": self.directory,
                         "listen_addresses": "127.0.0.1", "max_connections": "600",
                         "lc_messages": "C", "timezone": "UTC", **settings}
        atexit.register(self.remove)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        if not os.path.isdir(self.data):
            self._as_postgres(f"{PG_BIN}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                              "--no-locale", "-E", "UTF8", "-N")
        self.start()

    def _command(self, *command):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                *command] if os.geteuid() == 0 else list(command)

    def _as_postgres(self, *command):
        done = subprocess.run(self._command(*command), capture_output=True, text=True,
                              cwd=self.directory)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def start(self):
        self.port = free_port()
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        log = open(self.log_path, "a")
        self.process = subprocess.Popen(
            self._command(f"{PG_BIN}/postgres", "-D", self.data, "-p", str(self.port), *options),
            stdout=log, stderr=log, cwd=self.directory)
        log.close()
        deadline = time.monotonic() + 60
        while subprocess.run([f"{PG_BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p",
                              str(self.port)]).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self.log()[-2000:]}")
            time.sleep(0.05)
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(timeout=60)

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)
