"""What is measured. Each workload gives one number a round for each server."""

import os
import random
import re
import time

from servers import Failed, pg_program, run

CLIENTS = (1, 8, 32)
ROWS = 1_000_000

INSERT_SCRIPT = """\\set id random(1, 9000000000000000)
\\set a random(1, 1000000)
INSERT INTO bench_insert (id, a, b) VALUES (:id, :a, 'a row as an application writes it');
"""

UPDATED_ROWS = 100_000

UPDATE_SCRIPT = f"""\\set id random(1, {UPDATED_ROWS})
\\set a random(1, 1000000)
UPDATE bench_update SET a = :a WHERE id = :id;
"""

# What is deleted has to be there first: two transactions count as one.
DELETE_SCRIPT = """\\set id random(1, 9000000000000000)
INSERT INTO bench_delete (id, a, b) VALUES (:id, 1, 'a row that does not stay');
DELETE FROM bench_delete WHERE id = :id;
"""

ROWS_TABLE = """CREATE TABLE bench_rows (
    id bigint PRIMARY KEY, k int NOT NULL, v numeric(10,2) NOT NULL, f float8 NOT NULL,
    t timestamptz NOT NULL, s text NOT NULL)"""

SCANS = {
    "scan-count": "SELECT count(*) FROM bench_rows",
    "scan-sum": "SELECT sum(f)::numeric(20,2), min(f), max(f), count(*) FROM bench_rows",
    "scan-numeric": "SELECT sum(v), max(v) FROM bench_rows WHERE k < 500",
    "scan-group": "SELECT count(*), sum(n), max(a)::numeric(20,4) FROM"
    " (SELECT k, count(*) AS n, avg(f) AS a FROM bench_rows GROUP BY k) AS q",
    "scan-text": "SELECT count(*), min(s), max(s) FROM bench_rows WHERE s LIKE '%77%'",
    "scan-top": "SELECT id, f FROM bench_rows ORDER BY f DESC, id LIMIT 10",
    "scan-time": "SELECT date_trunc('month', t) AS m, count(*), sum(v) FROM bench_rows"
    " WHERE t >= '2023-03-01 00:00+00' AND t < '2023-09-01 00:00+00' GROUP BY m ORDER BY m",
}


class Pgbench:
    """A pgbench run: transactions a second."""

    unit = "tps"
    more_is_better = True

    def __init__(self, name, arguments, clients, prepared, bound=None):
        self.name = name
        self.arguments = arguments
        self.clients = clients
        self.prepared = prepared
        self.bound = bound

    def measure(self, server, options):
        """Runs for the seconds asked; any failed transaction fails the run."""
        threads = min(self.clients, os.cpu_count() or 1)
        command = [pg_program("pgbench"), "-T", options.seconds, "-c", self.clients, "-j", threads]
        command += ["-M", "prepared" if self.prepared else "simple"]
        arguments = [a.replace("@FOLDER@", str(options.folder)) for a in self.arguments]
        output = run([*command, *arguments, server.url_of("bench")])
        failed = re.search(r"number of failed transactions: (\d+)", output)
        if failed and failed.group(1) != "0":
            raise Failed(f"{failed.group(1)} transactions failed")
        return float(re.search(r"^tps = ([\d.]+)", output, re.M).group(1))


class Copy:
    """COPY of a million rows into a new table with a primary key."""

    name = "copy"
    unit = "rows/s"
    more_is_better = True
    bound = 0.4

    def measure(self, server, options):
        """Leaves the table for the scans."""
        server.psql("DROP TABLE IF EXISTS bench_rows", ROWS_TABLE)
        began = time.monotonic()
        server.psql(f"\\copy bench_rows FROM '{options.folder}/rows.csv' WITH (FORMAT csv)")
        seconds = time.monotonic() - began
        server.psql("VACUUM ANALYZE bench_rows")
        return ROWS / seconds


class Scan:
    """One query over the million rows; the better of three, as data is warm."""

    unit = "ms"
    more_is_better = False
    bound = None

    def __init__(self, name, sql):
        self.name = name
        self.sql = sql
        self.answers = {}

    def measure(self, server, options):
        """Also notes the answer: a fast wrong one counts for nothing."""
        output = server.psql(*[self.sql] * 3, timing=True)
        times = [float(t) for t in re.findall(r"^Time: ([\d.]+) ms", output, re.M)]
        answer = [l for l in output.splitlines() if l and not l.startswith(("Time:", "Timing"))]
        self.answers[server.name] = answer[: len(answer) // 3]
        others = [a for a in self.answers.values() if a != self.answers[server.name]]
        if others:
            raise Failed(f"answers differ: {self.answers}")
        return min(times)


class Init:
    """pgbench -i: makes the tables of TPC-B and fills them."""

    name = "pgbench-init"
    unit = "s"
    more_is_better = False
    bound = None

    def measure(self, server, options):
        """Dropping the earlier tables is part of it."""
        began = time.monotonic()
        run([pg_program("pgbench"), "-i", "-q", "-s", options.scale, server.url_of("bench")])
        return time.monotonic() - began


def all_workloads():
    """In the order they run: what others need comes first."""
    found = [Init()]
    bounds = {"tpcb8": 1.0, "tpcb32": 1.0, "s8p": 0.8, "insert32": 1.2, "update32": 1.2, "delete32": 1.2}
    for name, arguments in (("tpcb", ["-b", "tpcb-like"]), ("n", ["-b", "simple-update"]), ("s", ["-b", "select-only"])):
        for clients in CLIENTS:
            for prepared in (False, True):
                label = f"{name}{clients}{'p' if prepared else ''}"
                found.append(Pgbench(label, arguments, clients, prepared, bounds.get(label)))
    insert = ["-n", "-f", "@FOLDER@/insert.sql"]
    found += [
        Pgbench("insert1", insert, 1, False),
        Pgbench("insert32", insert, 32, False, bounds["insert32"]),
        Pgbench("insert32p", insert, 32, True),
        Pgbench("update32", ["-n", "-f", "@FOLDER@/update.sql"], 32, False, bounds["update32"]),
        Pgbench("delete32", ["-n", "-f", "@FOLDER@/delete.sql"], 32, False, bounds["delete32"]),
        Copy(),
    ]
    found += [Scan(name, sql) for name, sql in SCANS.items()]
    return found


def write_inputs(folder):
    """The scripts and the million rows; the same bytes every time."""
    (folder / "insert.sql").write_text(INSERT_SCRIPT)
    (folder / "update.sql").write_text(UPDATE_SCRIPT)
    (folder / "delete.sql").write_text(DELETE_SCRIPT)
    source = random.Random(7)
    with open(folder / "rows.csv", "w", encoding="utf-8") as out:
        for number in range(1, ROWS + 1):
            bits = source.getrandbits(64)
            day, second = bits % 365, (bits >> 16) % 86400
            month_day = time.strftime("%Y-%m-%d", time.gmtime(1672531200 + day * 86400))
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            out.write(
                f"{number},{bits % 1000},{(bits >> 8) % 10_000_000 / 100},{(bits >> 20) % 1_000_000_007 / 128},"
                f"{month_day} {clock}+00,row {bits % 100_003} of the bench\n"
            )


def prepare(server):
    """Tables that are not made by a workload."""
    columns = "(id bigint PRIMARY KEY, a int NOT NULL, b text NOT NULL)"
    for table in ("bench_insert", "bench_update", "bench_delete"):
        server.psql(f"CREATE TABLE {table} {columns}")
    server.psql(
        "INSERT INTO bench_update SELECT g, 0, 'a row that is changed again and again'"
        f" FROM generate_series(1, {UPDATED_ROWS}) AS g",
        "VACUUM ANALYZE bench_update",
    )
