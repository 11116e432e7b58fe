//! A PostgreSQL 15 of our own, to compare with: loopback, a free port, trust
//! authentication, fsync on (its default), gone when dropped.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Running;

/// Ports are chosen by asking for a free one and giving it back; another
/// program may take it in between, so a few are tried.
const ATTEMPTS: usize = 5;

/// A running PostgreSQL.
pub struct Postgres {
    running: Option<Running>,
    _folder: TempDir,
    /// A libpq URL of its superuser and database `postgres`.
    pub url: String,
    pub port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it. `settings` are added as `-c` options.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let user = User::not_root();
        user.own(folder.path());
        let initdb = user
            .command("initdb")
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .output()
            .unwrap();
        assert!(initdb.status.success(), "{initdb:?}");
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut command = user.command("postgres");
            command
                .arg("-D")
                .arg(&data)
                .args(["-c", "listen_addresses=127.0.0.1"])
                .args(["-c", "unix_socket_directories="])
                .args(["-c", "timezone=UTC"])
                .args(["-c", &format!("port={port}")]);
            for setting in settings {
                command.args(["-c", setting]);
            }
            let running = Running::start(&mut command);
            let outcome = running.stderr_line(|line| {
                line.contains("ready to accept connections") || line.contains("could not bind")
            });
            if outcome.contains("ready") {
                return Self {
                    running: Some(running),
                    _folder: folder,
                    url: format!("postgresql://postgres@127.0.0.1:{port}/postgres"),
                    port,
                };
            }
        }
        panic!("no free port in {ATTEMPTS} attempts");
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().pid()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: immediate shutdown, children included (SIGKILL would leave
        // them behind).
        if let Some(running) = self.running.take() {
            running.signal(Signal::QUIT);
            let _ = running.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`.
struct User(Option<(u32, u32)>);

impl User {
    fn not_root() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let ids = |name: &str| {
            let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        Self(Some(
            ids("postgres")
                .or_else(|| ids("nobody"))
                .expect("a user that is not root"),
        ))
    }

    fn own(&self, path: &Path) {
        if let Self(Some((uid, gid))) = self {
            chown(path, Some(*uid), Some(*gid)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Self(Some((uid, gid))) = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }
}

/// Debian keeps the server's programs out of PATH.
fn binary(program: &str) -> PathBuf {
    let debian = PathBuf::from("/usr/lib/postgresql/15/bin").join(program);
    if debian.exists() {
        debian
    } else {
        PathBuf::from(program)
    }
}
