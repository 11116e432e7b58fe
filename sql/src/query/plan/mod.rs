//! Planning: from the AST to an analysed logical plan.
//!
//! 1. [`syntax`] rewrites the AST where PostgreSQL's reading differs from the
//!    planner's, and finds the names of result columns ([`names`]).
//! 2. DataFusion resolves names against [`context`], asking [`operators`] what
//!    each operator means for the types at hand ([`types`], [`coerce`]).
//! 3. [`analyze`] walks the plan and settles what is left: literals, casts,
//!    function overloads, CASE and IN lists, set operations, scalar subqueries.

mod analyze;
mod cast_names;
mod catalog_syntax;
mod coerce;
mod comparable;
mod context;
mod correlate;
mod distinct_on;
mod domain;
mod joined_star;
mod lookup;
mod merged;
mod merged_star;
mod names;
mod nested;
mod operators;
mod partition_relations;
mod quantified;
mod relation;
mod rewrite;
mod series_item;
mod settle;
mod shown;
mod syntax;
mod types;
mod using;
mod view;
mod with;

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::SqlToRel;
use kimberlite_storage::TenantId;
use sqlparser::ast::{LockClause, Query, Statement, With};

use self::analyze::Analyzer;
use self::context::Tables;
use super::apply;
use super::bound::InMemory;
use super::error::from_datafusion;
use super::planned::OutputColumn;
use super::session_info::SessionInfo;
use crate::catalog::{BoundRelation, Catalog};
use crate::error::{SqlError, state};
use crate::types::PgType;

pub(super) use super::arrow_value::type_of_arrow;
pub(crate) use coerce::assignable;
pub(super) use coerce::constant_of;
pub(crate) use coerce::{bare, implicit, unify};
pub(super) use comparable::compared_columns;
pub(super) use domain::DomainCheck;
pub use lookup::ViewScope;
pub(crate) use names::column_name as output_name;
pub(super) use names::{MARK, marked, visible_name};
pub(super) use operators::compared_by_key;
pub(crate) use rewrite::element_assignment;
pub(crate) use shown::{Shown, TABLE_OID};
pub(crate) use syntax::{
    RoutineCall, first_row_or_null, query_of, routine_call, routine_result, star_from,
};
pub(super) use syntax::{hidden_names, plain_table};
pub(super) use types::{
    arrow_type, field_type, field_with, parameter_index, type_metadata, typed_field,
};

/// What names mean while planning.
#[derive(Debug, Clone)]
pub struct PlanContext {
    /// Tables of the database.
    pub catalog: Arc<Catalog>,
    /// Name of the database.
    pub database: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// Schemas that unqualified names are looked up in, in order.
    pub search_path: Vec<String>,
    /// Declared types of `$1`, `$2`, …; `None` = find out.
    pub param_types: Vec<Option<PgType>>,
    /// Which tables of the outermost FROM also have `__key`, `__csn` and `__row`.
    pub hidden: Hidden,
    /// Relations whose rows a run brings.
    pub(crate) bound: Vec<Arc<InMemory>>,
    /// A WITH clause around the query.
    pub(crate) with: Option<With>,
    /// The session.
    pub session: Arc<SessionInfo>,
    /// The view whose query this is, if it is one.
    pub view: Option<ViewScope>,
}

/// Tables that show their hidden columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// None.
    None,
    /// The first one, the target of a change. `*` must not be used in the
    /// outermost SELECT then.
    First,
    /// The first one, which a view selects from that has this number itself. `*` leaves
    /// them out.
    Numbered(usize),
    /// All of them; the columns come after those of the SELECT list.
    All,
}

/// A stored table of the outermost FROM with hidden columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowTarget {
    /// The name it goes by.
    pub alias: String,
    /// Its object identifier.
    pub oid: u32,
    /// Whether an outer join may put NULLs in the place of its rows.
    pub nullable: bool,
}

/// A plan and what is known about it.
#[derive(Debug)]
pub(super) struct PlanParts {
    pub(super) plan: LogicalPlan,
    pub(super) columns: Vec<OutputColumn>,
    pub(super) parameters: Vec<PgType>,
    /// The same, as far as they are known.
    pub(super) found: Vec<Option<PgType>>,
    pub(super) tables: Vec<u32>,
    pub(super) locks: Vec<LockClause>,
    /// The relations that the query names.
    pub(super) relations: Vec<BoundRelation>,
    /// The tables whose hidden columns come last, in their order.
    pub(super) targets: Vec<RowTarget>,
    /// The catalog it was planned with.
    pub(super) catalog: Arc<Catalog>,
    /// The session it was planned in.
    pub(super) session: Arc<SessionInfo>,
}

/// Plans a query.
///
/// # Errors
/// What PostgreSQL reports when it analyses the query.
pub(super) fn plan(
    query: &Query,
    context: &PlanContext,
    state: &SessionState,
) -> Result<PlanParts, SqlError> {
    let query = match &context.with {
        Some(with) => with::put_around(query.clone(), with),
        None => query.clone(),
    };
    let syntax::Prepared {
        query: plain,
        locks,
        targets,
    } = syntax::prepare(query.clone(), context)?;
    let planned = match from_sql(plain, context, state, false) {
        Err(error) if cast_names::may_clash(&error) => {
            let mut again = syntax::prepare(query, context)?.query;
            match cast_names::note_casts(&mut again) {
                true => from_sql(again, context, state, false).map_err(|_| error),
                false => Err(error),
            }
        }
        // A column that is not grouped by, unless it is known by a primary key. A cast of
        // the key is another value.
        Err(error) if error.sqlstate() == state::GROUPING_ERROR => {
            let mut again = syntax::prepare(query, context)?.query;
            cast_names::note_casts(&mut again);
            from_sql(again, context, state, true).map_err(|_| error)
        }
        planned => planned,
    };
    let (plan, columns, analyzer, mut resolved) = planned?;
    let found = analyzer.found_parameters();
    let parameters = found.iter().map(|ty| ty.unwrap_or(PgType::Text)).collect();
    view::mark_used(&plan, &mut resolved.relations)?;
    let mut tables = stored_tables(&plan).map_err(from_datafusion)?;
    add_members(&mut tables, &context.catalog);
    view::note_tables(&mut tables, &resolved.through_views);
    // A table may be looked up under a name that WITH gives to something else.
    resolved.relations.retain(|r| tables.contains(&r.oid));
    Ok(PlanParts {
        plan,
        columns,
        parameters,
        found,
        tables,
        locks,
        relations: resolved.relations,
        targets,
        catalog: Arc::clone(&context.catalog),
        session: Arc::clone(&context.session),
    })
}

/// A plan and its columns, what settled its types, and what its names mean.
type FromSql = (
    LogicalPlan,
    Vec<OutputColumn>,
    Arc<Analyzer>,
    view::Resolved,
);

/// The plan of a query in DataFusion's SQL; with `keys` the planner knows primary keys.
fn from_sql(
    query: Query,
    context: &PlanContext,
    state: &SessionState,
    keys: bool,
) -> Result<FromSql, SqlError> {
    let analyzer = Arc::new(Analyzer::new(context, state));
    let tables = Tables::new(context, state, &analyzer, &query, keys);
    let plan = SqlToRel::new(&tables)
        .sql_statement_to_plan(Statement::Query(Box::new(query)))
        .map_err(from_datafusion);
    let mut resolved = tables.resolved();
    if let Some(error) = resolved.error.take() {
        return Err(error);
    }
    let plan = plan?;
    if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_)) {
        return Err(SqlError::unsupported("SELECT INTO"));
    }
    let plan = analyzer.analyze(plan).map_err(from_datafusion)?;
    let (plan, columns) = analyzer.output(plan).map_err(from_datafusion)?;
    Ok((plan, columns, analyzer, resolved))
}

/// Adds the tables that rows of others are in.
fn add_members(tables: &mut Vec<u32>, catalog: &Catalog) {
    for root in tables.clone() {
        if !catalog.has_children(root) {
            continue;
        }
        let members: Vec<u32> = catalog.members(root).iter().map(|t| t.oid).collect();
        view::note_tables(tables, &members);
    }
}

/// Object identifiers of the stored tables in a plan.
fn stored_tables(plan: &LogicalPlan) -> datafusion::common::Result<Vec<u32>> {
    let mut oids = Vec::new();
    apply::visit(plan, &mut |plan| {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(oid) = context::stored_oid(scan.source.as_ref())
                && !oids.contains(&oid)
            {
                oids.push(oid);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    })?;
    Ok(oids)
}
