//! The relations that a change joins its target with: FROM of UPDATE, USING of
//! DELETE, the source of MERGE.
//!
//! Their columns come with each row that the change finds. RETURNING and the actions
//! of MERGE are computed from them, and so is the second look at a target row that
//! somebody changed meanwhile: it is joined only with the rows it was joined with.

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, Statement, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::planning::Parameters;
use super::target::Planning;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::RowRelation;
use crate::types::{Datum, PgType};

/// Other relations of a change, with their columns.
#[derive(Debug, Default)]
pub(crate) struct Others {
    relations: Vec<Other>,
}

#[derive(Debug)]
struct Other {
    alias: String,
    columns: Vec<(String, PgType)>,
}

impl Others {
    /// Finds out the columns of everything in `from`.
    ///
    /// # Errors
    /// What planning a query over `from` reports; 42712 for a name that is used twice.
    pub(crate) fn of(
        from: &[TableWithJoins],
        target: &str,
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Self, SqlError> {
        let mut aliases = Vec::new();
        for table in from {
            add_aliases(table, &mut aliases)?;
        }
        let mut relations = Vec::with_capacity(aliases.len());
        for (at, alias) in aliases.iter().enumerate() {
            let before = aliases.iter().take(at);
            if alias == target || before.into_iter().any(|other| other == alias) {
                return Err(SqlError::new(
                    state::DUPLICATE_ALIAS,
                    format!("table name \"{alias}\" specified more than once"),
                ));
            }
            let planned = planning.query(&star_of(alias, from)?, parameters)?;
            let mut columns: Vec<(String, PgType)> = Vec::new();
            for column in planned.columns() {
                // Of a name that is there twice no expression can speak.
                let twice = |c: &&crate::query::OutputColumn| c.name == column.name;
                if planned.columns().iter().filter(twice).count() == 1 {
                    columns.push((column.name.clone(), column.pg_type));
                }
            }
            relations.push(Other {
                alias: alias.clone(),
                columns,
            });
        }
        Ok(Self { relations })
    }

    /// All columns, to be selected beside others.
    pub(crate) fn items(&self) -> impl Iterator<Item = Expr> + '_ {
        self.relations.iter().flat_map(|other| {
            other.columns.iter().map(|(name, _)| {
                Expr::CompoundIdentifier(vec![
                    Ident::with_quote('"', other.alias.clone()),
                    Ident::with_quote('"', name.clone()),
                ])
            })
        })
    }

    /// The relations, for expressions over their rows.
    pub(crate) fn relations(&self) -> impl Iterator<Item = RowRelation> + '_ {
        self.relations
            .iter()
            .map(|other| RowRelation::columns(&other.alias, other.columns.iter().cloned()))
    }

    /// The values of [`Self::items`] as a row of each relation.
    pub(crate) fn rows(&self, values: Vec<Datum>) -> Vec<Vec<Datum>> {
        let mut values = values.into_iter();
        self.relations
            .iter()
            .map(|other| values.by_ref().take(other.columns.len()).collect())
            .collect()
    }
}

/// A target row followed by the rows it was joined with.
pub(crate) fn joined<'a>(target: &'a [Datum], others: &'a [Vec<Datum>]) -> Vec<&'a [Datum]> {
    std::iter::once(target)
        .chain(others.iter().map(Vec::as_slice))
        .collect()
}

/// A SELECT to fill in.
///
/// # Errors
/// XX000, which does not happen.
pub(crate) fn empty_select() -> Result<Query, SqlError> {
    match crate::session::parse_statement("SELECT 1")? {
        Statement::Query(query) => Ok(*query),
        _ => Err(SqlError::internal("SELECT is no query")),
    }
}

/// `SELECT alias.* FROM from`.
fn star_of(alias: &str, from: &[TableWithJoins]) -> Result<Query, SqlError> {
    let mut query = empty_select()?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        let name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote(
            '"', alias,
        ))]);
        select.projection = vec![SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            WildcardAdditionalOptions::default(),
        )];
        select.from = from.to_vec();
    }
    Ok(query)
}

fn add_aliases(table: &TableWithJoins, aliases: &mut Vec<String>) -> Result<(), SqlError> {
    add_alias(&table.relation, aliases)?;
    table
        .joins
        .iter()
        .try_for_each(|join| add_alias(&join.relation, aliases))
}

fn add_alias(factor: &TableFactor, aliases: &mut Vec<String>) -> Result<(), SqlError> {
    let named = |alias: &TableAlias| fold_identifier(&alias.name);
    let last = |name: &ObjectName| {
        let last = name.0.last().and_then(ObjectNamePart::as_ident);
        last.map(fold_identifier).unwrap_or_default()
    };
    aliases.push(match factor {
        TableFactor::Table { alias: Some(a), .. }
        | TableFactor::Derived { alias: Some(a), .. }
        | TableFactor::Function { alias: Some(a), .. }
        | TableFactor::UNNEST { alias: Some(a), .. }
        | TableFactor::NestedJoin { alias: Some(a), .. } => named(a),
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => last(name),
        TableFactor::UNNEST { .. } => "unnest".to_owned(),
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => return add_aliases(table_with_joins, aliases),
        TableFactor::Derived { .. } => {
            return Err(
                SqlError::new(state::SYNTAX_ERROR, "subquery in FROM must have an alias")
                    .hint("For example, FROM (SELECT ...) [AS] foo."),
            );
        }
        other => {
            return Err(SqlError::unsupported(format!(
                "a change joined with {other}"
            )));
        }
    });
    Ok(())
}
