//! Names for the relations and columns of a query, as they have to be today.
//!
//! A relation keeps its alias or goes by its present name; where that is taken, a
//! number is added. Columns keep what the query called them, or go by their present
//! names. Where columns came or went since the query was kept, aliases see to it that
//! the query still means the same.

mod join;

use std::collections::{HashMap, HashSet};

use super::tree::{Join, Query, Relation, RelationKind};
use crate::pg_catalog::{Facts, Object};
use crate::query::SEQUENCE_COLUMNS;

/// The longest name.
const NAME_MAX: usize = crate::types::MAX_NAME_BYTES;

/// The names of one query's relations and columns.
#[derive(Debug)]
pub(super) struct Space<'q> {
    pub(super) query: &'q Query,
    /// Of each relation; nothing for a join without alias.
    pub(super) names: Vec<Option<String>>,
    pub(super) columns: Vec<ColumnNames>,
    /// Names of merged columns that nothing else in the query may have.
    merged_names: Vec<String>,
    /// Whether merged columns need such names.
    unique_merged: bool,
}

/// The names of one relation's columns.
#[derive(Debug, Default)]
pub(super) struct ColumnNames {
    /// By the place in the relation; nothing for a column that is gone.
    pub(super) names: Vec<Option<String>>,
    /// Of the columns that there are today, in order, and whether each is newer than
    /// the query.
    pub(super) present: Vec<(String, bool)>,
    /// Whether aliases have to be written.
    pub(super) shown: bool,
    /// The columns of USING.
    pub(super) merged: Vec<String>,
    /// Merged columns of the joins around.
    outer_merged: Vec<String>,
}

impl ColumnNames {
    fn make_room(&mut self, count: usize) {
        if self.names.len() < count {
            self.names.resize(count, None);
        }
    }

    fn set(&mut self, place: usize, name: &str) {
        self.make_room(place + 1);
        if let Some(slot) = self.names.get_mut(place) {
            *slot = Some(name.to_owned());
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<&str> {
        self.names.get(place)?.as_deref()
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().flatten().any(|n| n == name)
            || self.present.iter().any(|(n, _)| n == name)
            || self.outer_merged.iter().any(|n| n == name)
    }
}

impl<'q> Space<'q> {
    /// Chooses the names of a query inside of others. `taken` are names that it must
    /// not use although nothing shows them.
    pub(super) fn new(
        facts: &Facts<'_>,
        query: &'q Query,
        outer: &[Space<'_>],
        taken: &[&str],
    ) -> Self {
        let mut space = Self {
            query,
            names: relation_names(facts, query, outer, taken),
            columns: query
                .relations
                .iter()
                .map(|_| ColumnNames::default())
                .collect(),
            merged_names: Vec::new(),
            unique_merged: query
                .from
                .iter()
                .any(|item| join::is_dangerous(query, item)),
        };
        for item in &query.from {
            space.name_merged(item, &[]);
        }
        for (index, relation) in query.relations.iter().enumerate() {
            match &relation.kind {
                RelationKind::Join(join) => space.name_joined(index, relation, join),
                _ => space.name_columns(facts, index, relation),
            }
        }
        space
    }

    /// A name that nothing else there has.
    fn unique(&self, index: usize, name: &str) -> String {
        let free = |name: &str| {
            !self.columns.get(index).is_some_and(|c| c.has(name))
                && !self.merged_names.iter().any(|n| n == name)
        };
        if free(name) {
            return name.to_owned();
        }
        (1_u32..)
            .map(|number| numbered(name, number))
            .find(|name| free(name))
            .unwrap_or_else(|| name.to_owned())
    }

    fn name_columns(&mut self, facts: &Facts<'_>, index: usize, relation: &Relation) {
        let real = real_names(facts, relation);
        let known = relation.columns.len();
        let mut changed = false;
        for (place, real) in real.iter().enumerate() {
            let Some(real) = real else {
                continue;
            };
            let given = self.columns.get(index).and_then(|c| c.get(place));
            let name = match given {
                Some(name) => name.to_owned(),
                None => {
                    let alias = relation.alias_columns.get(place);
                    self.unique(index, alias.filter(|a| !a.is_empty()).unwrap_or(real))
                }
            };
            changed |= name != *real;
            if let Some(own) = self.columns.get_mut(index) {
                own.set(place, &name);
                own.present.push((name, place >= known));
            }
        }
        if let Some(own) = self.columns.get_mut(index) {
            own.make_room(real.len());
            own.shown = match &relation.kind {
                RelationKind::Stored { .. } => changed,
                RelationKind::Function { .. } => true,
                _ => changed || !relation.alias_columns.is_empty(),
            };
        }
    }
}

/// A name with a number, cut so that it is not too long.
fn numbered(name: &str, number: u32) -> String {
    let suffix = format!("_{number}");
    let mut end = name.len().min(NAME_MAX.saturating_sub(suffix.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", name.get(..end).unwrap_or(name))
}

/// The names that the columns have today; nothing for columns that are gone.
fn real_names(facts: &Facts<'_>, relation: &Relation) -> Vec<Option<String>> {
    let kept = || {
        let names = relation.columns.iter().map(|(name, _)| name.clone());
        names
            .map(|name| Some(name).filter(|n| !n.is_empty()))
            .collect()
    };
    let RelationKind::Stored { oid, .. } = &relation.kind else {
        return kept();
    };
    match facts.object(*oid) {
        Some(Object::Table(table)) => {
            let last = table.columns.iter().map(|c| c.attnum).max().unwrap_or(0);
            (1..=last)
                .map(|attnum| table.attribute(attnum).map(|c| c.name.clone()))
                .collect()
        }
        Some(Object::View(view)) => view.columns.iter().map(|c| Some(c.name.clone())).collect(),
        Some(Object::Sequence(_)) => SEQUENCE_COLUMNS
            .iter()
            .map(|(name, _)| Some((*name).to_owned()))
            .collect(),
        _ => kept(),
    }
}

fn relation_names(
    facts: &Facts<'_>,
    query: &Query,
    outer: &[Space<'_>],
    taken: &[&str],
) -> Vec<Option<String>> {
    let mut used: HashSet<String> = outer
        .iter()
        .flat_map(|space| space.names.iter().flatten().cloned())
        .collect();
    used.extend(taken.iter().map(|name| (*name).to_owned()));
    let mut numbers: HashMap<String, u32> = HashMap::new();
    query
        .relations
        .iter()
        .map(|relation| {
            let name = own_name(facts, relation)?;
            if used.insert(name.clone()) {
                return Some(name);
            }
            loop {
                let number = numbers.entry(name.clone()).or_insert(0);
                *number += 1;
                let other = numbered(&name, *number);
                if used.insert(other.clone()) {
                    return Some(other);
                }
            }
        })
        .collect()
}

fn own_name(facts: &Facts<'_>, relation: &Relation) -> Option<String> {
    match (&relation.alias, &relation.kind) {
        (Some(alias), _) => Some(alias.clone()),
        (None, RelationKind::Join(_)) => None,
        (None, RelationKind::Stored { oid, .. }) => {
            let object = facts.object(*oid);
            Some(object.map_or_else(|| relation.name.clone(), |o| o.name().to_owned()))
        }
        (None, _) => Some(relation.name.clone()),
    }
}

/// The join that a relation is.
fn as_join(query: &Query, relation: usize) -> Option<(&Relation, &Join)> {
    let relation = query.relations.get(relation)?;
    match &relation.kind {
        RelationKind::Join(join) => Some((relation, join)),
        _ => None,
    }
}
