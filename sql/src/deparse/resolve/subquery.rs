//! Queries in expressions.

use std::sync::Arc;

use sqlparser::ast::{self, Expr};

use super::super::tree::{Kind, Node, Sublink, SublinkKind};
use super::super::{Sure, Unsure};
use super::{Columns, Resolver};
use crate::types::PgType;

impl Resolver<'_> {
    fn sublink(
        &mut self,
        kind: SublinkKind,
        query: &ast::Query,
        test: Option<(&Expr, &str)>,
    ) -> Sure<(Sublink, Columns)> {
        let left = test.map(|(expr, _)| self.left_side(expr)).transpose()?;
        let (query, columns) = self.query(query)?;
        let test = match (test, left) {
            (Some((_, symbol)), Some(left)) => {
                if left.len() != columns.len() || (left.len() > 1 && symbol != "=") {
                    return Err(Unsure("a subquery of several columns"));
                }
                let mut sides = Vec::with_capacity(left.len());
                for (node, (_, ty)) in left.into_iter().zip(&columns) {
                    let [node, _] = self.compared(symbol, node, Node::null(*ty))?;
                    sides.push(node);
                }
                Some((sides, symbol.to_owned()))
            }
            _ => None,
        };
        let link = Sublink {
            kind,
            test,
            query: Arc::new(query),
        };
        Ok((link, columns))
    }

    fn left_side(&mut self, expr: &Expr) -> Sure<Vec<Node>> {
        match expr {
            Expr::Tuple(items) => items.iter().map(|item| self.expr(item)).collect(),
            expr => Ok(vec![self.expr(expr)?]),
        }
    }

    /// `EXISTS`, `x IN (SELECT …)` and `x = ALL (SELECT …)`.
    pub(super) fn test(
        &mut self,
        kind: SublinkKind,
        query: &ast::Query,
        test: Option<(&Expr, &str)>,
        negated: bool,
    ) -> Sure<Node> {
        let (link, _) = self.sublink(kind, query, test)?;
        let node = Node::new(Kind::Sublink(Box::new(link)), PgType::Bool);
        Ok(match negated {
            false => node,
            true => Node::new(Kind::Not(Box::new(node)), PgType::Bool),
        })
    }

    /// A query that gives a value, or an array of all it finds.
    pub(super) fn value_of(&mut self, kind: SublinkKind, query: &ast::Query) -> Sure<Node> {
        let (link, columns) = self.sublink(kind, query, None)?;
        let [(_, ty)] = columns.as_slice() else {
            return Err(Unsure("a subquery of several columns"));
        };
        let ty = match kind {
            SublinkKind::Array => PgType::array_of(*ty).ok_or(Unsure("an array"))?,
            _ => *ty,
        };
        Ok(Node::new(Kind::Sublink(Box::new(link)), ty))
    }
}
