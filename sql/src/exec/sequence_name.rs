//! Sequences in stored expressions: by identifier, so that a default follows its
//! sequence when that gets another name.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, ColumnDef, ColumnOption, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Value, VisitMut, VisitorMut,
};

use crate::catalog::{Catalog, QualifiedName, RelationEntry, fold_identifier};
use crate::error::{SqlError, state};
use crate::pg_catalog::qualified;

/// Binds the sequences in a column's default.
///
/// # Errors
/// 42P01 for an unknown one, 42809 for another relation.
pub(crate) fn bind_column(
    definition: &mut ColumnDef,
    catalog: &Catalog,
    search_path: &[String],
) -> Result<(), SqlError> {
    for option in &mut definition.options {
        if let ColumnOption::Default(expr) = &mut option.option {
            bind(expr, catalog, search_path)?;
        }
    }
    Ok(())
}

/// Binds the sequences in an expression.
///
/// # Errors
/// 42P01 for an unknown one, 42809 for another relation.
pub(crate) fn bind(
    expr: &mut Expr,
    catalog: &Catalog,
    search_path: &[String],
) -> Result<(), SqlError> {
    let mut binder = Binder {
        catalog,
        search_path,
    };
    match VisitMut::visit(expr, &mut binder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Binder<'a> {
    catalog: &'a Catalog,
    search_path: &'a [String],
}

impl VisitorMut for Binder<'_> {
    type Break = SqlError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        match self.function(function) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Binder<'_> {
    fn function(&self, function: &mut Function) -> Result<(), SqlError> {
        let name = function
            .name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(fold_identifier);
        if !matches!(name.as_deref(), Some("nextval" | "currval" | "setval")) {
            return Ok(());
        }
        let FunctionArguments::List(list) = &mut function.args else {
            return Ok(());
        };
        if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))) = list.args.first_mut()
            && let Some(text) = relation_text(arg)
        {
            let oid = self.sequence(&text)?;
            *arg = Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(Expr::Value(
                    Value::SingleQuotedString(oid.to_string()).with_empty_span(),
                )),
                data_type: DataType::Regclass,
                array: false,
                format: None,
            };
        }
        Ok(())
    }

    fn sequence(&self, text: &str) -> Result<u32, SqlError> {
        let unknown = || {
            SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{text}\" does not exist"),
            )
        };
        if let Ok(oid) = text.parse::<u32>() {
            return match self.catalog.sequence_by_oid(oid) {
                Some(_) => Ok(oid),
                None => Err(unknown()),
            };
        }
        let mut names = qualified(text)?;
        let name = QualifiedName {
            name: names.pop().unwrap_or_default(),
            schema: names.pop(),
        };
        match self.catalog.find_relation(&name, self.search_path) {
            Some(RelationEntry::Sequence(sequence)) => Ok(sequence.oid),
            Some(_) => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a sequence", name.name),
            )),
            None => Err(unknown()),
        }
    }
}

/// The text of a constant that names a relation: a literal, or one cast to
/// `regclass`.
fn relation_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) => relation_text(inner),
        Expr::Cast {
            expr, data_type, ..
        } if data_type.to_string().eq_ignore_ascii_case("regclass") => relation_text(expr),
        _ => None,
    }
}
