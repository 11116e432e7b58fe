//! Subqueries in FROM are analysed before anything above them is planned, so
//! that their columns have their final types.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use sqlparser::ast::TableFactor;

use super::analyze::Analyzer;

/// Marks a subquery that this planner has seen already.
const SEEN: &str = "\u{1f}analysed";

/// Plans subqueries in FROM.
#[derive(Debug)]
pub(super) struct Subqueries(pub(super) Arc<Analyzer>);

impl RelationPlanner for Subqueries {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
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
