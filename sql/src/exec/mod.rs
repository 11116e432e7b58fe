//! Execution of everything that is not a plain SELECT: writes, DDL, COPY, and
//! the fast path for statements that name one row.

pub(crate) mod assign;
pub(crate) mod assignments;
pub(crate) mod change;
pub(crate) mod checks;
pub(crate) mod ddl;
pub(crate) mod domain;
pub(crate) mod expr;
pub(crate) mod family;
pub(crate) mod fast;
pub(crate) mod foreign_key;
pub(crate) mod given;
pub(crate) mod index_entry;
pub(crate) mod insert;
pub(crate) mod key_value;
pub(crate) mod keys;
pub(crate) mod literal;
pub(crate) mod locked_parts;
pub(crate) mod merge;
pub(crate) mod object_name;
pub(crate) mod others;
pub(crate) mod planning;
pub(crate) mod returned;
pub(crate) mod returning;
pub(crate) mod row_values;
pub(crate) mod rules;
pub(crate) mod sequence_column;
pub(crate) mod sequence_name;
pub(crate) mod table;
pub(crate) mod target;
pub(crate) mod upsert;
pub(crate) mod with;
pub(crate) mod write;
pub(crate) mod write_plan;
