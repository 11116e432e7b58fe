"""Figures that only Kimberlite has: verify, restart after SIGKILL, rebuild."""

import json
import shutil
import time

from machine import sha256_bytes_per_second
from servers import Failed, run
from workloads import ROWS, Copy


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
    """Full-scan verification of the stopped log against one core's SHA-256.

    Without keys it checks what anyone can check, and that has the bound; with
    keys it also opens every event and compares the projection with a rebuild.
    """
    kimberlite.stop()
    key = kimberlite.folder / "dev/master.key"
    aside = key.with_suffix(".aside")
    key.rename(aside)
    try:
        without = verify_once(kimberlite)
    finally:
        aside.rename(key)
    with_keys = verify_once(kimberlite)
    sha256 = sha256_bytes_per_second()
    return {
        "bytes": without["bytes"],
        "bytes_per_second": without["bytes_per_second"],
        "with_keys_bytes_per_second": with_keys["bytes_per_second"],
        "sha256_bytes_per_second": sha256,
        "ratio": without["bytes_per_second"] / sha256,
        "bound": 0.6,
    }


def verify_once(kimberlite):
    """The best of three runs, by the tool's own clock: starting it is no part."""
    command = [kimberlite.cli, "--output", "json", "storage", "verify", "--full-scan"]
    answers = [json.loads(run([*command, "--data-dir", kimberlite.folder])) for _ in range(3)]
    return max(answers, key=lambda answer: answer["bytes_per_second"])


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
