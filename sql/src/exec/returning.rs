//! RETURNING: columns of the changed rows, or expressions over them.

use sqlparser::ast::{Expr, SelectItem, SelectItemQualifiedWildcardKind};

use super::planning::Parameters;
use super::table::TableInfo;
use super::target::{Planning, column};
use crate::catalog::fold_identifier;
use crate::error::SqlError;
use crate::query::{Place, PlannedExpressions, RowRelation};
use crate::session::FieldDescription;

/// What is returned of each changed row.
#[derive(Debug, Clone)]
pub(crate) enum Returning {
    /// Columns of the table, by `attnum`, with their output names.
    Columns(Vec<(u16, String)>),
    /// Anything else.
    Expressions(PlannedExpressions),
}

impl Returning {
    /// Reads a RETURNING list. The first of `relations` is the target, others are
    /// those it is changed with; whether the target is a view comes with them.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the list.
    pub(crate) fn plan(
        items: Option<&[SelectItem]>,
        table: &TableInfo,
        (relations, through_view): (&[RowRelation], bool),
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Option<Self>, SqlError> {
        let Some(items) = items else {
            return Ok(None);
        };
        if let ([target], false) = (relations, through_view)
            && let Some(plain) = Self::plain(items, table, target.alias())
        {
            return Ok(Some(plain));
        }
        let planned = planning.items(items, relations, Place::Returning, parameters)?;
        Ok(Some(Self::Expressions(planned)))
    }

    /// A list of nothing but columns of the target; `alias` is the name it goes by.
    pub(crate) fn plain(items: &[SelectItem], table: &TableInfo, alias: &str) -> Option<Self> {
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::Wildcard(options) if options.to_string().is_empty() => {
                    add_all(table, &mut columns);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) if name.to_string() == alias && options.to_string().is_empty() => {
                    add_all(table, &mut columns);
                }
                SelectItem::UnnamedExpr(expr) => {
                    let (attnum, name) = plain_column(expr, table, alias)?;
                    columns.push((attnum, name));
                }
                SelectItem::ExprWithAlias { expr, alias: name } => {
                    let (attnum, _) = plain_column(expr, table, alias)?;
                    columns.push((attnum, fold_identifier(name)));
                }
                _ => return None,
            }
        }
        Some(Self::Columns(columns))
    }

    /// The columns of the result; formats are filled in later.
    ///
    /// # Errors
    /// XX000 when a column is not there.
    pub(crate) fn fields(&self, table: &TableInfo) -> Result<Vec<FieldDescription>, SqlError> {
        match self {
            Self::Expressions(planned) => Ok(planned
                .columns()
                .iter()
                .map(FieldDescription::from)
                .collect()),
            Self::Columns(columns) => columns
                .iter()
                .map(|(attnum, name)| {
                    let ty = column(table, *attnum)?.ty;
                    Ok(FieldDescription::new(
                        name.clone(),
                        ty,
                        table.desc.oid,
                        i16::try_from(*attnum).unwrap_or(0),
                    ))
                })
                .collect(),
        }
    }

    /// Whether it takes a run to evaluate.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, Self::Expressions(_))
    }

    /// The stored tables that subqueries read.
    pub(crate) fn tables(&self) -> &[u32] {
        match self {
            Self::Columns(_) => &[],
            Self::Expressions(planned) => planned.tables(),
        }
    }
}

fn add_all(table: &TableInfo, columns: &mut Vec<(u16, String)>) {
    let live = table.desc.live_columns();
    columns.extend(live.map(|c| (c.attnum, c.name.clone())));
}

fn plain_column(expr: &Expr, table: &TableInfo, alias: &str) -> Option<(u16, String)> {
    let name = match expr {
        Expr::Identifier(ident) => fold_identifier(ident),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [qualifier, name] if fold_identifier(qualifier) == alias => fold_identifier(name),
            _ => return None,
        },
        _ => return None,
    };
    let column = table.desc.column(&name)?;
    Some((column.attnum, column.name.clone()))
}
