//! PostgreSQL's wire protocol, version 3: sockets on one side, sessions of
//! `kimberlite-sql` on the other.
//!
//! Byte layouts follow the PostgreSQL 15 manual, "Frontend/Backend Protocol".
//! The server side of SCRAM, the backend messages of the startup phase and the
//! protocol constants come from `pgwire`. What a client sends is decoded here
//! ([`frontend`]), because every count, length and string in it is untrusted:
//! a message shorter than it claims must be an error, never a panic, and text
//! that is not UTF-8 must be refused, never repaired.
//!
//! One connection is one task. It reads into one buffer, decodes messages where
//! they lie, and writes answers into one output buffer that leaves at `Sync`,
//! at `Flush`, at the end of a simple query, or when it is full; rows are
//! produced no faster than the client takes them.
//!
//! | Module | Concern |
//! |---|---|
//! | [`serve`] | accept loop, connection slots, shutdown, panics of a task |
//! | [`handshake`], [`startup`], [`scram`], [`tls`] | everything before `ReadyForQuery` |
//! | [`io`], [`input`] | sockets, framing, read-ahead while a statement runs |
//! | [`frontend`], [`reader`], [`backend`] | messages in and out |
//! | [`connection`], [`simple`], [`extended`], [`copy`] | the state machine |
//! | [`portals`] | prepared statements and portals, bounded |
//! | [`cancel`] | cancel keys |
//! | [`forward`] | sessions that the replica that leads serves for another one |

mod backend;
mod cancel;
mod config;
mod connection;
mod copy;
mod extended;
mod forward;
mod frontend;
mod handshake;
mod input;
mod io;
mod metrics;
mod portals;
mod reader;
mod scram;
mod serve;
mod simple;
mod startup;
mod tls;

pub use config::WireConfig;
pub use forward::{Asserted, BadAssertion, Duplex, Forwarder, wanted_by_default};
pub use metrics::WireMetrics;
pub use serve::{Sessions, WireServer};
pub use tls::TlsSettings;
