//! Tests of the projection as a whole, on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod applying;
mod bulk;
mod crash;
mod encryption;
mod fixture;
mod model;
mod reads;
