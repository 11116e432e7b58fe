//! `pg_description` and `pg_shdescription`: what COMMENT ON said.

use super::{Facts, Row};
use crate::catalog::{CommentDescriptor, PG_AUTHID, PG_DATABASE};
use crate::types::Datum;

/// Objects that all databases of a server share.
fn is_shared(comment: &CommentDescriptor) -> bool {
    matches!(comment.class, PG_AUTHID | PG_DATABASE)
}

fn row(comment: &CommentDescriptor) -> Row {
    vec![
        ("objoid", Datum::Oid(comment.object)),
        ("classoid", Datum::Oid(comment.class)),
        ("objsubid", Datum::Int4(i32::from(comment.column))),
        ("description", Datum::text(comment.text.as_str())),
    ]
}

/// Comments on the objects of the database.
pub(super) fn pg_description(facts: &Facts<'_>) -> Vec<Row> {
    let comments = facts.catalog.comments().filter(|c| !is_shared(c));
    comments.map(|c| row(c)).collect()
}

/// Comments on roles and on the database itself.
pub(super) fn pg_shdescription(facts: &Facts<'_>) -> Vec<Row> {
    let comments = facts.catalog.comments().filter(|c| is_shared(c));
    comments.map(|c| row(c)).collect()
}

/// What `obj_description` and its kin give: the comment on an object that a system
/// catalog of that name lists, or that any does.
pub(crate) fn description(
    facts: &Facts<'_>,
    class: Option<&str>,
    object: u32,
    column: u16,
) -> Option<String> {
    let relations = super::relation::all().iter();
    let class = match class {
        None => None,
        Some(name) => Some(relations.clone().find(|r| r.name == name)?.oid),
    };
    let mut comments = facts.catalog.comments();
    comments
        .find(|c| {
            c.object == object && c.column == column && class.is_none_or(|class| class == c.class)
        })
        .map(|c| c.text.clone())
}
