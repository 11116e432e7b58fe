//! PREPARE, EXECUTE and DEALLOCATE.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    DataType, Expr, Ident, ObjectName, ObjectNamePart, Query, Statement, Visit, Visitor,
};

use super::execute::Execution;
use super::parse::{Command, ParsedStatement, parse_query};
use super::plan::{CachedPlan, Prepared};
use super::{Outcome, Session};
use crate::catalog::{Catalog, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::assign::assign;
use crate::exec::expr::{Scope, Values, compile};
use crate::query::{PlannedQuery, datum_at};
use crate::types::{Datum, PgType};

impl Session {
    pub(super) fn sql_prepare(
        &mut self,
        name: &Ident,
        types: &[DataType],
        statement: &Statement,
        source: &Arc<str>,
    ) -> Result<String, SqlError> {
        let name = fold_identifier(name);
        self.statements.make_way(&name)?;
        let catalog = self.catalog()?;
        let declared = types
            .iter()
            .map(|ty| declared_type(ty, &catalog, self.settings.search_path()))
            .collect::<Result<Vec<_>, _>>()?;
        let inner = ParsedStatement {
            command: Command::Sql(Box::new(statement.clone())),
            // Not the text of the PREPARE: plans are kept by text.
            text: statement.to_string(),
            source: source.clone(),
        };
        let prepared = self.prepare_statement(inner, &declared)?;
        if prepared.is_utility() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "PREPARE is for SELECT, INSERT, UPDATE, DELETE and VALUES",
            ));
        }
        self.keep_statement(&name, prepared, true);
        Ok("PREPARE".to_owned())
    }

    pub(super) async fn sql_execute(
        &mut self,
        name: &ObjectName,
        arguments: &[Expr],
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at \"{name}\""),
            ));
        };
        let (prepared, plan, parameters) = self.executed(name, arguments).await?;
        let inner = Execution {
            parameters,
            result_formats: execution.result_formats.clone(),
            declared: plan.parameters.iter().map(|ty| ty.oid()).collect(),
            source: execution.source.clone(),
            simple: execution.simple,
        };
        match &prepared.statement {
            Some(statement) => {
                Box::pin(self.run_plan(statement, &prepared.declared, plan, &inner)).await
            }
            None => Ok(Outcome::Empty),
        }
    }

    /// The statement that an EXECUTE names, its plan, and the values of its
    /// parameters.
    async fn executed(
        &mut self,
        name: &Ident,
        arguments: &[Expr],
    ) -> Result<(Arc<Prepared>, Arc<CachedPlan>, Vec<Datum>), SqlError> {
        let name = fold_identifier(name);
        let prepared = self.statements.get(&name)?.clone();
        if prepared.is_utility() {
            // One of them could be an EXECUTE, of itself even.
            return Err(SqlError::unsupported(
                "EXECUTE of other statements than queries and changes",
            ));
        }
        let plan = self.current_plan(&prepared)?;
        if arguments.len() != plan.parameters.len() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .detail(format!(
                "Expected {} parameters but got {}.",
                plan.parameters.len(),
                arguments.len()
            )));
        }
        let mut parameters = Vec::with_capacity(arguments.len());
        for (expr, ty) in arguments.iter().zip(&plan.parameters) {
            parameters.push(self.argument(expr, *ty).await?);
        }
        prepared.note_run();
        Ok((prepared, plan, parameters))
    }

    /// The value of an argument for a parameter of this type.
    async fn argument(&mut self, expr: &Expr, ty: PgType) -> Result<Datum, SqlError> {
        let format = self.format();
        let mut scope = Scope {
            table: None,
            other: None,
            parameters: &mut Vec::new(),
        };
        if let Some((expr, _)) = compile(expr, &mut scope, Some(ty))? {
            let values = Values {
                parameters: &[],
                row: &[],
                now_us: format.now,
                format: &format,
                sequences: None,
            };
            return assign(expr.evaluate(&values)?, ty, &format);
        }
        if has_subquery(expr) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "cannot use subquery in EXECUTE parameter",
            ));
        }
        let query = parse_query(&format!("SELECT {expr}"))?;
        let planned = self.plan_query(&query)?;
        self.pin().await?;
        let run = self.new_run(&Execution::default())?;
        let found = planned.columns().first().map(|column| column.pg_type);
        let mut stream = planned.execute(run).await?;
        let (Some(batch), Some(found)) = (stream.next().await, found) else {
            return Err(SqlError::internal("an argument without a value"));
        };
        let batch = batch?;
        let value = datum_at(batch.column(0), 0, found)?;
        assign(value, ty, &format)
    }

    /// The query that an EXECUTE in CREATE TABLE AS names, and what it is to be run
    /// with.
    ///
    /// # Errors
    /// 26000, 42809 when it is no query.
    pub(super) async fn executed_query(
        &mut self,
        name: &Ident,
        arguments: &[Expr],
    ) -> Result<(Query, PlannedQuery, Execution), SqlError> {
        let (prepared, plan, parameters) = self.executed(name, arguments).await?;
        let query = match prepared.statement.as_ref().map(|s| &s.command) {
            Some(Command::Sql(statement)) => match statement.as_ref() {
                Statement::Query(query) => query.as_ref().clone(),
                _ => return Err(no_select()),
            },
            _ => return Err(no_select()),
        };
        let declared: Vec<u32> = plan.parameters.iter().map(|ty| ty.oid()).collect();
        let planned = self.plan_query_with(&query, &declared)?;
        let execution = Execution {
            parameters,
            declared,
            ..Execution::default()
        };
        Ok((query, planned, execution))
    }

    pub(super) fn deallocate(&mut self, name: &Ident) -> Result<String, SqlError> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
            self.forget_statements();
            return Ok("DEALLOCATE ALL".to_owned());
        }
        let name = fold_identifier(name);
        self.statements.get(&name)?;
        self.forget_statement(&name);
        Ok("DEALLOCATE".to_owned())
    }
}

/// Whether an expression has a query in it.
fn has_subquery(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

fn no_select() -> SqlError {
    SqlError::new(
        state::WRONG_OBJECT_TYPE,
        "prepared statement is not a SELECT",
    )
}

/// The identifier of a declared type; 0 for one that is to be found out.
fn declared_type(ty: &DataType, catalog: &Catalog, path: &[String]) -> Result<u32, SqlError> {
    if ty.to_string().eq_ignore_ascii_case("unknown") {
        return Ok(0);
    }
    catalog.type_of_ast(ty, path).map(PgType::oid)
}
