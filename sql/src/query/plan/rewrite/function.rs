//! Function calls: names without their schema, and functions made of others.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectName, ObjectNamePart, UnaryOperator, Value, WindowType,
};

use super::super::super::functions::{TOTAL, is_hidden};
use super::super::correlate;
use super::super::names::quoted;
use super::ast::call;
use super::frame::restore_frame;
use super::json::makes_rows;
use super::literal::number_digits;
use super::named;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Function names are looked up without their schema; `avg` is computed from a
/// sum and a count, which gives PostgreSQL's types and rounding.
pub(super) fn function(function: &mut Function) -> Result<Option<Expr>, SqlError> {
    if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
        restore_frame(spec);
    }
    if let FunctionArguments::Subquery(query) = &mut function.args {
        if let Some(array) = correlate::array_subquery(query) {
            // As a value: the array is not the rows of a subquery.
            return Ok(Some(call("__from_list", vec![array])));
        }
        return Err(SqlError::unsupported("ARRAY(subquery)"));
    }
    drop_schema(&mut function.name)?;
    let name = first_part(&function.name).unwrap_or_default();
    if function.over.is_some() && makes_rows(&name) {
        return Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!(
                "OVER specified, but {name} is not a window function nor an aggregate function"
            ),
        ));
    }
    named::place(&name, function)?;
    if let Some(rows) = correlate::rows_of_array(&name, function) {
        return Ok(Some(rows));
    }
    if name.starts_with("__") {
        return Ok(None);
    }
    if let Some(new) = super::ordered_set::within_group(&name, function)? {
        return Ok(Some(new));
    }
    if is_hidden(&name) {
        return Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name} does not exist"),
        ));
    }
    if matches!(name.as_str(), "coalesce" | "greatest" | "least") {
        untyped_literals(function);
    }
    match name.as_str() {
        "array_agg" => return Ok(Some(super::array::aggregate(function.clone()))),
        "unnest" => return Ok(Some(unnest(function)?)),
        _ => {}
    }
    if let Some(new) = super::json::function(&name, function)? {
        return Ok(Some(new));
    }
    if name == "count" {
        if matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty()) {
            return Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                "count(*) must be used to call a parameterless aggregate function",
            ));
        }
        count_rows(function);
    }
    if name != "avg" {
        return Ok(None);
    }
    let rename = |to: &str| {
        let mut part = function.clone();
        part.name = ObjectName(vec![ObjectNamePart::Identifier(quoted(to))]);
        if to == "count" {
            count_rows(&mut part);
        }
        Expr::Function(part)
    };
    Ok(Some(call("__avg", vec![rename(TOTAL), rename("count")])))
}

/// Strings beside other arguments, which say what type they have.
fn untyped_literals(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let is_string = |arg: &FunctionArg| {
        matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))
            if matches!(value.value, Value::SingleQuotedString(_)))
    };
    if list.args.iter().all(is_string) {
        return;
    }
    for arg in list.args.iter_mut().filter(|arg| is_string(arg)) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
            let value = super::ast::take(expr);
            *expr = call("__value", vec![value]);
        }
    }
}

/// `unnest` of the elements of an array.
fn unnest(function: &Function) -> Result<Expr, SqlError> {
    let FunctionArguments::List(list) = &function.args else {
        return Err(SqlError::unsupported("unnest without arguments"));
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => {
            Ok(call("unnest", vec![call("__list", vec![array.clone()])]))
        }
        _ => Err(SqlError::unsupported(
            "unnest of several arrays outside of FROM",
        )),
    }
}

/// `count(1)` counts rows. It must be written as `count(*)`, because DataFusion
/// calls both by one name and takes a query that has both for ambiguous.
fn count_rows(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    if let ([FunctionArg::Unnamed(argument)], false) = (list.args.as_mut_slice(), is_distinct)
        && matches!(&argument, FunctionArgExpr::Expr(e) if is_number(e))
    {
        *argument = FunctionArgExpr::Wildcard;
        list.duplicate_treatment = None;
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_number(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        } => is_number(expr),
        other => number_digits(other).is_some(),
    }
}

/// PostgreSQL's own functions may be called by their schema.
fn drop_schema(name: &mut ObjectName) -> Result<(), SqlError> {
    if name.0.len() <= 1 {
        return Ok(());
    }
    let schema = first_part(name);
    match (schema.as_deref(), name.0.len()) {
        (Some("pg_catalog" | "information_schema"), 2) => {
            name.0.remove(0);
            Ok(())
        }
        _ => Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name}() does not exist"),
        )),
    }
}

fn first_part(name: &ObjectName) -> Option<String> {
    name.0
        .first()
        .and_then(ObjectNamePart::as_ident)
        .map(fold_identifier)
}
