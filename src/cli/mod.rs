//! The command lines of `kimberlite` (the server) and `kimberlite-cli` (the
//! tools), and what their commands do.

mod cluster;
mod init;
mod inspect;
mod keys;
pub mod node;
mod output;
mod password;
mod progress;
mod projection;
mod status;
pub mod tool;
mod verify;

pub(crate) use init::create as create_store;
