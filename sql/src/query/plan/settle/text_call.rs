//! Calls of DataFusion's functions of texts and bytes, which take arguments of more
//! types than PostgreSQL's.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;

use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::super::coerce::implicit;
use crate::error::{SqlError, state};
use crate::types::PgType;

const TEXT: PgType = PgType::Text;
const INT4: PgType = PgType::Int4;

/// What PostgreSQL's function of that name takes; `None` for a function that is not
/// of texts or bytes.
pub(super) fn arguments(name: &str) -> Option<&'static [PgType]> {
    Some(match name {
        "initcap" | "lower" | "reverse" | "upper" => &[TEXT],
        "starts_with" | "strpos" => &[TEXT, TEXT],
        "translate" => &[TEXT, TEXT, TEXT],
        "left" | "right" => &[TEXT, INT4],
        "sha224" | "sha256" | "sha384" | "sha512" => &[PgType::Bytea],
        _ => return None,
    })
}

impl Analyzer {
    /// Arguments as the function that takes `declared` gets them.
    ///
    /// # Errors
    /// 42883 when it takes others.
    pub(super) fn declared(
        &self,
        name: &str,
        declared: &[PgType],
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Vec<Expr>> {
        let own = self.types_of(&args, schema)?;
        let pairs = || own.iter().zip(declared);
        if own.len() != declared.len() || !pairs().all(|(from, to)| implicit(*from, *to)) {
            let types: Vec<&str> = own.iter().map(|ty| ty.base_name()).collect();
            return Err(external(
                SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("function {name}({}) does not exist", types.join(", ")),
                )
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
            ));
        }
        let mut settled = Vec::with_capacity(args.len());
        for (arg, (from, to)) in args.into_iter().zip(pairs()) {
            settled.push(self.coerce(arg, *from, *to, schema)?);
        }
        Ok(settled)
    }
}
