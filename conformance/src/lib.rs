//! How close the server comes to PostgreSQL 15: the same text to both, answers
//! compared, and the score kept.
//!
//! [`script`] cuts psql scripts apart, [`wire`] speaks to the servers,
//! [`verdict`] compares two answers, [`differ`] runs a script on all sides.
//! [`parts`] are the collections that are measured, [`whole`] is a run of them,
//! [`scoreboard`] what passed before and has to pass again.

pub mod archives;
pub mod catalogue;
pub mod differ;
pub mod error;
pub mod history;
pub mod parts;
pub mod random;
pub mod ranges;
pub mod score;
pub mod scoreboard;
pub mod script;
pub mod servers;
pub mod table;
pub mod verdict;
pub mod whole;
pub mod wire;
