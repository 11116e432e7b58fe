//! The form in which values are compared, sorted, grouped and joined, where it is
//! not the form in which Arrow keeps them.
//!
//! A numeric in wide form has its scale in it, which comparing must not see; an
//! interval of a month is equal to one of thirty days. Their order and equality
//! are those of a key that a function computes. Nodes that ask for them are given
//! the key, and the value itself where they show it.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ExprSchema, Result};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, Sort};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, GroupingSet, LogicalPlan, LogicalPlanBuilder, when,
};
use std::sync::Arc;

use super::super::error::external;
use super::super::functions;
use super::analyze::Analyzer;
use super::coerce::wide;
use super::operators::compared_by_key;
use super::types::{field_type, type_metadata};
use crate::error::SqlError;
use crate::types::PgType;

/// The name of the key of a grouping expression, and of the value to show.
const KEY: &str = "\u{1f}key";
const SHOWN: &str = "\u{1f}shown";

/// Whether Arrow's equality and order are not those of the values.
fn needs_key(ty: &DataType) -> bool {
    match ty {
        DataType::LargeBinary | DataType::Interval(_) => true,
        DataType::List(item) => matches!(item.data_type(), DataType::LargeBinary),
        _ => false,
    }
}

impl Analyzer {
    /// What `expr` is compared by.
    pub(super) fn compared_by(&self, expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
        let own = self.type_of(&expr, schema)?;
        if compared_by_key(own) {
            return functions::key(expr, own).map_err(external);
        }
        match expr.get_type(schema)? {
            DataType::Interval(_) => functions::interval_span(expr).map_err(external),
            ty if needs_key(&ty) => functions::numeric_key(expr).map_err(external),
            _ => Ok(expr),
        }
    }

    /// Two expressions of type `ty` as what they are compared by.
    pub(super) fn compared_pair(
        &self,
        left: Expr,
        right: Expr,
        ty: PgType,
        schemas: [&dyn ExprSchema; 2],
    ) -> Result<(Expr, Expr)> {
        if let PgType::Numeric(_) = ty {
            let types = [left.get_type(schemas[0])?, right.get_type(schemas[1])?];
            if types.iter().all(DataType::is_decimal) {
                return self.align_decimals(left, right, schemas);
            }
            let left = wide(left, &types[0])?;
            let right = wide(right, &types[1])?;
            return Ok((
                self.compared_by(left, schemas[0])?,
                self.compared_by(right, schemas[1])?,
            ));
        }
        Ok((
            self.compared_by(left, schemas[0])?,
            self.compared_by(right, schemas[1])?,
        ))
    }

    /// Sort expressions, by what they compare.
    pub(super) fn sorted_by(&self, sorts: &mut Vec<Sort>, schema: &dyn ExprSchema) -> Result<()> {
        for sort in sorts {
            let expr = std::mem::take(&mut sort.expr);
            sort.expr = self.compared_by(expr, schema)?;
        }
        Ok(())
    }

    /// DISTINCT over whole rows, by what their columns compare.
    pub(super) fn distinct(&self, distinct: Distinct) -> Result<LogicalPlan> {
        let input = match distinct {
            Distinct::All(input) => input,
            Distinct::On(mut on) => {
                let schema = Arc::clone(on.input.schema());
                for expr in &mut on.on_expr {
                    *expr = self.compared_by(std::mem::take(expr), schema.as_ref())?;
                }
                if let Some(sorts) = &mut on.sort_expr {
                    self.sorted_by(sorts, schema.as_ref())?;
                }
                return Ok(LogicalPlan::Distinct(Distinct::On(on)));
            }
        };
        if !input
            .schema()
            .fields()
            .iter()
            .any(|f| needs_key(f.data_type()) || compared_by_key(field_type(f)))
        {
            return Ok(LogicalPlan::Distinct(Distinct::All(input)));
        }
        let columns = (0..input.schema().fields().len())
            .map(|i| Expr::Column(Column::from(input.schema().qualified_field(i))))
            .collect();
        self.grouped(Aggregate::try_new(input, columns, Vec::new())?)
    }

    /// An aggregation whose groups are those of what the expressions compare; it
    /// shows a value of each group.
    pub(super) fn grouped(&self, aggregate: Aggregate) -> Result<LogicalPlan> {
        let input = Arc::clone(&aggregate.input);
        let schema = Arc::clone(input.schema());
        let mut keyed = Keyed::default();
        let mut groups = Vec::with_capacity(aggregate.group_expr.len());
        for expr in &aggregate.group_expr {
            groups.push(match expr {
                Expr::GroupingSet(set) => {
                    keyed.in_set = true;
                    Expr::GroupingSet(match set {
                        GroupingSet::Rollup(exprs) => {
                            GroupingSet::Rollup(self.keys(exprs, &mut keyed, schema.as_ref())?)
                        }
                        GroupingSet::Cube(exprs) => {
                            GroupingSet::Cube(self.keys(exprs, &mut keyed, schema.as_ref())?)
                        }
                        GroupingSet::GroupingSets(sets) => GroupingSet::GroupingSets(
                            sets.iter()
                                .map(|exprs| self.keys(exprs, &mut keyed, schema.as_ref()))
                                .collect::<Result<_>>()?,
                        ),
                    })
                }
                plain => self.key(plain, &mut keyed, schema.as_ref())?,
            });
        }
        if keyed.exprs.is_empty() {
            return Ok(LogicalPlan::Aggregate(aggregate));
        }
        let mut aggregates = aggregate.aggr_expr.clone();
        for (index, expr) in keyed.exprs.iter().enumerate() {
            let shown = AggregateFunction::new_udf(
                first_value_udaf(),
                vec![expr.clone().unalias()],
                false,
                None,
                Vec::new(),
                None,
            );
            aggregates.push(Expr::AggregateFunction(shown).alias(format!("{SHOWN}{index}")));
        }
        for expr in &mut aggregates {
            keyed.in_grouping(expr)?;
        }
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, aggregates)?);
        keyed.show(plan, &aggregate)
    }

    fn keys(
        &self,
        exprs: &[Expr],
        keyed: &mut Keyed,
        schema: &dyn ExprSchema,
    ) -> Result<Vec<Expr>> {
        exprs.iter().map(|e| self.key(e, keyed, schema)).collect()
    }

    fn key(&self, expr: &Expr, keyed: &mut Keyed, schema: &dyn ExprSchema) -> Result<Expr> {
        let ty = expr.get_type(schema)?;
        if !needs_key(&ty) && !compared_by_key(self.type_of(expr, schema)?) {
            return Ok(expr.clone());
        }
        if matches!(ty, DataType::List(_)) {
            return Err(external(SqlError::unsupported(
                "grouping by numeric arrays",
            )));
        }
        let index = match keyed.exprs.iter().position(|known| known == expr) {
            Some(index) => index,
            None => {
                keyed.exprs.push(expr.clone());
                keyed.exprs.len() - 1
            }
        };
        let by = self.compared_by(expr.clone().unalias(), schema)?;
        Ok(by.alias(format!("{KEY}{index}")))
    }
}

/// Grouping expressions that were replaced by their keys.
#[derive(Default)]
struct Keyed {
    exprs: Vec<Expr>,
    /// Whether they may be left out of a group.
    in_set: bool,
}

impl Keyed {
    /// `grouping(x)` asks about the key.
    fn in_grouping(&self, expr: &mut Expr) -> Result<()> {
        let call = match expr {
            Expr::Alias(alias) => return self.in_grouping(&mut alias.expr),
            Expr::AggregateFunction(call) => call,
            _ => return Ok(()),
        };
        let AggregateFunctionParams { args, .. } = &mut call.params;
        if call.func.name() == "grouping"
            && args
                .iter()
                .any(|arg| self.exprs.iter().any(|e| e.clone().unalias() == *arg))
        {
            return Err(external(SqlError::unsupported(
                "grouping() of a numeric without precision, an interval, jsonb or array",
            )));
        }
        Ok(())
    }

    /// The columns that `wanted` has, out of `plan`.
    fn show(&self, plan: LogicalPlan, wanted: &Aggregate) -> Result<LogicalPlan> {
        let names: Vec<(Option<_>, String)> = self.exprs.iter().map(Expr::qualified_name).collect();
        let mut columns = Vec::with_capacity(wanted.schema.fields().len());
        for (qualifier, field) in wanted.schema.iter() {
            let replaced = names
                .iter()
                .position(|(q, name)| q.as_ref() == qualifier && name == field.name());
            let Some(index) = replaced else {
                columns.push(Expr::Column(Column::from((qualifier, field.as_ref()))));
                continue;
            };
            let named = |name: String| Expr::Column(Column::new_unqualified(name));
            let shown = named(format!("{SHOWN}{index}"));
            let shown = if self.in_set {
                let key = named(format!("{KEY}{index}"));
                when(key.is_not_null(), shown).end()?
            } else {
                shown
            };
            let ty = super::types::field_type(field);
            columns.push(shown.alias_qualified_with_metadata(
                qualifier.cloned(),
                field.name().clone(),
                Some(type_metadata(ty)),
            ));
        }
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }
}
