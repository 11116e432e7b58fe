//! Statements that change the rows of several tables: a partitioned table's leaves,
//! a table and those that inherit from it.
//!
//! A statement names one table, its target, and is planned over the columns that it
//! has. Each of its rows is in a member: the target itself or a table below it, with
//! an order of columns and columns of its own ([`Member`]). A new row of a partitioned
//! table goes to the leaf that takes it ([`Router`]).

mod hash;
pub(crate) mod inherited;
mod member;
mod move_row;
mod route;

pub(crate) use hash::supports as can_hash;
pub(crate) use member::Member;
pub(crate) use move_row::Replaced;
pub(crate) use route::Router;

use std::collections::HashMap;
use std::sync::Arc;

/// What a statement has found out about its tables.
#[derive(Debug, Default)]
pub(crate) struct Families {
    /// By target and member.
    members: HashMap<(u32, u32), Arc<Member>>,
    /// By partitioned table.
    routers: HashMap<u32, Arc<Router>>,
}
