//! Calls of functions that users wrote in SQL: the body takes the place of the call.
//!
//! An argument goes where the body names it, unless it would mean something else
//! there; then it becomes a column of a relation that only the body knows.

mod call;
mod parts;
mod whole;

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Query, Select, SelectItem, Statement,
    TableAlias, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use self::call::{Call, Names};
use self::parts::{
    at_most_one, bare_expression, has_names, is_simple, one_row_or, relation_of, result, strict,
    table_alias,
};
use super::super::PlanContext;
use super::super::names::{column_name, quoted};
use super::select::{query_of, star_from};
use crate::catalog::{FunctionDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::routine::{Body, Shadows, parameter_uses, put_arguments};
use crate::types::PgType;

pub(crate) use self::whole::{RoutineCall, first_row_or_null, routine_call, routine_result};

/// How deep bodies may call other functions.
const DEPTH_MAX: usize = 32;
/// How many calls one statement may have, those in bodies included.
const CALLS_MAX: usize = 2_000;

/// An argument, as its parameter has it: `__argument(x, type, function)`.
pub(in crate::query) const ARGUMENT: &str = "__argument";
/// A result, as the function gives it: `__result(x, type)`.
pub(in crate::query) const RESULT: &str = "__result";

/// Puts the bodies of users' functions in the places of their calls.
///
/// # Errors
/// 42883, 54001, 0A000.
pub(super) fn expand(query: &mut Query, context: &PlanContext) -> Result<(), SqlError> {
    if context.catalog.functions().next().is_none() {
        return Ok(());
    }
    let mut expander = Expander {
        context,
        depth: 0,
        calls: 0,
    };
    match VisitMut::visit(query, &mut expander) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Expander<'a> {
    context: &'a PlanContext,
    depth: usize,
    calls: usize,
}

impl<'a> Expander<'a> {
    fn names(&self) -> Names<'a> {
        Names {
            catalog: &self.context.catalog,
            database: &self.context.database,
            search_path: &self.context.search_path,
        }
    }

    fn has_call(&self, expr: &Expr) -> bool {
        struct Calls<'c, 'a>(&'c Expander<'a>);
        impl Visitor for Calls<'_, '_> {
            type Break = ();
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                match expr {
                    Expr::Function(f) if !self.0.names().named(&f.name).is_empty() => {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                }
            }
        }
        expr.visit(&mut Calls(self)).is_break()
    }

    fn body(&mut self, function: &FunctionDescriptor) -> Result<Query, SqlError> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return Err(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                "too many calls of functions in one statement",
            ));
        }
        if self.depth >= DEPTH_MAX {
            return Err(SqlError::unsupported("functions that call themselves"));
        }
        let body = Body::read(function, &self.context.catalog, &self.context.search_path)?;
        let query = body.query().ok_or_else(|| {
            SqlError::unsupported(
                "a function with several statements or with one that changes something, as a part of a query",
            )
        })?;
        let mut query = query.clone();
        self.depth += 1;
        let visited = VisitMut::visit(&mut query, self);
        self.depth -= 1;
        match visited {
            ControlFlow::Continue(()) => Ok(query),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The value of a call.
    fn value(&mut self, call_of: &Call<'_>) -> Result<Expr, SqlError> {
        let function = call_of.function;
        if function.returns_set {
            return Err(SqlError::unsupported(
                "a set-returning function of a user in this place",
            ));
        }
        let Some(returns) = function.returns.map(|r| self.context.catalog.settled(r.0)) else {
            return Err(SqlError::unsupported(
                "a function with several results in this place",
            ));
        };
        if returns == PgType::Void {
            return Err(SqlError::unsupported(
                "a function that returns void, as a part of a query",
            ));
        }
        let body = self.body(function)?;
        let arguments = self.names().arguments(call_of);
        let uses = parameter_uses(&body, arguments.len());
        let simple = call_of.arguments.iter().all(is_simple);
        let once = uses.iter().all(|n| *n <= 1);
        if let Some(expr) = bare_expression(&body)
            && (simple || (once && !function.strict))
        {
            let mut expr = expr.clone();
            put_arguments(&mut expr, &arguments);
            return Ok(strict(function, &arguments, result(expr, returns)));
        }
        let mut query = at_most_one(body);
        let shadows = self.shadows(&query);
        let direct = !call_of.arguments.iter().any(|a| shadows.captures(a))
            && (simple || (once && !function.strict));
        if direct {
            put_arguments(&mut query, &arguments);
            let value = result(Expr::Subquery(Box::new(query)), returns);
            return Ok(strict(function, &arguments, value));
        }
        let (relation, columns) = relation_of(&arguments);
        put_arguments(&mut query, &columns);
        let value = strict(
            function,
            &columns,
            result(Expr::Subquery(Box::new(query)), returns),
        );
        let mut select = star_from(vec![TableWithJoins {
            relation,
            joins: Vec::new(),
        }]);
        select.projection = vec![SelectItem::UnnamedExpr(value)];
        Ok(Expr::Subquery(Box::new(query_of(select))))
    }

    fn shadows(&self, query: &Query) -> Shadows {
        let statement = Statement::Query(Box::new(query.clone()));
        Shadows::of(&statement, &self.context.catalog, &self.context.search_path)
    }

    /// The rows of a call in FROM.
    fn rows(
        &mut self,
        call_of: &Call<'_>,
        alias: Option<TableAlias>,
        lateral: bool,
    ) -> Result<TableFactor, SqlError> {
        let function = call_of.function;
        let settled = |ty| self.context.catalog.settled(ty);
        let own: Vec<(String, PgType)> = match function.returns.map(|r| settled(r.0)) {
            Some(PgType::Void) => {
                return Err(SqlError::unsupported(
                    "a function that returns void, as a part of a query",
                ));
            }
            Some(PgType::Composite(user)) => {
                let attributes = user.attributes().iter();
                attributes.map(|a| (a.name.clone(), a.ty)).collect()
            }
            Some(ty) => {
                let alias = alias.as_ref().map(|a| fold_identifier(&a.name));
                let single = function.outputs().into_iter().next();
                let name = match (function.outputs().len(), single) {
                    (1, Some((name, _))) if !name.starts_with("column") => name,
                    _ => alias.unwrap_or_else(|| function.name.clone()),
                };
                vec![(name, ty)]
            }
            None => {
                let outputs = function.outputs().into_iter();
                outputs.map(|(name, ty)| (name, settled(ty))).collect()
            }
        };
        let mut body = self.body(function)?;
        if !function.returns_set {
            body = at_most_one(body);
        }
        let arguments = self.names().arguments(call_of);
        let shadows = self.shadows(&body);
        let captured = call_of.arguments.iter().any(|a| shadows.captures(a));
        let volatile = !call_of.arguments.iter().all(is_simple);
        let refers = call_of.arguments.iter().any(has_names);
        let mut from = Vec::new();
        let conditions;
        if captured || volatile {
            let (relation, columns) = relation_of(&arguments);
            put_arguments(&mut body, &columns);
            conditions = columns;
            from.push(TableWithJoins {
                relation,
                joins: Vec::new(),
            });
        } else {
            put_arguments(&mut body, &arguments);
            conditions = arguments;
        }
        let names: Vec<String> = (0..own.len()).map(|n| format!("c{n}")).collect();
        let rows = TableFactor::Derived {
            lateral: !from.is_empty() || refers,
            subquery: Box::new(body),
            alias: Some(table_alias("\u{1f}rows", &names)),
            sample: None,
        };
        if function.returns_set {
            from.push(TableWithJoins {
                relation: rows,
                joins: Vec::new(),
            });
        } else {
            from.push(one_row_or(rows));
        }
        let mut select = star_from(from);
        select.projection = own
            .iter()
            .zip(&names)
            .map(|((name, ty), column)| SelectItem::ExprWithAlias {
                expr: result(
                    Expr::CompoundIdentifier(vec![quoted("\u{1f}rows"), quoted(column.as_str())]),
                    *ty,
                ),
                alias: quoted(name.as_str()),
            })
            .collect();
        if function.strict && function.returns_set {
            select.selection = conditions
                .iter()
                .map(|c| Expr::IsNotNull(Box::new(c.clone())))
                .reduce(|left, right| Expr::BinaryOp {
                    left: Box::new(left),
                    op: BinaryOperator::And,
                    right: Box::new(right),
                });
        } else if function.strict && !conditions.is_empty() {
            return Err(SqlError::unsupported("a strict function in FROM"));
        }
        let alias = alias.or_else(|| Some(table_alias(&function.name, &[])));
        Ok(TableFactor::Derived {
            lateral: lateral || refers,
            subquery: Box::new(query_of(select)),
            alias,
            sample: None,
        })
    }
}

impl VisitorMut for Expander<'_> {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        // A column keeps the name that the call gives it.
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && self.has_call(expr)
            {
                *item = SelectItem::ExprWithAlias {
                    alias: quoted(column_name(expr)),
                    expr: expr.clone(),
                };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let FunctionArguments::List(list) = &function.args else {
            return ControlFlow::Continue(());
        };
        let replaced =
            self.names()
                .call(&function.name, &list.args)
                .and_then(|found| match found {
                    None => Ok(None),
                    Some(found) => {
                        refuse_clauses(function)?;
                        self.value(&found).map(Some)
                    }
                });
        match replaced {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let (name, args, alias, lateral) = match factor {
            TableFactor::Table {
                name,
                args: Some(args),
                alias,
                with_ordinality: false,
                ..
            } => (name, &args.args, alias, false),
            TableFactor::Function {
                name,
                args,
                alias,
                lateral,
                with_ordinality: false,
                ..
            } => (name, &*args, alias, *lateral),
            _ => return ControlFlow::Continue(()),
        };
        let alias = alias.clone();
        let replaced = self
            .names()
            .call(name, args)
            .and_then(|found| found.map(|c| self.rows(&c, alias, lateral)).transpose());
        match replaced {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *factor = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn refuse_clauses(function: &Function) -> Result<(), SqlError> {
    let name = &function.name;
    let FunctionArguments::List(list) = &function.args else {
        return Ok(());
    };
    if list.duplicate_treatment.is_some()
        || !list.clauses.is_empty()
        || function.filter.is_some()
        || function.over.is_some()
        || !function.within_group.is_empty()
    {
        return Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("{name} is not an aggregate function"),
        ));
    }
    Ok(())
}
