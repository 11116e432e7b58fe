//! A cluster in one thread, under one seed, with a network and disks that fail.
//!
//! The replicas run the very [`Core`](kimberlite_consensus::core::Core) that the server
//! runs. Time is a number, frames and writes wait in a heap until they are due, and every
//! choice comes from one seed: the same seed gives the same run, which the hash of its
//! trace shows.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`random`] | the seed's choices |
//! | [`disk`] | what is durable of a replica, and what a crash leaves of it |
//! | [`replica`] | a core with its disk and its projection |
//! | [`world`] | replicas, network and clients over time |
//! | [`check`] | what must hold after every step |
//! | [`scenario`] | named mixes of faults, and promises broken on purpose |
//! | [`table`] | scenarios and results as lines for people |

pub mod check;
pub mod disk;
pub mod random;
pub mod replica;
pub mod scenario;
pub mod table;
pub mod world;
