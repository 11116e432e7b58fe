//! The walk over a plan that settles every type.

mod except;
mod late;
mod lateral;
mod never;
mod node;
mod ordered;
mod output;
mod parameters;
mod set_operation;
mod shared;
mod unnest;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Sort};
use parking_lot::Mutex;

use self::lateral::is_lateral;
use super::super::arrow_value::type_of_arrow;
use super::super::error::external;
use super::super::functions::{self, session_format};
use super::PlanContext;
use super::coerce::bare;
use super::nested::Nested;
use super::settle::{self, refuse_outer_aggregates};
use super::types::{field_type, type_metadata};
use crate::error::{SqlError, state};
use crate::types::{PgType, SessionFormat};

/// What is known about one statement while it is planned.
#[derive(Debug)]
pub(super) struct Analyzer {
    /// Types of parameters, declared or found.
    parameters: Mutex<Vec<Option<PgType>>>,
    /// How literals are read.
    pub(super) format: SessionFormat,
    /// How what is kept in the catalog is planned, if there is anything.
    pub(super) nested: Option<Nested>,
}

/// Whether a sort above a projection asks subqueries.
fn sorts_by_subquery(sort: &Sort) -> Result<bool> {
    let mut found = false;
    for item in &sort.expr {
        found = found || node::has_subquery(&item.expr)?;
    }
    Ok(found && matches!(sort.input.as_ref(), LogicalPlan::Projection(_)))
}

/// What a node asks of its expressions.
struct Place {
    /// The clause whose condition they are.
    condition: Option<&'static str>,
    /// Whether they may get an alias that carries their type on: other nodes
    /// must not rename.
    typed: bool,
    /// What subqueries can become there.
    subqueries: settle::Place,
    /// Whether rows are sorted by them.
    sorts: bool,
    /// Whether the planner may take what is sorted by for one value where it is not.
    in_parts: bool,
}

/// Whether rows come from several queries: what has one value in each of them has not in
/// all, and of the first rows of all the planner compares too little.
fn has_union(plan: &LogicalPlan) -> bool {
    let union = |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Union(_)));
    plan.exists(union).unwrap_or(true)
}

/// Whether a projection calls what gives another value for every row: of constants, it
/// is one for the planner.
fn changes(plan: &LogicalPlan) -> bool {
    let volatile = |node: &LogicalPlan| {
        Ok(match node {
            LogicalPlan::Projection(projection) => projection.expr.iter().any(Expr::is_volatile),
            _ => false,
        })
    };
    plan.exists(volatile).unwrap_or(true)
}

impl Place {
    fn of(plan: &LogicalPlan) -> Self {
        Self {
            condition: match plan {
                LogicalPlan::Filter(_) => Some("WHERE"),
                _ => None,
            },
            typed: matches!(
                plan,
                LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)
            ),
            subqueries: match plan {
                LogicalPlan::Filter(_) => settle::Place::Filter,
                LogicalPlan::Projection(_) => settle::Place::Projection,
                _ => settle::Place::Other,
            },
            sorts: matches!(plan, LogicalPlan::Sort(_)),
            in_parts: match plan {
                LogicalPlan::Sort(sort) => {
                    (sort.expr.len() > 1 && has_union(&sort.input)) || changes(&sort.input)
                }
                _ => false,
            },
        }
    }
}

impl Analyzer {
    pub(super) fn new(context: &PlanContext, state: &SessionState) -> Self {
        Self {
            parameters: Mutex::new(context.param_types.clone()),
            format: session_format(&context.session),
            nested: Nested::new(context, state),
        }
    }

    /// An analyzer that only evaluates constants.
    pub(super) fn for_constants(format: SessionFormat) -> Self {
        Self {
            parameters: Mutex::new(Vec::new()),
            format,
            nested: None,
        }
    }

    /// Settles the types of a plan and of its subqueries.
    ///
    /// # Errors
    /// What PostgreSQL reports about types: 42883, 42804, 22P02 and others.
    pub(super) fn analyze(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| self.node(node).map(Transformed::yes))
            .map(|t| t.data)
    }

    fn node(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        match plan {
            LogicalPlan::Limit(_) => return self.limit(plan),
            LogicalPlan::Union(union) => return self.union(union),
            LogicalPlan::RecursiveQuery(query) => return set_operation::recursive(query),
            LogicalPlan::Sort(sort) if sorts_by_subquery(&sort)? => {
                return self.sort_by_subqueries(sort);
            }
            _ => {}
        }
        let place = Place::of(&plan);
        let preserver = NamePreserver::new(&plan);
        let plan = plan
            .map_expressions(|expr| {
                let name = preserver.save(&expr);
                let mut expr = self.settle_in(expr, &place, &schema)?;
                if place.sorts {
                    expr = self.compared_by(expr, &schema)?;
                }
                if place.in_parts {
                    expr = functions::same_in_part(expr, 0);
                }
                let expr = name.restore(expr);
                Ok(Transformed::yes(if place.typed {
                    self.with_type(expr, &schema)?
                } else {
                    expr
                }))
            })?
            .data;
        let plan = match plan {
            LogicalPlan::Join(join) if is_lateral(&join) => return self.lateral(join),
            LogicalPlan::Join(join) => self.join(join)?,
            LogicalPlan::Values(values) => self.values(values)?,
            LogicalPlan::Distinct(_) | LogicalPlan::Aggregate(_) => {
                return match plan.recompute_schema()? {
                    LogicalPlan::Distinct(distinct) => self.distinct(distinct),
                    LogicalPlan::Aggregate(aggregate) => {
                        refuse_outer_aggregates(&aggregate)?;
                        self.grouped_once(ordered::aggregated(aggregate)?)
                    }
                    other => Ok(other),
                };
            }
            other => other,
        };
        match plan.recompute_schema()? {
            LogicalPlan::Unnest(unnest) => unnest::typed_elements(unnest),
            LogicalPlan::Window(window) => match ordered::windowed(window)? {
                LogicalPlan::Window(window) => shared::windows_once(window),
                plan => Ok(plan),
            },
            LogicalPlan::Sort(sort) => late::sorted_first(sort),
            plan => Ok(plan),
        }
    }

    /// Settles an expression and its parts, at its place in the plan.
    fn settle_in(&self, expr: Expr, place: &Place, schema: &DFSchema) -> Result<Expr> {
        let expr = expr
            .transform_up(|e| self.settle(e, schema).map(Transformed::yes))?
            .data;
        let expr = match place.condition {
            Some(clause) => never::simplified(self.condition(expr, clause, schema)?),
            None => expr,
        };
        self.subqueries(expr, place.subqueries, schema)
    }

    /// An expression as the condition of `clause`.
    pub(super) fn condition(&self, expr: Expr, clause: &str, schema: &DFSchema) -> Result<Expr> {
        let ty = self.type_of(&expr, schema)?;
        match ty {
            PgType::Bool => Ok(expr),
            PgType::Unknown => self.coerce(expr, ty, PgType::Bool, schema),
            other => Err(external(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "argument of {clause} must be type boolean, not type {}",
                    other.base_name()
                ),
            ))),
        }
    }

    /// Puts the type into the field's metadata where it does not follow from the
    /// Arrow type, so that the nodes above know it.
    pub(super) fn with_type(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let ty = self.type_of(&expr, schema)?;
        let field = expr.to_field(schema)?.1;
        if field_type(&field) == ty || ty == PgType::Unknown {
            return Ok(expr);
        }
        if field_type(&field) == type_of_arrow(field.data_type()) && bare(ty) == field_type(&field)
        {
            return Ok(expr);
        }
        let metadata: Option<FieldMetadata> = Some(type_metadata(ty));
        Ok(match expr {
            Expr::Alias(Alias {
                expr,
                relation,
                name,
                ..
            }) => expr.alias_qualified_with_metadata(relation, name, metadata),
            // A plain column takes its field's metadata with it.
            Expr::Column(column) => Expr::Column(column),
            other => {
                let (relation, name) = other.qualified_name();
                other.alias_qualified_with_metadata(relation, name, metadata)
            }
        })
    }
}
