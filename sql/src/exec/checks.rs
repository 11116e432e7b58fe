//! CHECK constraints: from a statement to the descriptor, and evaluating them.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{CheckConstraint as Said, Expr, Ident, VisitMut, VisitorMut};

use super::domain::{ColumnRule, column_rules};
use super::foreign_key::define::taken;
use super::object_name::free_name;
use super::table::datum_at;
use super::target::Planning;
use crate::catalog::{Catalog, CheckConstraint, Heritage, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::query::{
    Place, PlannedExpressions, RowEvaluator, RowRelation, SessionInfo, quote_ident,
};
use crate::session::parse_expression;
use crate::types::{Datum, PgType};

/// A CHECK constraint that a statement asks for.
#[derive(Debug, Clone)]
pub(crate) struct CheckRequest {
    name: Option<String>,
    expr: Expr,
    no_inherit: bool,
    /// Whether rows that are there already are not looked at.
    not_valid: bool,
}

impl CheckRequest {
    /// Reads a constraint; `name` is the one it has beside a column.
    pub(crate) fn new(said: &Said, name: Option<String>, not_valid: bool) -> Self {
        Self {
            name: said.name.as_ref().map(fold_identifier).or(name),
            expr: said.expr.as_ref().clone(),
            // What NO INHERIT is carried in.
            no_inherit: said.enforced == Some(true),
            not_valid,
        }
    }

    /// Adds the constraint to a table.
    ///
    /// # Errors
    /// 42710 for a name that is taken; whatever the condition is refused for.
    pub(crate) fn define(
        &self,
        table: &mut TableDescriptor,
        catalog: &mut Catalog,
        planning: &Planning,
    ) -> Result<(), SqlError> {
        let mut expr = self.expr.clone();
        let columns = bare_columns(&mut expr, table);
        let expression = expr.to_string();
        let only = match columns.as_slice() {
            [one] => table
                .attribute(*one)
                .map_or_else(String::new, |c| c.name.clone()),
            _ => String::new(),
        };
        if let Some(name) = &self.name
            && let Some(known) = table
                .checks
                .iter_mut()
                .find(|c| c.name == *name && c.heritage.parents > 0 && c.heritage.not_local)
            && known.expression == expression
            && !self.no_inherit
        {
            known.heritage.not_local = table.family.bound.is_some();
            return Ok(());
        }
        if self.no_inherit && table.is_partitioned() {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                format!(
                    "cannot add NO INHERIT constraint to partitioned table \"{}\"",
                    table.name
                ),
            ));
        }
        let name = match &self.name {
            Some(name) => taken(table, name)?,
            None => free_name(&table.name, &only, "check", |name| {
                !table.has_constraint(name) && !catalog.constraint_exists(table.schema, name)
            }),
        };
        let check = CheckConstraint {
            oid: catalog.allocate_oid(),
            name,
            expression,
            columns,
            no_inherit: self.no_inherit,
            validated: !self.not_valid,
            heritage: Heritage::default(),
        };
        let planned = plan(table, &[], std::slice::from_ref(&check), planning)?;
        let ty = planned.columns().first().map(|c| c.pg_type.base());
        if !matches!(ty, Some(PgType::Bool | PgType::Unknown)) {
            let name = ty.map_or_else(String::new, PgType::sql_name);
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!("argument of CHECK must be type boolean, not type {name}"),
            ));
        }
        table.checks.push(check);
        Ok(())
    }
}

fn plan(
    table: &TableDescriptor,
    domains: &[ColumnRule],
    checks: &[CheckConstraint],
    planning: &Planning,
) -> Result<PlannedExpressions, SqlError> {
    let mut exprs = Vec::with_capacity(domains.len() + checks.len());
    for rule in domains {
        exprs.extend(rule.condition(table)?);
    }
    for check in checks {
        exprs.push(parse_expression(&check.expression)?);
    }
    let relation = RowRelation::table(table, &table.name);
    planning.expressions(&exprs, &[relation], Place::Check, &mut Vec::new())
}

/// Finds the columns that an expression names, and takes the table's name away
/// from them, so that they stay what they are when the table is renamed.
pub(crate) fn bare_columns(expr: &mut Expr, table: &TableDescriptor) -> Vec<u16> {
    struct Names<'t>(&'t TableDescriptor, Vec<u16>);
    impl VisitorMut for Names<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr
                && let [qualifier, name] = parts.as_slice()
                && fold_identifier(qualifier) == self.0.name
            {
                *expr = Expr::Identifier(name.clone());
            }
            if let Expr::Identifier(name) = expr
                && let Some(column) = self.0.column(&fold_identifier(name))
                && !self.1.contains(&column.attnum)
            {
                self.1.push(column.attnum);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(table, Vec::new());
    let _ = VisitMut::visit(expr, &mut names);
    names.1.sort_unstable();
    names.1
}

/// Gives a column another name in a stored expression.
///
/// # Errors
/// XX001 when the stored text cannot be parsed.
pub(crate) fn rename_in(text: &str, old: &str, new: &str) -> Result<String, SqlError> {
    struct Renamed<'n>(&'n str, &'n str);
    impl VisitorMut for Renamed<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr
                && fold_identifier(name) == self.0
            {
                let quote = quote_ident(self.1).starts_with('"').then_some('"');
                *name = Ident {
                    value: self.1.to_owned(),
                    quote_style: quote,
                    span: name.span,
                };
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = parse_expression(text)?;
    let _ = VisitMut::visit(&mut expr, &mut Renamed(old, new));
    Ok(expr.to_string())
}

/// The CHECK constraints of a table, planned.
#[derive(Debug)]
pub(crate) struct TableChecks {
    /// What the domains of the columns ask for, NOT NULL apart.
    domains: Vec<ColumnRule>,
    /// Columns whose domain refuses NULL.
    not_null: Vec<ColumnRule>,
    /// In the order of their names, in which they are checked.
    checks: Vec<CheckConstraint>,
    planned: PlannedExpressions,
}

impl TableChecks {
    /// Plans all constraints of a table, or one.
    ///
    /// # Errors
    /// XX001 when a stored condition cannot be read.
    pub(crate) fn plan(
        table: &TableDescriptor,
        only: Option<u32>,
        planning: &Planning,
    ) -> Result<Self, SqlError> {
        let mut checks: Vec<CheckConstraint> = table
            .checks
            .iter()
            .filter(|check| only.is_none_or(|oid| check.oid == oid))
            .cloned()
            .collect();
        checks.sort_by(|a, b| a.name.cmp(&b.name));
        let (domains, not_null) = match only {
            Some(_) => (Vec::new(), Vec::new()),
            None => column_rules(table)
                .into_iter()
                .partition(|rule| rule.check.is_some()),
        };
        let planned = plan(table, &domains, &checks, planning)?;
        Ok(Self {
            domains,
            not_null,
            checks,
            planned,
        })
    }

    /// Makes them ready for one statement.
    ///
    /// # Errors
    /// What constant parts of them may fail with.
    pub(crate) fn bind(
        self: &Arc<Self>,
        session: &Arc<SessionInfo>,
    ) -> Result<BoundChecks, SqlError> {
        Ok(BoundChecks {
            evaluator: self.planned.bind(session, &[])?,
            checks: Arc::clone(self),
        })
    }
}

/// What a row does not comply with.
#[derive(Debug)]
pub(crate) enum Broken<'a> {
    /// A CHECK constraint of the table.
    Check(&'a CheckConstraint),
    /// What the domain of a column asks for.
    Domain(&'a ColumnRule),
}

/// The CHECK constraints of a table, ready to look at rows.
#[derive(Debug)]
pub(crate) struct BoundChecks {
    checks: Arc<TableChecks>,
    evaluator: RowEvaluator,
}

impl BoundChecks {
    /// The first constraint that one of the rows violates.
    ///
    /// # Errors
    /// Whatever a condition fails with.
    pub(crate) fn violated(&self, rows: &[&[Datum]]) -> Result<Option<Broken<'_>>, SqlError> {
        let null = |rule: &&ColumnRule| rows.iter().any(|r| datum_at(r, rule.attnum).is_null());
        if let Some(rule) = self.checks.not_null.iter().find(null) {
            return Ok(Some(Broken::Domain(rule)));
        }
        let rows: Vec<[&[Datum]; 1]> = rows.iter().map(|row| [*row]).collect();
        let rows: Vec<&[&[Datum]]> = rows.iter().map(<[&[Datum]; 1]>::as_slice).collect();
        for values in self.evaluator.evaluate(&rows)? {
            let failed = values.iter().position(|v| *v == Datum::Bool(false));
            let Some(at) = failed else { continue };
            if let Some(rule) = self.checks.domains.get(at) {
                return Ok(Some(Broken::Domain(rule)));
            }
            let at = at - self.checks.domains.len();
            if let Some(check) = self.checks.checks.get(at) {
                return Ok(Some(Broken::Check(check)));
            }
        }
        Ok(None)
    }
}
