//! What a function must be to be made.

use sqlparser::ast::Statement;

use super::body::Body;
use crate::catalog::FunctionDescriptor;
use crate::error::{SqlError, state};
use crate::exec::target::Planning;
use crate::query::{Place, assignable};
use crate::session::parse_expression;
use crate::types::PgType;

/// A default must be something that its parameter can be.
///
/// # Errors
/// What planning it reports; 42804.
pub(crate) fn check_default(text: &str, ty: PgType, planning: &Planning) -> Result<(), SqlError> {
    let expr = parse_expression(text)?;
    let planned = planning.expressions(&[expr], &[], Place::Default, &mut Vec::new())?;
    let own = planned.columns().first().map(|c| c.pg_type.base());
    match own {
        Some(own) if !assignable(own, ty) => Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "argument of DEFAULT must be type {}, not type {}",
                ty.base_name(),
                own.base_name()
            ),
        )),
        _ => Ok(()),
    }
}

/// The last statement of a body must give what the function says it gives.
///
/// # Errors
/// 42P13; what planning reports.
pub(crate) fn check_body(
    body: &Body,
    function: &FunctionDescriptor,
    planning: &Planning,
) -> Result<(), SqlError> {
    let void = function.returns.map(|r| r.0) == Some(PgType::Void);
    let parameters: Vec<Option<PgType>> = function
        .signature()
        .iter()
        .map(|ty| Some(ty.base()))
        .collect();
    for statement in &body.statements {
        if let Statement::Query(query) = statement {
            planning.query(query, &mut parameters.clone())?;
        }
    }
    if void {
        return Ok(());
    }
    let columns: Vec<PgType> = match body.statements.last() {
        Some(Statement::Query(query)) => {
            let planned = planning.query(query, &mut parameters.clone())?;
            planned.columns().iter().map(|c| c.pg_type.base()).collect()
        }
        Some(Statement::Insert(insert)) if insert.returning.is_some() => return Ok(()),
        Some(Statement::Update(update)) if update.returning.is_some() => return Ok(()),
        Some(Statement::Delete(delete)) if delete.returning.is_some() => return Ok(()),
        _ => {
            return Err(mismatch(
                function,
                "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.",
            ));
        }
    };
    check_columns(function, &columns)
}

/// The columns of the last statement against those of the result.
///
/// # Errors
/// 42P13.
pub(crate) fn check_columns(
    function: &FunctionDescriptor,
    columns: &[PgType],
) -> Result<(), SqlError> {
    let wanted: Vec<PgType> = match function.returns {
        Some(returns) => vec![returns.0],
        None => function.outputs().into_iter().map(|(_, ty)| ty).collect(),
    };
    if function.returns.is_some() && columns.len() != 1 {
        if let Some(PgType::Composite(user)) = wanted.first() {
            let attributes = user.attributes();
            if attributes.len() == columns.len() {
                return Ok(());
            }
        }
        return Err(mismatch(
            function,
            "Final statement must return exactly one column.",
        ));
    }
    if columns.len() != wanted.len() {
        let few = columns.len() < wanted.len();
        return Err(mismatch(
            function,
            if few {
                "Final statement returns too few columns."
            } else {
                "Final statement returns too many columns."
            },
        ));
    }
    for (at, (own, wanted)) in columns.iter().zip(&wanted).enumerate() {
        if !assignable(*own, *wanted) {
            let detail = match function.returns {
                Some(_) => format!("Actual return type is {}.", own.base_name()),
                None => format!(
                    "Final statement returns {} instead of {} at column {}.",
                    own.base_name(),
                    wanted.base_name(),
                    at + 1
                ),
            };
            return Err(mismatch(function, &detail));
        }
    }
    Ok(())
}

fn mismatch(function: &FunctionDescriptor, detail: &str) -> SqlError {
    let declared = match function.returns {
        Some(returns) => returns.0.base_name(),
        None => "record",
    };
    SqlError::new(
        state::INVALID_FUNCTION_DEFINITION,
        format!("return type mismatch in function declared to return {declared}"),
    )
    .detail(detail)
}
