//! The replicated log of Kimberlite.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`core`](mod@core) | the log as a deterministic state machine around Raft |
//! | [`frame`] | what replicas say to each other, in bytes |
//! | [`members`] | who belongs to the cluster |
//! | [`node`] | a replica: the core, and the threads that do what it says |
//! | [`registry`] | what the log says of every replica there ever was |
//! | [`terms`] | which term each block is of |
//! | [`transport`] | the way to the other replicas |

mod block_entry;
pub mod core;
pub mod frame;
pub mod members;
pub mod node;
pub mod registry;
pub mod terms;
pub mod transport;

pub use block_entry::KeptBlock;
