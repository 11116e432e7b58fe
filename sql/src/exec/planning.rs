//! Planning the queries and expressions inside statements that write.

use std::sync::Arc;

use kimberlite_storage::TenantId;
use sqlparser::ast::{Expr, Query, SelectItem};

use super::target::Planning;
use crate::error::SqlError;
use crate::query::{
    Hidden, Place, PlanContext, PlannedExpressions, PlannedQuery, QueryEngine, RowRelation,
    SessionInfo,
};
use crate::types::PgType;

/// What planning a query takes besides names.
#[derive(Debug, Clone)]
pub(crate) struct QueryPlanning {
    pub(crate) engine: QueryEngine,
    pub(crate) tenant: TenantId,
    pub(crate) session: Arc<SessionInfo>,
}

/// Types of `$1`, `$2`, …: declared, or found while planning.
pub(crate) type Parameters = Vec<Option<PgType>>;

impl Planning {
    fn queries(&self) -> Result<&QueryPlanning, SqlError> {
        self.queries
            .as_ref()
            .ok_or_else(|| SqlError::internal("a query was planned without a session"))
    }

    fn context(
        &self,
        queries: &QueryPlanning,
        parameters: &Parameters,
    ) -> Result<PlanContext, SqlError> {
        let context = PlanContext {
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            tenant: queries.tenant,
            search_path: self.search_path.clone(),
            param_types: parameters.clone(),
            hidden: Hidden::None,
            bound: self.bound.clone(),
            with: self.with.clone(),
            session: queries.session.clone(),
            view: None,
        };
        match &self.view {
            None => Ok(context),
            Some(view) => context.inside(view),
        }
    }

    /// Plans a query; parameter types that it finds are put into `parameters`.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the query.
    pub(crate) fn query(
        &self,
        query: &Query,
        parameters: &mut Parameters,
    ) -> Result<PlannedQuery, SqlError> {
        self.query_with(query, parameters, Hidden::None)
    }

    /// Plans the SELECT behind a change: its first table shows its hidden columns.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the query.
    pub(crate) fn rows_to_change(
        &self,
        query: &Query,
        parameters: &mut Parameters,
    ) -> Result<PlannedQuery, SqlError> {
        self.query_with(query, parameters, Hidden::First)
    }

    /// Plans a query, some of whose tables show their hidden columns.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the query.
    pub(crate) fn query_with(
        &self,
        query: &Query,
        parameters: &mut Parameters,
        hidden: Hidden,
    ) -> Result<PlannedQuery, SqlError> {
        let queries = self.queries()?;
        let context = PlanContext {
            hidden,
            ..self.context(queries, parameters)?
        };
        let planned = queries.engine.plan(query, &context)?;
        learn(parameters, planned.found_parameters());
        Ok(planned)
    }

    /// Plans select items over rows of `relations`; see [`PlannedExpressions`].
    /// Parameter types that they find are put into `parameters`.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the expressions, and what it refuses
    /// at this place.
    pub(crate) fn items(
        &self,
        items: &[SelectItem],
        relations: &[RowRelation],
        place: Place,
        parameters: &mut Parameters,
    ) -> Result<PlannedExpressions, SqlError> {
        let queries = self.queries()?;
        let context = self.context(queries, parameters)?;
        let planned = PlannedExpressions::plan(&queries.engine, items, relations, place, &context)?;
        learn(parameters, planned.found_parameters());
        Ok(planned)
    }

    /// Plans expressions over rows of `relations`; see [`PlannedExpressions`].
    ///
    /// # Errors
    /// As [`Self::items`].
    pub(crate) fn expressions(
        &self,
        exprs: &[Expr],
        relations: &[RowRelation],
        place: Place,
        parameters: &mut Parameters,
    ) -> Result<PlannedExpressions, SqlError> {
        let items: Vec<SelectItem> = exprs
            .iter()
            .map(|expr| SelectItem::UnnamedExpr(expr.clone()))
            .collect();
        self.items(&items, relations, place, parameters)
    }
}

/// Adds parameter types that one part of a statement found.
fn learn(parameters: &mut Parameters, found: &[Option<PgType>]) {
    if parameters.len() < found.len() {
        parameters.resize(found.len(), None);
    }
    for (slot, found) in parameters.iter_mut().zip(found) {
        *slot = slot.or(*found);
    }
}
