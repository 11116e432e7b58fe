//! A node of ours, as `kimberlite dev` starts it.

use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{STOP_LIMIT, wait_for_line};
use crate::error::{Error, Result};

/// A running node.
pub struct Node {
    child: Child,
    folder: TempDir,
    binary: PathBuf,
    /// Connection string of its user and database.
    pub url: String,
}

impl Node {
    /// Starts a node on an empty folder.
    pub async fn start(binary: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (child, url) = spawn(&binary, &folder).await?;
        Ok(Self {
            child,
            folder,
            binary,
            url,
        })
    }

    /// Starts it again if it has ended; says whether it had.
    pub async fn revive(&mut self) -> Result<bool> {
        if self.child.try_wait()?.is_none() {
            return Ok(false);
        }
        let (child, url) = spawn(&self.binary, &self.folder).await?;
        self.child = child;
        self.url = url;
        Ok(true)
    }

    /// Asks it to stop; ends it when it does not.
    pub async fn stop(mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            let _running_or_gone = kill_process(pid, Signal::TERM);
        }
        let _gone_or_killed = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await;
    }
}

async fn spawn(binary: &PathBuf, folder: &TempDir) -> Result<(Child, String)> {
    let shown = binary.display();
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KIMBERLITE_") {
            command.env_remove(name);
        }
    }
    command.arg("dev").arg("--data-dir").arg(folder.path());
    // Where archives are unpacked; their scripts read tables from there.
    command.arg("--copy-directory").arg(std::env::temp_dir());
    for port in ["--client-address", "--metrics-address", "--health-address"] {
        command.arg(port).arg("127.0.0.1:0");
    }
    let log = std::fs::File::create(folder.path().with_extension("log"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Error::Server(format!("{shown}: {e}")))?;
    let Some(output) = child.stdout.take() else {
        return Err(Error::Server(format!("{shown} has no output")));
    };
    wait_for_line(output, |line| line.contains("psql "))
        .await
        .map_err(|e| Error::Server(format!("{shown}: {e}")))?;
    let path = folder.path().join("dev/url");
    let url = std::fs::read_to_string(&path).map_err(Error::at(&path))?;
    Ok((child, url.trim().to_owned()))
}
