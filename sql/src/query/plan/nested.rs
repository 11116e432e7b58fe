//! What planning a part of a statement takes that is kept elsewhere: the conditions
//! of domains and the bodies of functions.

use std::sync::Arc;

use datafusion::execution::SessionState;

use super::super::engine::{EngineExtension, QueryEngine};
use super::PlanContext;
use crate::error::{SqlError, SqlResult};

/// How parts are planned.
#[derive(Clone)]
pub(in crate::query) struct Nested {
    /// Names, as they are for the statement.
    pub(in crate::query) context: PlanContext,
    pub(in crate::query) state: Arc<SessionState>,
}

impl std::fmt::Debug for Nested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nested").finish_non_exhaustive()
    }
}

impl Nested {
    /// For a statement whose catalog has such parts at all.
    pub(super) fn new(context: &PlanContext, state: &SessionState) -> Option<Self> {
        if !context.catalog.has_parts() {
            return None;
        }
        Some(Self {
            context: context.clone(),
            state: Arc::new(state.clone()),
        })
    }

    /// The engine.
    ///
    /// # Errors
    /// XX000 outside of one.
    pub(super) fn engine(&self) -> SqlResult<QueryEngine> {
        self.state
            .config()
            .get_extension::<EngineExtension>()
            .map(|extension| extension.0.clone())
            .ok_or_else(|| SqlError::internal("planning outside of an engine"))
    }

    /// Names inside of a part: nothing of the statement's own is there.
    pub(super) fn inside(&self) -> PlanContext {
        PlanContext {
            param_types: Vec::new(),
            hidden: super::Hidden::None,
            bound: Vec::new(),
            with: None,
            view: None,
            ..self.context.clone()
        }
    }
}
