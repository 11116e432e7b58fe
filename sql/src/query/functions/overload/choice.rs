//! Choosing an overload by PostgreSQL's rules.

use super::super::super::plan::{implicit, unify};
use super::{Arg, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;

impl Arg {
    /// Whether the argument takes part in finding a common element type.
    fn is_generic(self) -> bool {
        !matches!(self, Arg::Is(_) | Arg::Any)
    }
}

impl Overload {
    /// Whether the argument types are these without conversion.
    pub(in crate::query) fn takes_exactly(&self, types: &[PgType]) -> bool {
        self.args.len() == types.len()
            && self.args.iter().zip(types).all(|(arg, ty)| match arg {
                Arg::Is(own) => own.oid() == ty.oid(),
                Arg::Any => true,
                Arg::AnyArray | Arg::CompatibleArray => ty.element().is_some(),
                Arg::AnyElement | Arg::Compatible => *ty != PgType::Unknown,
                Arg::ElementOrArray => true,
            })
            && self.element_of(types).is_some()
    }

    /// The element type that generic arguments of these types have in common:
    /// unknown when nothing says which, `None` when there is none.
    fn element_of(&self, types: &[PgType]) -> Option<PgType> {
        let mut common = PgType::Unknown;
        for (index, ty) in types.iter().enumerate() {
            let arg = self.arg(index)?;
            let own = match arg {
                Arg::Is(_) | Arg::Any | Arg::ElementOrArray => continue,
                _ if *ty == PgType::Unknown => continue,
                Arg::AnyArray | Arg::CompatibleArray => ty.element()?,
                Arg::AnyElement | Arg::Compatible => *ty,
            };
            common = match arg {
                Arg::Compatible | Arg::CompatibleArray => unify(common, own)?,
                _ if common == PgType::Unknown || common.oid() == own.oid() => own,
                _ => return None,
            };
        }
        Some(common)
    }

    /// The element type that the arguments have in common; text for functions
    /// without generic arguments.
    ///
    /// # Errors
    /// 42804 when nothing says what it is.
    pub(super) fn common_element(&self, types: &[PgType]) -> SqlResult<PgType> {
        let strict = self
            .args
            .iter()
            .any(|arg| matches!(arg, Arg::AnyArray | Arg::AnyElement));
        match self.element_of(types) {
            Some(PgType::Unknown) if strict => Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                "could not determine polymorphic type because input has type unknown",
            )),
            Some(PgType::Unknown) | None => Ok(PgType::Text),
            Some(element) => Ok(element),
        }
    }

    /// How well the overload suits the types; greater is better, `None` = not.
    fn fitness(&self, types: &[PgType]) -> Option<(usize, usize, usize)> {
        if !self.takes_count(types.len()) {
            return None;
        }
        self.element_of(types)?;
        let (mut exact, mut text_for_unknown, mut preferred) = (0, 0, 0);
        for (index, ty) in types.iter().enumerate() {
            match self.arg(index)? {
                Arg::Any => {}
                // An array is meant where one stands.
                Arg::AnyArray | Arg::CompatibleArray => {
                    exact += usize::from(ty.element().is_some())
                }
                arg if arg.is_generic() => {}
                Arg::Is(own) if own.oid() == ty.oid() => exact += 1,
                Arg::Is(own) if *ty == PgType::Unknown => {
                    // Text is meant first, then what its kind prefers.
                    text_for_unknown += match own {
                        PgType::Text => 2,
                        PgType::Float8 | PgType::Timestamptz => 1,
                        _ => 0,
                    };
                }
                Arg::Is(own) if implicit(*ty, own) => {
                    preferred += usize::from(matches!(
                        own,
                        PgType::Float8 | PgType::Text | PgType::Timestamptz | PgType::Bool
                    ));
                }
                _ => return None,
            }
        }
        Some((exact, text_for_unknown, preferred))
    }
}

/// The overload that suits the types best; the first of equals.
pub(in super::super) fn best(
    candidates: &[&'static Overload],
    types: &[PgType],
) -> Option<&'static Overload> {
    let mut best: Option<(&'static Overload, (usize, usize, usize))> = None;
    for candidate in candidates {
        if let Some(fitness) = candidate.fitness(types)
            && best.is_none_or(|(_, old)| fitness > old)
        {
            best = Some((candidate, fitness));
        }
    }
    best.map(|(candidate, _)| candidate)
}
