//! Window functions over frames that DataFusion has no operator for: frames with
//! EXCLUDE, offsets that are expressions, RANGE over any type that has distances,
//! and frames whose start moves.
//!
//! DataFusion partitions and sorts; it calls [`Framed`] with all rows of a partition.
//! The arguments are those of the function itself, then, as far as the call has them,
//! its FILTER, the offsets of the frame's start and end, the key that RANGE measures
//! distances from, and the sort keys that make rows peers.

mod aggregate;
mod distance;
mod evaluate;
mod frame;
mod place;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    AggregateUDF, LimitEffect, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::super::plan::field_with;
use super::super::stop::Stop;
use super::overload::{Arg, Overload};
use crate::error::SqlError;
use crate::types::{PgType, SessionFormat};

pub(in crate::query) use distance::offset_type;
pub(in crate::query) use frame::{Bound, Exclusion, Frame, Units};

/// What every such function is called.
pub(in crate::query) const FRAMED: &str = "__framed";

/// How the note of a frame is passed through planning.
pub(super) static OVERLOADS: &[Overload] =
    &[Overload::new("__frame", &[Arg::Any], PgType::Int4, |_, _| {
        Err(SqlError::internal("the note of a frame was evaluated"))
    })
    .lenient()
    .variadic()];

/// What is computed over a frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::query) enum Function {
    /// An aggregate, with the field of its result.
    Aggregate(Arc<AggregateUDF>, FieldRef),
    /// `first_value`
    First,
    /// `last_value`
    Last,
    /// `nth_value`
    Nth,
    /// `lag`
    Lag,
    /// `lead`
    Lead,
    /// `ntile`
    Ntile,
}

/// A window function and its frame.
#[derive(Debug, Clone)]
pub(in crate::query) struct Framed {
    pub(in crate::query) function: Function,
    pub(in crate::query) frame: Frame,
    /// How many arguments the function itself has.
    pub(in crate::query) args: usize,
    /// Whether its FILTER follows them.
    pub(in crate::query) filtered: bool,
    /// How the key is sorted that distances are measured from, and its type.
    pub(in crate::query) key: Option<(SortOptions, PgType)>,
    /// The types of the offsets.
    pub(in crate::query) offsets: [Option<PgType>; 2],
    /// The result.
    pub(in crate::query) ty: PgType,
    pub(in crate::query) arrow: DataType,
    /// How local times are found.
    pub(in crate::query) format: SessionFormat,
    signature: Signature,
    /// Set when nobody waits for the query any more.
    stop: Stop,
}

/// What a call looks like, before it is one.
pub(in crate::query) struct Shape {
    pub(in crate::query) function: Function,
    pub(in crate::query) frame: Frame,
    pub(in crate::query) args: usize,
    pub(in crate::query) filtered: bool,
    pub(in crate::query) key: Option<(SortOptions, PgType)>,
    pub(in crate::query) offsets: [Option<PgType>; 2],
    pub(in crate::query) ty: PgType,
    pub(in crate::query) arrow: DataType,
    pub(in crate::query) format: SessionFormat,
}

impl Framed {
    pub(in crate::query) fn new(shape: Shape) -> Self {
        let Shape {
            function,
            frame,
            args,
            filtered,
            key,
            offsets,
            ty,
            arrow,
            format,
        } = shape;
        Self {
            function,
            frame,
            args,
            filtered,
            key,
            offsets,
            ty,
            arrow,
            format,
            signature: Signature::user_defined(Volatility::Immutable),
            stop: Stop::default(),
        }
    }

    /// The same, ending when `stop` is set; `None` for any other function.
    pub(in crate::query) fn watched(function: &WindowUDF, stop: &Stop) -> Option<WindowUDF> {
        let framed = of(function)?;
        Some(WindowUDF::new_from_impl(Self {
            stop: stop.clone(),
            ..framed.clone()
        }))
    }

    fn parts(&self) -> impl Eq + Hash + use<'_> {
        (
            (&self.function, &self.frame, self.args, self.filtered),
            self.key.map(|(options, ty)| (options, ty.oid())),
            self.offsets.map(|ty| ty.map(PgType::oid)),
            (self.ty.oid(), &self.arrow),
        )
    }
}

/// The framed function that a window function is, if it is one.
fn of(function: &WindowUDF) -> Option<&Framed> {
    let inner: &dyn std::any::Any = function.inner().as_ref();
    inner.downcast_ref::<Framed>()
}

/// The type of the result of a framed function; `None` for any other.
pub(in crate::query) fn framed_type(function: &WindowUDF) -> Option<PgType> {
    of(function).map(|framed| framed.ty)
}

impl PartialEq for Framed {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Framed {}

impl Hash for Framed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl WindowUDFImpl for Framed {
    fn name(&self) -> &str {
        FRAMED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let field = Field::new(args.name(), self.arrow.clone(), true);
        Ok(Arc::new(field_with(field, self.ty)))
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(evaluate::Evaluator::new(self.clone(), &args)))
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}
