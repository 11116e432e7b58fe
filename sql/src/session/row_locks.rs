//! SELECT … FOR UPDATE: which rows to lock, and how.
//!
//! The query is planned without its LIMIT and with the keys, versions and stored
//! forms of the rows of its tables ([`LockingPlan`]). Each row it gives is locked
//! when it is read ([`LockedRows`]). At READ COMMITTED a row that somebody changed
//! in between is put through the query once more, alone and in its newest version,
//! together with the rows of the other tables that it was joined with.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, LockClause, Query, Select, SelectItem, SetExpr,
    Visit, Visitor,
};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::lock_clause::{Busy, RowLock, decode, verb};
use crate::catalog::{Catalog, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::expr::{ScalarExpr, Scope, Values, compile};
use crate::exec::table::TableInfo;
use crate::exec::target::Planning;
use crate::query::{Hidden, OutputColumn, PlannedQuery, RowTarget};
use crate::txn::LockMode;
use crate::types::PgType;

/// Hidden columns of a table: what its rows are known by.
pub(super) const HIDDEN: usize = 4;

/// A table whose rows come with their keys.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) table: Arc<TableInfo>,
    /// The name it goes by.
    pub(super) alias: String,
    /// How its rows are locked, if they are.
    pub(super) lock: Option<(LockMode, Busy)>,
}

/// A planned query whose rows are known by their keys.
#[derive(Debug)]
pub(crate) struct LockingPlan {
    pub(crate) query: PlannedQuery,
    pub(super) targets: Vec<Target>,
    limit: Option<ScalarExpr>,
    offset: Option<ScalarExpr>,
    /// The strongest clause, for messages.
    pub(super) strongest: Option<LockMode>,
}

/// The query without what is done after locking, and its LIMIT and OFFSET.
fn without_limit(query: &Query) -> (Query, Option<Expr>, Option<Expr>) {
    let mut inner = query.clone();
    inner.locks.clear();
    let (mut limit, offset) = match inner.limit_clause.take() {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => (limit, offset.map(|o| o.value)),
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        None => (None, None),
    };
    if let Some(fetch) = inner.fetch.take() {
        limit = Some(match fetch.quantity {
            Some(quantity) => quantity,
            None => Expr::Value(sqlparser::ast::Value::Number("1".to_owned(), false).into()),
        });
    }
    (inner, limit, offset)
}

impl LockingPlan {
    /// Plans a query whose rows are known by their keys, to be locked or found
    /// again.
    ///
    /// # Errors
    /// What planning it reports; 0A000 for what rows cannot be told apart in.
    pub(crate) fn plan(
        query: &Query,
        planning: &Planning,
        parameters: &mut Vec<Option<PgType>>,
    ) -> Result<Self, SqlError> {
        check_lockable(query)?;
        let (inner, limit, offset) = without_limit(query);
        let planned = planning.query_with(&inner, parameters, Hidden::All)?;
        let window = (limit, offset);
        Self::new(planned, &query.locks, window, &planning.catalog, parameters)
    }

    /// Puts a plan together from the planned query.
    fn new(
        query: PlannedQuery,
        clauses: &[LockClause],
        (limit, offset): (Option<Expr>, Option<Expr>),
        catalog: &Catalog,
        parameters: &mut Vec<Option<PgType>>,
    ) -> Result<Self, SqlError> {
        let locks = clauses.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let mut targets = Vec::with_capacity(query.targets().len());
        for target in query.targets() {
            let Some(table) = catalog.table_by_oid(target.oid) else {
                return Err(SqlError::internal("a target that is no table"));
            };
            targets.push(Target {
                table: Arc::new(TableInfo::new(table.clone())?),
                alias: target.alias.clone(),
                lock: lock_of(target, &locks)?,
            });
        }
        for lock in &locks {
            let missing = lock
                .of
                .iter()
                .find(|name| !targets.iter().any(|t| t.alias == **name));
            if let Some(name) = missing {
                return Err(SqlError::new(
                    state::UNDEFINED_TABLE,
                    format!(
                        "relation \"{name}\" in {} clause not found in FROM clause",
                        verb(lock.mode)
                    ),
                ));
            }
        }
        Ok(Self {
            limit: count(limit, parameters, "LIMIT")?,
            offset: count(offset, parameters, "OFFSET")?,
            strongest: locks.iter().map(|l| l.mode).max_by_key(|m| *m as u8),
            targets,
            query,
        })
    }

    /// The columns that are seen; hidden ones come after them.
    pub(crate) fn columns(&self) -> &[OutputColumn] {
        let columns = self.query.columns();
        columns.get(..self.visible()).unwrap_or(columns)
    }

    /// How many columns are seen.
    pub(super) fn visible(&self) -> usize {
        self.query
            .columns()
            .len()
            .saturating_sub(HIDDEN * self.targets.len())
    }

    /// Rows to leave out, and to give after them at most.
    pub(crate) fn window(&self, values: &Values<'_>) -> Result<(u64, Option<u64>), SqlError> {
        let number = |expr: &Option<ScalarExpr>, name: &str, state| -> Result<_, SqlError> {
            let Some(expr) = expr else {
                return Ok(None);
            };
            let value = expr.evaluate(values)?;
            if value.is_null() {
                return Ok(None);
            }
            let value = crate::exec::assign::assign(value, PgType::Int8, values.format)?;
            match value.as_i64().map(u64::try_from) {
                Some(Ok(count)) => Ok(Some(count)),
                _ => Err(SqlError::new(state, format!("{name} must not be negative"))),
            }
        };
        let skip = number(
            &self.offset,
            "OFFSET",
            state::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
        )?;
        let limit = number(
            &self.limit,
            "LIMIT",
            state::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
        )?;
        Ok((skip.unwrap_or(0), limit))
    }
}

fn count(
    expr: Option<Expr>,
    parameters: &mut Vec<Option<PgType>>,
    name: &str,
) -> Result<Option<ScalarExpr>, SqlError> {
    let Some(expr) = expr else {
        return Ok(None);
    };
    let mut scope = Scope {
        table: None,
        other: None,
        parameters,
    };
    let compiled = compile(&expr, &mut scope, Some(PgType::Int8))?;
    let (expr, _) =
        compiled.ok_or_else(|| SqlError::unsupported(format!("{name} {expr} with row locks")))?;
    Ok(Some(expr))
}

/// The lock that all clauses together ask for.
fn lock_of(target: &RowTarget, locks: &[RowLock]) -> Result<Option<(LockMode, Busy)>, SqlError> {
    let mut found: Option<(LockMode, Busy)> = None;
    for lock in locks {
        if !lock.of.is_empty() && !lock.of.contains(&target.alias) {
            continue;
        }
        if target.nullable {
            return Err(not_supported(format!(
                "{} cannot be applied to the nullable side of an outer join",
                verb(lock.mode)
            )));
        }
        found = Some(match found {
            Some((mode, busy)) => (
                if lock.mode as u8 > mode as u8 {
                    lock.mode
                } else {
                    mode
                },
                busy.max(lock.busy),
            ),
            None => (lock.mode, lock.busy),
        });
    }
    Ok(found)
}

fn not_supported(message: String) -> SqlError {
    SqlError::new(state::FEATURE_NOT_SUPPORTED, message)
}

/// Refuses what rows cannot be told apart in.
///
/// # Errors
/// 0A000 with PostgreSQL's words.
fn check_lockable(query: &Query) -> Result<(), SqlError> {
    let Some(clause) = query.locks.first() else {
        return Ok(());
    };
    let lock = decode(clause)?;
    let verb = verb(lock.mode);
    let refuse = |what: &str| Err(not_supported(format!("{verb} is not allowed with {what}")));
    match query.body.as_ref() {
        SetExpr::Select(select) => {
            if let Some(what) = obstacle(select) {
                return refuse(what);
            }
            for item in select.from.iter().flat_map(|f| {
                std::iter::once(&f.relation).chain(f.joins.iter().map(|j| &j.relation))
            }) {
                refuse_derived(item, &lock, verb)?;
            }
            Ok(())
        }
        SetExpr::SetOperation { .. } => refuse("UNION/INTERSECT/EXCEPT"),
        SetExpr::Values(_) => Err(not_supported(format!("{verb} cannot be applied to VALUES"))),
        SetExpr::Query(_) => Err(SqlError::unsupported(format!(
            "{verb} around a query in parentheses"
        ))),
        _ => Ok(()),
    }
}

/// A subquery in FROM would be locked through.
fn refuse_derived(
    factor: &sqlparser::ast::TableFactor,
    lock: &RowLock,
    verb: &str,
) -> Result<(), SqlError> {
    use sqlparser::ast::TableFactor;
    let TableFactor::Derived { alias, .. } = factor else {
        return Ok(());
    };
    let named = alias
        .as_ref()
        .is_some_and(|a| lock.of.contains(&fold_identifier(&a.name)));
    if lock.of.is_empty() || named {
        return Err(SqlError::unsupported(format!(
            "{verb} of a subquery in FROM"
        )));
    }
    Ok(())
}

pub(super) fn obstacle(select: &Select) -> Option<&'static str> {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        return Some("DISTINCT clause");
    }
    if grouped {
        return Some("GROUP BY clause");
    }
    if select.having.is_some() {
        return Some("HAVING clause");
    }
    let mut calls = Calls::default();
    for item in &select.projection {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
            _ => continue,
        };
        let _ = expr.visit(&mut calls);
    }
    if calls.aggregate {
        return Some("aggregate functions");
    }
    if calls.window {
        return Some("window functions");
    }
    calls
        .set
        .then_some("set-returning functions in the target list")
}

/// What kinds of functions are called, subqueries left out.
#[derive(Default)]
struct Calls {
    depth: usize,
    aggregate: bool,
    window: bool,
    set: bool,
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let name = function
            .name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(fold_identifier)
            .unwrap_or_default();
        if function.over.is_some() {
            self.window = true;
        } else if crate::query::is_aggregate(&name) {
            self.aggregate = true;
        } else if matches!(
            name.as_str(),
            "generate_series"
                | "unnest"
                | "generate_subscripts"
                | "regexp_matches"
                | "regexp_split_to_table"
                | "string_to_table"
                | "json_array_elements"
                | "jsonb_array_elements"
                | "json_each"
                | "jsonb_each"
        ) {
            self.set = true;
        }
        ControlFlow::Continue(())
    }
}
