//! From filters to ranges of keys.
//!
//! A key starts with the memcomparable forms of the key columns, in order, so
//! equality on leading columns and a range on the next one make a byte range.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::super::arrow_value::datum_of_scalar;
use super::super::functions::{FLOAT_KEY, NUMERIC_KEY, SAME};
use crate::error::SqlError;
use crate::txn::prefix_end;
use crate::types::numeric::wide;
use crate::types::{Datum, PgType, key};

/// Most ranges that IN lists may multiply to; more are one wide range.
const MAX_RANGES: usize = 1024;

/// Keys from `start` (included) to `end` (excluded; `None` = no bound).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) start: Vec<u8>,
    pub(super) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub(super) fn all() -> Self {
        Self {
            start: Vec::new(),
            end: None,
        }
    }
}

/// The end of a range of values, and whether it is part of the range.
type Edge = (Datum, bool);

/// What the filters say about one column.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnBound {
    /// The column equals one of these.
    values: Option<Vec<Datum>>,
    lower: Option<Edge>,
    upper: Option<Edge>,
}

impl ColumnBound {
    fn is_empty(&self) -> bool {
        self.values.is_none() && self.lower.is_none() && self.upper.is_none()
    }

    fn restrict_values(&mut self, mut values: Vec<Datum>) {
        values.retain(|v| !v.is_null());
        values.sort();
        values.dedup();
        match &mut self.values {
            Some(old) => old.retain(|v| values.binary_search(v).is_ok()),
            None => self.values = Some(values),
        }
    }

    fn restrict_lower(&mut self, value: Datum, included: bool) {
        let tighter = match &self.lower {
            None => true,
            Some((old, was_included)) => {
                value > *old || (value == *old && *was_included && !included)
            }
        };
        if tighter {
            self.lower = Some((value, included));
        }
    }

    fn restrict_upper(&mut self, value: Datum, included: bool) {
        let tighter = match &self.upper {
            None => true,
            Some((old, was_included)) => {
                value < *old || (value == *old && *was_included && !included)
            }
        };
        if tighter {
            self.upper = Some((value, included));
        }
    }
}

/// What the conjunction `filters` says about the column `name` of type `ty`.
pub(super) fn column_bound(filters: &[Expr], name: &str, ty: PgType) -> ColumnBound {
    let mut bound = ColumnBound::default();
    for filter in filters {
        restrict(&mut bound, filter, name, ty);
    }
    bound
}

fn is_column(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Column(column) => column.name == name,
        // A numeric is compared by its key, and so are the floats of a list.
        Expr::ScalarFunction(call)
            if matches!(call.func.name(), NUMERIC_KEY | FLOAT_KEY | SAME) =>
        {
            matches!(call.args.as_slice(), [Expr::Column(column)] if column.name == name)
        }
        _ => false,
    }
}

/// The value of a literal of the column's own type; other types are left to
/// the filter above the scan.
fn literal(expr: &Expr, ty: PgType) -> Option<Datum> {
    let Expr::Literal(scalar, _) = expr else {
        return None;
    };
    if let (ScalarValue::BinaryView(key), PgType::Numeric(_)) = (scalar, ty) {
        return match key {
            Some(key) => wide::from_key(key).ok().map(Datum::Numeric),
            None => Some(Datum::Null),
        };
    }
    same_family(scalar, ty).then(|| datum_of_scalar(scalar, ty).ok())?
}

fn same_family(scalar: &ScalarValue, ty: PgType) -> bool {
    let expected = crate::types::arrow_map::arrow_type(ty);
    let actual = scalar.data_type();
    actual == expected
        || (actual.is_string() && expected.is_string())
        || (actual.is_decimal() && expected.is_decimal())
        || (actual.is_binary() && expected.is_binary())
}

fn restrict(bound: &mut ColumnBound, filter: &Expr, name: &str, ty: PgType) {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if *op == Operator::And {
                restrict(bound, left, name, ty);
                restrict(bound, right, name, ty);
            } else if *op == Operator::Or {
                if let Some(values) = alternatives(filter, name, ty) {
                    bound.restrict_values(values);
                }
            } else if is_column(left, name) {
                compare(bound, *op, literal(right, ty));
            } else if is_column(right, name)
                && let Some(op) = op.swap()
            {
                compare(bound, op, literal(left, ty));
            }
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) if is_column(expr, name) => {
            compare(bound, Operator::GtEq, literal(low, ty));
            compare(bound, Operator::LtEq, literal(high, ty));
        }
        Expr::InList(InList { .. }) => {
            if let Some(values) = alternatives(filter, name, ty) {
                bound.restrict_values(values);
            }
        }
        _ => {}
    }
}

/// The values of the column under which a filter can hold, when they are few.
fn alternatives(filter: &Expr, name: &str, ty: PgType) -> Option<Vec<Datum>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => {
            let mut values = alternatives(left, name, ty)?;
            values.extend(alternatives(right, name, ty)?);
            Some(values)
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => {
            let value = if is_column(left, name) {
                literal(right, ty)
            } else if is_column(right, name) {
                literal(left, ty)
            } else {
                None
            };
            value.map(|v| vec![v])
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) if is_column(expr, name) => list.iter().map(|item| literal(item, ty)).collect(),
        _ => None,
    }
}

fn compare(bound: &mut ColumnBound, op: Operator, value: Option<Datum>) {
    let Some(value) = value else {
        return;
    };
    if value.is_null() {
        // A comparison with NULL holds for no row.
        if matches!(
            op,
            Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        ) {
            bound.restrict_values(Vec::new());
        }
        return;
    }
    match op {
        Operator::Eq => bound.restrict_values(vec![value]),
        Operator::Gt => bound.restrict_lower(value, false),
        Operator::GtEq => bound.restrict_lower(value, true),
        Operator::Lt => bound.restrict_upper(value, false),
        Operator::LtEq => bound.restrict_upper(value, true),
        _ => {}
    }
}

/// Key ranges and how much they narrow the scan.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// In key order, disjoint.
    pub(super) ranges: Vec<KeyRange>,
    /// How many leading columns are fixed by equality.
    pub(super) fixed: usize,
    /// Whether the column after those has a range.
    pub(super) ranged: bool,
}

/// Ranges of a key made of `columns` (name and type) under `filters`.
///
/// # Errors
/// XX000 when a value has no key form, which a key column's value has.
pub(super) fn key_ranges(filters: &[Expr], columns: &[(&str, PgType)]) -> Result<Bounds, SqlError> {
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    let mut fixed = 0;
    for (name, ty) in columns {
        let bound = column_bound(filters, name, *ty);
        if bound.is_empty() {
            break;
        }
        if let Some(values) = &bound.values
            && prefixes.len().saturating_mul(values.len()) <= MAX_RANGES
        {
            prefixes = extend(&prefixes, values)?;
            fixed += 1;
            continue;
        }
        let (lower, upper) = edges(&bound);
        let mut ranges = Vec::with_capacity(prefixes.len());
        for prefix in &prefixes {
            ranges.extend(range_under(prefix, lower.as_ref(), upper.as_ref())?);
        }
        return Ok(Bounds {
            ranges,
            fixed,
            ranged: true,
        });
    }
    let mut ranges: Vec<KeyRange> = prefixes
        .into_iter()
        .map(|prefix| KeyRange {
            end: prefix_end(&prefix),
            start: prefix,
        })
        .collect();
    if fixed == 0 {
        ranges = vec![KeyRange::all()];
    }
    Ok(Bounds {
        ranges,
        fixed,
        ranged: false,
    })
}

/// The range of a column; a value list that is too long becomes its span.
fn edges(bound: &ColumnBound) -> (Option<Edge>, Option<Edge>) {
    let mut bound = bound.clone();
    if let Some(values) = bound.values.take() {
        if let Some(first) = values.first() {
            bound.restrict_lower(first.clone(), true);
        }
        if let Some(last) = values.last() {
            bound.restrict_upper(last.clone(), true);
        }
    }
    (bound.lower, bound.upper)
}

fn extend(prefixes: &[Vec<u8>], values: &[Datum]) -> Result<Vec<Vec<u8>>, SqlError> {
    let mut extended = Vec::with_capacity(prefixes.len() * values.len());
    for prefix in prefixes {
        for value in values {
            let mut key = prefix.clone();
            key::encode(value, &mut key)?;
            extended.push(key);
        }
    }
    Ok(extended)
}

fn range_under(
    prefix: &[u8],
    lower: Option<&Edge>,
    upper: Option<&Edge>,
) -> Result<Option<KeyRange>, SqlError> {
    let with = |value: &Datum| -> Result<Vec<u8>, SqlError> {
        let mut key = prefix.to_vec();
        key::encode(value, &mut key)?;
        Ok(key)
    };
    let start = match lower {
        None => prefix.to_vec(),
        Some((value, true)) => with(value)?,
        Some((value, false)) => match prefix_end(&with(value)?) {
            Some(after) => after,
            None => return Ok(None),
        },
    };
    let end = match upper {
        None => prefix_end(prefix),
        Some((value, false)) => Some(with(value)?),
        Some((value, true)) => prefix_end(&with(value)?),
    };
    if end.as_ref().is_some_and(|end| *end <= start) {
        return Ok(None);
    }
    Ok(Some(KeyRange { start, end }))
}
