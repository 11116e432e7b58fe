//! Joins.

use sqlparser::ast::{self, JoinConstraint, JoinOperator, ObjectNamePart, TableWithJoins};

use super::super::tree::{From, Join, JoinKind, Kind, Node, Relation, RelationKind};
use super::super::{Sure, Unsure};
use super::coerce::common_type;
use super::from::Source;
use super::{Columns, Item, Resolver};
use crate::catalog::fold_identifier;

impl Resolver<'_> {
    /// A relation of FROM and what is joined to it.
    pub(super) fn joined(&mut self, table: &TableWithJoins) -> Sure<Source> {
        let mut left = self.source(&table.relation)?;
        for join in &table.joins {
            if join.global {
                return Err(Unsure("a join"));
            }
            // What is joined may name what it is joined to.
            let before = self.level()?.items.len();
            self.level()?.items.extend(left.items.clone());
            let right = self.source(&join.relation);
            self.level()?.items.truncate(before);
            left = self.join(left, right?, &join.join_operator)?;
        }
        Ok(left)
    }

    fn join(&mut self, left: Source, right: Source, operator: &JoinOperator) -> Sure<Source> {
        let (kind, constraint) = match operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => (JoinKind::Inner, on),
            JoinOperator::CrossJoin(on) => (JoinKind::Inner, on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinKind::Left, on),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinKind::Right, on),
            JoinOperator::FullOuter(on) => (JoinKind::Full, on),
            _ => return Err(Unsure("a join")),
        };
        let using = merged(constraint, left.item()?, right.item()?)?;
        let mut builder = Columnwise::default();
        for name in &using {
            let a = place(left.item()?, name)?;
            let b = place(right.item()?, name)?;
            let node = self.merge(kind, (left.relation, a), (right.relation, b))?;
            builder.push(name.clone(), [a + 1, b + 1], node);
        }
        for (side, source) in [(0, &left), (1, &right)] {
            for (name, at) in &source.item()?.columns {
                if using.contains(name) {
                    continue;
                }
                let node = self.column_of(0, source.relation, *at)?;
                let mut places = [0, 0];
                if let Some(place) = places.get_mut(side) {
                    *place = at + 1;
                }
                builder.push(name.clone(), places, node);
            }
        }
        let mut items: Vec<Item> = left.items.iter().chain(&right.items).cloned().collect();
        let on = match constraint {
            JoinConstraint::On(expr) => Some(self.on(expr, &items)?),
            _ => None,
        };
        let columns = builder.columns.clone();
        let seen = columns.iter().enumerate();
        let seen = seen.map(|(at, (name, _))| (name.clone(), at)).collect();
        let relation = self.add(Relation {
            kind: RelationKind::Join(Join {
                left: left.relation,
                right: right.relation,
                merged: using.len(),
                left_places: builder.left,
                right_places: builder.right,
                nodes: builder.nodes,
            }),
            alias: None,
            alias_columns: Vec::new(),
            name: String::new(),
            columns,
            lateral: false,
        })?;
        // Columns are now found in the join, relations where they were.
        items.retain(|item| item.name.is_some());
        for item in &mut items {
            item.bare = false;
        }
        items.push(Item {
            relation,
            name: None,
            schema: None,
            bare: true,
            columns: seen,
        });
        Ok(Source {
            from: From::Join {
                relation,
                kind,
                left: Box::new(left.from),
                right: Box::new(right.from),
                using,
                on,
            },
            relation,
            items,
        })
    }

    /// ON sees what is joined and nothing else of FROM.
    fn on(&mut self, expr: &ast::Expr, items: &[Item]) -> Sure<Node> {
        let before = std::mem::replace(&mut self.level()?.items, items.to_vec());
        let result = self.condition(expr);
        self.level()?.items = before;
        result
    }

    /// What a column of USING is.
    fn merge(&self, kind: JoinKind, left: (usize, usize), right: (usize, usize)) -> Sure<Node> {
        let left = self.column_of(0, left.0, left.1)?;
        let right = self.column_of(0, right.0, right.1)?;
        let ty = match left.ty == right.ty {
            true => left.ty,
            false => common_type(&[left.ty, right.ty])?,
        };
        let left = self.coerce(left, ty)?;
        let right = self.coerce(right, ty)?;
        Ok(match kind {
            JoinKind::Inner if !left.is_column() && right.is_column() => right,
            JoinKind::Inner | JoinKind::Left => left,
            JoinKind::Right => right,
            JoinKind::Full => Node::new(Kind::Coalesce(vec![left, right]), ty),
        })
    }
}

/// The columns of a join as they are found.
#[derive(Default)]
struct Columnwise {
    columns: Columns,
    left: Vec<usize>,
    right: Vec<usize>,
    nodes: Vec<Node>,
}

impl Columnwise {
    fn push(&mut self, name: String, [left, right]: [usize; 2], node: Node) {
        self.columns.push((name, node.ty));
        self.left.push(left);
        self.right.push(right);
        self.nodes.push(node);
    }
}

fn place(item: &Item, name: &str) -> Sure<usize> {
    let mut found = item.columns.iter().filter(|(own, _)| own == name);
    match (found.next(), found.next()) {
        (Some((_, place)), None) => Ok(*place),
        _ => Err(Unsure("a column of USING")),
    }
}

/// The columns that a join merges.
fn merged(constraint: &JoinConstraint, left: &Item, right: &Item) -> Sure<Vec<String>> {
    match constraint {
        JoinConstraint::Using(names) => names
            .iter()
            .map(|name| match name.0.as_slice() {
                [ObjectNamePart::Identifier(name)] => Ok(fold_identifier(name)),
                _ => Err(Unsure("USING")),
            })
            .collect(),
        JoinConstraint::Natural => {
            let both = left.columns.iter().map(|(name, _)| name);
            let both = both.filter(|name| right.columns.iter().any(|(own, _)| own == *name));
            Ok(both.cloned().collect())
        }
        JoinConstraint::On(_) | JoinConstraint::None => Ok(Vec::new()),
    }
}
