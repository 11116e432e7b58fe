//! Passing clients' sessions on to the replica that leads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kimberlite_consensus::members::Role;
use kimberlite_consensus::transport::SessionStream;
use kimberlite_storage::CommitLog as _;

use super::messages::Request;
use super::shared::{ANSWER_MAX, Shared};
use crate::wire::{Asserted, Duplex, Forwarder, wanted_by_default};

/// How long a client waits for a leader while there is none.
const LEADER_MAX: Duration = Duration::from_secs(10);

/// Pause before another try.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes on their way between two ends in this process.
const PIPE_BYTES: usize = 64 << 10;

/// The way of sessions to the replica that leads.
pub(super) struct ToLeader(pub(super) Arc<Shared>);

impl ToLeader {
    fn leader(&self) -> u64 {
        let node = self.0.node();
        node.map_or(0, |node| node.status().leadership.leader)
    }

    /// A stream to whoever leads now.
    async fn try_open(&self) -> Result<Box<dyn Duplex>, String> {
        let leader = self.leader();
        if leader == self.0.me && self.0.node().is_some_and(|node| node.epoch().is_some()) {
            return self.open_here();
        }
        if leader == 0 || leader == self.0.me {
            return Err("no majority of the replicas answers, so nobody leads".to_owned());
        }
        let transport = self.0.transport().ok_or("there is no replication port")?;
        let stream = transport.open_session(leader).await;
        let stream: SessionStream = stream.map_err(|e| e.to_string())?;
        Ok(Box::new(self.0.hangs.watch(leader, stream)))
    }

    /// This replica has come to lead since the client was let in.
    fn open_here(&self) -> Result<Box<dyn Duplex>, String> {
        let sessions = self.0.sessions.lock().clone();
        let sessions = sessions.ok_or("clients are not served yet")?;
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        sessions.serve_forwarded(Box::new(theirs), "this replica");
        Ok(Box::new(ours))
    }
}

#[async_trait]
impl Forwarder for ToLeader {
    fn wanted(&self, session: &Asserted) -> bool {
        let shared = &self.0;
        let Some(node) = shared.node() else {
            return false;
        };
        let leads = node.epoch().is_some();
        let standby = node.status().members.role(shared.me) == Role::Standby;
        wanted_by_default(session, leads, shared.config.forward_writes, standby)
    }

    async fn open(&self) -> Result<Box<dyn Duplex>, String> {
        let began = Instant::now();
        loop {
            match self.try_open().await {
                Err(reason) if began.elapsed() > LEADER_MAX => return Err(reason),
                // Another one will lead in a moment.
                Err(_) => tokio::time::sleep(PAUSE).await,
                opened => return opened,
            }
        }
    }

    async fn cancel(&self, process_id: i32, secret: &[u8]) {
        let leader = self.leader();
        if leader == 0 || leader == self.0.me {
            return;
        }
        let request = Request::Cancel {
            process_id,
            secret: secret.to_vec(),
        };
        // As in PostgreSQL, nobody is told whether a cancel request did anything.
        if let Err(error) = self.0.ask(leader, &request, ANSWER_MAX).await {
            tracing::debug!(error, "a cancel request was lost");
        }
    }
}
