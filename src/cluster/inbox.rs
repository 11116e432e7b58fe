//! From the transport to the node.

use std::sync::{Arc, OnceLock};

use kimberlite_consensus::frame::Frame;
use kimberlite_consensus::node::Node;
use kimberlite_consensus::transport::{Inbox, Permit};

/// Brings frames to the node, once it runs. Before that nothing is listened to, as if the
/// replica were down.
pub(super) struct ToNode(pub(super) Arc<OnceLock<Arc<Node>>>);

impl Inbox for ToNode {
    fn deliver(&self, frame: Frame, permit: Permit) {
        if let Some(node) = self.0.get() {
            node.deliver(frame, Box::new(permit));
        }
    }

    fn unreachable(&self, peer: u64) {
        if let Some(node) = self.0.get() {
            node.unreachable(peer);
        }
    }
}
