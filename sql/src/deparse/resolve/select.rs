//! SELECT and VALUES.

use sqlparser::ast::{
    self, Expr, GroupByExpr, OrderByKind, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, Value, WildcardAdditionalOptions,
};

use super::super::tree::{
    Distinct, From, Group, Kind, Node, Query, Relation, RelationKind, Sort, SortKey, Target,
};
use super::super::{Sure, Unsure};
use super::coerce::common_type;
use super::query::sorted;
use super::{Columns, Item, Resolver};
use crate::catalog::fold_identifier;
use crate::query::output_name;
use crate::session::{CUBE, DISTINCT_SETS, NO_COLUMNS, ROLLUP, SETS};
use crate::types::PgType;

impl Resolver<'_> {
    /// SELECT or VALUES of the present query. Literals without type are text at the
    /// end, if `settled`.
    pub(super) fn body(
        &mut self,
        body: &SetExpr,
        order: Option<&ast::OrderBy>,
        settled: bool,
        query: &mut Query,
    ) -> Sure<Columns> {
        match body {
            SetExpr::Select(select) => self.select(select, order, settled, query)?,
            SetExpr::Values(values) => {
                self.values(values, query)?;
                if let Some(order) = order {
                    query.order = self.order(order, &query.targets)?;
                }
            }
            _ => return Err(Unsure("a query")),
        }
        let columns = query.targets.iter();
        Ok(columns.map(|t| (t.name.clone(), t.node.ty)).collect())
    }

    fn values(&mut self, values: &ast::Values, query: &mut Query) -> Sure<()> {
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let nodes: Sure<Vec<Node>> = row.content.iter().map(|expr| self.expr(expr)).collect();
            rows.push(nodes?);
        }
        let width = rows.first().map_or(0, Vec::len);
        let mut columns = Vec::with_capacity(width);
        for at in 0..width {
            let types: Vec<PgType> = rows
                .iter()
                .filter_map(|row| Some(row.get(at)?.ty))
                .collect();
            columns.push((format!("column{}", at + 1), common_type(&types)?));
        }
        for row in &mut rows {
            for (node, (_, ty)) in row.iter_mut().zip(&columns) {
                *node = self.coerce(node.clone(), *ty)?;
            }
        }
        let relation = self.add(Relation {
            kind: RelationKind::Values(rows),
            alias: None,
            alias_columns: Vec::new(),
            name: "*VALUES*".to_owned(),
            columns: columns.clone(),
            lateral: false,
        })?;
        query.from.push(From::Relation(relation));
        for (at, (name, _)) in columns.into_iter().enumerate() {
            query.targets.push(Target {
                node: self.column_of(0, relation, at)?,
                name,
            });
        }
        Ok(())
    }

    /// Adds an entry to the range table.
    pub(super) fn add(&mut self, relation: Relation) -> Sure<usize> {
        let relations = &mut self.level()?.relations;
        relations.push(relation);
        Ok(relations.len() - 1)
    }

    fn select(
        &mut self,
        select: &Select,
        order: Option<&ast::OrderBy>,
        settled: bool,
        query: &mut Query,
    ) -> Sure<()> {
        let unusual = select.top.is_some()
            || select.exclude.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some();
        if unusual {
            return Err(Unsure("a clause of SELECT"));
        }
        query.from = self.from(&select.from)?;
        self.named_windows(&select.named_window)?;
        for item in &select.projection {
            self.target(item, &mut query.targets)?;
        }
        if settled {
            for target in &mut query.targets {
                target.node = self.settled(target.node.clone())?;
            }
        }
        let filter = select.selection.as_ref();
        query.filter = filter.map(|expr| self.condition(expr)).transpose()?;
        self.group_by(&select.group_by, query)?;
        let having = select.having.as_ref();
        query.having = having.map(|expr| self.condition(expr)).transpose()?;
        if let Some(order) = order {
            query.order = self.order(order, &query.targets)?;
        }
        query.distinct = match &select.distinct {
            None | Some(ast::Distinct::All) => Distinct::No,
            Some(ast::Distinct::Distinct) => Distinct::Rows,
            Some(ast::Distinct::On(exprs)) => {
                let keys = exprs.iter().map(|expr| self.output(expr, &query.targets));
                Distinct::On(keys.collect::<Sure<_>>()?)
            }
        };
        Ok(())
    }

    fn target(&mut self, item: &SelectItem, targets: &mut Vec<Target>) -> Sure<()> {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, output_name(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr, fold_identifier(alias)),
            SelectItem::Wildcard(options) => {
                plain_star(options)?;
                let items = self.level()?.items.clone();
                for item in items.iter().filter(|item| item.bare) {
                    self.star(item, 0, targets)?;
                }
                return Ok(());
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                plain_star(options)?;
                let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
                    return Err(Unsure("a star"));
                };
                let name = fold_identifier(name);
                for (up, level) in self.levels.iter().rev().enumerate() {
                    let item = level
                        .items
                        .iter()
                        .find(|i| i.name.as_deref() == Some(&name));
                    if let Some(item) = item.cloned() {
                        return self.star(&item, up, targets);
                    }
                }
                return Err(Unsure("a star of a relation that is not there"));
            }
            _ => return Err(Unsure("an item of SELECT")),
        };
        if name.contains('\u{1f}') {
            return Err(Unsure("a rewritten name"));
        }
        let node = self.expr(expr)?;
        targets.push(Target { node, name });
        Ok(())
    }

    fn star(&self, item: &Item, up: usize, targets: &mut Vec<Target>) -> Sure<()> {
        for (name, column) in &item.columns {
            targets.push(Target {
                node: self.column_of(up, item.relation, *column)?,
                name: name.clone(),
            });
        }
        Ok(())
    }

    /// The output column that a number means, if it is one.
    fn numbered(expr: &Expr, targets: &[Target]) -> Sure<Option<Node>> {
        let Expr::Value(value) = expr else {
            return Ok(None);
        };
        let Value::Number(digits, _) = &value.value else {
            return Ok(None);
        };
        let place = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let target = place.and_then(|place| targets.get(place));
        let target = target.ok_or(Unsure("a position"))?;
        Ok(Some(target.node.clone()))
    }

    /// What ORDER BY or DISTINCT ON names: an output column first.
    fn output(&mut self, expr: &Expr, targets: &[Target]) -> Sure<Node> {
        if let Some(node) = Self::numbered(expr, targets)? {
            return Ok(node);
        }
        if let Expr::Identifier(name) = expr {
            let name = fold_identifier(name);
            let mut named = targets.iter().filter(|target| target.name == name);
            let first = named.next().map(|target| target.node.clone());
            if named.next().is_some() {
                return Err(Unsure("an output column of several"));
            }
            if let Some(node) = first {
                return Ok(node);
            }
        }
        let node = self.expr(expr)?;
        self.settled(node)
    }

    fn order(&mut self, order: &ast::OrderBy, targets: &[Target]) -> Sure<Vec<Sort>> {
        match &order.kind {
            OrderByKind::Expressions(items) if order.interpolate.is_none() => items
                .iter()
                .map(|item| {
                    let node = self.output(&item.expr, targets)?;
                    Ok(sorted(SortKey::Node(node), item))
                })
                .collect(),
            _ => Err(Unsure("ORDER BY")),
        }
    }

    /// What GROUP BY names: a column of FROM first.
    fn grouped(&mut self, expr: &Expr, targets: &[Target]) -> Sure<Node> {
        if let Expr::Identifier(name) = expr {
            let name = fold_identifier(name);
            if let Ok(node) = self.column(None, &name) {
                return Ok(node);
            }
        }
        self.output(expr, targets)
    }

    fn group_by(&mut self, group: &GroupByExpr, query: &mut Query) -> Sure<()> {
        let GroupByExpr::Expressions(exprs, modifiers) = group else {
            return Err(Unsure("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(Unsure("GROUP BY"));
        }
        for expr in exprs {
            if mark(expr) == Some((DISTINCT_SETS, &[])) {
                query.group_distinct = true;
                continue;
            }
            match self.group(expr, &query.targets, 0)? {
                Group::Together(nodes) => query.group.extend(nodes.into_iter().map(Group::Plain)),
                group => query.group.push(group),
            }
        }
        // Among grouping sets, a column stands for a set of its own.
        if query.group.iter().any(|g| !matches!(g, Group::Plain(_))) {
            for group in &mut query.group {
                if let Group::Plain(node) = group {
                    *group = Group::Together(vec![node.clone()]);
                }
            }
        }
        Ok(())
    }

    fn group(&mut self, expr: &Expr, targets: &[Target], depth: usize) -> Sure<Group> {
        if let Some((word, args)) = mark(expr) {
            let inner = args
                .iter()
                .map(|arg| match arg {
                    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                        self.group(expr, targets, depth + 1)
                    }
                    _ => Err(Unsure("a grouping set")),
                })
                .collect::<Sure<Vec<Group>>>()?;
            return match word {
                NO_COLUMNS => Ok(Group::Empty),
                ROLLUP => Ok(Group::Rollup(inner)),
                CUBE => Ok(Group::Cube(inner)),
                SETS if depth == 0 => Ok(Group::Sets(inner)),
                _ => Err(Unsure("grouping sets in others")),
            };
        }
        match expr {
            Expr::Nested(inner) => self.group(inner, targets, depth),
            Expr::Tuple(items) => {
                let nodes = items.iter().map(|item| self.grouped(item, targets));
                Ok(Group::Together(nodes.collect::<Sure<_>>()?))
            }
            expr => Ok(Group::Together(vec![self.grouped(expr, targets)?])),
        }
    }

    /// An expression where a condition is wanted.
    pub(super) fn condition(&mut self, expr: &Expr) -> Sure<Node> {
        let node = self.expr(expr)?;
        self.coerce(node, PgType::Bool)
    }

    /// A literal without type as text.
    pub(super) fn settled(&self, node: Node) -> Sure<Node> {
        match (&node.kind, node.ty) {
            (Kind::Constant(_), PgType::Unknown) => self.coerce(node, PgType::Text),
            _ => Ok(node),
        }
    }
}

/// The construct of grouping sets that an expression stands for, and its parts.
fn mark(expr: &Expr) -> Option<(&'static str, &[ast::FunctionArg])> {
    let known = |name: &str| {
        let marks = [SETS, ROLLUP, CUBE, NO_COLUMNS, DISTINCT_SETS];
        marks.into_iter().find(|mark| *mark == name)
    };
    match expr {
        Expr::Identifier(name) => known(&name.value).map(|mark| (mark, [].as_slice())),
        Expr::Function(function) => {
            let name = function.name.0.last()?.as_ident()?;
            let mark = known(&name.value)?;
            match &function.args {
                ast::FunctionArguments::List(list) => Some((mark, &list.args)),
                _ => Some((mark, &[])),
            }
        }
        _ => None,
    }
}

fn plain_star(options: &WildcardAdditionalOptions) -> Sure<()> {
    let unusual = options.opt_ilike.is_some()
        || options.opt_exclude.is_some()
        || options.opt_except.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if unusual {
        return Err(Unsure("a star"));
    }
    Ok(())
}
