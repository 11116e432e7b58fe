"""The machine a number was measured on, and how fast its disk and hash are."""

import os
import pathlib
import platform
import statistics
import subprocess
import time


def one_line(command, fallback=""):
    """First line that a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return fallback


def fdatasync_ms(folder):
    """Median milliseconds of writing 4 KiB into a zeroed file and fdatasync."""
    path = pathlib.Path(folder) / "fdatasync.probe"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(handle, bytes(4 << 20))
        os.fsync(handle)
        times = []
        for i in range(300):
            began = time.monotonic()
            os.pwrite(handle, bytes([i % 251]) * 4096, i * 4096)
            os.fdatasync(handle)
            times.append((time.monotonic() - began) * 1000)
        return statistics.median(times)
    finally:
        os.close(handle)
        path.unlink()


def sha256_bytes_per_second():
    """One core's SHA-256 rate as openssl measures it on 16 KiB pieces."""
    done = subprocess.run(
        ["openssl", "speed", "-elapsed", "-seconds", "3", "-bytes", "16384", "-mr", "-evp", "sha256"],
        capture_output=True, text=True, check=True,
    )
    # "+F:24:sha256:1234567.89"
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F:"))
    return float(line.rsplit(":", 1)[1])


def describe(folder):
    """What a reader needs to know about the machine."""
    cpu = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory) / 1024 / 1024, 1),
        "kernel": platform.release(),
        "filesystem": one_line(["stat", "-f", "-c", "%T", str(folder)]),
        "fdatasync_4k_ms": round(fdatasync_ms(folder), 3),
        "revision": one_line(["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"]),
    }
