//! Tables that show their hidden columns.

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Join, JoinOperator, ObjectName, ObjectNamePart, Select,
    SelectItem, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::super::names::quoted;
use super::super::shown::Shown;
use super::super::{PlanContext, RowTarget};
use crate::catalog::{QualifiedName, fold_identifier};
use crate::error::SqlError;
use crate::pg_catalog;

/// Names of the columns that only the executor of changes and locks sees; tables
/// after the first have their number added.
const HIDDEN: [&str; 4] = ["__key", "__csn", "__row", "__tab"];

/// The names of the hidden columns of table number `index`.
pub(in crate::query) fn hidden_names(index: usize) -> [String; 4] {
    HIDDEN.map(|name| match index {
        0 => name.to_owned(),
        n => format!("{name}{n}"),
    })
}

/// Marks the first table of a FROM as the one that shows its hidden columns: the
/// target of a change. Other mentions of the same table are just read.
pub(super) fn show_hidden(from: &mut [TableWithJoins], index: usize) -> Result<(), SqlError> {
    match from.first_mut() {
        Some(first) => show_hidden_in(&mut first.relation, index),
        None => Ok(()),
    }
}

fn show_hidden_in(factor: &mut TableFactor, index: usize) -> Result<(), SqlError> {
    Shown::change(factor, |shown| shown.hidden = Some(index))
}

/// Marks every stored table of a FROM, and adds the hidden columns of all to the
/// SELECT list.
pub(super) fn show_all(
    select: &mut Select,
    context: &PlanContext,
    ctes: &[String],
) -> Result<Vec<RowTarget>, SqlError> {
    let mut marker = Marker {
        context,
        ctes,
        targets: Vec::new(),
    };
    for item in &mut select.from {
        marker.mark_joins(item, false)?;
    }
    let targets = marker.targets;
    let names: Vec<[String; 4]> = (0..targets.len()).map(hidden_names).collect();
    for item in &mut select.projection {
        let excluded: Vec<ObjectName> = match item {
            SelectItem::Wildcard(_) => names.iter().flatten().map(|n| name_of(n)).collect(),
            SelectItem::QualifiedWildcard(kind, _) => {
                let known = kind.to_string();
                targets
                    .iter()
                    .zip(&names)
                    .filter(|(target, _)| known == target.alias || known == quote(&target.alias))
                    .flat_map(|(_, names)| names.iter().map(|n| name_of(n)))
                    .collect()
            }
            _ => continue,
        };
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item
            && !excluded.is_empty()
        {
            exclude(options, excluded);
        }
    }
    for (target, names) in targets.iter().zip(&names) {
        for name in names {
            let parts = vec![quoted(target.alias.clone()), quoted(name.clone())];
            select
                .projection
                .push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)));
        }
    }
    Ok(targets)
}

/// Leaves columns out of what `*` stands for.
pub(super) fn exclude(options: &mut WildcardAdditionalOptions, mut names: Vec<ObjectName>) {
    match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Multiple(before)) => names.extend(before),
        Some(ExcludeSelectItem::Single(before)) => names.push(before),
        None => {}
    }
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
}

pub(super) fn name_of(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(quoted(name))])
}

fn quote(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

struct Marker<'a> {
    context: &'a PlanContext,
    ctes: &'a [String],
    targets: Vec<RowTarget>,
}

impl Marker<'_> {
    fn mark_joins(&mut self, item: &mut TableWithJoins, nullable: bool) -> Result<(), SqlError> {
        let first = self.targets.len();
        self.mark(&mut item.relation, nullable)?;
        for Join {
            relation,
            join_operator,
            ..
        } in &mut item.joins
        {
            let (left, right) = match join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
                JoinOperator::FullOuter(_) => (true, true),
                _ => (false, false),
            };
            if left {
                for target in self.targets.iter_mut().skip(first) {
                    target.nullable = true;
                }
            }
            self.mark(relation, nullable || right)?;
        }
        Ok(())
    }

    fn mark(&mut self, factor: &mut TableFactor, nullable: bool) -> Result<(), SqlError> {
        if let TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } = factor
        {
            return self.mark_joins(table_with_joins, nullable);
        }
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = &*factor
        else {
            return Ok(());
        };
        let Ok(found) = QualifiedName::from_ast(name, &self.context.database) else {
            return Ok(());
        };
        let path = &self.context.search_path;
        let shadowed = found.schema.is_none() && self.ctes.contains(&found.name)
            || pg_catalog::find(found.schema.as_deref(), &found.name, path).is_some();
        let Ok(table) = self.context.catalog.table(&found, path) else {
            return Ok(());
        };
        if shadowed {
            return Ok(());
        }
        let alias = match alias {
            Some(alias) => fold_identifier(&alias.name),
            None => found.name.clone(),
        };
        let index = self.targets.len();
        self.targets.push(RowTarget {
            alias,
            oid: table.oid,
            nullable,
        });
        show_hidden_in(factor, index)
    }
}
