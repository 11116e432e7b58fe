//! Calls of the engine's functions as PostgreSQL declares them.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};

use super::super::super::error::external;
use super::super::super::functions::declared_for;
use super::super::analyze::Analyzer;
use super::super::types::arrow_type;
use crate::error::{SqlError, state};

impl Analyzer {
    /// A call whose arguments and result have the types that are declared.
    ///
    /// # Errors
    /// 42883 when no function of that name takes the arguments.
    pub(super) fn declared(
        &self,
        func: &Arc<ScalarUDF>,
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let name = func.name();
        let own = self.types_of(&args, schema)?;
        let Some((wanted, gives)) = declared_for(name, &own) else {
            let types: Vec<&str> = own.iter().map(|ty| ty.base_name()).collect();
            return Err(external(
                SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("function {name}({}) does not exist", types.join(", ")),
                )
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
            ));
        };
        let pairs = args.into_iter().zip(own.into_iter().zip(wanted));
        let args = pairs
            .map(|(arg, (from, to))| self.coerce(arg, from, *to, schema))
            .collect::<Result<_>>()?;
        func.call(args).cast_to(&arrow_type(gives), schema)
    }
}
