//! From the name of a view to the table that changes through it are made to.

use std::sync::Arc;

use sqlparser::ast::SelectItem;

use super::check::not_updatable;
use super::simple::{Origin, SimpleView, simple_view};
use super::{Level, TargetColumn, Through, ViewTarget};
use crate::catalog::{BoundRelation, CheckOption, TableDescriptor, ViewDescriptor};
use crate::error::{SqlError, state};
use crate::exec::row_values::check_condition;
use crate::exec::table::TableInfo;
use crate::exec::target::Planning;
use crate::query::{Place, RowRelation};

/// How deep views may be made of views.
const DEPTH_MAX: usize = 32;

/// A view on the way to the table.
struct Step {
    view: Arc<ViewDescriptor>,
    simple: SimpleView,
    bound: BoundRelation,
}

/// Finds the table behind a view, and plans what the views between say.
///
/// # Errors
/// 55000 when the view cannot be changed; what planning its expressions reports.
pub(crate) fn resolve(
    view: &Arc<ViewDescriptor>,
    through: Through,
    planning: &Planning,
) -> Result<ViewTarget, SqlError> {
    let (mut steps, base) = steps(view, through, planning)?;
    // From the table upwards.
    steps.reverse();
    let mut levels = Vec::with_capacity(steps.len());
    let mut columns: Vec<TargetColumn> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let above = steps.iter().skip(at + 1).map(|s| s.view.check);
        let cascaded = above.into_iter().any(|c| c == Some(CheckOption::Cascaded));
        let below = match at {
            0 => shown_of_table(&base, &step.bound),
            _ => renamed(&columns, &step.bound),
        };
        let relation = match at {
            0 => RowRelation::table(&seen_by(&base, &step.bound), &step.simple.alias),
            _ => RowRelation::columns(
                &step.simple.alias,
                below.iter().map(|c| (c.name.clone(), c.ty)),
            ),
        };
        levels.push(level(step, relation, cascaded, planning)?);
        columns = columns_of(step, &below);
    }
    if through != Through::Delete && columns.iter().all(|c| c.attnum.is_none()) {
        let why = "Views that have no updatable columns are not automatically updatable.";
        return Err(not_updatable(&view.name, through, why));
    }
    let visible = visible(&base, view, &columns);
    let full = full(&base, &visible);
    Ok(ViewTarget {
        name: view.name.clone(),
        base: Arc::new(TableInfo::new(base)?),
        full: Arc::new(TableInfo::new(Arc::new(full))?),
        visible: Arc::new(TableInfo::new(Arc::new(visible))?),
        columns,
        levels,
        views: steps.iter().map(|s| s.view.oid).collect(),
    })
}

fn steps(
    view: &Arc<ViewDescriptor>,
    through: Through,
    planning: &Planning,
) -> Result<(Vec<Step>, Arc<TableDescriptor>), SqlError> {
    let mut steps: Vec<Step> = Vec::new();
    let mut next = Arc::clone(view);
    loop {
        if steps.len() >= DEPTH_MAX {
            return Err(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                format!("views are nested more than {DEPTH_MAX} deep"),
            ));
        }
        let simple = simple_view(&next, &planning.database)?
            .map_err(|why| not_updatable(&next.name, through, why))?;
        let name = &simple.source;
        let bound = next.query.relation(name.schema.as_deref(), &name.name);
        let Some(bound) = bound.cloned() else {
            return Err(SqlError::new(
                state::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system catalog", name.name),
            ));
        };
        steps.push(Step {
            view: Arc::clone(&next),
            simple,
            bound: bound.clone(),
        });
        if let Some(table) = planning.catalog.table_by_oid(bound.oid) {
            if table.materialized.is_some() {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("cannot change materialized view \"{}\"", table.name),
                ));
            }
            return Ok((steps, Arc::clone(table)));
        }
        next = match planning.catalog.view_by_oid(bound.oid) {
            Some(below) => Arc::clone(below),
            None => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("cannot change sequence \"{}\"", bound.name),
                ));
            }
        };
    }
}

/// The table with the names that a view knows its columns by.
fn seen_by(base: &TableDescriptor, bound: &BoundRelation) -> TableDescriptor {
    let mut seen = base.clone();
    for column in &mut seen.columns {
        let known = bound.columns.iter().find(|c| c.attnum == column.attnum);
        match known.filter(|_| !column.dropped) {
            Some(known) => column.name.clone_from(&known.name),
            None => column.dropped = true,
        }
    }
    seen
}

fn shown_of_table(base: &TableDescriptor, bound: &BoundRelation) -> Vec<TargetColumn> {
    let seen = seen_by(base, bound);
    let columns = seen.live_columns().map(|column| TargetColumn {
        name: column.name.clone(),
        ty: column.ty,
        attnum: Some(column.attnum),
    });
    columns.collect()
}

/// The columns of a view below with the names that the view above knows them by.
fn renamed(columns: &[TargetColumn], bound: &BoundRelation) -> Vec<TargetColumn> {
    columns
        .iter()
        .zip(&bound.columns)
        .map(|(column, known)| TargetColumn {
            name: known.name.clone(),
            ..column.clone()
        })
        .collect()
}

fn level(
    step: &Step,
    relation: RowRelation,
    cascaded: bool,
    planning: &Planning,
) -> Result<Level, SqlError> {
    let inside = planning.inside(&step.view);
    let relations = [relation];
    let select = &step.simple.select;
    let items: &[SelectItem] = &select.projection;
    let projection = inside.items(items, &relations, Place::Returning, &mut Vec::new())?;
    let condition = match &select.selection {
        None => None,
        Some(condition) => {
            let exprs = std::slice::from_ref(condition);
            let planned = inside.expressions(exprs, &relations, Place::Where, &mut Vec::new())?;
            check_condition(&planned, Place::Where)?;
            Some(planned)
        }
    };
    Ok(Level {
        name: step.view.name.clone(),
        projection,
        checked: condition.is_some() && (cascaded || step.view.check.is_some()),
        condition,
    })
}

fn columns_of(step: &Step, below: &[TargetColumn]) -> Vec<TargetColumn> {
    let names: Vec<String> = below.iter().map(|c| c.name.clone()).collect();
    let origins = step.simple.origins(&names);
    step.view
        .columns
        .iter()
        .zip(origins)
        .map(|(column, origin)| TargetColumn {
            name: column.name.clone(),
            ty: column.ty,
            attnum: match origin {
                Origin::Column(name) => {
                    below.iter().find(|c| c.name == name).and_then(|c| c.attnum)
                }
                Origin::Computed => None,
            },
        })
        .collect()
}

/// The table as the view shows it. Defaults of the view come before the table's.
fn visible(
    base: &TableDescriptor,
    view: &ViewDescriptor,
    columns: &[TargetColumn],
) -> TableDescriptor {
    let mut visible = base.clone();
    visible.name.clone_from(&view.name);
    for column in visible.columns.iter_mut().filter(|c| !c.dropped) {
        let found = columns.iter().position(|c| c.attnum == Some(column.attnum));
        match found.and_then(|at| view.columns.get(at)) {
            Some(shown) => {
                column.name.clone_from(&shown.name);
                if shown.default.is_some() {
                    column.default.clone_from(&shown.default);
                }
            }
            None => column.dropped = true,
        }
    }
    visible
}

/// The table with the defaults of the view.
fn full(base: &TableDescriptor, visible: &TableDescriptor) -> TableDescriptor {
    let mut full = base.clone();
    for (own, shown) in full.columns.iter_mut().zip(&visible.columns) {
        if !shown.dropped {
            own.default.clone_from(&shown.default);
        }
    }
    full
}
