//! Planning MERGE.

use sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, Merge, MergeAction, MergeClause, MergeClauseKind,
    MergeInsertExpr, MergeInsertKind, MergeUpdateExpr, TableFactor, TableWithJoins, Value,
};

use super::{Action, Clause, MergePlan};
use crate::catalog::QualifiedName;
use crate::error::{SqlError, state};
use crate::exec::assignments::Assignments;
use crate::exec::change::{Target, note_parameter};
use crate::exec::given::check_value;
use crate::exec::insert::{Defaults, fit_columns, is_default, refuse_any};
use crate::exec::others::Others;
use crate::exec::planning::Parameters;
use crate::exec::row_values::check_condition;
use crate::exec::table::TableInfo;
use crate::exec::target::{Planning, column, column_list, default_expr, simple_name};
use crate::exec::view_target::Through;
use crate::query::{Place, PlannedExpressions, RowRelation};
use crate::session::{MERGE_DEFAULTS, MERGE_NOTHING};

/// Plans a MERGE.
///
/// # Errors
/// Name and type errors; 0A000 for what PostgreSQL 15 does not have.
pub(crate) fn plan(
    merge: &Merge,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<MergePlan, SqlError> {
    refuse_any(&[(merge.output.is_some(), "MERGE … OUTPUT or RETURNING")])?;
    let relation = TableWithJoins {
        relation: merge.table.clone(),
        joins: Vec::new(),
    };
    refuse_materialized(&merge.table, planning)?;
    let mut target = Target::new(&relation, Through::Update, planning)?;
    if let Some(view) = &target.view {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("cannot execute MERGE on relation \"{}\"", view.name),
        )
        .detail("This operation is not supported for views."));
    }
    let alias = target.alias();
    let from = TableWithJoins {
        relation: merge.source.clone(),
        joins: Vec::new(),
    };
    let source = Others::of(std::slice::from_ref(&from), &alias, planning, parameters)?;
    let only_source: Vec<RowRelation> = source.relations().collect();
    let mut both = vec![RowRelation::target(&target.table.desc, &alias)];
    both.extend(source.relations());

    let partnerless = merge.clauses.iter().any(|c| !is_matched(&c.clause_kind));
    let on = JoinConstraint::On(merge.on.as_ref().clone());
    target.join(Join {
        relation: merge.source.clone(),
        global: false,
        join_operator: match partnerless {
            true => JoinOperator::Right(on),
            false => JoinOperator::Inner(on),
        },
    });
    let query = target.select(source.items().collect(), Vec::new(), None)?;
    let query = planning.rows_to_change(&query, parameters)?;
    let on = std::slice::from_ref(merge.on.as_ref());
    let condition = planning.expressions(on, &both, Place::Where, parameters)?;

    let mut planner = ClausePlanner {
        table: &target.table,
        planning,
        parameters,
        both: &both,
        source: &only_source,
        matched: Vec::new(),
        not_matched: Vec::new(),
    };
    for clause in &merge.clauses {
        planner.add(clause)?;
    }
    let (matched, not_matched) = (planner.matched, planner.not_matched);
    Ok(MergePlan {
        table: target.table,
        query,
        source,
        condition,
        matched,
        not_matched,
    })
}

/// Rows of a materialized view come from its query only.
fn refuse_materialized(target: &TableFactor, planning: &Planning) -> Result<(), SqlError> {
    let TableFactor::Table { name, .. } = target else {
        return Ok(());
    };
    let name = QualifiedName::from_ast(name, &planning.database)?;
    match planning.catalog.find_table(&name, &planning.search_path) {
        Some(table) if table.materialized.is_some() => Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("cannot execute MERGE on relation \"{}\"", name.name),
        )
        .detail("This operation is not supported for materialized views.")),
        _ => Ok(()),
    }
}

fn is_matched(kind: &MergeClauseKind) -> bool {
    matches!(kind, MergeClauseKind::Matched)
}

struct ClausePlanner<'a> {
    table: &'a TableInfo,
    planning: &'a Planning,
    parameters: &'a mut Parameters,
    /// Target and source.
    both: &'a [RowRelation],
    source: &'a [RowRelation],
    matched: Vec<Clause>,
    not_matched: Vec<Clause>,
}

impl ClausePlanner<'_> {
    fn add(&mut self, clause: &MergeClause) -> Result<(), SqlError> {
        let matched = match clause.clause_kind {
            MergeClauseKind::Matched => true,
            MergeClauseKind::NotMatched => false,
            MergeClauseKind::NotMatchedByTarget | MergeClauseKind::NotMatchedBySource => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "syntax error at or near \"BY\"",
                ));
            }
        };
        let before = if matched {
            &self.matched
        } else {
            &self.not_matched
        };
        if before.iter().any(|c| c.condition.is_none()) {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "unreachable WHEN clause specified after unconditional WHEN clause",
            ));
        }
        let relations = if matched { self.both } else { self.source };
        let condition = match &clause.predicate {
            None => None,
            Some(predicate) => {
                let exprs = std::slice::from_ref(predicate);
                let planned = self.expressions(exprs, relations, Place::MergeWhen)?;
                check_condition(&planned, Place::MergeWhen)?;
                Some(planned)
            }
        };
        let action = self.action(&clause.action, matched)?;
        let clause = Clause { condition, action };
        if matched {
            self.matched.push(clause);
        } else {
            self.not_matched.push(clause);
        }
        Ok(())
    }

    fn expressions(
        &mut self,
        exprs: &[Expr],
        relations: &[RowRelation],
        place: Place,
    ) -> Result<PlannedExpressions, SqlError> {
        self.planning
            .expressions(exprs, relations, place, self.parameters)
    }

    fn action(&mut self, action: &MergeAction, matched: bool) -> Result<Action, SqlError> {
        match (action, matched) {
            (MergeAction::Delete { .. }, true) => Ok(Action::Delete),
            (MergeAction::Update(update), true) => self.update(update),
            (MergeAction::Insert(insert), false) => self.insert(insert),
            (MergeAction::Insert(_), true) => Err(SqlError::new(
                state::SYNTAX_ERROR,
                "syntax error at or near \"INSERT\"",
            )),
            (MergeAction::Update(_) | MergeAction::Delete { .. }, false) => Err(SqlError::new(
                state::SYNTAX_ERROR,
                "syntax error: a row that is not there cannot be changed",
            )),
        }
    }

    fn update(&mut self, update: &MergeUpdateExpr) -> Result<Action, SqlError> {
        refuse_any(&[
            (update.update_predicate.is_some(), "MERGE … UPDATE … WHERE"),
            (update.delete_predicate.is_some(), "MERGE … DELETE WHERE"),
        ])?;
        if let [only] = update.assignments.as_slice()
            && only.target.to_string().contains(MERGE_NOTHING)
        {
            return Ok(Action::Nothing);
        }
        let set = Assignments::read(&update.assignments, self.table)?;
        self.note_parameters(&set.values, &set.columns)?;
        let values = self.expressions(&set.values, self.both, Place::Update)?;
        Ok(Action::Update(set.columns, values))
    }

    fn insert(&mut self, insert: &MergeInsertExpr) -> Result<Action, SqlError> {
        refuse_any(&[(insert.insert_predicate.is_some(), "MERGE … INSERT … WHERE")])?;
        let MergeInsertKind::Values(list) = &insert.kind else {
            return Err(SqlError::unsupported("MERGE … INSERT ROW"));
        };
        let [row] = list.rows.as_slice() else {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "MERGE inserts one row of VALUES",
            ));
        };
        let names = insert
            .columns
            .iter()
            .map(|c| {
                simple_name(c).ok_or_else(|| SqlError::unsupported(format!("INSERT column {c}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if names.iter().any(|name| name == MERGE_NOTHING) {
            return Ok(Action::Nothing);
        }
        let explicit = !names.is_empty();
        let mut columns = column_list(self.table, names)?;
        let defaults_only = matches!(row.content.as_slice(),
            [Expr::Identifier(only)] if only.value == MERGE_DEFAULTS);
        let values = match defaults_only {
            true => {
                columns.clear();
                None
            }
            false => {
                fit_columns(&mut columns, row.content.len(), explicit)?;
                let exprs = self.insert_values(&row.content, &columns)?;
                self.note_parameters(&exprs, &columns)?;
                Some(self.expressions(&exprs, self.source, Place::Values)?)
            }
        };
        Ok(Action::Insert {
            defaults: Defaults::plan(self.table, &columns, self.planning)?,
            columns,
            values,
        })
    }

    /// A bare parameter takes the type of its column.
    fn note_parameters(&mut self, values: &[Expr], columns: &[u16]) -> Result<(), SqlError> {
        for (value, attnum) in values.iter().zip(columns) {
            note_parameter(value, column(self.table, *attnum)?.ty, self.parameters);
        }
        Ok(())
    }

    /// The values with what DEFAULT stands for.
    fn insert_values(&self, row: &[Expr], columns: &[u16]) -> Result<Vec<Expr>, SqlError> {
        row.iter()
            .zip(columns)
            .map(|(expr, attnum)| {
                check_value(column(self.table, *attnum)?, is_default(expr))?;
                if !is_default(expr) {
                    return Ok(expr.clone());
                }
                let default = default_expr(column(self.table, *attnum)?)?;
                Ok(default.unwrap_or_else(|| Expr::Value(Value::Null.into())))
            })
            .collect()
    }
}
