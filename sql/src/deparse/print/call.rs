//! Calls of aggregates and window functions, and windows.

use super::super::tree::{Aggregate, Bound, Frame, Window};
use super::super::{Sure, Unsure};
use super::Printer;
use crate::query::quote_ident;

impl<'q> Printer<'q> {
    /// Writes a call up to its OVER.
    pub(super) fn aggregate(&mut self, call: &'q Aggregate) -> Sure<()> {
        self.put(&call.name);
        self.put(if call.distinct { "(DISTINCT " } else { "(" });
        if call.star {
            self.put("*");
        }
        self.nodes(&call.args)?;
        if call.within {
            self.put(") WITHIN GROUP (ORDER BY ");
            self.order(&call.order)?;
        } else if !call.order.is_empty() {
            self.put(" ORDER BY ");
            self.order(&call.order)?;
        }
        if let Some(filter) = &call.filter {
            self.put(") FILTER (WHERE ");
            self.node(filter, false)?;
        }
        self.put(")");
        Ok(())
    }

    pub(super) fn windowed(&mut self, call: &'q Aggregate, window: usize) -> Sure<()> {
        self.aggregate(call)?;
        self.put(" OVER ");
        let query = self.space(0)?.query;
        let window = query
            .windows
            .get(window)
            .ok_or(Unsure("a window that is not there"))?;
        match &window.name {
            Some(name) => self.put(&quote_ident(name)),
            None => self.window(window)?,
        }
        Ok(())
    }

    pub(super) fn window(&mut self, window: &'q Window) -> Sure<()> {
        self.put("(");
        let mut blank = "";
        if let Some(base) = &window.base {
            self.put(&quote_ident(base));
            blank = " ";
        }
        if !window.partition.is_empty() && window.base.is_none() {
            self.put("PARTITION BY ");
            self.list(&window.partition, |printer, node| printer.key(node))?;
            blank = " ";
        }
        if !window.order.is_empty() {
            self.put(blank);
            self.put("ORDER BY ");
            self.order(&window.order)?;
            blank = " ";
        }
        if let Some(frame) = &window.frame {
            self.put(blank);
            self.frame(frame)?;
        }
        self.put(")");
        Ok(())
    }

    fn frame(&mut self, frame: &'q Frame) -> Sure<()> {
        self.put(frame.units);
        self.put(" ");
        match &frame.end {
            None => self.bound(&frame.start)?,
            Some(end) => {
                self.put("BETWEEN ");
                self.bound(&frame.start)?;
                self.put(" AND ");
                self.bound(end)?;
            }
        }
        if let Some(exclude) = frame.exclude {
            self.put(" EXCLUDE ");
            self.put(exclude);
        }
        Ok(())
    }

    fn bound(&mut self, bound: &'q Bound) -> Sure<()> {
        let (node, word) = match bound {
            Bound::CurrentRow => {
                self.put("CURRENT ROW");
                return Ok(());
            }
            Bound::Preceding(node) => (node, "PRECEDING"),
            Bound::Following(node) => (node, "FOLLOWING"),
        };
        match node {
            Some(node) => self.node(node, false)?,
            None => self.put("UNBOUNDED"),
        }
        self.put(" ");
        self.put(word);
        Ok(())
    }
}
