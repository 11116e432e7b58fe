//! Choosing an overload by PostgreSQL's rules.

use super::super::super::plan::implicit;
use super::{Arg, Overload};
use crate::types::PgType;

impl Overload {
    /// Whether the argument types are these without conversion.
    pub(in crate::query) fn takes_exactly(&self, types: &[PgType]) -> bool {
        self.args.len() == types.len()
            && self.args.iter().zip(types).all(|(arg, ty)| match arg {
                Arg::Is(own) => own.oid() == ty.oid(),
                Arg::Any => true,
            })
    }

    /// How well the overload suits the types; greater is better, `None` = not.
    fn fitness(&self, types: &[PgType]) -> Option<(usize, usize, usize)> {
        if !self.takes_count(types.len()) {
            return None;
        }
        let (mut exact, mut text_for_unknown, mut preferred) = (0, 0, 0);
        for (index, ty) in types.iter().enumerate() {
            match self.arg(index)? {
                Arg::Any => {}
                Arg::Is(own) if own.oid() == ty.oid() => exact += 1,
                Arg::Is(own) if *ty == PgType::Unknown => {
                    text_for_unknown += usize::from(own == PgType::Text);
                }
                Arg::Is(own) if implicit(*ty, own) => {
                    preferred += usize::from(matches!(
                        own,
                        PgType::Float8 | PgType::Text | PgType::Timestamptz | PgType::Bool
                    ));
                }
                Arg::Is(_) => return None,
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
