//! Which function a call means, and what its arguments are.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, Value};

use super::super::super::implicit;
use super::super::super::rewrite::call;
use super::ARGUMENT;
use super::parts::text;
use crate::catalog::{Catalog, FunctionDescriptor, ParameterMode, QualifiedName, fold_identifier};
use crate::error::{SqlError, state};
use crate::session::parse_expression;
use crate::types::{PgType, arrow_map};

/// A call, its arguments complete and in the order of the parameters.
pub(super) struct Call<'a> {
    pub(super) function: &'a FunctionDescriptor,
    pub(super) arguments: Vec<Expr>,
}

/// Where the names of functions are looked up.
pub(super) struct Names<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) database: &'a str,
    pub(super) search_path: &'a [String],
}

impl<'a> Names<'a> {
    /// The functions that a name may mean.
    pub(super) fn named(&self, name: &ObjectName) -> Vec<&'a FunctionDescriptor> {
        let Ok(name) = QualifiedName::from_ast(name, self.database) else {
            return Vec::new();
        };
        let found = self.catalog.functions_named(&name, self.search_path);
        found.into_iter().map(AsRef::as_ref).collect()
    }

    /// The call that is meant; `None` for a function that is no user's.
    pub(super) fn call(
        &self,
        name: &ObjectName,
        args: &[FunctionArg],
    ) -> Result<Option<Call<'a>>, SqlError> {
        let named = self.named(name);
        if named.is_empty() {
            return Ok(None);
        }
        let (mut given, mut by_name) = (Vec::new(), Vec::new());
        for arg in args {
            let (key, value) = match arg {
                FunctionArg::Unnamed(value) => (None, value),
                FunctionArg::Named { name, arg, .. } => (Some(fold_identifier(name)), arg),
                FunctionArg::ExprNamed {
                    name: Expr::Identifier(name),
                    arg,
                    ..
                } => (Some(fold_identifier(name)), arg),
                FunctionArg::ExprNamed { .. } => {
                    return Err(SqlError::unsupported(format!("the argument {arg}")));
                }
            };
            let FunctionArgExpr::Expr(value) = value else {
                return Err(SqlError::unsupported(format!("the argument {arg}")));
            };
            match key {
                Some(key) => by_name.push((key, value.clone())),
                None if by_name.is_empty() => given.push(value.clone()),
                None => {
                    return Err(SqlError::new(
                        state::SYNTAX_ERROR,
                        "positional argument cannot follow named argument",
                    ));
                }
            }
        }
        let mut fitting = Vec::new();
        for function in named {
            if let Some(arguments) = arguments_for(function, &given, &by_name)? {
                fitting.push(Call {
                    function,
                    arguments,
                });
            }
        }
        let types: Vec<PgType> = given.iter().map(written_type).collect();
        let unsure = types.contains(&PgType::Void);
        match fitting.len() {
            0 => {
                let types: Vec<&str> = types
                    .iter()
                    .map(|ty| match ty {
                        PgType::Void => "unknown",
                        ty => ty.base_name(),
                    })
                    .collect();
                Err(SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("function {name}({}) does not exist", types.join(", ")),
                )
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."))
            }
            1 => Ok(fitting.pop()),
            _ if unsure || !by_name.is_empty() => Err(SqlError::unsupported(
                "choosing one of several functions of a name by arguments that are no constants or casts",
            )),
            _ => best(fitting, &types, name).map(Some),
        }
    }

    /// The arguments in the types of the parameters.
    pub(super) fn arguments(&self, call_of: &Call<'_>) -> Vec<Expr> {
        let types = call_of.function.signature();
        let typed = call_of.arguments.iter().zip(types);
        typed
            .map(|(argument, ty)| {
                let ty = self.catalog.settled(ty);
                call(
                    ARGUMENT,
                    vec![
                        argument.clone(),
                        text(arrow_map::type_text(ty)),
                        text(call_of.function.name.clone()),
                    ],
                )
            })
            .collect()
    }
}

/// The arguments in the order of the parameters, with the defaults of those that
/// are left out; `None` when the function does not take them.
fn arguments_for(
    function: &FunctionDescriptor,
    given: &[Expr],
    by_name: &[(String, Expr)],
) -> Result<Option<Vec<Expr>>, SqlError> {
    let inputs: Vec<_> = function.inputs().collect();
    let variadic = inputs
        .last()
        .is_some_and(|p| p.mode == ParameterMode::Variadic);
    let mut arguments: Vec<Option<Expr>> = vec![None; inputs.len()];
    let mut given = given.to_vec();
    if variadic && by_name.is_empty() && given.len() >= inputs.len() {
        let rest = given.split_off(inputs.len() - 1);
        // An array itself is not told apart from an element.
        given.push(Expr::Array(sqlparser::ast::Array {
            elem: rest,
            named: true,
        }));
    }
    if given.len() > inputs.len() {
        return Ok(None);
    }
    for (slot, value) in arguments.iter_mut().zip(given) {
        *slot = Some(value);
    }
    for (name, value) in by_name {
        let at = inputs.iter().position(|p| p.name.as_ref() == Some(name));
        match at.and_then(|at| arguments.get_mut(at)) {
            Some(slot @ None) => *slot = Some(value.clone()),
            _ => return Ok(None),
        }
    }
    let mut complete = Vec::with_capacity(inputs.len());
    for (argument, parameter) in arguments.into_iter().zip(&inputs) {
        complete.push(match (argument, &parameter.default) {
            (Some(argument), _) => argument,
            (None, Some(default)) => parse_expression(default)?,
            (None, None) => return Ok(None),
        });
    }
    Ok(Some(complete))
}

/// The type that an argument has by how it is written; void when that is open.
fn written_type(expr: &Expr) -> PgType {
    match expr {
        Expr::Nested(inner) => written_type(inner),
        Expr::UnaryOp { expr, .. } => written_type(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => PgType::Int4,
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => PgType::Int8,
            Value::Number(..) => PgType::Numeric(None),
            Value::Boolean(_) => PgType::Bool,
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::Null => {
                PgType::Unknown
            }
            _ => PgType::Void,
        },
        Expr::Cast { data_type, .. } => PgType::from_sql_ast(data_type).unwrap_or(PgType::Void),
        _ => PgType::Void,
    }
}

/// The call that suits the types of its arguments best.
fn best<'a>(
    calls: Vec<Call<'a>>,
    types: &[PgType],
    name: &ObjectName,
) -> Result<Call<'a>, SqlError> {
    let fit = |call: &Call<'_>| -> Option<usize> {
        let own = call.function.signature();
        let mut exact = 0;
        for (from, to) in types.iter().zip(&own) {
            if from.oid() == to.oid() {
                exact += 2;
            } else if !implicit(*from, *to) {
                return None;
            } else if *from == PgType::Unknown && *to == PgType::Text {
                exact += 1;
            }
        }
        Some(exact)
    };
    let mut scored: Vec<(usize, Call<'a>)> = calls
        .into_iter()
        .filter_map(|call| fit(&call).map(|score| (score, call)))
        .collect();
    scored.sort_by_key(|(score, _)| *score);
    let top = scored.pop();
    let tie = match (&top, scored.last()) {
        (Some((a, _)), Some((b, _))) => a == b,
        _ => false,
    };
    let shown = || {
        let types: Vec<&str> = types.iter().map(|ty| ty.base_name()).collect();
        format!("function {name}({})", types.join(", "))
    };
    match top {
        Some((_, call)) if !tie => Ok(call),
        Some(_) => Err(SqlError::new(
            state::AMBIGUOUS_FUNCTION,
            format!("{} is not unique", shown()),
        )
        .hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
        None => Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("{} does not exist", shown()),
        )
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")),
    }
}
