//! SQL over Kimberlite's projections: catalog, sessions, planning, execution.

pub mod error;
pub mod types;
