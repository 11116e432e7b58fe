//! `IN`, `= ANY`, BETWEEN, and comparisons of rows.

use sqlparser::ast::Expr;

use super::super::tree::{Kind, Node};
use super::super::{Sure, Unsure};
use super::Resolver;
use super::coerce::common_type;
use crate::types::PgType;

impl Resolver<'_> {
    /// `x IN (…)`: an array of what names no column, and comparisons with the rest.
    pub(super) fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Sure<Node> {
        let (symbol, any) = if negated { ("<>", false) } else { ("=", true) };
        let left = self.expr(expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let before = self.level()?.uses;
            let node = self.expr(item)?;
            items.push((node, self.level()?.uses != before));
        }
        let mut parts = Vec::new();
        let fixed = items.iter().filter(|(_, varies)| !varies).count();
        if fixed > 1 {
            let mut types = vec![left.ty];
            types.extend(items.iter().filter(|(_, v)| !v).map(|(node, _)| node.ty));
            let element = common_type(&types)?;
            let element = crate::query::bare(element);
            let mut values = Vec::with_capacity(fixed);
            for (node, _) in items.iter().filter(|(_, varies)| !varies) {
                values.push(self.coerce(node.clone(), element)?);
            }
            let ty = PgType::array_of(element).ok_or(Unsure("a list"))?;
            let array = Node::new(Kind::Array(values), ty);
            parts.push(self.array_operator(symbol, any, left.clone(), array)?);
            items.retain(|(_, varies)| *varies);
        }
        for (item, _) in items {
            parts.push(self.operator(symbol, left.clone(), item)?);
        }
        let mut parts = parts.into_iter();
        let first = parts.next().ok_or(Unsure("an empty list"))?;
        Ok(parts.fold(first, |all, part| {
            let both = vec![all, part];
            let kind = if negated {
                Kind::And(both)
            } else {
                Kind::Or(both)
            };
            Node::new(kind, PgType::Bool)
        }))
    }

    /// An operator between a value and each element of an array.
    pub(super) fn array_operator(
        &self,
        symbol: &str,
        any: bool,
        left: Node,
        right: Node,
    ) -> Sure<Node> {
        let right = match right.ty {
            PgType::Unknown => {
                let element = match left.ty.base() {
                    PgType::Unknown | PgType::Varchar(_) => PgType::Text,
                    other => crate::query::bare(other),
                };
                let ty = PgType::array_of(element).ok_or(Unsure("an array"))?;
                self.coerce(right, ty)?
            }
            _ => right,
        };
        let element = right.ty.element().ok_or(Unsure("an array"))?;
        let (a, b) = self.element_type(symbol, left.ty, element)?;
        let left = self.coerce(left, a)?;
        let right = if element.oid() == b.oid() {
            right
        } else {
            let ty = PgType::array_of(b).ok_or(Unsure("an array"))?;
            let kind = Kind::Cast {
                arg: Box::new(right),
                implicit: true,
                form: super::super::tree::CastForm::Relabel,
            };
            Node::new(kind, ty)
        };
        let kind = Kind::ArrayOperator {
            symbol: symbol.to_owned(),
            any,
            sides: Box::new([left, right]),
        };
        Ok(Node::new(kind, PgType::Bool))
    }

    pub(super) fn between(
        &mut self,
        expr: &Expr,
        negated: bool,
        low: &Expr,
        high: &Expr,
    ) -> Sure<Node> {
        let node = self.expr(expr)?;
        let (low, high) = (self.expr(low)?, self.expr(high)?);
        let (below, above) = if negated { ("<", ">") } else { (">=", "<=") };
        let both = vec![
            self.operator(below, node.clone(), low)?,
            self.operator(above, node, high)?,
        ];
        let kind = if negated {
            Kind::Or(both)
        } else {
            Kind::And(both)
        };
        Ok(Node::new(kind, PgType::Bool))
    }

    /// Rows that are equal in all columns, or differ in one.
    pub(super) fn rows(&mut self, symbol: &str, left: &[Expr], right: &[Expr]) -> Sure<Node> {
        if left.len() != right.len() || left.len() < 2 {
            return Err(Unsure("rows"));
        }
        let mut parts = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            let (left, right) = (self.expr(left)?, self.expr(right)?);
            parts.push(self.operator(symbol, left, right)?);
        }
        let kind = match symbol {
            "=" => Kind::And(parts),
            "<>" => Kind::Or(parts),
            _ => return Err(Unsure("rows")),
        };
        Ok(Node::new(kind, PgType::Bool))
    }
}
