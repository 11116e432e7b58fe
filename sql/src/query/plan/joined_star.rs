//! `*` over joins that merge columns, where not all columns can be told from the
//! statement ([`super::merged_star`]): functions and subqueries are shown by the stars
//! of their own, without what is merged, and what cannot be shown so is refused.

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

use super::names::quoted;
use super::using::{ColumnsOf, called};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// A column of a join: its name and what it is.
type Output = (String, Expr);

/// Writes out `*` in a SELECT with joins that merge columns.
///
/// # Errors
/// 0A000 where the columns of the tables would have to be known and are not.
pub(super) fn expand(select: &mut Select, columns_of: ColumnsOf<'_>) -> Result<(), SqlError> {
    let has_star = select.projection.iter().any(is_star);
    let mut joins = select.from.iter().flat_map(|table| &table.joins);
    if !has_star || !joins.any(|join| merging(&join.join_operator).is_some()) {
        return Ok(());
    }
    let mut items = Vec::new();
    for table in &select.from {
        match outputs(table, columns_of) {
            Some(outputs) => {
                items.extend(outputs.into_iter().map(|(_, e)| SelectItem::UnnamedExpr(e)));
            }
            None if select.from.len() == 1 => {
                items = merged_first(table)?;
            }
            None => return Err(refused()),
        }
    }
    for item in std::mem::take(&mut select.projection) {
        if is_star(&item) {
            select.projection.extend(items.iter().cloned());
        } else {
            select.projection.push(item);
        }
    }
    Ok(())
}

fn refused() -> SqlError {
    SqlError::unsupported("* over this kind of JOIN with USING or NATURAL")
        .hint("Name the columns.")
}

fn is_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(options) if options.opt_exclude.is_none())
}

/// The constraint of a join that merges columns and takes them from the left side.
fn merging(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
            if matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural) =>
        {
            Some(c)
        }
        _ => None,
    }
}

/// The columns of a table and of what is joined to it, if all are known.
fn outputs(table: &TableWithJoins, columns_of: ColumnsOf<'_>) -> Option<Vec<Output>> {
    let mut left = columns(&table.relation, columns_of)?;
    for join in &table.joins {
        let mut right = columns(&join.relation, columns_of)?;
        let names = match merging(&join.join_operator) {
            Some(JoinConstraint::Using(names)) => using(names)?,
            Some(_) => {
                let common = |(name, _): &&Output| right.iter().any(|(other, _)| other == name);
                left.iter()
                    .filter(common)
                    .map(|(name, _)| name.clone())
                    .collect()
            }
            None => Vec::new(),
        };
        let mut merged = Vec::with_capacity(left.len() + right.len());
        for name in &names {
            merged.push(left.iter().find(|(own, _)| own == name)?.clone());
        }
        left.retain(|(name, _)| !names.contains(name));
        right.retain(|(name, _)| !names.contains(name));
        merged.append(&mut left);
        merged.append(&mut right);
        left = merged;
    }
    Some(left)
}

fn columns(factor: &TableFactor, columns_of: ColumnsOf<'_>) -> Option<Vec<Output>> {
    let table = called(factor).ok()?;
    let columns = columns_of(factor)?.into_iter().map(|name| {
        let expr = Expr::CompoundIdentifier(vec![table.clone(), quoted(name.clone())]);
        (name, expr)
    });
    Some(columns.collect())
}

fn using(names: &[ObjectName]) -> Option<Vec<String>> {
    let single = |name: &ObjectName| match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(fold_identifier(ident)),
        _ => None,
    };
    names.iter().map(single).collect()
}

/// The merged columns, then the others of each table: where the first join merges
/// columns, and the following ones the same or none, it is known whose they are.
fn merged_first(table: &TableWithJoins) -> Result<Vec<SelectItem>, SqlError> {
    let names_of = |join: &Join| match merging(&join.join_operator) {
        Some(JoinConstraint::Using(names)) => using(names).map(Some),
        Some(_) => None,
        None => Some(None),
    };
    let all: Option<Vec<Option<Vec<String>>>> = table.joins.iter().map(names_of).collect();
    let all = all.ok_or_else(refused)?;
    let Some(Some(names)) = all.first() else {
        return Err(refused());
    };
    if all.iter().flatten().any(|other| other != names) {
        return Err(refused());
    }
    let side = called(&table.relation)?;
    let column = |name: &String| {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![
            side.clone(),
            quoted(name.clone()),
        ]))
    };
    let mut items: Vec<SelectItem> = names.iter().map(column).collect();
    items.push(others(&table.relation, names)?);
    for (join, merged) in table.joins.iter().zip(&all) {
        items.push(others(
            &join.relation,
            merged.as_deref().unwrap_or_default(),
        )?);
    }
    Ok(items)
}

/// All columns of a table without some.
fn others(factor: &TableFactor, without: &[String]) -> Result<SelectItem, SqlError> {
    let name = |name: &String| ObjectName::from(vec![quoted(name.clone())]);
    let excluded = (!without.is_empty())
        .then(|| ExcludeSelectItem::Multiple(without.iter().map(name).collect()));
    Ok(SelectItem::QualifiedWildcard(
        SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![called(factor)?])),
        WildcardAdditionalOptions {
            opt_exclude: excluded,
            ..WildcardAdditionalOptions::default()
        },
    ))
}
