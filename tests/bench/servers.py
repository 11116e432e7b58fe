"""The two servers that are compared: started, killed, restarted, stopped."""

import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_LIMIT_SECONDS = 600


class Failed(Exception):
    """A command or server did not do what it should; the text says which."""


def run(arguments, **options):
    """Runs a command and gives its output; Failed with its words otherwise."""
    done = subprocess.run(
        [str(a) for a in arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{pathlib.Path(arguments[0]).name}: {' / '.join(words[-3:])}")
    return done.stdout


def pg_program(name):
    """Path of one of PostgreSQL's programs."""
    folder = run([ROOT / "scripts/postgres", "bin"]).strip()
    return pathlib.Path(folder) / name


class Server:
    """What both have in common: a URL for clients."""

    name = ""
    url = ""

    def url_of(self, database):
        """The URL with another database."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit(parts._replace(path="/" + database))

    def psql(self, *commands, timing=False):
        """Runs commands in the bench database and gives what they print."""
        arguments = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        arguments += ["--set", "ON_ERROR_STOP=1"]
        if timing:
            arguments += ["--command", "\\timing on"]
        for command in commands:
            arguments += ["--command", command]
        return run([*arguments, self.url_of("bench")])

    def make_database(self):
        """A fresh database for the bench."""
        run(["psql", "--no-psqlrc", "--quiet", "--command", "CREATE DATABASE bench", self.url])


class Kimberlite(Server):
    """`kimberlite dev` on its own folder, all defaults."""

    name = "Kimberlite"

    def __init__(self, folder, program, cli):
        self.folder = pathlib.Path(folder)
        self.program = program
        self.cli = cli
        self.process = None

    def start(self):
        """Starts and waits until it accepts; gives the seconds that took."""
        url_file = self.folder / "dev/url"
        url_file.unlink(missing_ok=True)
        began = time.monotonic()
        with open(self.folder.parent / "kimberlite.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "dev", "--data-dir", self.folder]
                + ["--client-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"]
                + ["--metrics-address", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not (url_file.exists() and url_file.read_text().endswith("\n")):
            if self.process.poll() is not None:
                raise Failed(f"kimberlite ended while starting, see {log.name}")
            if time.monotonic() - began > READY_LIMIT_SECONDS:
                raise Failed("kimberlite is not ready in time")
            time.sleep(0.005)
        self.url = url_file.read_text().strip()
        run(["psql", "--no-psqlrc", "--quiet", "--command", "SELECT 1", self.url])
        return time.monotonic() - began

    def certificate(self):
        """Server certificate, its key, and the authority that clients trust."""
        dev = self.folder / "dev"
        return dev / "server.crt", dev / "server.key", dev / "ca.crt"

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, and waits."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=120)

    def version(self):
        """What it says of itself."""
        return run([self.program, "--version"]).strip()


class Postgres(Server):
    """PostgreSQL 15 with its defaults (fsync on), and TLS like the other's."""

    name = "PostgreSQL"

    def __init__(self, folder, certificate):
        self.folder = pathlib.Path(folder)
        self.certificate_files = certificate
        self.options = ""

    def start(self):
        """initdb, start; gives the seconds until it accepts."""
        crt, key, ca = self.certificate_files
        began = time.monotonic()
        url = run(
            [ROOT / "scripts/postgres", "start", self.folder, "--tcp", "--tls", crt, key]
        ).strip()
        url = url.replace("127.0.0.1", "localhost")
        self.url = f"{url}?sslmode=verify-full&sslrootcert={urllib.parse.quote(str(ca))}"
        port = re.search(r":(\d+)/", url).group(1)
        self.options = f"-c listen_addresses=127.0.0.1 -p {port}"
        return time.monotonic() - began

    def _control(self, *arguments):
        command = [pg_program("pg_ctl"), "-D", self.folder / "data", *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", check=True,
        )

    def restart(self):
        """Starts again on the same data; gives the seconds until it accepts."""
        began = time.monotonic()
        self._control("-l", self.folder / "server.log", "-w", "-t", "600", "-o", self.options, "start")
        run(["psql", "--no-psqlrc", "--quiet", "--command", "SELECT 1", self.url])
        return time.monotonic() - began

    def kill(self):
        """SIGKILL for the postmaster and all its children."""
        postmaster = int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in [postmaster, *map(int, children)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while any(pathlib.Path(f"/proc/{pid}").exists() for pid in [postmaster, *children]):
            time.sleep(0.01)

    def stop(self):
        """Stops it at once."""
        if (self.folder / "data/postmaster.pid").exists():
            run([ROOT / "scripts/postgres", "stop", self.folder])

    def version(self):
        """What it says of itself."""
        return run([pg_program("postgres"), "--version"]).strip()


def self_signed(folder):
    """A certificate for the case that two PostgreSQLs are compared."""
    crt, key = folder / "server.crt", folder / "server.key"
    run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", key, "-out", crt]
    )
    return crt, key, crt
