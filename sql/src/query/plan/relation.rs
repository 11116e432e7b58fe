//! Relations in FROM that need more than a name to be looked up: subqueries are
//! analysed before anything above them is planned, so that their columns have their
//! final types; bound relations call their columns what they are told to.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use sqlparser::ast::TableFactor;

use super::super::bound::{BOUND_CATALOG, InMemory};
use super::analyze::Analyzer;
use super::syntax::of_relation;

/// Marks a subquery that this planner has seen already.
const SEEN: &str = "\u{1f}analysed";

/// Plans bound relations whose columns have names of their own.
#[derive(Debug)]
pub(super) struct Bound(pub(super) Vec<Arc<InMemory>>);

impl RelationPlanner for Bound {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { name, .. } = &relation
            && let [catalog, _, table] = name.0.as_slice()
            && catalog.as_ident().is_some_and(|c| c.value == BOUND_CATALOG)
            && let Some(table) = table.as_ident()
            && let Some(bound) = self.0.iter().find(|b| b.name == table.value)
            && bound.has_names()
        {
            let plan = bound.plan()?;
            let planned = PlannedRelation::new(plan, None);
            return Ok(RelationPlanning::Planned(Box::new(planned)));
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

/// Plans subqueries in FROM.
#[derive(Debug)]
pub(super) struct Subqueries(pub(super) Arc<Analyzer>);

impl RelationPlanner for Subqueries {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let Some((operation, left, right)) = of_relation(&relation) {
            let left = context.plan(left)?;
            let right = context.plan(right)?;
            let plan = self.0.set_operation(operation, left, right)?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                plan, None,
            ))));
        }
        let TableFactor::Derived {
            lateral,
            subquery,
            alias,
            sample,
        } = relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        // The planner asks again for the relation it is handed; the mark says
        // that it is the same one.
        if let Some(mark) = &alias
            && mark.name.value == SEEN
        {
            return Ok(RelationPlanning::Original(Box::new(TableFactor::Derived {
                lateral,
                subquery,
                alias: None,
                sample,
            })));
        }
        let inner = TableFactor::Derived {
            lateral,
            subquery,
            alias: Some(sqlparser::ast::TableAlias {
                explicit: true,
                name: super::names::quoted(SEEN),
                columns: Vec::new(),
                at: None,
            }),
            sample,
        };
        let plan = context.plan(inner)?;
        let plan = self.0.analyze(plan)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}
