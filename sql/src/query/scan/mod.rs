//! Reading stored tables: which keys to read, and the plan node that reads them.
//!
//! A filter on the leading columns of the primary key or of an index becomes
//! ranges of keys ([`key_bounds`], [`access`]); [`table`] is what DataFusion
//! plans with, [`exec`] what it runs, [`chunk`] and [`kept`] read rows and columns
//! kept in memory. A table with partitions or heirs is read as its members, those left
//! out that cannot have a row ([`members`], [`append`]). Filters are always evaluated again above
//! the scan: bounds only leave rows out, they never decide that a row belongs.

mod access;
mod append;
mod batch;
mod chunk;
mod cut;
mod exec;
mod kept;
mod key_bounds;
mod members;
mod table;

pub(super) use table::{
    StoredTable, hidden_fields, is_hidden_column, origin, origin_metadata, with_origin,
};
