//! `PARTITION BY`: from a statement to the descriptor.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Visit, Visitor};

use crate::catalog::{PartitionBy, PartitionKey, Strategy, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::checks::bare_columns;
use crate::exec::family::can_hash;
use crate::exec::target::Planning;
use crate::query::{Place, RowRelation};
use crate::types::{PgType, key};

/// How `expr`, which is `RANGE (a, b)` or the like, divides a table.
///
/// # Errors
/// 42P17, 42703, 42704 for keys that cannot be; what planning an expression reports.
pub(super) fn partition_by(
    expr: &Expr,
    table: &TableDescriptor,
    planning: &Planning,
) -> Result<PartitionBy, SqlError> {
    let (word, args) = call(expr)?;
    let strategy = match word.as_str() {
        "list" => Strategy::List,
        "range" => Strategy::Range,
        "hash" => Strategy::Hash,
        other => {
            return Err(invalid(format!(
                "unrecognized partitioning strategy \"{other}\""
            )));
        }
    };
    if strategy == Strategy::List && args.len() > 1 {
        return Err(invalid(
            "cannot use \"list\" partition strategy with more than one column",
        ));
    }
    if args.len() > 32 {
        return Err(SqlError::new(
            state::TOO_MANY_COLUMNS,
            "cannot partition using more than 32 columns",
        ));
    }
    let keys = args
        .into_iter()
        .map(|arg| key_of(arg, strategy, table, planning))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PartitionBy { strategy, keys })
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_OBJECT_DEFINITION, message)
}

fn call(expr: &Expr) -> Result<(String, Vec<Expr>), SqlError> {
    let Expr::Function(function) = expr else {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{expr}\""),
        ));
    };
    let FunctionArguments::List(list) = &function.args else {
        return Err(SqlError::unsupported(format!("PARTITION BY {expr}")));
    };
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(SqlError::unsupported(format!("PARTITION BY {other}"))),
    });
    let name = function.name.to_string().to_lowercase();
    Ok((name, args.collect::<Result<Vec<_>, _>>()?))
}

fn key_of(
    mut expr: Expr,
    strategy: Strategy,
    table: &TableDescriptor,
    planning: &Planning,
) -> Result<PartitionKey, SqlError> {
    while let Expr::Collate {
        expr: inner,
        collation,
    } = &expr
    {
        // Text is ordered by its bytes here.
        let name = collation.to_string().replace('"', "").to_lowercase();
        if !matches!(
            name.as_str(),
            "c" | "posix" | "default" | "pg_catalog.default"
        ) {
            return Err(SqlError::unsupported(format!("the collation {collation}")));
        }
        expr = inner.as_ref().clone();
    }
    while let Expr::Nested(inner) = &expr {
        expr = inner.as_ref().clone();
    }
    if let Expr::Identifier(name) = &expr {
        let name = fold_identifier(name);
        if ["tableoid", "ctid", "xmin", "cmin", "xmax", "cmax"].contains(&name.as_str())
            && table.column(&name).is_none()
        {
            return Err(invalid(format!(
                "cannot use system column \"{name}\" in partition key"
            )));
        }
        let column = table.column(&name).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!("column \"{name}\" named in partition key does not exist"),
            )
        })?;
        check_type(column.ty, strategy)?;
        return Ok(PartitionKey {
            column: Some(column.attnum),
            expression: None,
            columns: vec![column.attnum],
            ty: column.ty,
        });
    }
    let columns = bare_columns(&mut expr, table);
    let relation = RowRelation::table(table, &table.name);
    let place = Place::PartitionKey;
    let exprs = std::slice::from_ref(&expr);
    let planned = planning.expressions(exprs, &[relation], place, &mut Vec::new())?;
    if columns.is_empty() {
        return Err(invalid("cannot use constant expression as partition key"));
    }
    if planned.is_volatile() || calls_stable(&expr) {
        return Err(invalid(
            "functions in partition key expression must be marked IMMUTABLE",
        ));
    }
    let ty = planned
        .columns()
        .first()
        .map_or(PgType::Unknown, |c| c.pg_type);
    check_type(ty, strategy)?;
    Ok(PartitionKey {
        column: None,
        expression: Some(expr.to_string()),
        columns,
        ty,
    })
}

/// Whether a function whose result may change is called: those that tell the time.
fn calls_stable(expr: &Expr) -> bool {
    struct Calls;
    impl Visitor for Calls {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::Function(function) = expr else {
                return ControlFlow::Continue(());
            };
            let name = function.name.to_string().to_lowercase();
            let changes = [
                "now",
                "current_date",
                "current_timestamp",
                "localtimestamp",
                "current_time",
                "localtime",
                "age",
                "current_setting",
                "current_user",
                "session_user",
                "user",
            ];
            match changes.contains(&name.as_str()) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Calls).is_break()
}

fn check_type(ty: PgType, strategy: Strategy) -> Result<(), SqlError> {
    if ty == PgType::Unknown {
        return Err(invalid("partition key column has pseudo-type unknown"));
    }
    let name = ty.sql_name();
    if strategy == Strategy::Hash && !can_hash(ty) {
        return Err(SqlError::unsupported(format!(
            "hash partitioning by a value of type {name}"
        )));
    }
    if !key::supports(ty) {
        let method = if strategy == Strategy::Hash {
            "hash"
        } else {
            "btree"
        };
        return Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!("data type {name} has no default operator class for access method \"{method}\""),
        )
        .hint(format!(
            "You must specify a {method} operator class or define a default {method} operator class for the data type."
        )));
    }
    Ok(())
}
