//! Kept queries and expressions as PostgreSQL shows them.
//!
//! PostgreSQL keeps a view as the analysed query and writes that out again: every
//! column with its relation, every constant with its type, every operator in
//! parentheses unless these are asked to be few. Here the kept text is analysed
//! ([`resolve`]) into a tree ([`tree`]), relations and columns are given the names
//! that they have now ([`names`]), and the tree is written with PostgreSQL's line
//! breaks ([`print`]). What is not known well enough to be sure of makes the whole
//! text [`Unsure`]: callers then show what was written.

mod names;
mod print;
mod resolve;
mod tree;

use crate::catalog::{BoundQuery, TableDescriptor};
use crate::pg_catalog::Facts;
use crate::types::PgType;

/// Why there is no text: what is not known well enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsure(pub(crate) &'static str);

/// What there is, unless that is not sure.
type Sure<T> = Result<T, Unsure>;

/// How a text is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Whether parentheses that nobody needs are left out.
    pub(crate) pretty: bool,
    /// How many characters of a line may be used before the next item of a list gets
    /// a line of its own.
    pub(crate) width: usize,
}

/// The text of a view whose columns are now called `columns`, up to the semicolon.
pub(crate) fn view_text(
    facts: &Facts<'_>,
    query: &BoundQuery,
    columns: &[String],
    layout: Layout,
) -> Result<String, Unsure> {
    let ast = crate::session::parse_query(&query.text).map_err(|_| Unsure("text"))?;
    let tree = resolve::view(facts, query, &ast)?;
    print::view(facts, &tree, columns, layout)
}

/// The text of an expression over the columns of a table, such as that of a CHECK
/// constraint.
pub(crate) fn expression_text(
    facts: &Facts<'_>,
    table: &TableDescriptor,
    text: &str,
    layout: Layout,
) -> Result<String, Unsure> {
    let ast = crate::session::parse_expression(text).map_err(|_| Unsure("text"))?;
    let (query, node) = resolve::expression(facts, Some(table), None, &ast)?;
    print::expression(facts, &query, &node, layout)
}

/// The text of the default of a column of type `ty`.
pub(crate) fn default_text(facts: &Facts<'_>, ty: PgType, text: &str) -> Result<String, Unsure> {
    let layout = Layout {
        pretty: false,
        width: 0,
    };
    let ast = crate::session::parse_expression(text).map_err(|_| Unsure("text"))?;
    let (query, node) = resolve::expression(facts, None, Some(ty), &ast)?;
    print::expression(facts, &query, &node, layout)
}
