//! The statements of a function, with `$1`, `$2`, … for its arguments.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::shadow::Shadows;
use crate::catalog::{Catalog, FunctionBody, FunctionDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::session::{parse_expression, parse_statements};

/// The statements of a function.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// In the order in which they are carried out.
    pub(crate) statements: Vec<Statement>,
}

impl Body {
    /// Reads the body of a function. What relations its names mean is asked of
    /// `catalog`: a column goes before a parameter of the same name.
    ///
    /// # Errors
    /// 42601; 0A000 for statements that functions cannot have here.
    pub(crate) fn read(
        function: &FunctionDescriptor,
        catalog: &Catalog,
        search_path: &[String],
    ) -> Result<Self, SqlError> {
        let mut statements = match &function.body {
            FunctionBody::Text(text) => parse_statements(text)?,
            FunctionBody::Return(expr) => vec![returning(expr)?],
            FunctionBody::Atomic(texts) => {
                let mut statements = Vec::with_capacity(texts.len());
                for text in texts {
                    match text.get(..7).map(str::to_ascii_lowercase).as_deref() {
                        Some("return ") => {
                            statements.push(returning(text.get(7..).unwrap_or_default())?);
                        }
                        _ => statements.extend(parse_statements(text)?),
                    }
                }
                statements
            }
        };
        let names: Vec<Option<String>> = function.inputs().map(|p| p.name.clone()).collect();
        for statement in &mut statements {
            let shadows = Shadows::of(statement, catalog, search_path);
            let mut numbered = Numbered {
                function: &function.name,
                names: &names,
                shadows,
            };
            if let ControlFlow::Break(error) = statement.visit(&mut numbered) {
                return Err(error);
            }
        }
        Ok(Self { statements })
    }

    /// The body, if it is one query that changes nothing.
    pub(crate) fn query(&self) -> Option<&Query> {
        match self.statements.as_slice() {
            [Statement::Query(query)] if query.locks.is_empty() && !writes(query) => Some(query),
            _ => None,
        }
    }
}

/// Whether a query has parts that change something.
fn writes(query: &Query) -> bool {
    struct Writes(bool);
    impl Visitor for Writes {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 |= matches!(
                query.body.as_ref(),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            );
            ControlFlow::Continue(())
        }
    }
    let mut writes = Writes(false);
    let _ = query.visit(&mut writes);
    writes.0
}

fn returning(expr: &str) -> Result<Statement, SqlError> {
    let expr = parse_expression(expr)?;
    let mut select: Select = crate::query::star_from(Vec::new());
    select.projection = vec![SelectItem::UnnamedExpr(expr)];
    Ok(Statement::Query(Box::new(crate::query::query_of(select))))
}

/// Gives parameters their numbers instead of their names.
struct Numbered<'a> {
    function: &'a str,
    names: &'a [Option<String>],
    shadows: Shadows,
}

impl Numbered<'_> {
    fn number(&self, name: &Ident) -> Option<usize> {
        let name = fold_identifier(name);
        let found = self.names.iter().position(|n| n.as_ref() == Some(&name));
        found.map(|at| at + 1)
    }

    fn check(&self, placeholder: &str) -> Result<(), SqlError> {
        let number = placeholder.strip_prefix('$');
        let number = number.and_then(|n| n.parse::<usize>().ok());
        match number {
            Some(n) if n >= 1 && n <= self.names.len() => Ok(()),
            _ => Err(SqlError::new(
                state::UNDEFINED_PARAMETER,
                format!("there is no parameter {placeholder}"),
            )),
        }
    }
}

impl VisitorMut for Numbered<'_> {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let number = match expr {
            Expr::Identifier(name) if !self.shadows.has_column(&fold_identifier(name)) => {
                self.number(name)
            }
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [function, name]
                    if fold_identifier(function) == self.function
                        && !self.shadows.has_relation(self.function) =>
                {
                    self.number(name)
                }
                _ => None,
            },
            Expr::Value(value) => {
                if let Value::Placeholder(text) = &value.value
                    && let Err(error) = self.check(text)
                {
                    return ControlFlow::Break(error);
                }
                None
            }
            _ => None,
        };
        if let Some(number) = number {
            *expr = Expr::Value(Value::Placeholder(format!("${number}")).with_empty_span());
        }
        ControlFlow::Continue(())
    }
}

fn position(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else {
        return None;
    };
    let Value::Placeholder(text) = &value.value else {
        return None;
    };
    text.strip_prefix('$')?
        .parse::<usize>()
        .ok()?
        .checked_sub(1)
}

/// How often each argument is used.
pub(crate) fn parameter_uses(query: &Query, count: usize) -> Vec<usize> {
    struct Uses(Vec<usize>);
    impl Visitor for Uses {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Some(slot) = position(expr).and_then(|at| self.0.get_mut(at)) {
                *slot += 1;
            }
            ControlFlow::Continue(())
        }
    }
    let mut uses = Uses(vec![0; count]);
    let _ = query.visit(&mut uses);
    uses.0
}

/// Puts arguments in the places of `$1`, `$2`, ….
pub(crate) fn put_arguments<T: VisitMut>(node: &mut T, arguments: &[Expr]) {
    struct Put<'a>(&'a [Expr]);
    impl VisitorMut for Put<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Some(argument) = position(expr).and_then(|at| self.0.get(at)) {
                *expr = argument.clone();
            }
            ControlFlow::Continue(())
        }
    }
    let _ = node.visit(&mut Put(arguments));
}
