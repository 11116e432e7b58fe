//! What this replica answers others.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kimberlite_consensus::members::replica_of;
use kimberlite_consensus::transport::{Caller, Handler, SessionStream};

use super::admin;
use super::join;
use super::messages::{Answer, Request};
use super::shared::Shared;

/// Answers peers.
pub(super) struct Answers(pub(super) Arc<Shared>);

#[async_trait]
impl Handler for Answers {
    async fn request(&self, caller: Caller, request: Bytes) -> Bytes {
        let answer = match serde_json::from_slice(&request) {
            Ok(request) => answer(&self.0, caller, request).await,
            Err(_) => Answer::Unknown,
        };
        answer.to_bytes()
    }

    async fn session(&self, caller: Caller, stream: SessionStream) {
        // Before clients are served there is nobody to serve this one.
        let sessions = self.0.sessions.lock().clone();
        if let Some(sessions) = sessions {
            let via = format!("replica {}", replica_of(caller.replica));
            sessions.serve_forwarded(Box::new(stream), via);
        }
    }
}

async fn answer(shared: &Arc<Shared>, caller: Caller, request: Request) -> Answer {
    match request {
        Request::Join(asked) => join::answer(shared, caller.replica, asked).await,
        // Whoever belongs to nothing is told nothing.
        _ if caller.identity.is_none() => {
            Answer::Refused("only members of the cluster may ask that".to_owned())
        }
        Request::Report => Answer::Report(Box::new(shared.own_report().await)),
        Request::Order { order, operator } => {
            match Box::pin(admin::here(shared, order, &operator)).await {
                Ok(value) => Answer::Done(value),
                Err(reason) => Answer::Failed(reason),
            }
        }
        Request::Cancel { process_id, secret } => {
            let sessions = shared.sessions.lock().clone();
            let found = sessions.is_some_and(|s| s.cancel(process_id, &secret));
            Answer::Done(found.into())
        }
    }
}
