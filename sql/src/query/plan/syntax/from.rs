//! Tables and functions in FROM.

use sqlparser::ast::{
    ObjectName, ObjectNamePart, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use super::super::names::quoted;
use super::super::rewrite::{call, json_rows, number};
use super::select::{plain_table, query_of, star_from};
use super::{from_functions, partition_calls, set_operations};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// Functions in FROM name their column after themselves or their alias.
pub(super) fn table_factor(factor: &mut TableFactor) -> Result<(), SqlError> {
    from_functions::rows_from(factor)?;
    from_functions::ordinality(factor);
    refuse_clauses(factor)?;
    from_functions::series(factor);
    json_rows(factor);
    from_functions::one_value(factor);
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(_),
            ..
        } => {
            if let Some(last) = name.0.pop() {
                name.0 = vec![last];
            }
            let function = function_name(name);
            if !partition_calls::is_call(&function) {
                name_function_column(alias, &function);
            }
        }
        TableFactor::Function { name, alias, .. } => {
            name_function_column(alias, &function_name(name));
        }
        TableFactor::UNNEST {
            alias, array_exprs, ..
        } => {
            if let [_] = array_exprs.as_slice() {
                name_function_column(alias, "unnest");
            }
            for array in array_exprs {
                let value = std::mem::replace(array, number("0"));
                *array = call("__list", vec![value]);
            }
        }
        _ => {}
    }
    Ok(())
}

/// `(a JOIN b …) AS x` is a subquery: its tables are not seen outside.
pub(super) fn named_join(factor: &mut TableFactor) {
    if set_operations::of_relation(factor).is_some() {
        return;
    }
    let TableFactor::NestedJoin {
        table_with_joins,
        alias: alias @ Some(_),
    } = factor
    else {
        return;
    };
    let join = std::mem::replace(
        table_with_joins.as_mut(),
        TableWithJoins {
            relation: plain_table(ObjectName(Vec::new())),
            joins: Vec::new(),
        },
    );
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(star_from(vec![join]))),
        alias: alias.take(),
        sample: None,
    };
}

fn refuse_clauses(factor: &TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Table {
            args: None,
            sample: Some(_),
            ..
        }
        | TableFactor::Derived {
            sample: Some(_), ..
        } => Err(SqlError::unsupported("TABLESAMPLE")),
        _ => Ok(()),
    }
}

/// A function's name without its schema.
pub(super) fn function_name(name: &ObjectName) -> String {
    name.0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .map(fold_identifier)
        .unwrap_or_default()
}

fn name_function_column(alias: &mut Option<TableAlias>, function: &str) {
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: quoted(function),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        });
    }
}
