//! Window frames, which want plain literals.

use sqlparser::ast::{WindowFrameBound, WindowSpec};

use super::interval::restore_interval;
use super::literal::restore_literal;

/// Window frames want plain literals.
pub(in super::super) fn restore_frame(spec: &mut WindowSpec) {
    let Some(frame) = &mut spec.window_frame else {
        return;
    };
    for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
        if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) =
            bound
        {
            restore_literal(expr);
            restore_interval(expr);
        }
    }
    for item in &mut spec.order_by {
        restore_literal(&mut item.expr);
    }
}
