//! The form in which values are compared, sorted, grouped and joined, where it is
//! not the form in which Arrow keeps them.
//!
//! A numeric in wide form has its scale in it, which comparing must not see; an
//! interval of a month is equal to one of thirty days. Their order and equality
//! are those of a key that a function computes. Nodes that ask for them are given
//! the key, and the value itself where they show it.

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, ExprSchema, Result};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
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
use crate::types::{PgType, SessionFormat};

/// The name of the key of a grouping expression, and of the value to show.
const KEY: &str = "\u{1f}key";
const SHOWN: &str = "\u{1f}shown";

/// Whether Arrow's equality and order are not those of the values.
fn needs_key(ty: &DataType) -> bool {
    match ty {
        DataType::LargeBinary | DataType::Interval(_) => true,
        DataType::Float32 | DataType::Float64 => true,
        DataType::List(item) => matches!(item.data_type(), DataType::LargeBinary),
        _ => false,
    }
}

/// What columns are compared by as the parts of whole rows.
///
/// # Errors
/// XX000 when a column is not there.
pub(in crate::query) fn compared_columns(
    columns: Vec<Expr>,
    schema: &DFSchema,
) -> Result<Vec<Expr>> {
    let analyzer = Analyzer::for_constants(SessionFormat::default());
    let compared = |column| analyzer.compared_by(column, schema);
    columns.into_iter().map(compared).collect()
}

impl Analyzer {
    /// What `expr` is sorted and grouped by.
    pub(super) fn compared_by(&self, expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
        if expr.get_type(schema)?.is_floating() {
            return Ok(functions::float_key(expr));
        }
        self.equal_by(expr, schema)
    }

    /// What `expr` is compared by with operators, which know one zero.
    pub(super) fn equal_by(&self, expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
        let own = self.type_of(&expr, schema)?;
        if compared_by_key(own) {
            return functions::key(expr, own).map_err(external);
        }
        match expr.get_type(schema)? {
            DataType::Interval(_) => functions::interval_span(expr).map_err(external),
            ty if needs_key(&ty) && !ty.is_floating() => {
                functions::numeric_key(expr).map_err(external)
            }
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
                self.equal_by(left, schemas[0])?,
                self.equal_by(right, schemas[1])?,
            ));
        }
        Ok((
            self.equal_by(left, schemas[0])?,
            self.equal_by(right, schemas[1])?,
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
            Distinct::On(on) => return self.distinct_on(on),
        };
        let keyed = |f: &Arc<Field>| needs_key(f.data_type()) || compared_by_key(field_type(f));
        if !input.schema().fields().iter().any(keyed) && !joins(&input)? {
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
        let mut keyed = Keyed {
            in_set: matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]),
            joined: joins(&input)?,
            ..Keyed::default()
        };
        let mut groups = Vec::with_capacity(aggregate.group_expr.len());
        for expr in &aggregate.group_expr {
            groups.push(match expr {
                Expr::GroupingSet(GroupingSet::Rollup(exprs)) => Expr::GroupingSet(
                    GroupingSet::Rollup(self.keys(exprs, &mut keyed, schema.as_ref())?),
                ),
                Expr::GroupingSet(GroupingSet::Cube(exprs)) => Expr::GroupingSet(
                    GroupingSet::Cube(self.keys(exprs, &mut keyed, schema.as_ref())?),
                ),
                Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
                    let keys = |exprs: &Vec<Expr>| self.keys(exprs, &mut keyed, schema.as_ref());
                    let sets = sets.iter().map(keys).collect::<Result<_>>()?;
                    Expr::GroupingSet(GroupingSet::GroupingSets(sets))
                }
                plain => self.key(plain, &mut keyed, schema.as_ref())?,
            });
        }
        if keyed.groups.is_empty() {
            return Ok(LogicalPlan::Aggregate(aggregate));
        }
        let mut aggregates = aggregate.aggr_expr.clone();
        for index in &keyed.shown {
            let Some((expr, _)) = keyed.groups.get(*index) else {
                continue;
            };
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
            keyed.in_grouping(expr);
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
        if let Some((_, key)) = keyed.groups.iter().find(|(known, _)| known == expr) {
            return Ok(key.clone());
        }
        // The plan of a subquery in FROM is analysed by itself before.
        if matches!(expr, Expr::Alias(alias) if alias.name.starts_with(KEY)) {
            return Ok(expr.clone());
        }
        let ty = expr.get_type(schema)?;
        let key = if !needs_key(&ty) && !compared_by_key(self.type_of(expr, schema)?) {
            let hidden = keyed.in_set || (keyed.joined && matches!(expr, Expr::Column(_)));
            if !hidden {
                return Ok(expr.clone());
            }
            let own = expr.clone().unalias();
            if keyed.in_set {
                functions::same_in_part(own, keyed.groups.len())
            } else {
                functions::same(own)
            }
        } else {
            if matches!(ty, DataType::List(_)) {
                return Err(external(SqlError::unsupported(
                    "grouping by numeric arrays",
                )));
            }
            let by = self.compared_by(expr.clone().unalias(), schema)?;
            keyed.shown.push(keyed.groups.len());
            if keyed.in_set {
                functions::same_in_part(by, keyed.groups.len())
            } else {
                by
            }
        };
        // Under another name, by which nothing is known of it.
        let key = key.alias(format!("{KEY}{}", keyed.groups.len()));
        keyed.groups.push((expr.clone(), key.clone()));
        Ok(key)
    }
}

/// Whether rows of a plan are joined from several.
pub(super) fn joins(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        Ok(matches!(
            node,
            LogicalPlan::Join(_) | LogicalPlan::Extension(_)
        ))
    })
}

/// Grouping expressions that were replaced.
#[derive(Default)]
struct Keyed {
    /// Each with what it was replaced by.
    groups: Vec<(Expr, Expr)>,
    /// The places of those whose key is not what is shown.
    shown: Vec<usize>,
    /// Whether they may be left out of a group.
    in_set: bool,
    /// Whether what is grouped was joined.
    joined: bool,
}

impl Keyed {
    /// `grouping(x)` asks about what `x` was replaced by.
    fn in_grouping(&self, expr: &mut Expr) {
        let call = match expr {
            Expr::Alias(alias) => return self.in_grouping(&mut alias.expr),
            Expr::AggregateFunction(call) => call,
            _ => return,
        };
        if call.func.name() != "grouping" {
            return;
        }
        for arg in &mut call.params.args {
            let own = self
                .groups
                .iter()
                .find(|(e, _)| e.clone().unalias() == *arg);
            if let Some((_, key)) = own {
                *arg = key.clone();
            }
        }
    }

    /// The columns that `wanted` has, out of `plan`.
    fn show(&self, plan: LogicalPlan, wanted: &Aggregate) -> Result<LogicalPlan> {
        let names: Vec<(Option<_>, String)> = self
            .groups
            .iter()
            .map(|(e, _)| e.qualified_name())
            .collect();
        let mut columns = Vec::with_capacity(wanted.schema.fields().len());
        for (place, (qualifier, field)) in wanted.schema.iter().enumerate() {
            if field.name() == Aggregate::INTERNAL_GROUPING_ID {
                continue;
            }
            let replaced = names
                .iter()
                .position(|(q, name)| q.as_ref() == qualifier && name == field.name());
            let Some(index) = replaced else {
                let own = Column::from(plan.schema().qualified_field(place));
                let same_name = own.relation.as_ref() == qualifier && own.name == *field.name();
                let own = Expr::Column(own);
                columns.push(match same_name {
                    true => own,
                    false => own.alias_qualified(qualifier.cloned(), field.name()),
                });
                continue;
            };
            let named = |name: String| Expr::Column(Column::new_unqualified(name));
            let key = named(format!("{KEY}{index}"));
            let shown = match self.shown.contains(&index) {
                false => key,
                true if self.in_set => {
                    when(key.is_not_null(), named(format!("{SHOWN}{index}"))).end()?
                }
                true => named(format!("{SHOWN}{index}")),
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
