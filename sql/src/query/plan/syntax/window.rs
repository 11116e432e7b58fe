//! Windows: names are resolved, and frames that DataFusion has no operator for are
//! noted beside the partition, where they pass through planning.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, NamedWindowDefinition,
    NamedWindowExpr, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, Select, SetExpr,
    UnaryOperator, Value, VisitMut, VisitorMut, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowSpec, WindowType,
};

use super::super::super::functions::window::{Bound, Exclusion, Frame, Units};
use super::super::rewrite::call;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::session::EXCLUDES;

/// The function that notes a frame.
pub(in super::super) const FRAME: &str = "__frame";

/// A window, all names in it resolved.
#[derive(Debug, Clone)]
struct Window {
    partition_by: Vec<Expr>,
    order_by: Vec<OrderByExpr>,
    frame: Option<WindowFrame>,
    exclusion: Exclusion,
}

/// Resolves the windows of every SELECT of a query, not of its subqueries.
///
/// # Errors
/// 42704 for a window that is not there, 42P20 for what windows must not be.
pub(super) fn resolve(query: &mut Query) -> Result<(), SqlError> {
    in_body(&mut query.body, query.order_by.as_mut())
}

fn in_body(body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => in_select(select, order_by),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left, None)?;
            in_body(right, None)
        }
        _ => Ok(()),
    }
}

fn in_select(select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<(), SqlError> {
    let mut windows: Vec<(String, Window)> = Vec::new();
    for NamedWindowDefinition(name, window) in std::mem::take(&mut select.named_window) {
        let name = fold_identifier(&name);
        if windows.iter().any(|(known, _)| *known == name) {
            return Err(windowing(format!("window \"{name}\" is already defined")));
        }
        let window = match window {
            NamedWindowExpr::NamedWindow(base) => find(&windows, &fold_identifier(&base))?,
            NamedWindowExpr::WindowSpec(spec) => window_of(spec, &windows)?,
        };
        note(window.clone())?;
        windows.push((name, window));
    }
    let mut calls = Calls {
        windows: &windows,
        depth: 0,
    };
    let found = VisitMut::visit(&mut select.projection, &mut calls);
    let found = match (found, order_by) {
        (
            ControlFlow::Continue(()),
            Some(OrderBy {
                kind: OrderByKind::Expressions(exprs),
                ..
            }),
        ) => VisitMut::visit(exprs, &mut calls),
        (found, _) => found,
    };
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn windowing(message: impl Into<String>) -> SqlError {
    SqlError::new(state::WINDOWING_ERROR, message)
}

fn find(windows: &[(String, Window)], name: &str) -> Result<Window, SqlError> {
    windows
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, window)| window.clone())
        .ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_OBJECT,
                format!("window \"{name}\" does not exist"),
            )
        })
}

/// The window that a specification is, which may continue a named one.
fn window_of(spec: WindowSpec, windows: &[(String, Window)]) -> Result<Window, SqlError> {
    let (base, exclusion) = base_of(spec.window_name.as_ref());
    let mut window = Window {
        partition_by: spec.partition_by,
        order_by: spec.order_by,
        frame: spec.window_frame,
        exclusion,
    };
    let Some(base) = base else {
        return Ok(window);
    };
    let continued = find(windows, &base)?;
    if !window.partition_by.is_empty() {
        return Err(windowing(format!(
            "cannot override PARTITION BY clause of window \"{base}\""
        )));
    }
    if !window.order_by.is_empty() && !continued.order_by.is_empty() {
        return Err(windowing(format!(
            "cannot override ORDER BY clause of window \"{base}\""
        )));
    }
    if continued.frame.is_some() {
        let error = windowing(format!(
            "cannot copy window \"{base}\" because it has a frame clause"
        ));
        return Err(if window.order_by.is_empty() && window.frame.is_none() {
            error.hint("Omit the parentheses in this OVER clause.")
        } else {
            error
        });
    }
    window.partition_by = continued.partition_by;
    if window.order_by.is_empty() {
        window.order_by = continued.order_by;
    }
    Ok(window)
}

/// The window that a specification continues, and what its frame excludes: the
/// grammar has no place for that, so it was put into the name.
fn base_of(name: Option<&Ident>) -> (Option<String>, Exclusion) {
    let Some(name) = name else {
        return (None, Exclusion::Nothing);
    };
    let Some(noted) = name.value.strip_prefix(EXCLUDES) else {
        return (Some(fold_identifier(name)), Exclusion::Nothing);
    };
    let (what, base) = match noted.split_once(EXCLUDES) {
        Some((what, base)) => (what, Some(base.to_owned())),
        None => (noted, None),
    };
    let exclusion = match what {
        "current row" => Exclusion::Current,
        "group" => Exclusion::Group,
        "ties" => Exclusion::Ties,
        _ => Exclusion::Nothing,
    };
    (base, exclusion)
}

/// The calls of window functions in a list.
struct Calls<'a> {
    windows: &'a [(String, Window)],
    depth: usize,
}

impl VisitorMut for Calls<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Function(function) if self.depth == 0 => {
                super::step(settle_call(function, self.windows))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn settle_call(function: &mut Function, windows: &[(String, Window)]) -> Result<(), SqlError> {
    let over = match function.over.take() {
        None => return Ok(()),
        Some(over) => over,
    };
    let window = match over {
        WindowType::NamedWindow(name) => find(windows, &fold_identifier(&name))?,
        WindowType::WindowSpec(spec) => window_of(spec, windows)?,
    };
    let always = wants_rows(function);
    let noted = note(window.clone())?;
    let mut spec = WindowSpec {
        window_name: None,
        partition_by: window.partition_by,
        order_by: window.order_by,
        window_frame: window.frame,
    };
    if let Some(note) = noted.into_note(always) {
        spec.partition_by.push(note);
        spec.window_frame = None;
    }
    function.over = Some(WindowType::WindowSpec(spec));
    Ok(())
}

/// Whether a function has arguments that must be constants in DataFusion and are none.
fn wants_rows(function: &Function) -> bool {
    let name = function
        .name
        .0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .map(fold_identifier);
    let first = match name.as_deref() {
        Some("ntile") => 0,
        Some("lag" | "lead" | "nth_value") => 1,
        _ => return false,
    };
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    let plain = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if is_number(e, 0));
    // A default has a type that the value may have to take.
    list.args.len() > 2 || !list.args.iter().skip(first).all(plain)
}

fn is_number(expr: &Expr, least: i64) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i64>().is_ok_and(|n| n > least),
            _ => false,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        } => is_number(expr, least),
        _ => false,
    }
}

/// A frame and its offsets.
struct Noted {
    frame: Frame,
    offsets: [Option<Expr>; 2],
}

impl Noted {
    /// The note, if the frame needs one or the function wants it.
    fn into_note(self, always: bool) -> Option<Expr> {
        let native = self.frame.exclusion == Exclusion::Nothing
            && self.frame.start == Bound::First
            && matches!(self.frame.end, Bound::Current | Bound::Last);
        if native && !always {
            return None;
        }
        let null = || Expr::Value(Value::Null.with_empty_span());
        let [start, end] = self.offsets;
        let clause = Value::SingleQuotedString(write_frame(&self.frame));
        Some(call(
            FRAME,
            vec![
                Expr::Value(clause.with_empty_span()),
                start.unwrap_or_else(null),
                end.unwrap_or_else(null),
            ],
        ))
    }
}

/// The frame of a window, checked.
fn note(window: Window) -> Result<Noted, SqlError> {
    let Some(frame) = window.frame else {
        return Ok(Noted {
            frame: Frame {
                units: Units::Range,
                start: Bound::First,
                end: Bound::Current,
                exclusion: Exclusion::Nothing,
            },
            offsets: [None, None],
        });
    };
    let units = match frame.units {
        WindowFrameUnits::Rows => Units::Rows,
        WindowFrameUnits::Range => Units::Range,
        WindowFrameUnits::Groups => Units::Groups,
    };
    let (start, first) = bound_of(frame.start_bound);
    let (end, last) = bound_of(frame.end_bound.unwrap_or(WindowFrameBound::CurrentRow));
    let wrong = match (start, end) {
        (Bound::Last, _) => Some("frame start cannot be UNBOUNDED FOLLOWING"),
        (_, Bound::First) => Some("frame end cannot be UNBOUNDED PRECEDING"),
        (Bound::Current, Bound::Preceding) => {
            Some("frame starting from current row cannot have preceding rows")
        }
        (Bound::Following, Bound::Preceding | Bound::Current) => {
            Some("frame starting from following row cannot have preceding rows")
        }
        _ => None,
    };
    if let Some(message) = wrong {
        return Err(windowing(message));
    }
    if units == Units::Groups && window.order_by.is_empty() {
        return Err(windowing("GROUPS mode requires an ORDER BY clause"));
    }
    if units == Units::Range && window.order_by.len() != 1 && (first.is_some() || last.is_some()) {
        return Err(windowing(
            "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
        ));
    }
    Ok(Noted {
        frame: Frame {
            units,
            start,
            end,
            exclusion: window.exclusion,
        },
        offsets: [first, last],
    })
}

fn bound_of(bound: WindowFrameBound) -> (Bound, Option<Expr>) {
    match bound {
        WindowFrameBound::CurrentRow => (Bound::Current, None),
        WindowFrameBound::Preceding(None) => (Bound::First, None),
        WindowFrameBound::Following(None) => (Bound::Last, None),
        WindowFrameBound::Preceding(Some(offset)) => (Bound::Preceding, Some(plain(*offset))),
        WindowFrameBound::Following(Some(offset)) => (Bound::Following, Some(plain(*offset))),
    }
}

/// The grammar reads a string in a frame as an interval.
fn plain(offset: Expr) -> Expr {
    match offset {
        Expr::Interval(interval) if interval.leading_field.is_none() => *interval.value,
        other => other,
    }
}

/// A frame as text.
fn write_frame(frame: &Frame) -> String {
    let bound = |bound: Bound| match bound {
        Bound::First => "first",
        Bound::Preceding => "preceding",
        Bound::Current => "current",
        Bound::Following => "following",
        Bound::Last => "last",
    };
    let units = match frame.units {
        Units::Rows => "rows",
        Units::Range => "range",
        Units::Groups => "groups",
    };
    let exclusion = match frame.exclusion {
        Exclusion::Nothing => "nothing",
        Exclusion::Current => "current",
        Exclusion::Group => "group",
        Exclusion::Ties => "ties",
    };
    format!(
        "{units} {} {} {exclusion}",
        bound(frame.start),
        bound(frame.end)
    )
}

/// A frame out of its text.
pub(in super::super) fn read_frame(text: &str) -> Option<Frame> {
    let mut words = text.split(' ');
    let units = match words.next()? {
        "rows" => Units::Rows,
        "range" => Units::Range,
        "groups" => Units::Groups,
        _ => return None,
    };
    let mut bound = || {
        Some(match words.next()? {
            "first" => Bound::First,
            "preceding" => Bound::Preceding,
            "current" => Bound::Current,
            "following" => Bound::Following,
            "last" => Bound::Last,
            _ => return None,
        })
    };
    let (start, end) = (bound()?, bound()?);
    let exclusion = match words.next()? {
        "nothing" => Exclusion::Nothing,
        "current" => Exclusion::Current,
        "group" => Exclusion::Group,
        "ties" => Exclusion::Ties,
        _ => return None,
    };
    Some(Frame {
        units,
        start,
        end,
        exclusion,
    })
}
