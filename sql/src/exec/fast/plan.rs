//! Which statements name one row by its primary key.

use std::sync::Arc;

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, GroupByExpr, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, Update,
};

use super::super::expr::{ScalarExpr, Scope, compile};
use super::super::returning::Returning;
use super::super::table::TableInfo;
use super::super::target::{Planning, column, simple_name};
use super::{FastAction, FastPlan, KeyPart};
use crate::catalog::fold_identifier;
use crate::error::SqlError;
use crate::types::PgType;

type Planned = Result<Option<FastPlan>, SqlError>;

/// Tries a SELECT.
///
/// # Errors
/// Literal errors that the statement has in any plan.
pub(crate) fn plan_select(
    query: &Query,
    planning: &Planning,
    parameters: &mut Vec<Option<PgType>>,
) -> Planned {
    let Some(select) = plain_select(query) else {
        return Ok(None);
    };
    let [relation] = select.from.as_slice() else {
        return Ok(None);
    };
    let Some((table, alias)) = plain_table(relation, planning) else {
        return Ok(None);
    };
    let mut columns = Vec::with_capacity(select.projection.len());
    for item in &select.projection {
        if !add_item(item, &table, &alias, &mut columns) {
            return Ok(None);
        }
    }
    let Some(key) = plan_key(select.selection.as_ref(), &table, &alias, parameters)? else {
        return Ok(None);
    };
    Ok(Some(FastPlan {
        table,
        key,
        action: FastAction::Select(columns),
    }))
}

/// A SELECT with nothing but columns, one relation and WHERE.
fn plain_select(query: &Query) -> Option<&Select> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty();
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers)
        if by.is_empty() && modifiers.is_empty());
    let plain = ungrouped
        && select.distinct.is_none()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.having.is_none()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none();
    (bare && plain).then_some(select)
}

/// A stored table with a primary key, and the name it goes by.
fn plain_table(relation: &TableWithJoins, planning: &Planning) -> Option<(Arc<TableInfo>, String)> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = &relation.relation
    else {
        return None;
    };
    let plain = relation.joins.is_empty()
        && with_hints.is_empty()
        && partitions.is_empty()
        && index_hints.is_empty()
        && alias.as_ref().is_none_or(|a| a.columns.is_empty());
    if !plain {
        return None;
    }
    let table = planning.table(name).ok()?;
    let alone = !table.desc.is_partitioned() && !planning.catalog.has_children(table.desc.oid);
    if table.desc.has_row_number() || !alone {
        return None;
    }
    let alias = match alias {
        Some(alias) => fold_identifier(&alias.name),
        None => table.desc.name.clone(),
    };
    Some((table, alias))
}

fn add_item(
    item: &SelectItem,
    table: &TableInfo,
    alias: &str,
    columns: &mut Vec<(u16, String)>,
) -> bool {
    let (expr, name) = match item {
        SelectItem::Wildcard(options) if options.to_string().is_empty() => {
            columns.extend(
                table
                    .desc
                    .live_columns()
                    .map(|c| (c.attnum, c.name.clone())),
            );
            return true;
        }
        SelectItem::UnnamedExpr(expr) => (expr, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(fold_identifier(alias))),
        _ => return false,
    };
    let Some(found) = column_name(expr, alias).and_then(|n| table.desc.column(&n)) else {
        return false;
    };
    columns.push((found.attnum, name.unwrap_or_else(|| found.name.clone())));
    true
}

/// The column that an expression plainly names.
fn column_name(expr: &Expr, alias: &str) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(fold_identifier(ident)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [qualifier, name] if fold_identifier(qualifier) == alias => Some(fold_identifier(name)),
            _ => None,
        },
        Expr::Nested(inner) => column_name(inner, alias),
        _ => None,
    }
}

/// Expressions for the whole primary key, if WHERE is exactly an equality for
/// each of its columns.
fn plan_key(
    selection: Option<&Expr>,
    table: &TableInfo,
    alias: &str,
    parameters: &mut Vec<Option<PgType>>,
) -> Result<Option<Vec<KeyPart>>, SqlError> {
    let mut terms = Vec::new();
    let Some(selection) = selection else {
        return Ok(None);
    };
    conjuncts(selection, &mut terms);
    if terms.len() != table.desc.primary_key.len() {
        return Ok(None);
    }
    let mut key = Vec::with_capacity(terms.len());
    for attnum in &table.desc.primary_key {
        let target = column(table, *attnum)?;
        let value = terms
            .iter()
            .find_map(|term| equal_to(term, &target.name, alias));
        let Some(value) = value else {
            return Ok(None);
        };
        let mut scope = Scope {
            table: None,
            other: None,
            parameters,
        };
        let Some((expr, ty)) = compile(value, &mut scope, Some(target.ty))? else {
            return Ok(None);
        };
        if !comparable(ty, target.ty) {
            return Ok(None);
        }
        key.push(KeyPart {
            expr,
            ty: target.ty,
        });
    }
    Ok(Some(key))
}

fn conjuncts<'a>(expr: &'a Expr, out: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        Expr::Nested(inner) => conjuncts(inner, out),
        other => out.push(other),
    }
}

/// The other side of `name = …`.
fn equal_to<'a>(term: &'a Expr, name: &str, alias: &str) -> Option<&'a Expr> {
    let Expr::BinaryOp {
        left,
        op: BinaryOperator::Eq,
        right,
    } = term
    else {
        return None;
    };
    if column_name(left, alias).as_deref() == Some(name) {
        return Some(right);
    }
    (column_name(right, alias).as_deref() == Some(name)).then_some(left)
}

/// Whether comparing a value of type `from` with a key column of type `to`
/// means converting the value and comparing keys.
fn comparable(from: PgType, to: PgType) -> bool {
    let integer = |t| matches!(t, PgType::Int2 | PgType::Int4 | PgType::Int8);
    let text = |t: PgType| matches!(t, PgType::Text | PgType::Varchar(_));
    from.oid() == to.oid()
        || from == PgType::Unknown
        || (integer(from) && integer(to))
        || (text(from) && text(to))
}

/// Tries an UPDATE.
///
/// # Errors
/// Literal errors that the statement has in any plan.
pub(crate) fn plan_update(
    update: &Update,
    planning: &Planning,
    parameters: &mut Vec<Option<PgType>>,
) -> Planned {
    let plain = update.from.is_none()
        && update.or.is_none()
        && update.output.is_none()
        && update.order_by.is_empty()
        && update.limit.is_none();
    if !plain {
        return Ok(None);
    }
    let Some((table, alias)) = plain_table(&update.table, planning) else {
        return Ok(None);
    };
    let mut columns: Vec<(u16, ScalarExpr)> = Vec::with_capacity(update.assignments.len());
    for assignment in &update.assignments {
        let AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Ok(None);
        };
        let Some(target) = simple_name(name).and_then(|n| table.desc.column(&n)) else {
            return Ok(None);
        };
        if columns.iter().any(|(attnum, _)| *attnum == target.attnum) {
            return Ok(None);
        }
        let mut scope = Scope {
            table: Some((&table.desc, &alias)),
            other: None,
            parameters,
        };
        if target.identity.is_some() || target.generated.is_some() {
            return Ok(None);
        }
        let Some((expr, _)) = compile(&assignment.value, &mut scope, Some(target.ty))? else {
            return Ok(None);
        };
        columns.push((target.attnum, expr));
    }
    let Some(key) = plan_key(update.selection.as_ref(), &table, &alias, parameters)? else {
        return Ok(None);
    };
    let Some(returning) = plain_returning(update.returning.as_deref(), &table, &alias) else {
        return Ok(None);
    };
    Ok(Some(FastPlan {
        table,
        key,
        action: FastAction::Update(columns, returning),
    }))
}

/// Tries a DELETE.
///
/// # Errors
/// Literal errors that the statement has in any plan.
pub(crate) fn plan_delete(
    delete: &Delete,
    planning: &Planning,
    parameters: &mut Vec<Option<PgType>>,
) -> Planned {
    let plain = delete.tables.is_empty()
        && delete.using.is_none()
        && delete.output.is_none()
        && delete.order_by.is_empty()
        && delete.limit.is_none();
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [relation] = from.as_slice() else {
        return Ok(None);
    };
    if !plain {
        return Ok(None);
    }
    let Some((table, alias)) = plain_table(relation, planning) else {
        return Ok(None);
    };
    let Some(key) = plan_key(delete.selection.as_ref(), &table, &alias, parameters)? else {
        return Ok(None);
    };
    let Some(returning) = plain_returning(delete.returning.as_deref(), &table, &alias) else {
        return Ok(None);
    };
    Ok(Some(FastPlan {
        table,
        key,
        action: FastAction::Delete(returning),
    }))
}

/// A RETURNING list of plain columns, or none; nothing for any other.
fn plain_returning(
    items: Option<&[SelectItem]>,
    table: &TableInfo,
    alias: &str,
) -> Option<Option<Returning>> {
    match items {
        None => Some(None),
        Some(items) => Returning::plain(items, table, alias).map(Some),
    }
}
