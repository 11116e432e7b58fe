//! Calls of window functions whose frame DataFusion has no operator for.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, WindowUDF,
};

use super::super::super::error::external;
use super::super::super::functions::window::{Frame, Framed, Function, Shape, Units, offset_type};
use super::super::analyze::Analyzer;
use super::super::coerce;
use super::super::syntax::{FRAME, read_frame};
use crate::error::{SqlError, state};
use crate::types::PgType;

/// A frame as the rewriting of the syntax noted it: the clause, and its offsets.
struct Noted {
    frame: Frame,
    offsets: [Option<Expr>; 2],
}

/// Takes the note of a frame out of the partition of a call.
fn noted(call: &mut WindowFunction) -> Option<Noted> {
    let partition = &mut call.params.partition_by;
    let is_note = |expr: &Expr| matches!(expr, Expr::ScalarFunction(f) if f.func.name() == FRAME);
    let place = partition.iter().position(is_note)?;
    let Expr::ScalarFunction(note) = partition.remove(place) else {
        return None;
    };
    let mut args = note.args.into_iter();
    let frame = match args.next()? {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text), _) => {
            read_frame(&text?)?
        }
        _ => return None,
    };
    let (start, end) = (args.next()?, args.next()?);
    Some(Noted {
        frame,
        offsets: [
            frame.has_offset(false).then_some(start),
            frame.has_offset(true).then_some(end),
        ],
    })
}

/// What a function does over a frame; `None` when the frame does not matter.
fn function_of(name: &str) -> Option<Function> {
    Some(match name {
        "first_value" => Function::First,
        "last_value" => Function::Last,
        "nth_value" => Function::Nth,
        "lag" => Function::Lag,
        "lead" => Function::Lead,
        "ntile" => Function::Ntile,
        _ => return None,
    })
}

/// All rows of the partition.
fn whole_partition() -> WindowFrame {
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::Following(ScalarValue::UInt64(None)),
    )
}

/// The rows of the partition up to the row.
fn rows_so_far() -> WindowFrame {
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    )
}

impl Analyzer {
    /// A call over a frame, whatever it is.
    pub(super) fn window(&self, mut call: WindowFunction, schema: &DFSchema) -> Result<Expr> {
        self.check_polymorphic(&call, schema)?;
        let noted = noted(&mut call);
        if let WindowFunctionDefinition::WindowUDF(window) = &call.fun
            && function_of(window.name()).is_none()
        {
            // One that every type of ORDER BY takes.
            call.params.window_frame = rows_so_far();
        }
        let Some(noted) = noted else {
            self.window_call(&mut call, schema)?;
            return Ok(call.into());
        };
        let whole = Expr::from(call.clone());
        let ty = self.type_of(&whole, schema)?;
        let keys: Vec<Expr> = call
            .params
            .order_by
            .iter()
            .map(|s| s.expr.clone())
            .collect();
        self.window_call(&mut call, schema)?;
        let params = &mut call.params;
        let mut args = std::mem::take(&mut params.args);
        let (function, ty, arrow) = match &call.fun {
            WindowFunctionDefinition::AggregateUDF(aggregate) => {
                let field = aggregate_args(aggregate, &mut args, schema)?;
                let arrow = field.data_type().clone();
                (Function::Aggregate(Arc::clone(aggregate), field), ty, arrow)
            }
            WindowFunctionDefinition::WindowUDF(window) => match function_of(window.name()) {
                Some(function) => {
                    refuse_filter(params)?;
                    let ty = self.place_args(&function, &mut args, ty, schema)?;
                    let arrow = match (&function, args.first()) {
                        (Function::Ntile, _) | (_, None) => DataType::Int32,
                        (_, Some(value)) => value.get_type(schema)?,
                    };
                    (function, ty, arrow)
                }
                None => {
                    params.args = args;
                    return Ok(call.into());
                }
            },
        };
        let count = args.len();
        if let Some(filter) = params.filter.take() {
            args.push(self.condition(*filter, "FILTER", schema)?);
        }
        let filtered = args.len() > count;
        let mut offsets = [None, None];
        let mut key = None;
        let measured =
            noted.frame.units == Units::Range && noted.offsets.iter().any(Option::is_some);
        if measured {
            let ([sort], [expr]) = (params.order_by.as_slice(), keys.as_slice()) else {
                return Err(external(SqlError::new(
                    state::WINDOWING_ERROR,
                    "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                )));
            };
            let options = SortOptions {
                descending: !sort.asc,
                nulls_first: sort.nulls_first,
            };
            key = Some((expr.clone(), options, self.type_of(expr, schema)?));
        }
        for (offset, ty) in noted.offsets.into_iter().zip(&mut offsets) {
            if let Some(offset) = offset {
                let key_type = key.as_ref().map(|(_, _, ty)| *ty);
                let (offset, of) = self.offset(offset, noted.frame.units, key_type, schema)?;
                *ty = Some(of);
                args.push(offset);
            }
        }
        let key = key.map(|(expr, options, ty)| {
            args.push(expr);
            (options, ty)
        });
        args.extend(params.order_by.iter().map(|sort| sort.expr.clone()));
        let framed = Framed::new(Shape {
            function,
            frame: noted.frame,
            args: count,
            filtered,
            key,
            offsets,
            ty,
            arrow,
            format: self.format,
        });
        params.args = args;
        params.window_frame = whole_partition();
        call.fun = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(framed)));
        Ok(call.into())
    }

    /// Refuses a literal of no type where the result has the type of the argument.
    fn check_polymorphic(&self, call: &WindowFunction, schema: &DFSchema) -> Result<()> {
        let WindowFunctionDefinition::WindowUDF(window) = &call.fun else {
            return Ok(());
        };
        let args = &call.params.args;
        let takes_type = match function_of(window.name()) {
            Some(Function::First | Function::Last | Function::Nth) => true,
            // A default says what the type is.
            Some(Function::Lag | Function::Lead) => args.len() < 3,
            _ => false,
        };
        match args.first() {
            Some(value) if takes_type && self.type_of(value, schema)? == PgType::Unknown => {
                Err(external(SqlError::new(
                    state::DATATYPE_MISMATCH,
                    "could not determine polymorphic type because input has type unknown",
                )))
            }
            _ => Ok(()),
        }
    }

    /// The arguments of a function whose value is that of another row, and its type.
    fn place_args(
        &self,
        function: &Function,
        args: &mut Vec<Expr>,
        ty: PgType,
        schema: &DFSchema,
    ) -> Result<PgType> {
        if *function == Function::Ntile {
            if let Some(buckets) = args.first_mut() {
                *buckets = self.coerced(std::mem::take(buckets), PgType::Int4, schema)?;
            }
            return Ok(PgType::Int4);
        }
        if let Some(offset) = args.get_mut(1) {
            *offset = self.coerced(std::mem::take(offset), PgType::Int4, schema)?;
        }
        let [value, offset, default] = args.as_slice() else {
            return Ok(ty);
        };
        let types = [self.type_of(value, schema)?, self.type_of(default, schema)?];
        let common = coerce::common("lag", &types).map_err(external)?;
        let both = vec![
            self.coerced(value.clone(), common, schema)?,
            self.coerced(default.clone(), common, schema)?,
        ];
        let offset = offset.clone();
        let mut both = self.alike(both, common, schema)?.into_iter();
        if let (Some(value), Some(default)) = (both.next(), both.next()) {
            *args = vec![value, offset, default];
        }
        Ok(common)
    }

    /// An offset of a frame, in the type that its distances have.
    fn offset(
        &self,
        offset: Expr,
        units: Units,
        key: Option<PgType>,
        schema: &DFSchema,
    ) -> Result<(Expr, PgType)> {
        let name = match units {
            Units::Rows => "ROWS",
            Units::Range => "RANGE",
            Units::Groups => "GROUPS",
        };
        if !offset.column_refs().is_empty() {
            return Err(external(SqlError::new(
                state::INVALID_COLUMN_REFERENCE,
                format!("argument of {name} must not contain variables"),
            )));
        }
        let from = self.type_of(&offset, schema)?;
        let Some(key) = key else {
            if !(from == PgType::Unknown || coerce::is_number(from)) {
                return Err(external(SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "argument of {name} must be type bigint, not type {}",
                        from.base_name()
                    ),
                )));
            }
            let offset = self.coerce(offset, from, PgType::Int8, schema)?;
            return Ok((offset, PgType::Int8));
        };
        let refused = |what: String| {
            SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!(
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {what}"
                ),
            )
        };
        let Some(wanted) = offset_type(key) else {
            return Err(external(refused(key.base_name().to_owned())));
        };
        let fits = from == PgType::Unknown
            || match wanted {
                PgType::Int8 => {
                    matches!(from, PgType::Int2 | PgType::Int4 | PgType::Int8)
                }
                PgType::Interval => from == PgType::Interval,
                _ => coerce::implicit(from, wanted),
            };
        if !fits {
            let what = format!("{} and offset type {}", key.base_name(), from.base_name());
            return Err(external(
                refused(what).hint("Cast the offset value to an appropriate type."),
            ));
        }
        Ok((self.coerce(offset, from, wanted, schema)?, wanted))
    }
}

/// The arguments of an aggregate in the types it takes, and the field of its result.
fn aggregate_args(
    aggregate: &Arc<AggregateUDF>,
    args: &mut [Expr],
    schema: &DFSchema,
) -> Result<arrow::datatypes::FieldRef> {
    let mut fields = Vec::with_capacity(args.len());
    for arg in args.iter() {
        fields.push(arg.to_field(schema)?.1);
    }
    let wanted = fields_with_udf(&fields, aggregate.as_ref())?;
    for ((arg, has), takes) in args.iter_mut().zip(&fields).zip(&wanted) {
        if has.data_type() != takes.data_type() {
            let cast = Cast::new(Box::new(std::mem::take(arg)), takes.data_type().clone());
            *arg = Expr::Cast(cast);
        }
    }
    aggregate.return_field(&wanted)
}

fn refuse_filter(params: &WindowFunctionParams) -> Result<()> {
    if params.filter.is_some() {
        return Err(external(SqlError::unsupported(
            "FILTER for non-aggregate window functions",
        )));
    }
    Ok(())
}
