//! Windows.

use sqlparser::ast::{
    self, NamedWindowDefinition, NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType,
};

use super::super::tree::{Bound, Frame, SortKey, Window};
use super::super::{Sure, Unsure};
use super::Resolver;
use super::query::sorted;
use crate::catalog::fold_identifier;
use crate::session::EXCLUDES;
use crate::types::PgType;

impl Resolver<'_> {
    pub(super) fn named_windows(&mut self, windows: &[NamedWindowDefinition]) -> Sure<()> {
        for NamedWindowDefinition(name, definition) in windows {
            let NamedWindowExpr::WindowSpec(spec) = definition else {
                return Err(Unsure("a window that is another"));
            };
            let mut window = self.window_of(spec)?;
            window.name = Some(fold_identifier(name));
            self.level()?.windows.push(window);
        }
        Ok(())
    }

    /// The number of the window that a call is over.
    pub(super) fn over(&mut self, over: &WindowType) -> Sure<usize> {
        match over {
            WindowType::NamedWindow(name) => {
                let name = fold_identifier(name);
                let windows = &self.level()?.windows;
                let found = windows.iter().position(|w| w.name.as_ref() == Some(&name));
                found.ok_or(Unsure("a window that is not there"))
            }
            WindowType::WindowSpec(spec) => {
                let window = self.window_of(spec)?;
                let windows = &mut self.level()?.windows;
                // The same window is kept once.
                if let Some(found) = windows.iter().position(|w| w.written == window.written) {
                    return Ok(found);
                }
                windows.push(window);
                Ok(windows.len() - 1)
            }
        }
    }

    fn window_of(&mut self, spec: &WindowSpec) -> Sure<Window> {
        let (base, exclude) = match &spec.window_name {
            None => (None, None),
            Some(name) => match name.value.strip_prefix(EXCLUDES) {
                None => (Some(fold_identifier(name)), None),
                Some(rest) => match rest.split_once(EXCLUDES) {
                    None => (None, Some(rest)),
                    Some((what, base)) => (Some(base.to_owned()), Some(what)),
                },
            },
        };
        let exclude = match exclude {
            None | Some("no others") => None,
            Some("current row") => Some("CURRENT ROW"),
            Some("group") => Some("GROUP"),
            Some("ties") => Some("TIES"),
            Some(_) => return Err(Unsure("EXCLUDE")),
        };
        let mut window = Window {
            base,
            written: spec.to_string(),
            ..Window::default()
        };
        for expr in &spec.partition_by {
            let node = self.expr(expr)?;
            window.partition.push(self.settled(node)?);
        }
        for item in &spec.order_by {
            let node = self.expr(&item.expr)?;
            let key = SortKey::Node(self.settled(node)?);
            window.order.push(sorted(key, item));
        }
        if let Some(frame) = &spec.window_frame {
            window.frame = Some(self.frame(frame, &window, exclude)?);
        }
        Ok(window)
    }

    fn frame(
        &mut self,
        frame: &ast::WindowFrame,
        window: &Window,
        exclude: Option<&'static str>,
    ) -> Sure<Frame> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        // What distances are measured in.
        let distance = match (units, window.order.first().map(|sort| &sort.key)) {
            ("RANGE", Some(SortKey::Node(key))) => match key.ty.base() {
                PgType::Date
                | PgType::Time
                | PgType::Timetz
                | PgType::Timestamp
                | PgType::Timestamptz
                | PgType::Interval => Some(PgType::Interval),
                _ => None,
            },
            ("RANGE", _) => None,
            _ => Some(PgType::Int8),
        };
        let mut bound = |bound: &WindowFrameBound| -> Sure<Bound> {
            let mut offset = |expr: &Option<Box<ast::Expr>>| {
                let Some(expr) = expr else {
                    return Ok(None);
                };
                let node = self.expr(expr)?;
                match (node.ty, distance) {
                    (PgType::Unknown, Some(distance)) => self.coerce(node, distance).map(Some),
                    (PgType::Unknown, None) => Err(Unsure("the distance of a frame")),
                    _ => Ok(Some(node)),
                }
            };
            Ok(match bound {
                WindowFrameBound::CurrentRow => Bound::CurrentRow,
                WindowFrameBound::Preceding(expr) => Bound::Preceding(offset(expr)?),
                WindowFrameBound::Following(expr) => Bound::Following(offset(expr)?),
            })
        };
        Ok(Frame {
            units,
            start: bound(&frame.start_bound)?,
            end: frame.end_bound.as_ref().map(bound).transpose()?,
            exclude,
        })
    }
}
