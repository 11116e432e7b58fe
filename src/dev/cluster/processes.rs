//! The replicas' processes.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::files::{ClusterFiles, ReplicaFiles};
use crate::server::NodeError;

/// Pause before a replica that died is started again.
const RESTART_AFTER: Duration = Duration::from_secs(3);

/// How long a replica may take to stop.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Running replicas, in their order.
pub(super) struct Processes {
    children: Vec<Child>,
}

fn start(replica: &ReplicaFiles) -> Result<Child, NodeError> {
    let system = |source| NodeError::System {
        what: "starting a replica's process",
        source,
    };
    let program = std::env::current_exe().map_err(system)?;
    Command::new(program)
        .arg("start")
        .arg("--config")
        .arg(&replica.config)
        .env("KIMBERLITE_ENV", "development")
        .env(crate::start::ENDS_WITH_PARENT, "1")
        .env_remove("KIMBERLITE_REPLICA_ID")
        .env_remove("KIMBERLITE_DATA_DIR")
        .env_remove("KIMBERLITE_BIND_ADDRESS")
        .env_remove("KIMBERLITE_CLIENT_ADDRESS")
        .stdin(Stdio::null())
        .spawn()
        .map_err(system)
}

impl Processes {
    /// Starts all of them.
    ///
    /// # Errors
    /// [`NodeError::System`].
    pub(super) fn start(files: &ClusterFiles) -> Result<Self, NodeError> {
        let children = files.replicas.iter().map(start);
        Ok(Self {
            children: children.collect::<Result<_, _>>()?,
        })
    }

    /// Their ids, in the order of the replicas; 0 for one that has ended.
    pub(super) fn ids(&self) -> Vec<u32> {
        let id = |child: &Child| child.id().unwrap_or(0);
        self.children.iter().map(id).collect()
    }

    /// Starts those again that end, for as long as it is waited for.
    ///
    /// # Errors
    /// [`NodeError::System`] when one cannot be started again.
    pub(super) async fn keep_running(&mut self, files: &ClusterFiles) -> Result<(), NodeError> {
        loop {
            let (which, status) = self.next_end().await;
            let Some(replica) = files.replicas.get(which) else {
                continue;
            };
            println!(
                "replica {} has ended ({status}); it is started again in {} s",
                replica.id,
                RESTART_AFTER.as_secs()
            );
            tokio::time::sleep(RESTART_AFTER).await;
            let child = start(replica)?;
            println!(
                "replica {} runs again, process {}",
                replica.id,
                child.id().unwrap_or(0)
            );
            if let Some(place) = self.children.get_mut(which) {
                *place = child;
            }
        }
    }

    /// Waits until one ends; says which, and how.
    async fn next_end(&mut self) -> (usize, String) {
        let ends =
            self.children.iter_mut().enumerate().map(|(which, child)| {
                Box::pin(async move { (which, describe(child.wait().await)) })
            });
        let (end, ..) = futures::future::select_all(ends).await;
        end
    }

    /// Asks all of them to stop, and waits for that.
    pub(super) async fn stop(self) {
        let mut ending = JoinSet::new();
        for mut child in self.children {
            terminate(&child);
            ending.spawn(async move {
                if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
                    // It hangs; what it has acknowledged is on the disk.
                    let _ = child.kill().await;
                }
            });
        }
        while ending.join_next().await.is_some() {}
    }
}

fn describe(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

fn terminate(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(id, Signal::TERM);
    }
}
