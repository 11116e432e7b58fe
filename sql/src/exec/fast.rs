//! Statements that name one row by its primary key, without a query plan.
//!
//! Classification happens on the AST, before any I/O; whatever does not fit is
//! declined and goes through the general planner. Execution shares locks,
//! constraint checks and visibility with it ([`StatementWriter`]).

use std::sync::Arc;

use bytes::BytesMut;
use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, GroupByExpr, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, Update,
};

use super::expr::{ScalarExpr, Scope, Values, compile};
use super::insert::set;
use super::key_value::as_key;
use super::returned::Returned;
use super::returning::Returning;
use super::table::TableInfo;
use super::target::{Planning, column, simple_name};
use super::write::{Locked, StatementWriter};
use crate::catalog::fold_identifier;
use crate::error::SqlError;
use crate::session::FieldDescription;
use crate::txn::{LockMode, ReadView};
use crate::types::wire_encode::encode_row_from_rowview;
use crate::types::{Datum, OutputColumn, PgType, key};

/// A statement about at most one row.
#[derive(Debug)]
pub(crate) struct FastPlan {
    pub(crate) table: Arc<TableInfo>,
    /// One expression for each column of the primary key, in key order.
    key: Vec<KeyPart>,
    pub(crate) action: FastAction,
}

#[derive(Debug)]
struct KeyPart {
    expr: ScalarExpr,
    ty: PgType,
}

/// What happens to the row.
#[derive(Debug)]
pub(crate) enum FastAction {
    /// Give these columns.
    Select(Vec<(u16, String)>),
    /// Set these columns.
    Update(Vec<(u16, ScalarExpr)>, Option<Returning>),
    /// Delete it.
    Delete(Option<Returning>),
}

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

impl FastPlan {
    /// The columns of the result, if there is one.
    ///
    /// # Errors
    /// XX000 when the plan names a column that is not there.
    pub(crate) fn fields(&self) -> Result<Option<Vec<FieldDescription>>, SqlError> {
        match &self.action {
            FastAction::Select(columns) => columns
                .iter()
                .map(|(attnum, name)| {
                    Ok(FieldDescription::new(
                        name.clone(),
                        column(&self.table, *attnum)?.ty,
                        self.table.desc.oid,
                        i16::try_from(*attnum).unwrap_or(0),
                    ))
                })
                .collect::<Result<_, _>>()
                .map(Some),
            FastAction::Update(_, Some(returning)) | FastAction::Delete(Some(returning)) => {
                returning.fields(&self.table).map(Some)
            }
            FastAction::Update(_, None) | FastAction::Delete(None) => Ok(None),
        }
    }

    /// The row key, or nothing when no row can have it.
    fn row_key(&self, values: &Values<'_>) -> Result<Option<Vec<u8>>, SqlError> {
        let mut encoded = Vec::with_capacity(16);
        for part in &self.key {
            let value = part.expr.evaluate(values)?;
            if value.is_null() {
                return Ok(None);
            }
            let Some(value) = as_key(value, part.ty, values.format)? else {
                return Ok(None);
            };
            key::encode(&value, &mut encoded)?;
        }
        Ok(Some(encoded))
    }

    /// Runs a SELECT: appends the row, if there is one, as a DataRow message.
    ///
    /// # Errors
    /// Conversion and storage errors.
    pub(crate) fn run_select(
        &self,
        view: &ReadView,
        values: &Values<'_>,
        outputs: &[(usize, OutputColumn)],
        out: &mut BytesMut,
    ) -> Result<usize, SqlError> {
        let Some(key) = self.row_key(values)? else {
            return Ok(0);
        };
        let mut scratch = Vec::with_capacity(crate::txn::PREFIX_LEN + key.len());
        let found = view.get(self.table.rows, &key, &mut scratch, |version| {
            let row = self.table.layout.view(version.value)?;
            encode_row_from_rowview(&row, outputs, values.format, out)
        })?;
        found.transpose().map(|row| usize::from(row.is_some()))
    }

    /// Runs an UPDATE or DELETE. Returns how many rows changed: none or one.
    ///
    /// # Errors
    /// Whatever the row may violate, lock and storage errors.
    pub(crate) async fn run_change(
        &self,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let Some(key) = self.row_key(values)? else {
            return Ok(0);
        };
        let view = writer.txn.view(writer.engine.snapshot());
        let mut scratch = Vec::new();
        let read = view.get(self.table.rows, &key, &mut scratch, |v| {
            (v.csn, v.value.to_vec())
        })?;
        drop(view);
        let Some((csn, stored)) = read else {
            return Ok(0);
        };
        let mut old = self.table.decode(&stored)?;
        let mut new = self.changed(&old, values)?;
        let mode = match &new {
            Some(new) => StatementWriter::mode_between(&self.table, &old, new),
            None => LockMode::RowUpdate,
        };
        match writer.lock_row(&self.table, &key, csn, mode).await? {
            Locked::Same => {}
            // WHERE is about the key alone: the newest version qualifies too.
            Locked::Changed { stored: newest, .. } => {
                old = self.table.decode(&newest)?;
                new = self.changed(&old, values)?;
                if let Some(new) = &new {
                    let mode = StatementWriter::mode_between(&self.table, &old, new);
                    writer.lock_again(&self.table, &key, mode).await?;
                }
            }
            Locked::Gone => return Ok(0),
        }
        match (&self.action, new) {
            (FastAction::Delete(_), _) => {
                writer.delete(&self.table, &key, &old).await?;
                returned.row(&[&old]).await?;
            }
            (FastAction::Update(columns, _), Some(mut new)) => {
                let changed: Vec<u16> = columns.iter().map(|(attnum, _)| *attnum).collect();
                writer
                    .update(&self.table, &key, &old, &mut new, &changed)
                    .await?;
                returned.row(&[&new]).await?;
            }
            _ => return Err(SqlError::internal("a SELECT changes nothing")),
        }
        Ok(1)
    }

    /// What an UPDATE makes of a row; none for other statements.
    fn changed(&self, old: &[Datum], values: &Values<'_>) -> Result<Option<Vec<Datum>>, SqlError> {
        match &self.action {
            FastAction::Update(columns, _) => self.new_row(columns, old, values).map(Some),
            _ => Ok(None),
        }
    }

    fn new_row(
        &self,
        columns: &[(u16, ScalarExpr)],
        old: &[Datum],
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let mut new = old.to_vec();
        let with_row = Values {
            row: old,
            ..*values
        };
        for (attnum, expr) in columns {
            set(
                &mut new,
                &self.table,
                *attnum,
                expr.evaluate(&with_row)?,
                values.format,
            )?;
        }
        Ok(new)
    }
}
