"""Figures that only Kimberlite has: verify, restart after SIGKILL, rebuild."""

import json
import shutil
import time

from machine import sha256_bytes_per_second
from servers import Failed, run
from workloads import ROWS


def log_bytes(folder):
    """Bytes in segments; those zeroed ahead of use count as far as they are used."""
    return sum(f.stat().st_size for f in (folder / "log").glob("*.seg"))


def find_number(value, names):
    """The first number in a JSON tree whose key is one of the names."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in names and isinstance(item, (int, float)):
                return item
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find_number(item, names)
            if found is not None:
                return found
    return None


def restart(kimberlite, postgres):
    """Seconds from starting to the first answer, after SIGKILL with a million rows."""
    kimberlite.kill()
    ours = kimberlite.start()
    rows = int(kimberlite.psql("SELECT count(*) FROM bench_rows"))
    if rows != ROWS:
        raise Failed(f"{rows} of {ROWS} rows after SIGKILL")
    theirs = None
    if postgres:
        postgres.kill()
        theirs = postgres.restart()
    return {"kimberlite_s": ours, "postgres_s": theirs, "bound_s": 5.0}


def verify(kimberlite):
    """Full-scan verification of the stopped log against one core's SHA-256."""
    command = [kimberlite.cli, "--output", "json", "storage", "verify", "--full-scan"]
    began = time.monotonic()
    answer = json.loads(run([*command, "--data-dir", kimberlite.folder]))
    seconds = time.monotonic() - began
    used = find_number(answer, ("bytes", "bytes_verified", "bytes_read", "log_bytes")) or log_bytes(kimberlite.folder)
    sha256 = sha256_bytes_per_second()
    return {
        "bytes": used,
        "seconds": seconds,
        "bytes_per_second": used / seconds,
        "sha256_bytes_per_second": sha256,
        "ratio": used / seconds / sha256,
        "bound": 0.6,
    }


def rebuild(kimberlite):
    """Deletes the projections of the stopped node and makes them again."""
    shutil.rmtree(kimberlite.folder / "projection")
    began = time.monotonic()
    answer = json.loads(
        run([kimberlite.cli, "--output", "json", "projection", "rebuild", "--data-dir", kimberlite.folder])
    )
    seconds = time.monotonic() - began
    rows = find_number(answer, ("rows", "rows_applied", "changes", "changes_applied"))
    if rows is None:
        raise Failed(f"projection rebuild says nothing of rows: {answer}")
    return {"rows": rows, "seconds": seconds, "rows_per_second": rows / seconds, "bound": 150_000}
