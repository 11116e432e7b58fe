//! The relations that row expressions are about.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::super::bound::InMemory;
use super::super::plan::{MARK, TABLE_OID, typed_field};
use super::super::scan::with_origin;
use crate::catalog::{TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::types::PgType;

/// A relation whose rows expressions are evaluated for.
#[derive(Debug, Clone)]
pub(crate) struct RowRelation {
    /// The name that qualifies its columns.
    alias: String,
    columns: Vec<RowColumn>,
}

/// A column of such a relation.
#[derive(Debug, Clone)]
struct RowColumn {
    name: String,
    ty: PgType,
    /// Where the value is in a row.
    position: usize,
    /// Table and attribute number, where the column is of a table.
    origin: Option<(u32, u16)>,
}

impl RowRelation {
    /// Rows of a stored table, called `alias`: complete, by attribute.
    pub(crate) fn table(desc: &TableDescriptor, alias: &str) -> Self {
        let columns = desc.columns.iter().enumerate().filter(|(_, c)| !c.dropped);
        Self {
            alias: alias.to_owned(),
            columns: columns
                .map(|(position, column)| RowColumn {
                    name: column.name.clone(),
                    ty: column.ty,
                    position,
                    origin: Some((desc.oid, column.attnum)),
                })
                .collect(),
        }
    }

    /// Rows of the target of a change: those of the table, each followed by the table
    /// that it is in.
    pub(crate) fn target(desc: &TableDescriptor, alias: &str) -> Self {
        let mut relation = Self::table(desc, alias);
        if desc.column(TABLE_OID).is_none() {
            relation.columns.push(RowColumn {
                name: TABLE_OID.to_owned(),
                ty: PgType::Oid,
                position: desc.columns.len(),
                origin: None,
            });
        }
        relation
    }

    /// Rows of anything else: names and types of the columns, in order.
    #[allow(dead_code, reason = "rows of subqueries come next")]
    pub(crate) fn columns(
        alias: &str,
        columns: impl IntoIterator<Item = (String, PgType)>,
    ) -> Self {
        Self {
            alias: alias.to_owned(),
            columns: columns
                .into_iter()
                .enumerate()
                .map(|(position, (name, ty))| RowColumn {
                    name,
                    ty,
                    position,
                    origin: None,
                })
                .collect(),
        }
    }

    /// The name that qualifies its columns.
    pub(crate) fn alias(&self) -> &str {
        &self.alias
    }

    fn items(&self) -> impl Iterator<Item = SelectItem> {
        let named = self.columns.iter();
        // `*` does not stand for it.
        let named = named.filter(|column| column.name != TABLE_OID || column.origin.is_some());
        named.map(|column| {
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![
                Ident::with_quote('"', self.alias.clone()),
                Ident::with_quote('"', column.name.clone()),
            ]))
        })
    }
}

/// Qualifier and name of the column that numbers the rows.
pub(super) fn ordinal_column() -> (String, String) {
    (format!("{MARK}row"), format!("{MARK}ordinal"))
}

/// The name of the relation that all rows are read from.
const ROWS: &str = "\u{1f}rows";

/// All relations side by side as one, with a number for each row.
pub(super) fn side_by_side(relations: &[RowRelation]) -> InMemory {
    let mut fields = Vec::new();
    let mut called = Vec::new();
    for relation in relations {
        for column in &relation.columns {
            // Constraints on NULL may not hold yet when expressions are evaluated.
            let field = typed_field(&format!("c{}", fields.len()), column.ty, true);
            fields.push(match column.origin {
                Some((oid, attnum)) => with_origin(field, oid, attnum),
                None => field,
            });
            called.push((relation.alias.clone(), column.name.clone()));
        }
    }
    fields.push(Field::new("ordinal", DataType::Int64, true));
    called.push(ordinal_column());
    InMemory {
        name: ROWS.to_owned(),
        schema: Arc::new(Schema::new(fields)),
        called,
    }
}

/// `*` and `alias.*` as the columns that they stand for.
pub(super) fn expand(
    items: &[SelectItem],
    relations: &[RowRelation],
) -> Result<Vec<SelectItem>, SqlError> {
    let mut expanded = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Wildcard(options) if options.to_string().is_empty() => {
                expanded.extend(relations.iter().flat_map(RowRelation::items));
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) if options.to_string().is_empty() => {
                expanded.extend(qualified(name, relations)?.items());
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                return Err(SqlError::unsupported(format!("{item}")));
            }
            other => expanded.push(other.clone()),
        }
    }
    Ok(expanded)
}

fn qualified<'a>(
    name: &ObjectName,
    relations: &'a [RowRelation],
) -> Result<&'a RowRelation, SqlError> {
    let alias = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => fold_identifier(ident),
        _ => return Err(SqlError::unsupported(format!("{name}.*"))),
    };
    relations.iter().find(|r| r.alias == alias).ok_or_else(|| {
        SqlError::new(
            state::UNDEFINED_TABLE,
            format!("missing FROM-clause entry for table \"{alias}\""),
        )
    })
}

/// Which relation and position each column of [`side_by_side`] is of.
pub(super) fn positions(relations: &[RowRelation]) -> Vec<(usize, usize)> {
    let columns = relations.iter().enumerate();
    columns
        .flat_map(|(at, relation)| relation.columns.iter().map(move |c| (at, c.position)))
        .collect()
}

/// The columns by qualifier and name.
pub(super) fn by_name(bound: &InMemory) -> HashMap<(&str, &str), usize> {
    let names = bound.called.iter().enumerate();
    names
        .map(|(at, (qualifier, name))| ((qualifier.as_str(), name.as_str()), at))
        .collect()
}
