//! Which views can be changed: those whose rows are rows of one relation.

use sqlparser::ast::{
    Distinct, Expr, FunctionArguments, GroupByExpr, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
};

use crate::catalog::{QualifiedName, ViewDescriptor, fold_identifier};
use crate::error::SqlError;
use crate::query::is_aggregate;

/// The query of a view that selects from one relation.
#[derive(Debug)]
pub(crate) struct SimpleView {
    pub(crate) select: Select,
    /// The relation it selects from, as it names it.
    pub(crate) source: QualifiedName,
    /// The name that the relation goes by.
    pub(crate) alias: String,
}

/// Where a column of a view comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A column of the relation below, by name.
    Column(String),
    /// Something computed.
    Computed,
}

/// The query of a view, if changes can go through it; otherwise why not, as
/// PostgreSQL says it.
///
/// # Errors
/// XX001 when the stored query cannot be read.
pub(crate) fn simple_view(
    view: &ViewDescriptor,
    database: &str,
) -> Result<Result<SimpleView, &'static str>, SqlError> {
    let query = crate::session::parse_query(&view.query.text)?;
    Ok(simple_query(&query, database))
}

fn simple_query(query: &Query, database: &str) -> Result<SimpleView, &'static str> {
    if query.with.is_some() {
        return Err("Views containing WITH are not automatically updatable.");
    }
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) if query.limit_clause.is_none() && query.fetch.is_none() => {
            return simple_query(inner, database);
        }
        SetExpr::SetOperation { .. } => {
            return Err(
                "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.",
            );
        }
        _ => return Err(NOT_ONE),
    };
    if matches!(&select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        return Err("Views containing DISTINCT are not automatically updatable.");
    }
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers)
        if by.is_empty() && modifiers.is_empty());
    if !ungrouped {
        return Err("Views containing GROUP BY are not automatically updatable.");
    }
    if select.having.is_some() {
        return Err("Views containing HAVING are not automatically updatable.");
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err("Views containing LIMIT or OFFSET are not automatically updatable.");
    }
    refuse_functions(select)?;
    let [from] = select.from.as_slice() else {
        return Err(NOT_ONE);
    };
    let TableFactor::Table {
        name,
        alias,
        args: None,
        sample,
        with_ordinality: false,
        ..
    } = &from.relation
    else {
        return Err(NOT_ONE);
    };
    if !from.joins.is_empty() || alias.as_ref().is_some_and(|a| !a.columns.is_empty()) {
        return Err(NOT_ONE);
    }
    if sample.is_some() {
        return Err("Views containing TABLESAMPLE are not automatically updatable.");
    }
    let source = named(name, database).ok_or(NOT_ONE)?;
    let alias = match alias {
        Some(alias) => fold_identifier(&alias.name),
        None => source.name.clone(),
    };
    Ok(SimpleView {
        select: select.as_ref().clone(),
        source,
        alias,
    })
}

const NOT_ONE: &str =
    "Views that do not select from a single table or view are not automatically updatable.";

fn named(name: &ObjectName, database: &str) -> Option<QualifiedName> {
    QualifiedName::from_ast(name, database).ok()
}

/// Aggregates and their like make other rows than those that are selected from.
fn refuse_functions(select: &Select) -> Result<(), &'static str> {
    use std::ops::ControlFlow;

    use sqlparser::ast::{Visit, Visitor};
    struct Functions {
        depth: usize,
    }
    impl Visitor for Functions {
        type Break = &'static str;
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<&'static str> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<&'static str> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<&'static str> {
            let Expr::Function(function) = expr else {
                return ControlFlow::Continue(());
            };
            if self.depth > 0 {
                return ControlFlow::Continue(());
            }
            let name = function.name.0.last().and_then(|part| part.as_ident());
            let name = name.map(fold_identifier).unwrap_or_default();
            if function.over.is_some() {
                return ControlFlow::Break(
                    "Views that return window functions are not automatically updatable.",
                );
            }
            if is_aggregate(&name) && function.args != FunctionArguments::None {
                return ControlFlow::Break(
                    "Views that return aggregate functions are not automatically updatable.",
                );
            }
            if SETS.contains(&name.as_str()) {
                return ControlFlow::Break(
                    "Views that return set-returning functions are not automatically updatable.",
                );
            }
            ControlFlow::Continue(())
        }
    }
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
            && let ControlFlow::Break(why) = expr.visit(&mut Functions { depth: 0 })
        {
            return Err(why);
        }
    }
    Ok(())
}

/// Functions that give sets.
const SETS: [&str; 14] = [
    "generate_series",
    "generate_subscripts",
    "unnest",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "json_array_elements",
    "json_array_elements_text",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "json_each",
    "jsonb_each",
    "json_object_keys",
    "jsonb_object_keys",
];

impl SimpleView {
    /// Where each column comes from; `below` are the columns of the relation that it
    /// selects from.
    pub(crate) fn origins(&self, below: &[String]) -> Vec<Origin> {
        let all = || below.iter().cloned().map(Origin::Column);
        let mut origins = Vec::new();
        for item in &self.select.projection {
            match item {
                SelectItem::Wildcard(_) => origins.extend(all()),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(_),
                    _,
                ) => origins.extend(all()),
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    origins.push(self.origin(expr, below));
                }
                _ => origins.push(Origin::Computed),
            }
        }
        origins
    }

    fn origin(&self, expr: &Expr, below: &[String]) -> Origin {
        let name = match expr {
            Expr::Identifier(name) => fold_identifier(name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, name] if fold_identifier(qualifier) == self.alias => {
                    fold_identifier(name)
                }
                _ => return Origin::Computed,
            },
            Expr::Nested(inner) => return self.origin(inner, below),
            _ => return Origin::Computed,
        };
        match below.contains(&name) {
            true => Origin::Column(name),
            false => Origin::Computed,
        }
    }
}
