//! The SET list of UPDATE, of ON CONFLICT DO UPDATE and of MERGE.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, ObjectName, Query, Select, SelectItem, SetExpr, Value,
};

use super::given::check_assignment;
use super::insert::is_default;
use super::table::TableInfo;
use super::target::{default_expr, simple_name};
use crate::catalog::Catalog;
use crate::error::{SqlError, state};

/// The assigned columns and their values.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    pub(crate) columns: Vec<u16>,
    pub(crate) values: Vec<Expr>,
}

impl Assignments {
    /// Reads a SET list. `DEFAULT` is replaced by what it stands for, a row of values
    /// is taken apart.
    ///
    /// # Errors
    /// 42703 for an unknown column, 42601 for one that is assigned twice, 0A000 for
    /// parts of columns.
    pub(crate) fn read(list: &[Assignment], table: &TableInfo) -> Result<Self, SqlError> {
        let mut read = Self::default();
        for assignment in list {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => {
                    read.add(name, &assignment.value, table)?;
                }
                AssignmentTarget::Tuple(names) => {
                    let values = values_of(&assignment.value, names.len())?;
                    for (name, value) in names.iter().zip(&values) {
                        read.add(name, value, table)?;
                    }
                }
            }
        }
        Ok(read)
    }

    fn add(&mut self, name: &ObjectName, value: &Expr, table: &TableInfo) -> Result<(), SqlError> {
        let column = simple_name(name)
            .ok_or_else(|| SqlError::unsupported(format!("assignment to {name}")))?;
        let target = Catalog::column(&table.desc, &column)?;
        if self.columns.contains(&target.attnum) {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{column}\""),
            ));
        }
        check_assignment(target, is_default(value))?;
        let value = match is_default(value) {
            true => default_expr(target)?.unwrap_or_else(|| Expr::Value(Value::Null.into())),
            false => value.clone(),
        };
        self.columns.push(target.attnum);
        self.values.push(value);
        Ok(())
    }
}

/// The values of `(a, b) = …`.
fn values_of(value: &Expr, width: usize) -> Result<Vec<Expr>, SqlError> {
    let values = match value {
        Expr::Tuple(exprs) => exprs.clone(),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            row_arguments(function)?
        }
        Expr::Subquery(query) => return columns_of(query, width),
        _ => {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
            ));
        }
    };
    if values.len() != width {
        return Err(wrong_width());
    }
    Ok(values)
}

fn wrong_width() -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        "number of columns does not match number of values",
    )
}

fn row_arguments(function: &sqlparser::ast::Function) -> Result<Vec<Expr>, SqlError> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    let refused = || SqlError::unsupported(format!("UPDATE … SET (…) = {function}"));
    let FunctionArguments::List(list) = &function.args else {
        return Err(refused());
    };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            _ => Err(refused()),
        })
        .collect()
}

/// Functions that may give another value each time: a subquery with one cannot be
/// asked for one column after the other.
const VOLATILE: [&str; 8] = [
    "random",
    "gen_random_uuid",
    "uuid_generate_v4",
    "clock_timestamp",
    "timeofday",
    "nextval",
    "setval",
    "lastval",
];

/// A subquery that gives several columns as one subquery for each of them.
fn columns_of(query: &Query, width: usize) -> Result<Vec<Expr>, SqlError> {
    let text = query.to_string().to_ascii_lowercase();
    if VOLATILE.iter().any(|name| text.contains(name)) {
        return Err(SqlError::unsupported(
            "UPDATE … SET (…) = a subquery with a volatile function",
        ));
    }
    if let Some(items) = plain_items(query) {
        if items.len() != width {
            return Err(wrong_width());
        }
        return Ok((0..width).map(|at| only_item(query, at)).collect());
    }
    (0..width)
        .map(|at| column_of_derived(query, at, width))
        .collect()
}

/// The select list of a subquery whose other columns can be left out.
fn plain_items(query: &Query) -> Option<&[SelectItem]> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let expressions = select.projection.iter().all(|item| {
        matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    });
    let plain = expressions && select.distinct.is_none() && query.order_by.is_none();
    plain.then_some(select.projection.as_slice())
}

fn only_item(query: &Query, at: usize) -> Expr {
    let mut query = query.clone();
    if let SetExpr::Select(select) = query.body.as_mut() {
        let items = std::mem::take(&mut select.projection);
        select.projection = items.into_iter().skip(at).take(1).collect();
    }
    Expr::Subquery(Box::new(query))
}

/// `(SELECT cN FROM (query) AS s(c1, c2, …))`.
fn column_of_derived(query: &Query, at: usize, width: usize) -> Result<Expr, SqlError> {
    let names: Vec<String> = (0..width).map(|n| format!("c{n}")).collect();
    let text = format!("SELECT c{at} FROM (SELECT 1) AS s({})", names.join(", "));
    let sqlparser::ast::Statement::Query(mut outer) = crate::session::parse_statement(&text)?
    else {
        return Err(SqlError::internal("a SELECT that is none"));
    };
    if let SetExpr::Select(select) = outer.body.as_mut() {
        put_subquery(select, query);
    }
    Ok(Expr::Subquery(outer))
}

fn put_subquery(select: &mut Select, query: &Query) {
    if let Some(table) = select.from.first_mut()
        && let sqlparser::ast::TableFactor::Derived { subquery, .. } = &mut table.relation
    {
        **subquery = query.clone();
    }
}
