//! The parts of a run, each measured by a collection of its own.

pub mod isolation;
pub mod logic;
pub mod random;
pub mod regress;
