//! A PostgreSQL 15 of our own: loopback, a free port, trust authentication.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{STOP_LIMIT, free_port, wait_for_line};
use crate::error::{Error, Result};

/// A free port may be taken before it is used.
const ATTEMPTS: usize = 5;
/// Where Debian keeps the programs.
const DEBIAN: &str = "/usr/lib/postgresql/15/bin";

/// A running PostgreSQL.
pub struct Postgres {
    child: Child,
    _folder: TempDir,
    /// Connection string of its superuser and database `postgres`.
    pub url: String,
}

impl Postgres {
    /// Makes a cluster and starts it. It holds scratch data only, so it does
    /// not flush.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let user = User::not_root()?;
        user.own(folder.path())?;
        let initdb = user
            .command("initdb")
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .output()
            .await
            .map_err(|e| Error::Server(format!("initdb: {e}")))?;
        if !initdb.status.success() {
            let said = String::from_utf8_lossy(&initdb.stderr).into_owned();
            return Err(Error::Server(format!("initdb: {said}")));
        }
        let mut last = Error::Server("no free port".into());
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let mut child = user
                .command("postgres")
                .arg("-D")
                .arg(&data)
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
                .args(["-c", "unix_socket_directories=", "-c", "timezone=UTC"])
                .args(["-c", "max_prepared_transactions=2"])
                .args(["-c", &format!("port={port}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .map_err(|e| Error::Server(format!("postgres: {e}")))?;
            let Some(output) = child.stderr.take() else {
                return Err(Error::Server("postgres has no output".into()));
            };
            match wait_for_line(output, |l| l.contains("ready to accept connections")).await {
                Ok(_) => {
                    return Ok(Self {
                        child,
                        _folder: folder,
                        url: format!("postgresql://postgres@127.0.0.1:{port}/postgres"),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Stops it, its children included.
    pub async fn stop(mut self) {
        self.signal();
        let _gone_or_killed = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await;
    }

    /// Immediate shutdown: SIGKILL would leave the children behind.
    fn signal(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            let _running_or_gone = kill_process(pid, Signal::QUIT);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.signal();
    }
}

/// PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`.
struct User(Option<(u32, u32)>);

impl User {
    fn not_root() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let path = Path::new("/etc/passwd");
        let passwd = std::fs::read_to_string(path).map_err(Error::at(path))?;
        let ids = |name: &str| {
            let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        ids("postgres")
            .or_else(|| ids("nobody"))
            .map(|ids| Self(Some(ids)))
            .ok_or_else(|| Error::Server("no user that is not root".into()))
    }

    fn own(&self, path: &Path) -> Result<()> {
        match self.0 {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(Error::at(path)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// A program of PostgreSQL's server; Debian keeps them out of PATH.
fn binary(program: &str) -> PathBuf {
    let debian = Path::new(DEBIAN).join(program);
    if debian.exists() {
        debian
    } else {
        PathBuf::from(program)
    }
}
