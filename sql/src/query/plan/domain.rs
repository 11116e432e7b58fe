//! Casts to domains: the conditions are looked at for every value.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sqlparser::ast::SelectItem;

use super::super::arrow_value::datum_at;
use super::super::error::external;
use super::super::row_expr::{Place, PlannedExpressions, RowRelation};
use super::super::session_info::session_of;
use super::analyze::Analyzer;
use super::types::field_with;
use crate::error::{SqlError, SqlResult};
use crate::exec::domain::broken;
use crate::types::user::UserType;
use crate::types::{Datum, PgType};

/// A rule: the domain it is of, and the name of the condition, unless it is NOT NULL.
type Rule = (&'static str, Option<String>);

/// The value itself, once it was found to be one of the domain.
#[derive(Debug)]
pub(in crate::query) struct DomainCheck {
    domain: &'static UserType,
    rules: Vec<Rule>,
    /// The conditions, in their order.
    planned: Option<PlannedExpressions>,
    signature: Signature,
}

impl DomainCheck {
    /// The type of the values.
    pub(in crate::query) fn result(&self) -> PgType {
        PgType::Domain(self.domain).base()
    }
}

fn collect(ty: PgType, rules: &mut Vec<Rule>, conditions: &mut Vec<String>) {
    let PgType::Domain(user) = ty else { return };
    let Some(own) = user.rules() else { return };
    collect(own.base, rules, conditions);
    if own.not_null {
        rules.push((user.shown(), None));
    }
    for (name, text) in &own.checks {
        rules.push((user.shown(), Some(name.clone())));
        conditions.push(text.clone());
    }
}

impl Analyzer {
    /// `expr`, of the type that a domain is over, as a value of the domain.
    ///
    /// # Errors
    /// What the conditions are refused for.
    pub(super) fn in_domain(&self, expr: Expr, domain: &'static UserType) -> Result<Expr> {
        let (mut rules, mut conditions) = (Vec::new(), Vec::new());
        collect(PgType::Domain(domain), &mut rules, &mut conditions);
        if rules.is_empty() {
            return Ok(expr);
        }
        let planned = match conditions.is_empty() {
            true => None,
            false => Some(self.conditions(domain, &conditions).map_err(external)?),
        };
        let check = DomainCheck {
            domain,
            rules,
            planned,
            signature: Signature::any(1, Volatility::Stable),
        };
        Ok(ScalarUDF::new_from_impl(check).call(vec![expr]))
    }

    fn conditions(
        &self,
        domain: &'static UserType,
        conditions: &[String],
    ) -> SqlResult<PlannedExpressions> {
        let nested = self
            .nested
            .as_ref()
            .ok_or_else(|| SqlError::internal("a domain of no catalog"))?;
        let items = conditions
            .iter()
            .map(|text| crate::session::parse_expression(text).map(SelectItem::UnnamedExpr))
            .collect::<SqlResult<Vec<_>>>()?;
        let base = PgType::Domain(domain).base();
        let relation = RowRelation::columns("", [("value".to_owned(), base)]);
        let engine = nested.engine()?;
        let planned =
            PlannedExpressions::plan(&engine, &items, &[relation], Place::Check, &nested.inside())?;
        if !planned.is_scalar() {
            return Err(SqlError::unsupported(
                "conditions of domains that ask subqueries",
            ));
        }
        Ok(planned)
    }
}

impl DomainCheck {
    fn check(&self, args: &ScalarFunctionArgs) -> SqlResult<()> {
        let mut values: Vec<Datum> = Vec::new();
        let ty = self.result();
        match args.args.first() {
            Some(ColumnarValue::Scalar(scalar)) => {
                let array = scalar
                    .to_array()
                    .map_err(super::super::error::from_datafusion)?;
                values.push(datum_at(array.as_ref(), 0, ty)?);
            }
            Some(ColumnarValue::Array(array)) => {
                for row in 0..array.len() {
                    values.push(datum_at(array.as_ref(), row, ty)?);
                }
            }
            None => return Err(SqlError::internal("a domain without a value")),
        }
        let evaluator = match &self.planned {
            None => None,
            Some(planned) => {
                let session = session_of(&args.config_options)
                    .ok_or_else(|| SqlError::internal("a domain outside of a session"))?;
                Some(planned.bind(session, &[])?)
            }
        };
        for value in &values {
            let results = match &evaluator {
                None => Vec::new(),
                Some(evaluator) => {
                    let rows = evaluator.evaluate(&[&[std::slice::from_ref(value)]])?;
                    rows.into_iter().next().unwrap_or_default()
                }
            };
            let mut results = results.into_iter();
            for (domain, check) in &self.rules {
                let fails = match check {
                    None => value.is_null(),
                    Some(_) => results.next() == Some(Datum::Bool(false)),
                };
                if fails {
                    return Err(broken(domain, check.as_deref()));
                }
            }
        }
        Ok(())
    }
}

impl PartialEq for DomainCheck {
    fn eq(&self, other: &Self) -> bool {
        self.domain.number() == other.domain.number()
    }
}

impl Eq for DomainCheck {}

impl Hash for DomainCheck {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.domain.number().hash(state);
    }
}

impl ScalarUDFImpl for DomainCheck {
    fn name(&self) -> &str {
        self.domain.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let first = args.first().cloned();
        first.ok_or_else(|| external(SqlError::internal("a domain without a value")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let arrow = args
            .arg_fields
            .first()
            .map_or(DataType::Null, |f| f.data_type().clone());
        Ok(Arc::new(field_with(
            Field::new(self.name(), arrow, true),
            PgType::Domain(self.domain),
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args).map_err(external)?;
        let value = args.args.into_iter().next();
        value.ok_or_else(|| external(SqlError::internal("a domain without a value")))
    }
}
