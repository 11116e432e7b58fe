//! Syntax that queries of the system catalogs use.
//!
//! `regclass` and its like are an object identifier that is shown as a name. Here
//! they are the identifier, except where they are shown: as a column of a SELECT
//! and cast to text, where they are the name.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::PlanContext;
use super::correlate::has_aggregate;
use super::names::quoted;
use super::rewrite::call;
use crate::catalog::{QualifiedName, fold_identifier};
use crate::pg_catalog;

/// Types that stand for an object: the functions to its identifier and its name.
const OBJECT_TYPES: [(&str, &str, &str); 7] = [
    ("regclass", "__regclass", "__regclass_text"),
    ("regtype", "__regtype", "__regtype_text"),
    ("regproc", "__regproc", "__regproc_text"),
    ("regprocedure", "__regproc", "__regproc_text"),
    ("regnamespace", "__regnamespace", "__regnamespace_text"),
    ("regrole", "__regrole", "__regrole_text"),
    ("regcollation", "__regcollation", "__regcollation_text"),
];

/// The last part of a type's name, if it is a plain name.
fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let schema = match name.0.len() {
                1 => None,
                2 => Some(fold_identifier(name.0.first()?.as_ident()?)),
                _ => return None,
            };
            let name = fold_identifier(name.0.last()?.as_ident()?);
            schema
                .is_none_or(|schema| schema == "pg_catalog")
                .then_some(name)
        }
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
    ) || type_name(data_type).is_some_and(|name| name == "text" || name == "name")
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()))
}

/// A cast to or from a type that stands for an object. What is cast has been
/// rewritten already.
pub(super) fn object_cast(expr: &mut Expr) {
    let Expr::Cast {
        kind: CastKind::Cast | CastKind::DoubleColon,
        expr: inner,
        data_type,
        ..
    } = expr
    else {
        return;
    };
    if is_text(data_type) {
        show_name(inner);
        return;
    }
    let Some(name) = type_name(data_type) else {
        return;
    };
    if let Some((_, function, _)) = OBJECT_TYPES.iter().find(|(ty, _, _)| *ty == name) {
        let inner = take(inner);
        *expr = call(function, vec![inner]);
    } else if let DataType::Custom(path, _) = data_type
        && path.0.len() == 2
    {
        // A built-in type may be named with its schema.
        path.0.remove(0);
    }
}

/// Turns an object's identifier into its name.
fn show_name(expr: &mut Expr) {
    let function = match expr {
        Expr::Nested(inner) => return show_name(inner),
        Expr::Function(function) => function,
        _ => return,
    };
    let Some(ident) = function.name.0.first().and_then(ObjectNamePart::as_ident) else {
        return;
    };
    if ident.value == "pg_partition_root" {
        let oid = take(expr);
        *expr = call("__regclass_text", vec![oid]);
        return;
    }
    let found = OBJECT_TYPES.iter().find(|(_, to, _)| *to == ident.value);
    if let Some((_, _, text)) = found {
        function.name = ObjectName(vec![ObjectNamePart::Identifier(quoted(*text))]);
    }
}

/// Shows the objects among the columns of a SELECT by name.
pub(super) fn after(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            show_name(expr);
        }
    }
}

/// The system relation a table in FROM is.
fn system_relation(
    factor: &TableFactor,
    context: &PlanContext,
) -> Option<&'static pg_catalog::Relation> {
    let TableFactor::Table {
        name, args: None, ..
    } = factor
    else {
        return None;
    };
    QualifiedName::from_ast(name, &context.database)
        .ok()
        .and_then(|name| pg_catalog::find(name.schema.as_deref(), &name.name, &context.search_path))
}

fn is_empty_relation(factor: &TableFactor, context: &PlanContext) -> bool {
    system_relation(factor, context).is_some_and(pg_catalog::is_always_empty)
}

/// Whether a FROM has no rows because a relation in it never has any.
fn never_has_rows(from: &[TableWithJoins], context: &PlanContext) -> bool {
    from.iter().any(|table| {
        let mut empty = is_empty_relation(&table.relation, context);
        for join in &table.joins {
            let right = is_empty_relation(&join.relation, context);
            empty = match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                    empty || right
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => empty,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
                _ => empty && right,
            };
        }
        empty
    })
}

/// Whether a FROM unnests a column of the system tables that is always NULL.
fn unnests_nothing(select: &Select) -> bool {
    let [table] = select.from.as_slice() else {
        return false;
    };
    let TableFactor::Table {
        args: Some(arguments),
        ..
    } = &table.relation
    else {
        return false;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts)))] =
        arguments.args.as_slice()
    else {
        return false;
    };
    let column = parts.last().map(fold_identifier);
    matches!(
        column.as_deref(),
        Some("reloptions" | "relacl" | "attacl" | "nspacl")
    )
}

/// Columns of a SELECT from a relation that never has rows are never computed:
/// subqueries in them, which may be of a kind that is not supported, go away.
/// Elsewhere, an array or a value from such a SELECT is what it must be.
pub(super) fn before(select: &mut Select, context: &PlanContext) {
    let all = never_has_rows(&select.from, context);
    let system = select
        .from
        .iter()
        .any(|t| system_relation(&t.relation, context).is_some());
    let mut pruner = Pruner {
        context,
        all,
        system,
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut pruner);
        }
    }
}

struct Pruner<'a> {
    context: &'a PlanContext,
    /// Whether every subquery goes away.
    all: bool,
    /// Whether the query is about system relations.
    system: bool,
}

impl Pruner<'_> {
    fn is_void(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = query.body.as_ref() else {
            return self.all;
        };
        // An aggregate without groups has a row even then.
        self.all
            || (self.system && unnests_nothing(select))
            || (never_has_rows(&select.from, self.context) && !has_aggregate(select))
    }
}

fn cast_to(text: Option<&str>, data_type: DataType) -> Expr {
    let value = text.map_or(Value::Null, |t| Value::SingleQuotedString(t.to_owned()));
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(value.with_empty_span())),
        data_type,
        array: false,
        format: None,
    }
}

fn text_array() -> DataType {
    let name = ObjectNamePart::Identifier(Ident::new("_text"));
    DataType::Custom(ObjectName(vec![name]), Vec::new())
}

impl VisitorMut for Pruner<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(Function {
                args: FunctionArguments::Subquery(query),
                ..
            }) if self.is_void(query) => *expr = cast_to(Some("{}"), text_array()),
            Expr::Subquery(query) if self.is_void(query) => *expr = cast_to(None, DataType::Text),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A pattern with an escape character of its own, as one with a backslash.
pub(super) fn escape(pattern: &mut Expr, escape_char: &mut Option<ValueWithSpan>) {
    let backslash = matches!(
        escape_char,
        Some(ValueWithSpan { value: Value::SingleQuotedString(c), .. }) if c == "\\"
    );
    if !backslash && let Some(character) = escape_char.take() {
        let pattern_before = take(pattern);
        *pattern = call("like_escape", vec![pattern_before, Expr::Value(character)]);
    }
}
