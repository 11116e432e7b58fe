//! Queries: WITH, set operations, ORDER BY, LIMIT.

use sqlparser::ast::{
    self, CteAsMaterialized, LimitClause, OrderByKind, SetExpr, SetOperator, SetQuantifier, With,
};

use super::super::tree::{Cte, Node, Query, SetTree, Sort, SortKey};
use super::super::{Sure, Unsure};
use super::coerce::common_type;
use super::{Columns, Resolver};
use crate::catalog::fold_identifier;
use crate::types::PgType;

/// Whether a query is nothing but its body.
fn is_bare(query: &ast::Query) -> bool {
    query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
}

impl Resolver<'_> {
    /// A query inside of the present one, and its columns.
    pub(super) fn query(&mut self, ast: &ast::Query) -> Sure<(Query, Columns)> {
        let unusual = !ast.locks.is_empty()
            || ast.for_clause.is_some()
            || ast.settings.is_some()
            || ast.format_clause.is_some()
            || !ast.pipe_operators.is_empty();
        if unusual {
            return Err(Unsure("a clause of a query"));
        }
        if let SetExpr::Query(inner) = ast.body.as_ref()
            && is_bare(ast)
        {
            return self.query(inner);
        }
        self.nested(|resolver| resolver.whole(ast))
    }

    fn whole(&mut self, ast: &ast::Query) -> Sure<(Query, Columns)> {
        let mut query = Query::default();
        if let Some(with) = &ast.with {
            query.recursive = with.recursive;
            query.ctes = self.with(with)?;
        }
        let mut body = ast.body.as_ref();
        while let SetExpr::Query(inner) = body {
            if !is_bare(inner) {
                return Err(Unsure("a query in parentheses"));
            }
            body = inner.body.as_ref();
        }
        let columns = match body {
            SetExpr::SetOperation { .. } => {
                let (set, columns) = self.set(body)?;
                query.set = Some(set);
                if let Some(order) = &ast.order_by {
                    query.order = order_of_columns(order, &columns)?;
                }
                columns
            }
            body => self.body(body, ast.order_by.as_ref(), true, &mut query)?,
        };
        self.limit(ast, &mut query)?;
        let level = self.level()?;
        query.relations = std::mem::take(&mut level.relations);
        query.windows = std::mem::take(&mut level.windows);
        Ok((query, columns))
    }

    fn with(&mut self, with: &With) -> Sure<Vec<Cte>> {
        let mut ctes = Vec::with_capacity(with.cte_tables.len());
        for cte in &with.cte_tables {
            let name = fold_identifier(&cte.alias.name);
            let columns: Vec<String> = cte
                .alias
                .columns
                .iter()
                .map(|column| fold_identifier(&column.name))
                .collect();
            if cte.from.is_some() || cte.alias.columns.iter().any(|c| c.data_type.is_some()) {
                return Err(Unsure("an item of WITH"));
            }
            let renamed = |mut own: Columns| {
                for ((name, _), alias) in own.iter_mut().zip(&columns) {
                    name.clone_from(alias);
                }
                own
            };
            if with.recursive
                && let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref()
            {
                // The first part says what columns there are.
                let own = self.nested(|resolver| {
                    let (_, own) = resolver.set(left)?;
                    Ok(own)
                })?;
                let own = renamed(own);
                self.level()?.ctes.push((name.clone(), own));
            }
            let (query, own) = self.query(&cte.query)?;
            let own = renamed(own);
            let known = &mut self.level()?.ctes;
            known.retain(|(known, _)| *known != name);
            known.push((name.clone(), own));
            let materialized = cte
                .materialized
                .as_ref()
                .map(|m| matches!(m, CteAsMaterialized::Materialized));
            ctes.push(Cte {
                name,
                columns,
                materialized,
                query,
            });
        }
        Ok(ctes)
    }

    /// The queries that set operations combine, and the columns of the result.
    fn set(&mut self, body: &SetExpr) -> Sure<(SetTree, Columns)> {
        let (mut tree, columns) = self.set_tree(body)?;
        let types: Vec<PgType> = columns.iter().map(|(_, ty)| *ty).collect();
        settle_literals(self, &mut tree, &types)?;
        Ok((tree, columns))
    }

    fn set_tree(&mut self, body: &SetExpr) -> Sure<(SetTree, Columns)> {
        match body {
            SetExpr::Query(inner) if is_bare(inner) => self.set_tree(&inner.body),
            SetExpr::Query(inner) => {
                let (query, columns) = self.query(inner)?;
                Ok((SetTree::Leaf(Box::new(query)), columns))
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let (left, columns) = self.set_tree(left)?;
                let (right, others) = self.set_tree(right)?;
                let word = match op {
                    SetOperator::Union => "UNION",
                    SetOperator::Intersect => "INTERSECT",
                    SetOperator::Except => "EXCEPT",
                    SetOperator::Minus => return Err(Unsure("a set operation")),
                };
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    _ => return Err(Unsure("a set operation")),
                };
                let mut result = Vec::with_capacity(columns.len());
                for ((name, a), (_, b)) in columns.into_iter().zip(others) {
                    let ty = match (a, b) {
                        (PgType::Unknown, PgType::Unknown) => PgType::Unknown,
                        (a, b) => common_type(&[a, b])?,
                    };
                    result.push((name, ty));
                }
                let tree = SetTree::Both {
                    word,
                    all,
                    left: Box::new(left),
                    right: Box::new(right),
                };
                Ok((tree, result))
            }
            body => self.nested(|resolver| {
                let mut query = Query::default();
                let columns = resolver.body(body, None, false, &mut query)?;
                let level = resolver.level()?;
                query.relations = std::mem::take(&mut level.relations);
                query.windows = std::mem::take(&mut level.windows);
                Ok((SetTree::Leaf(Box::new(query)), columns))
            }),
        }
    }

    fn limit(&mut self, ast: &ast::Query, query: &mut Query) -> Sure<()> {
        match &ast.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                query.limit = limit.as_ref().map(|e| self.count(e)).transpose()?;
                let offset = offset.as_ref();
                query.offset = offset.map(|o| self.count(&o.value)).transpose()?;
            }
            Some(_) => return Err(Unsure("LIMIT")),
        }
        if let Some(fetch) = &ast.fetch {
            if fetch.percent || query.limit.is_some() {
                return Err(Unsure("FETCH"));
            }
            query.ties = fetch.with_ties;
            query.limit = Some(match &fetch.quantity {
                Some(count) => self.count(count)?,
                None => Node::new(
                    super::super::tree::Kind::Constant(Some("1".to_owned())),
                    PgType::Int8,
                ),
            });
        }
        Ok(())
    }

    /// A number of rows.
    fn count(&mut self, expr: &ast::Expr) -> Sure<Node> {
        let node = self.expr(expr)?;
        match node.ty {
            PgType::Unknown => self.coerce(node, PgType::Int8),
            _ => Ok(node),
        }
    }
}

/// Gives literals without type in the queries of a set operation the type of their
/// column.
fn settle_literals(resolver: &Resolver<'_>, tree: &mut SetTree, types: &[PgType]) -> Sure<()> {
    match tree {
        SetTree::Leaf(query) => {
            for (target, ty) in query.targets.iter_mut().zip(types) {
                if target.node.ty == PgType::Unknown {
                    let ty = if *ty == PgType::Unknown {
                        PgType::Text
                    } else {
                        *ty
                    };
                    target.node = resolver.coerce(target.node.clone(), ty)?;
                }
            }
            Ok(())
        }
        SetTree::Both { left, right, .. } => {
            settle_literals(resolver, left, types)?;
            settle_literals(resolver, right, types)
        }
    }
}

/// ORDER BY of a set operation: by its columns.
fn order_of_columns(order: &ast::OrderBy, columns: &Columns) -> Sure<Vec<Sort>> {
    let OrderByKind::Expressions(items) = &order.kind else {
        return Err(Unsure("ORDER BY ALL"));
    };
    let mut sorts = Vec::with_capacity(items.len());
    for item in items {
        let number = match &item.expr {
            ast::Expr::Identifier(name) => {
                let name = fold_identifier(name);
                columns.iter().position(|(own, _)| *own == name)
            }
            ast::Expr::Value(value) => value
                .to_string()
                .parse::<usize>()
                .ok()
                .and_then(|n| n.checked_sub(1)),
            _ => None,
        };
        let number = number.ok_or(Unsure("ORDER BY of a set operation"))?;
        sorts.push(sorted(SortKey::Column(number + 1), item));
    }
    Ok(sorts)
}

/// What is sorted by, in the order that is asked for.
pub(super) fn sorted(key: SortKey, item: &ast::OrderByExpr) -> Sort {
    let descending = item.options.asc == Some(false);
    Sort {
        key,
        descending,
        nulls_first: item.options.nulls_first.unwrap_or(descending),
    }
}
