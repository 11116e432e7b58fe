//! A small client of PostgreSQL's protocol.
//!
//! Drivers keep back what is compared here: command tags, notices between
//! results, the names and types of columns without rows, COPY inside a simple
//! query. So messages are read as they come.

mod answer;
mod client;
mod login;

pub use answer::{Answer, Column, Outcome, Report, ResultSet};
pub use client::Client;
pub use login::Settings;
