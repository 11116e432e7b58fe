"""Figures that only Kimberlite has: verify, restart after SIGKILL, rebuild."""

import json
import shutil
import time

from machine import sha256_bytes_per_second
from servers import Failed, run
from workloads import ROWS, Copy


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


def restart(kimberlite, postgres, options):
    """Seconds from starting to the first answer, after SIGKILL with a million rows."""
    Copy().measure(postgres, options)
    kimberlite.kill()
    ours = kimberlite.start()
    rows = int(kimberlite.psql("SELECT count(*) FROM bench_rows"))
    if rows != ROWS:
        raise Failed(f"{rows} of {ROWS} rows after SIGKILL")
    postgres.kill()
    return {"kimberlite_s": ours, "postgres_s": postgres.restart(), "bound_s": 5.0}


def verify(kimberlite, _postgres, _options):
    """Full-scan verification of the stopped log against one core's SHA-256."""
    kimberlite.stop()
    command = [kimberlite.cli, "--output", "json", "storage", "verify", "--full-scan"]
    began = time.monotonic()
    answer = json.loads(run([*command, "--data-dir", kimberlite.folder]))
    seconds = time.monotonic() - began
    used = find_number(answer, ("bytes", "bytes_verified", "bytes_read", "log_bytes"))
    used = used or log_bytes(kimberlite.folder)
    sha256 = sha256_bytes_per_second()
    return {
        "bytes": used,
        "seconds": seconds,
        "bytes_per_second": used / seconds,
        "sha256_bytes_per_second": sha256,
        "ratio": used / seconds / sha256,
        "bound": 0.6,
    }


def rebuild(kimberlite, _postgres, _options):
    """Deletes the projections of the stopped node and makes them again."""
    kimberlite.stop()
    shutil.rmtree(kimberlite.folder / "projection")
    began = time.monotonic()
    run([kimberlite.cli, "projection", "rebuild", "--data-dir", kimberlite.folder])
    seconds = time.monotonic() - began
    kimberlite.start()
    rows = int(kimberlite.psql("SELECT count(*) FROM bench_rows"))
    if rows != ROWS:
        raise Failed(f"{rows} of {ROWS} rows after the rebuild")
    return {"rows": rows, "seconds": seconds, "rows_per_second": rows / seconds, "bound": 150_000}


FIGURES = {"restart": restart, "verify": verify, "rebuild": rebuild}


def measure(names, kimberlite, postgres, options):
    """The figures asked for, on a node that holds a million rows and no more."""
    found = {}
    if not names:
        return found
    try:
        kimberlite.start()
        kimberlite.make_database()
        Copy().measure(kimberlite, options)
    except Failed as error:
        return {name: {"failed": str(error)} for name in names}
    for name in names:
        try:
            found[name] = FIGURES[name](kimberlite, postgres, options)
        except Failed as error:
            found[name] = {"failed": str(error)}
    kimberlite.stop()
    return found
