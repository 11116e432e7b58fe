//! What domains ask of the values of columns.

use sqlparser::ast::{Expr, Ident};
use std::ops::ControlFlow;

use sqlparser::ast::{VisitMut, VisitorMut};

use super::target::Planning;
use crate::catalog::{DomainCheck, DomainDescriptor, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::query::{Place, PlannedExpressions, RowRelation};
use crate::session::parse_expression;
use crate::types::PgType;

/// What a domain asks of one column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnRule {
    /// The column.
    pub(crate) attnum: u16,
    /// The domain, as messages name it.
    pub(crate) domain: &'static str,
    /// Name and condition; nothing for NOT NULL.
    pub(crate) check: Option<(String, String)>,
}

/// What the domains of a table's columns ask for, in the order in which it is
/// checked: those of the type a domain is over first.
pub(crate) fn column_rules(table: &TableDescriptor) -> Vec<ColumnRule> {
    let mut rules = Vec::new();
    for column in table.live_columns() {
        rules_of(column.ty, column.attnum, &mut rules);
    }
    rules
}

fn rules_of(ty: PgType, attnum: u16, out: &mut Vec<ColumnRule>) {
    let PgType::Domain(user) = ty else { return };
    let Some(rules) = user.rules() else { return };
    rules_of(rules.base, attnum, out);
    let rule = |check| ColumnRule {
        attnum,
        domain: user.shown(),
        check,
    };
    if rules.not_null {
        out.push(rule(None));
    }
    out.extend(rules.checks.iter().map(|c| rule(Some(c.clone()))));
}

impl ColumnRule {
    /// The condition, about the column instead of `VALUE`.
    ///
    /// # Errors
    /// XX001 when the stored condition cannot be read.
    pub(crate) fn condition(&self, table: &TableDescriptor) -> Result<Option<Expr>, SqlError> {
        let Some((_, text)) = &self.check else {
            return Ok(None);
        };
        let column = table.attribute(self.attnum).map_or("", |c| c.name.as_str());
        let mut expr = parse_expression(text)?;
        let mut named = Named(Ident::with_quote('"', column));
        let _ = VisitMut::visit(&mut expr, &mut named);
        Ok(Some(expr))
    }

    /// The error for a value that breaks the rule.
    pub(crate) fn broken(&self) -> SqlError {
        broken(
            self.domain,
            self.check.as_ref().map(|(name, _)| name.as_str()),
        )
    }
}

/// The error for a value that a domain does not have.
pub(crate) fn broken(domain: &str, check: Option<&str>) -> SqlError {
    match check {
        None => SqlError::new(
            state::NOT_NULL_VIOLATION,
            format!("domain {domain} does not allow null values"),
        ),
        Some(check) => SqlError::new(
            state::CHECK_VIOLATION,
            format!("value for domain {domain} violates check constraint \"{check}\""),
        )
        .constraint(check),
    }
}

/// Puts a column in the place of `VALUE`.
struct Named(Ident);

impl VisitorMut for Named {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && fold_identifier(name) == "value"
        {
            *expr = Expr::Identifier(self.0.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Plans a condition of a domain over rows of one value.
///
/// # Errors
/// What the condition is refused for.
pub(crate) fn plan_check(
    base: PgType,
    check: &DomainCheck,
    planning: &Planning,
) -> Result<PlannedExpressions, SqlError> {
    let expr = parse_expression(&check.expression)?;
    let base = planning.catalog.settled(base);
    let relation = RowRelation::columns("", [("value".to_owned(), base)]);
    planning.expressions(&[expr], &[relation], Place::Check, &mut Vec::new())
}

/// Plans what a domain says, to see that it can be.
///
/// # Errors
/// 42804 for a condition that is not boolean; what the parts are refused for.
pub(crate) fn check_domain(domain: &DomainDescriptor, planning: &Planning) -> Result<(), SqlError> {
    for check in &domain.checks {
        let planned = plan_check(domain.base, check, planning)?;
        let ty = planned.columns().first().map(|c| c.pg_type.base());
        if !matches!(ty, Some(PgType::Bool | PgType::Unknown)) {
            let name = ty.map_or_else(String::new, PgType::sql_name);
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!("argument of CHECK must be type boolean, not type {name}"),
            ));
        }
    }
    if let Some(default) = &domain.default {
        let expr = parse_expression(default)?;
        planning.expressions(&[expr], &[], Place::Default, &mut Vec::new())?;
    }
    Ok(())
}
