//! Generated columns: from a definition to the descriptor.

use std::ops::ControlFlow;

use sqlparser::ast::{ColumnDef, ColumnOption, Expr, GeneratedAs, Visit, Visitor};

use super::checks::bare_columns;
use super::target::Planning;
use crate::catalog::{TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::insert::refuse_any;
use crate::query::{Place, RowRelation};
use crate::session::parse_expression;

/// Checks that a column's definition says in one way only where its values come from.
///
/// # Errors
/// 42601.
pub(crate) fn check_sources(definition: &ColumnDef, table: &str) -> Result<(), SqlError> {
    let column = fold_identifier(&definition.name);
    let (mut default, mut identity, mut generated) = (0, 0, 0);
    for option in &definition.options {
        match &option.option {
            ColumnOption::Default(_) => default += 1,
            ColumnOption::Generated {
                generation_expr: Some(_),
                generated_as,
                ..
            } => {
                generated += 1;
                if *generated_as != GeneratedAs::ExpStored {
                    return Err(SqlError::new(
                        state::SYNTAX_ERROR,
                        "for a generated column, GENERATED ALWAYS must be specified",
                    ));
                }
            }
            ColumnOption::Generated { .. } => identity += 1,
            _ => {}
        }
    }
    let what = if generated > 1 {
        "multiple generation clauses specified"
    } else if default > 0 && generated > 0 {
        "both default and generation expression specified"
    } else if identity > 0 && generated > 0 {
        "both identity and generation expression specified"
    } else {
        return Ok(());
    };
    Err(SqlError::new(
        state::SYNTAX_ERROR,
        format!("{what} for column \"{column}\" of table \"{table}\""),
    ))
}

/// Checks the generated columns of a table whose columns are all there, and takes the
/// table's name out of their expressions.
///
/// # Errors
/// 42P17 for what may not stand in such an expression; whatever planning it reports.
pub(crate) fn define_generated(
    table: &mut TableDescriptor,
    planning: &Planning,
) -> Result<(), SqlError> {
    let generated = table.live_columns().any(|c| c.generated.is_some());
    let family = table.is_partitioned() || !table.family.parents.is_empty();
    refuse_any(&[(
        generated && family,
        "generated columns of partitioned tables and of tables with parents",
    )])?;
    for at in 0..table.columns.len() {
        let Some(column) = table.columns.get(at).filter(|c| !c.dropped) else {
            continue;
        };
        let Some(text) = column.generated.clone() else {
            continue;
        };
        let mut expr = parse_expression(&text)?;
        refuse_whole_row(&expr, table)?;
        let columns = bare_columns(&mut expr, table);
        refuse_generated(&columns, table)?;
        let relation = RowRelation::table(table, &table.name);
        let exprs = std::slice::from_ref(&expr);
        let planned =
            planning.expressions(exprs, &[relation], Place::Generated, &mut Vec::new())?;
        if !planned.is_immutable() {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                "generation expression is not immutable",
            ));
        }
        if let Some(column) = table.columns.get_mut(at) {
            column.generated = Some(expr.to_string());
        }
    }
    Ok(())
}

fn refuse_generated(columns: &[u16], table: &TableDescriptor) -> Result<(), SqlError> {
    let generated = columns
        .iter()
        .filter_map(|attnum| table.attribute(*attnum))
        .find(|column| column.generated.is_some());
    match generated {
        None => Ok(()),
        Some(column) => Err(SqlError::new(
            state::INVALID_OBJECT_DEFINITION,
            format!(
                "cannot use generated column \"{}\" in column generation expression",
                column.name
            ),
        )
        .detail("A generated column cannot reference another generated column.")),
    }
}

/// The table's name alone would mean the whole row, the generated column included.
fn refuse_whole_row(expr: &Expr, table: &TableDescriptor) -> Result<(), SqlError> {
    struct Names<'t>(&'t TableDescriptor);
    impl Visitor for Names<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(name) => {
                    let name = fold_identifier(name);
                    let whole = name == self.0.name && self.0.column(&name).is_none();
                    if whole {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Names(table)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(SqlError::new(
            state::INVALID_OBJECT_DEFINITION,
            "cannot use whole-row variable in column generation expression",
        )
        .detail("This would cause the generated column to depend on its own value.")),
    }
}

/// The generated columns whose values depend on a column.
pub(crate) fn generated_from(table: &TableDescriptor, attnum: u16) -> Vec<u16> {
    table
        .live_columns()
        .filter(|column| {
            column.generated.as_ref().is_some_and(|text| {
                parse_expression(text)
                    .is_ok_and(|mut expr| bare_columns(&mut expr, table).contains(&attnum))
            })
        })
        .map(|column| column.attnum)
        .collect()
}
