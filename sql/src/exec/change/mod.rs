//! UPDATE and DELETE.
//!
//! Which rows, and with which new values, is a SELECT over the target (and the
//! other tables of FROM or USING) that also gives each row's key, version and
//! stored form. The executor ([`run`]) then locks each row. At READ COMMITTED a row
//! that somebody changed in between is looked at once more in its newest version,
//! together with the rows of the other tables that it was joined with: it is changed
//! only if it still qualifies.

mod run;
mod target;

use std::sync::Arc;

use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Query, SelectItem, TableWithJoins, Update,
    UpdateTableFromKind, Value,
};

use super::assignments::Assignments;
use super::insert::refuse_any;
use super::others::Others;
use super::planning::Parameters;
use super::returning::Returning;
use super::row_values::check_condition;
use super::table::TableInfo;
use super::target::{Planning, column, simple_name};
use super::view_target::{Through, ViewTarget};
use crate::error::{SqlError, state};
use crate::query::{Place, PlannedExpressions, PlannedQuery, RowRelation};
use crate::types::PgType;

pub(crate) use run::{FoundRow, found_at, hidden_row, key_at, table_at};
pub(crate) use target::Target;

/// What happens to the rows.
#[derive(Debug)]
enum Change {
    /// These columns get the values that the SELECT computes.
    Update(Vec<u16>),
    /// They go.
    Delete,
}

/// A planned UPDATE or DELETE.
#[derive(Debug)]
pub(crate) struct ChangePlan {
    pub(crate) table: Arc<TableInfo>,
    /// The view that the statement names, if it is one.
    view: Option<ViewTarget>,
    change: Change,
    pub(crate) query: PlannedQuery,
    joined: Option<Joined>,
    pub(crate) returning: Option<Returning>,
}

/// The other relations of a change.
#[derive(Debug)]
struct Joined {
    others: Others,
    /// How a row is looked at again; none when the planner cannot say it.
    again: Option<Again>,
}

/// Condition and new values over a target row and the rows it was joined with.
#[derive(Debug)]
struct Again {
    condition: Option<PlannedExpressions>,
    values: Option<PlannedExpressions>,
}

/// The parts of a change that UPDATE and DELETE have in common.
struct Parts<'a> {
    target: Target,
    change: Change,
    values: Vec<Expr>,
    from: Vec<TableWithJoins>,
    selection: Option<&'a Expr>,
    returning: Option<&'a [SelectItem]>,
}

/// Plans an UPDATE.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan_update(
    update: &Update,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    refuse_any(&[
        (update.or.is_some(), "UPDATE OR …"),
        (update.output.is_some(), "UPDATE … OUTPUT"),
        (!update.order_by.is_empty(), "UPDATE … ORDER BY"),
        (update.limit.is_some(), "UPDATE … LIMIT"),
    ])?;
    let target = Target::new(&update.table, Through::Update, planning)?;
    let from = match &update.from {
        None => Vec::new(),
        Some(UpdateTableFromKind::AfterSet(tables)) => tables.clone(),
        Some(UpdateTableFromKind::BeforeSet(_)) => {
            return Err(SqlError::unsupported("UPDATE FROM … SET"));
        }
    };
    check_view_columns(update, target.view.as_ref())?;
    let names = target.names();
    let Assignments { columns, values } = Assignments::read(&update.assignments, names)?;
    for (attnum, value) in columns.iter().zip(&values) {
        note_parameter(value, column(&target.table, *attnum)?.ty, parameters);
    }
    let parts = Parts {
        target,
        change: Change::Update(columns),
        values,
        from,
        selection: update.selection.as_ref(),
        returning: update.returning.as_deref(),
    };
    finish(parts, planning, parameters)
}

/// Plans a DELETE.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan_delete(
    delete: &Delete,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    refuse_any(&[
        (!delete.tables.is_empty(), "DELETE from several tables"),
        (delete.output.is_some(), "DELETE … OUTPUT"),
        (!delete.order_by.is_empty(), "DELETE … ORDER BY"),
        (delete.limit.is_some(), "DELETE … LIMIT"),
    ])?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [relation] = from.as_slice() else {
        return Err(SqlError::unsupported("DELETE from several tables"));
    };
    let parts = Parts {
        target: Target::new(relation, Through::Delete, planning)?,
        change: Change::Delete,
        values: Vec::new(),
        from: delete.using.clone().unwrap_or_default(),
        selection: delete.selection.as_ref(),
        returning: delete.returning.as_deref(),
    };
    finish(parts, planning, parameters)
}

/// A view may have columns that are not the table's.
fn check_view_columns(update: &Update, view: Option<&ViewTarget>) -> Result<(), SqlError> {
    let Some(view) = view else {
        return Ok(());
    };
    for assignment in &update.assignments {
        let names = match &assignment.target {
            AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
            AssignmentTarget::Tuple(names) => names.as_slice(),
        };
        for name in names.iter().filter_map(simple_name) {
            view.named(&name, Through::Update)?;
        }
    }
    Ok(())
}

fn finish(
    parts: Parts<'_>,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    let alias = parts.target.alias();
    let mut relations = vec![parts.target.rows()];
    let others = match parts.from.is_empty() {
        true => None,
        false => {
            let others = Others::of(&parts.from, &alias, planning, parameters)?;
            relations.extend(others.relations());
            Some(others)
        }
    };
    let query = select(&parts, others.as_ref())?;
    let query = planning.rows_to_change(&query, parameters)?;
    let joined = match others {
        None => None,
        Some(others) => Some(Joined {
            others,
            again: plan_again(&parts, &relations, planning, parameters)?,
        }),
    };
    let Target { table, view, .. } = parts.target;
    let relations = (relations.as_slice(), view.is_some());
    let returning = Returning::plan(parts.returning, &table, relations, planning, parameters)?;
    Ok(ChangePlan {
        table,
        view,
        change: parts.change,
        query,
        joined,
        returning,
    })
}

fn select(parts: &Parts<'_>, others: Option<&Others>) -> Result<Query, SqlError> {
    let mut values = parts.values.clone();
    values.extend(others.iter().flat_map(|others| others.items()));
    parts
        .target
        .select(values, parts.from.clone(), parts.selection.cloned())
}

/// How a row is looked at again. A column that a join merged cannot be named without
/// the join; such a statement is not carried out on rows that changed meanwhile.
fn plan_again(
    parts: &Parts<'_>,
    relations: &[RowRelation],
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<Option<Again>, SqlError> {
    let mut plan = |exprs: &[Expr], place| match exprs {
        [] => Ok(None),
        exprs => planning
            .expressions(exprs, relations, place, parameters)
            .map(Some),
    };
    let condition = match parts.selection {
        None => Ok(None),
        Some(condition) => plan(std::slice::from_ref(condition), Place::Where),
    };
    let both = condition.and_then(|condition| {
        let values = plan(&parts.values, Place::Update)?;
        Ok((condition, values))
    });
    match both {
        Ok((condition, values)) => {
            if let Some(condition) = &condition {
                check_condition(condition, Place::Where)?;
            }
            Ok(Some(Again { condition, values }))
        }
        Err(error) if error.sqlstate() == state::AMBIGUOUS_COLUMN => Ok(None),
        Err(error) => Err(error),
    }
}

/// `SET a = $1` gives the parameter the column's type.
pub(crate) fn note_parameter(value: &Expr, ty: PgType, parameters: &mut Parameters) {
    if let Expr::Value(value) = value
        && let Value::Placeholder(name) = &value.value
        && let Some(index) = name
            .strip_prefix('$')
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| n.checked_sub(1))
            .filter(|n| *n < usize::from(u16::MAX))
    {
        if parameters.len() <= index {
            parameters.resize(index + 1, None);
        }
        if let Some(slot) = parameters.get_mut(index)
            && slot.is_none()
        {
            *slot = Some(ty.unmodified());
        }
    }
}

impl ChangePlan {
    /// The stored tables that are read on the way.
    pub(crate) fn tables_read(&self) -> Vec<u32> {
        let mut tables = self.query.tables().to_vec();
        tables.extend(self.returning.iter().flat_map(Returning::tables));
        tables.extend(self.view.iter().flat_map(ViewTarget::tables));
        tables
    }
}
