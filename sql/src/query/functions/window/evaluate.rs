//! Evaluating a framed function over one partition.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::logical_expr::PartitionEvaluator;
use datafusion::logical_expr::function::PartitionEvaluatorArgs;
use datafusion::physical_expr::PhysicalExpr;

use super::super::super::arrow_value::datum_at;
use super::super::super::error::external;
use super::aggregate::OverFrames;
use super::distance::{Distances, null_offset};
use super::frame::{Frame, Frames, Units};
use super::{Framed, Function, place};
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType};

/// Evaluates one call, partition by partition.
pub(super) struct Evaluator {
    framed: Framed,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    fields: Vec<FieldRef>,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("framed", &self.framed)
            .finish_non_exhaustive()
    }
}

/// The arguments of a call, taken apart.
struct Values<'a> {
    args: &'a [ArrayRef],
    filter: Option<&'a ArrayRef>,
    offsets: [Option<&'a ArrayRef>; 2],
    key: Option<&'a ArrayRef>,
    peers: &'a [ArrayRef],
}

impl Evaluator {
    pub(super) fn new(framed: Framed, args: &PartitionEvaluatorArgs) -> Self {
        Self {
            exprs: args.input_exprs().to_vec(),
            fields: args.input_fields().to_vec(),
            framed,
        }
    }

    fn values<'a>(&self, values: &'a [ArrayRef]) -> Result<Values<'a>> {
        let short = || {
            external(SqlError::internal(
                "a window function without its arguments",
            ))
        };
        let (args, rest) = values
            .split_at_checked(self.framed.args)
            .ok_or_else(short)?;
        let mut rest = rest;
        let mut next = |wanted: bool| -> Result<Option<&'a ArrayRef>> {
            if !wanted {
                return Ok(None);
            }
            let (first, others) = rest.split_first().ok_or_else(short)?;
            rest = others;
            Ok(Some(first))
        };
        let filter = next(self.framed.filtered)?;
        let start = next(self.framed.frame.has_offset(false))?;
        let end = next(self.framed.frame.has_offset(true))?;
        let key = next(self.framed.key.is_some())?;
        Ok(Values {
            args,
            filter,
            offsets: [start, end],
            key,
            peers: rest,
        })
    }

    fn frames(&self, values: &Values<'_>, rows: usize) -> Result<Frames> {
        let Framed { frame, offsets, .. } = &self.framed;
        let [start, end] = values.offsets;
        let read = |array: Option<&ArrayRef>, ty: Option<PgType>| match (array, ty) {
            (Some(array), Some(ty)) => datum_at(array.as_ref(), 0, ty).map(Some),
            _ => Ok(None),
        };
        let start = read(start, offsets[0]).map_err(external)?;
        let end = read(end, offsets[1]).map_err(external)?;
        let mut counts = [0, 0];
        let mut distances = None;
        match (values.key, self.framed.key) {
            (Some(keys), Some(key)) if frame.units == Units::Range => {
                let offsets = [start, end];
                distances = Some(Distances::new(keys, key, offsets, self.framed.format)?);
            }
            _ => {
                counts = [count(frame, start, false)?, count(frame, end, true)?];
            }
        }
        Frames::new(*frame, rows, values.peers, counts, distances)
    }
}

/// An offset that counts rows or groups.
fn count(frame: &Frame, offset: Option<Datum>, end: bool) -> Result<usize> {
    if !frame.has_offset(end) {
        return Ok(0);
    }
    let which = if end { "ending" } else { "starting" };
    let Some(count) = offset.as_ref().and_then(Datum::as_i64) else {
        return Err(external(null_offset(which)));
    };
    // More than there can be rows is as good as all of them.
    match count {
        0.. => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(external(SqlError::new(
            state::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
            format!("frame {which} offset must not be negative"),
        ))),
    }
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Framed { function, stop, .. } = &self.framed;
        let values = self.values(values)?;
        let check = || stop.check();
        match function {
            Function::Lag => place::neighbour(values.args, rows, true),
            Function::Lead => place::neighbour(values.args, rows, false),
            Function::Ntile => place::ntile(values.args, rows),
            Function::First | Function::Last | Function::Nth => {
                let frames = self.frames(&values, rows)?;
                place::in_frame(function, values.args, &frames, rows, &check)
            }
            Function::Aggregate(aggregate, field) => {
                let frames = self.frames(&values, rows)?;
                let args = self.framed.args;
                let over = OverFrames::new(
                    aggregate,
                    field,
                    self.exprs.get(..args).unwrap_or_default(),
                    self.fields.get(..args).unwrap_or_default(),
                );
                over.evaluate(values.args, values.filter, &frames, rows, &check)
            }
        }
    }
}
