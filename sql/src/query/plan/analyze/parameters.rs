//! Types of parameters: declared, or found where they are used.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Placeholder;

use super::super::super::error::external;
use super::super::coerce::bare;
use super::super::types::{field_type, parameter_index, typed_field};
use super::Analyzer;
use crate::types::PgType;

impl Analyzer {
    /// The type of a parameter, if it is known.
    pub(in super::super) fn parameter(&self, id: &str) -> Option<PgType> {
        let index = parameter_index(id).ok()?;
        self.parameters.lock().get(index).copied().flatten()
    }

    /// The type of a parameter; `ty` if it had none.
    pub(in super::super) fn settle_parameter(&self, index: usize, ty: PgType) -> PgType {
        let ty = match ty {
            PgType::Unknown | PgType::Name => PgType::Text,
            other => other,
        };
        let mut parameters = self.parameters.lock();
        if parameters.len() <= index {
            parameters.resize(index + 1, None);
        }
        match parameters.get_mut(index) {
            Some(slot) => *slot.get_or_insert(ty),
            None => ty,
        }
    }

    /// The types of all parameters, as far as they are known.
    pub(in super::super) fn found_parameters(&self) -> Vec<Option<PgType>> {
        self.parameters.lock().clone()
    }

    /// Parameters that nothing has typed are text.
    pub(super) fn finish_parameter(&self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Placeholder(Placeholder { id, field: None }) => {
                let index = parameter_index(&id).map_err(external)?;
                let ty = self.settle_parameter(index, PgType::Text);
                let field = typed_field(&id, ty, true);
                Ok(Transformed::yes(Expr::Placeholder(
                    Placeholder::new_with_field(id, Some(Arc::new(field))),
                )))
            }
            Expr::Placeholder(Placeholder {
                id,
                field: Some(field),
            }) => {
                let index = parameter_index(&id).map_err(external)?;
                self.settle_parameter(index, bare(field_type(&field)));
                Ok(Transformed::no(Expr::Placeholder(
                    Placeholder::new_with_field(id, Some(field)),
                )))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}
