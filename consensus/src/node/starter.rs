//! How a store gets its node.

use std::sync::{Arc, OnceLock};

use kimberlite_storage::superblock::Superblock;
use kimberlite_storage::{
    ChainHead, Founding, Replica, ReplicaParts, Result, StartReplica, StorageError,
};

use super::{NoPeers, Node, NodeParts, Outbox, Pace, start};
use crate::core::BLOCK_EVENTS_MAX;

/// A replica that is alone: a cluster of one voter, without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl StartReplica for Alone {
    fn founding(&self) -> Option<Founding> {
        None
    }

    fn committed(&self, superblock: &Superblock, head: &ChainHead, projected: u64) -> Result<u64> {
        start::committed(superblock, head, projected)
    }

    fn start(self: Box<Self>, replica: ReplicaParts) -> Result<Arc<dyn Replica>> {
        let node = Node::start(NodeParts {
            replica,
            outbox: Arc::new(NoPeers),
            pace: Pace::default(),
            batch_max: BLOCK_EVENTS_MAX,
            rests: false,
        })?;
        Ok(Arc::new(node))
    }
}

/// A replica that has peers, or is going to.
pub struct Member {
    /// The way to the other replicas.
    pub outbox: Arc<dyn Outbox>,
    /// How often things happen.
    pub pace: Pace,
    /// Most transactions in one block.
    pub batch_max: usize,
    /// Whether it keeps out of the cluster from the start.
    pub rests: bool,
    /// The identity for an empty data directory; `None` founds a cluster.
    pub founding: Option<Founding>,
    /// Gets the node when it runs, for those who bring frames to it.
    pub node: Arc<OnceLock<Arc<Node>>>,
}

impl StartReplica for Member {
    fn founding(&self) -> Option<Founding> {
        self.founding.clone()
    }

    fn committed(&self, superblock: &Superblock, head: &ChainHead, projected: u64) -> Result<u64> {
        start::committed(superblock, head, projected)
    }

    fn start(self: Box<Self>, replica: ReplicaParts) -> Result<Arc<dyn Replica>> {
        let node = Arc::new(Node::start(NodeParts {
            replica,
            outbox: self.outbox,
            pace: self.pace,
            batch_max: self.batch_max,
            rests: self.rests,
        })?);
        if self.node.set(Arc::clone(&node)).is_err() {
            let twice = "a replica was started twice".to_owned();
            return Err(StorageError::Closed(twice));
        }
        Ok(node)
    }
}
