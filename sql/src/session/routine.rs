//! Calls of functions that are carried out statement by statement: `SELECT f(…)` and
//! `SELECT * FROM f(…)`, where the body has several statements or changes something.

use bytes::BytesMut;
use sqlparser::ast::{
    Cte, Expr, FunctionArg, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem,
    SetExpr, Statement, TableFactor, With,
};

use super::execute::Execution;
use super::parse::{Command, ParsedStatement};
use super::{Fill, Outcome, Session};
use crate::catalog::{FunctionDescriptor, QualifiedName};
use crate::error::SqlError;
use crate::query::{
    RoutineCall, datum_at, first_row_or_null, query_of, routine_call, routine_result, star_from,
};
use crate::routine::Body;
use crate::types::{Datum, PgType};

/// A call that is a statement of its own.
pub(super) struct Called {
    function: FunctionDescriptor,
    body: Body,
    /// The arguments, in the order of the parameters.
    arguments: Vec<Expr>,
    /// What the column of the result is called.
    name: String,
    /// Whether rows are asked for, as in FROM.
    rows: bool,
}

impl Session {
    /// The call that a statement is, if it takes carrying out statement by statement.
    ///
    /// # Errors
    /// What keeps the call from being read.
    pub(super) fn called(&self, command: &Command) -> Result<Option<Called>, SqlError> {
        let Command::Sql(statement) = command else {
            return Ok(None);
        };
        let Statement::Query(query) = statement.as_ref() else {
            return Ok(None);
        };
        let catalog = self.catalog()?;
        if catalog.functions().next().is_none() {
            return Ok(None);
        }
        let Some((name, args, label, rows)) = only_call(query) else {
            return Ok(None);
        };
        let path = self.settings.search_path();
        let written = QualifiedName::from_ast(name, &self.database)?;
        if catalog.functions_named(&written, path).is_empty() {
            return Ok(None);
        }
        let call: Option<RoutineCall> = routine_call(name, args, &catalog, &self.database, path)?;
        let Some(call) = call else {
            return Ok(None);
        };
        let body = Body::read(&call.function, &catalog, path)?;
        let void = call.function.returns.map(|r| r.0) == Some(PgType::Void);
        if body.query().is_some() && !void {
            return Ok(None);
        }
        Ok(Some(Called {
            name: label.unwrap_or_else(|| call.function.name.clone()),
            function: call.function,
            arguments: call.arguments,
            body,
            rows,
        }))
    }

    /// Carries a call out.
    ///
    /// # Errors
    /// Whatever its statements fail with.
    pub(super) async fn carry_out(
        &mut self,
        called: Called,
        stmt: &ParsedStatement,
    ) -> Result<Outcome, SqlError> {
        let catalog = self.catalog()?;
        let types: Vec<PgType> = called
            .function
            .signature()
            .into_iter()
            .map(|ty| catalog.settled(ty))
            .collect();
        let arguments = self.argument_values(&called, &types, stmt).await?;
        let declared: Vec<u32> = types.iter().map(|ty| ty.base().oid()).collect();
        let missing = called.function.strict && arguments.iter().any(Datum::is_null);
        let execution = execution_of(stmt, arguments, declared.clone());
        let returns = called.function.returns.map(|r| catalog.settled(r.0));
        let void = returns == Some(PgType::Void);
        let mut statements = called.body.statements.clone();
        let last = if void || missing {
            None
        } else {
            statements.pop()
        };
        if missing {
            statements.clear();
        }
        for statement in statements {
            let outcome = self
                .one_statement(statement, &declared, &execution, stmt)
                .await?;
            if let Outcome::Rows(mut cursor) = outcome {
                let mut unread = BytesMut::new();
                while !matches!(
                    cursor.fill(self, &mut unread, 0, DRAINED).await?,
                    Fill::Done(_)
                ) {
                    unread.clear();
                }
            }
        }
        let outputs = match returns {
            Some(ty) => vec![(called.name.clone(), ty)],
            None => called.function.outputs(),
        };
        if !called.rows && outputs.len() != 1 {
            return Err(SqlError::unsupported(
                "a function with several results in this place",
            ));
        }
        let Some(last) = last else {
            let value = routine_result(void, returns);
            let mut select = star_from(Vec::new());
            select.projection = vec![SelectItem::ExprWithAlias {
                expr: value,
                alias: Ident::with_quote('"', called.name.as_str()),
            }];
            let query = Statement::Query(Box::new(query_of(select)));
            let nothing = execution_of(stmt, Vec::new(), Vec::new());
            return self.one_statement(query, &[], &nothing, stmt).await;
        };
        let outputs: Vec<(String, PgType)> = outputs
            .into_iter()
            .map(|(name, ty)| (name, catalog.settled(ty)))
            .collect();
        let query = result_query(last, &outputs, called.function.returns_set)?;
        let statement = Statement::Query(Box::new(query));
        self.one_statement(statement, &declared, &execution, stmt)
            .await
    }

    async fn one_statement(
        &mut self,
        statement: Statement,
        declared: &[u32],
        execution: &Execution,
        outer: &ParsedStatement,
    ) -> Result<Outcome, SqlError> {
        let stmt = ParsedStatement {
            source: outer.source.clone(),
            text: format!("{} /* {statement} */", outer.text),
            command: Command::Sql(Box::new(statement)),
        };
        // What the statement before did is there for this one.
        self.info = None;
        let plan = std::sync::Arc::new(self.plan_command(&stmt.command, declared)?);
        self.run_plan(&stmt, declared, plan, execution).await
    }

    /// The values of the arguments.
    async fn argument_values(
        &mut self,
        called: &Called,
        types: &[PgType],
        stmt: &ParsedStatement,
    ) -> Result<Vec<Datum>, SqlError> {
        if called.arguments.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = star_from(Vec::new());
        select.projection = called
            .arguments
            .iter()
            .cloned()
            .map(SelectItem::UnnamedExpr)
            .collect();
        let planned = self.plan_query(&query_of(select))?;
        let run = self.new_run(&execution_of(stmt, Vec::new(), Vec::new()))?;
        let mut stream = planned.execute(run).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            return batch
                .columns()
                .iter()
                .zip(types)
                .map(|(array, ty)| datum_at(array, 0, ty.base()))
                .collect();
        }
        Err(SqlError::internal("arguments have no values"))
    }
}

/// How the statements of a function are executed.
fn execution_of(stmt: &ParsedStatement, parameters: Vec<Datum>, declared: Vec<u32>) -> Execution {
    Execution {
        parameters,
        result_formats: Vec::new(),
        declared,
        source: stmt.source.clone(),
        simple: true,
    }
}

/// Bytes of rows that nobody wants and that are thrown away together.
const DRAINED: usize = 1 << 16;

/// A call that is all of a query: name, arguments, the alias it has, and whether it
/// stands in FROM.
fn only_call(query: &Query) -> Option<(&ObjectName, &[FunctionArg], Option<String>, bool)> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.into.is_none();
    if !plain {
        return None;
    }
    match (select.projection.as_slice(), select.from.as_slice()) {
        ([item], []) => {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => {
                    (expr, Some(crate::catalog::fold_identifier(alias)))
                }
                _ => return None,
            };
            let Expr::Function(function) = expr else {
                return None;
            };
            match &function.args {
                FunctionArguments::List(list) => {
                    Some((&function.name, list.args.as_slice(), alias, false))
                }
                _ => None,
            }
        }
        ([SelectItem::Wildcard(_)], [table]) if table.joins.is_empty() => {
            let TableFactor::Table {
                name,
                args: Some(args),
                alias,
                with_ordinality: false,
                ..
            } = &table.relation
            else {
                return None;
            };
            let alias = alias.as_ref();
            if alias.is_some_and(|a| !a.columns.is_empty()) {
                return None;
            }
            let alias = alias.map(|a| crate::catalog::fold_identifier(&a.name));
            Some((name, args.args.as_slice(), alias, true))
        }
        _ => None,
    }
}

/// The rows of a function's last statement, as its result.
fn result_query(
    last: Statement,
    outputs: &[(String, PgType)],
    set: bool,
) -> Result<Query, SqlError> {
    let body = match last {
        Statement::Query(query) => *query,
        statement @ (Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) => {
            let body = match &statement {
                Statement::Insert(_) => SetExpr::Insert(statement),
                Statement::Update(_) => SetExpr::Update(statement),
                _ => SetExpr::Delete(statement),
            };
            let mut query = query_of(star_from(Vec::new()));
            query.body = Box::new(body);
            query
        }
        other => {
            return Err(SqlError::unsupported(format!(
                "a function whose last statement is {other}"
            )));
        }
    };
    let (select, cte): (Select, Cte) = first_row_or_null(body, outputs, set);
    let mut query = query_of(select);
    query.with = Some(With {
        with_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        recursive: false,
        cte_tables: vec![cte],
    });
    Ok(query)
}
