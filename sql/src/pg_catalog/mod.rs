//! The system catalogs that clients read: `pg_catalog` and `information_schema`.
//!
//! Nothing here is stored. A [`Relation`] says which columns PostgreSQL 15 gives
//! a system table or view; [`rows`] computes its rows from the [`Catalog`] of the
//! statement and from the session. A relation about things that do not exist
//! here (triggers, policies, publications, …) is there and empty.

mod access;
mod activity;
mod attribute;
mod class;
mod cluster;
mod comment;
mod constraint;
mod definition;
mod expression;
mod facts;
mod foreign_key;
mod index;
mod information_schema;
mod lookup;
mod names;
mod namespace;
mod operator;
mod partition;
mod procedure;
mod relation;
pub(crate) mod routine;
mod sequence;
mod settings;
mod types;
mod user_type;
mod view;

pub(crate) use cluster::OWN_DATABASE;
pub(crate) use comment::description;
pub(crate) use definition::{
    constraint_definition, index_column, index_definition, shown_expression,
};
pub(crate) use facts::{Facts, Object};
pub(crate) use lookup::{
    namespace_name, namespace_oid, procedure_name, procedure_oid, qualified, relation_name,
    relation_oid, role_name, role_oid, type_name, type_oid,
};
pub(crate) use partition::{
    edges_text, partition_constraint, partition_key, partition_key_columns,
};
pub(crate) use relation::{Relation, find};
pub(crate) use view::view_definition;

use crate::types::Datum;

/// A row: values of the columns that have one. The others have the default of
/// [`Relation::value_or_default`].
pub(crate) type Row = Vec<(&'static str, Datum)>;

type Rows = fn(&Facts<'_>) -> Vec<Row>;

/// The relations that can have rows.
const FILLED: [(&str, Rows); 51] = [
    ("pg_namespace", namespace::pg_namespace),
    ("pg_class", class::pg_class),
    ("pg_tables", class::pg_tables),
    ("pg_views", view::pg_views),
    ("pg_attribute", attribute::pg_attribute),
    ("pg_attrdef", attribute::pg_attrdef),
    ("pg_inherits", partition::pg_inherits),
    ("pg_partitioned_table", partition::pg_partitioned_table),
    ("pg_type", types::pg_type),
    ("pg_enum", user_type::pg_enum),
    ("domains", user_type::domains),
    ("pg_description", comment::pg_description),
    ("pg_shdescription", comment::pg_shdescription),
    ("pg_matviews", view::pg_matviews),
    ("pg_index", index::pg_index),
    ("pg_indexes", index::pg_indexes),
    ("pg_constraint", constraint::pg_constraint),
    ("pg_depend", constraint::pg_depend),
    ("pg_database", cluster::pg_database),
    ("pg_tablespace", cluster::pg_tablespace),
    ("pg_roles", cluster::pg_roles),
    ("pg_authid", cluster::pg_authid),
    ("pg_user", cluster::pg_user),
    ("pg_settings", settings::pg_settings),
    ("pg_cursors", names::pg_cursors),
    ("pg_prepared_statements", names::pg_prepared_statements),
    ("pg_locks", activity::pg_locks),
    ("pg_stat_activity", activity::pg_stat_activity),
    ("pg_am", access::pg_am),
    ("pg_opclass", access::pg_opclass),
    ("pg_collation", access::pg_collation),
    ("pg_language", access::pg_language),
    ("pg_operator", operator::pg_operator),
    ("pg_proc", procedure::pg_proc),
    ("tables", information_schema::tables),
    ("views", view::views),
    ("pg_sequence", sequence::pg_sequence),
    ("pg_sequences", sequence::pg_sequences),
    ("sequences", sequence::sequences),
    ("columns", information_schema::columns),
    ("schemata", information_schema::schemata),
    ("table_constraints", information_schema::table_constraints),
    ("key_column_usage", information_schema::key_column_usage),
    (
        "constraint_column_usage",
        information_schema::constraint_column_usage,
    ),
    (
        "referential_constraints",
        information_schema::referential_constraints,
    ),
    ("check_constraints", information_schema::check_constraints),
    ("enabled_roles", information_schema::enabled_roles),
    ("character_sets", information_schema::character_sets),
    ("table_privileges", information_schema::table_privileges),
    ("column_privileges", information_schema::column_privileges),
    ("element_types", information_schema::element_types),
];

fn filler(relation: &Relation) -> Option<Rows> {
    FILLED
        .iter()
        .find(|(name, _)| *name == relation.name)
        .map(|(_, rows)| *rows)
}

/// Whether the relation never has rows.
pub(crate) fn is_always_empty(relation: &Relation) -> bool {
    filler(relation).is_none()
}

/// The rows of a relation.
pub(crate) fn rows(relation: &Relation, facts: &Facts<'_>) -> Vec<Row> {
    filler(relation).map_or_else(Vec::new, |rows| rows(facts))
}
