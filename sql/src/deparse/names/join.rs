//! Names of the columns of joins.

use super::super::tree::{From, Join, Query, Relation};
use super::{ColumnNames, Space, as_join};

/// Whether a join without alias has a merged column that is not just one of a side.
pub(super) fn is_dangerous(query: &Query, item: &From) -> bool {
    let From::Join {
        relation,
        left,
        right,
        using,
        ..
    } = item
    else {
        return false;
    };
    let own = as_join(query, *relation).is_some_and(|(relation, join)| {
        relation.alias.is_none()
            && !using.is_empty()
            && join
                .nodes
                .iter()
                .take(join.merged)
                .any(|node| !node.is_column())
    });
    own || is_dangerous(query, left) || is_dangerous(query, right)
}

impl Space<'_> {
    /// Chooses the names of the columns that USING merges, and hands those that joins
    /// around have chosen down to what is joined.
    pub(super) fn name_merged(&mut self, item: &From, around: &[String]) {
        let From::Join {
            relation: index,
            left,
            right,
            using,
            ..
        } = item
        else {
            return;
        };
        let query = self.query;
        let Some((relation, join)) = as_join(query, *index) else {
            return;
        };
        if relation.alias.is_none() {
            let given: Vec<(usize, String)> = self
                .columns
                .get(*index)
                .iter()
                .flat_map(|own| own.names.iter().enumerate())
                .filter_map(|(place, name)| Some((place, name.clone()?)))
                .collect();
            for (place, name) in given {
                self.hand_down(join, place, &name);
            }
        }
        let mut around = around.to_vec();
        for (place, written) in using.iter().enumerate() {
            let given = self.columns.get(*index).and_then(|own| own.get(place));
            let name = match given {
                Some(name) => name.to_owned(),
                None => {
                    let alias = relation.alias_columns.get(place);
                    let name = self.unique(*index, alias.unwrap_or(written));
                    if self.unique_merged {
                        self.merged_names.push(name.clone());
                    }
                    name
                }
            };
            if let Some(own) = self.columns.get_mut(*index) {
                own.set(place, &name);
                own.merged.push(name.clone());
            }
            self.hand_down(join, place, &name);
            around.push(name);
        }
        for side in [join.left, join.right] {
            if let Some(own) = self.columns.get_mut(side) {
                own.outer_merged.clone_from(&around);
            }
        }
        self.name_merged(left, &around);
        self.name_merged(right, &around);
    }

    fn hand_down(&mut self, join: &Join, place: usize, name: &str) {
        let sides = [
            (join.left, &join.left_places),
            (join.right, &join.right_places),
        ];
        for (side, places) in sides {
            if let Some(below) = places.get(place).and_then(|p| p.checked_sub(1))
                && let Some(own) = self.columns.get_mut(side)
            {
                own.set(below, name);
            }
        }
    }

    /// The name that a column of a join has below it.
    fn below(&self, join: &Join, place: usize) -> Option<String> {
        let at = |side: usize, places: &[usize]| {
            let below = places.get(place)?.checked_sub(1)?;
            Some(self.columns.get(side)?.get(below).map(str::to_owned))
        };
        at(join.left, &join.left_places)
            .or_else(|| at(join.right, &join.right_places))
            .flatten()
    }

    pub(super) fn name_joined(&mut self, index: usize, relation: &Relation, join: &Join) {
        let count = relation.columns.len();
        let named = relation.alias.is_some();
        let mut changed = false;
        if let Some(own) = self.columns.get_mut(index) {
            own.make_room(count);
        }
        for place in join.merged..count {
            let below = self.below(join, place);
            let given = self.columns.get(index).and_then(|own| own.get(place));
            let name = match (&below, given) {
                (None, _) => None,
                (Some(below), _) if !named => Some(below.clone()),
                (Some(_), Some(given)) => Some(given.to_owned()),
                (Some(below), None) => {
                    let alias = relation.alias_columns.get(place).unwrap_or(below);
                    Some(self.unique(index, alias))
                }
            };
            changed |= named && name != below;
            if let Some(slot) = self
                .columns
                .get_mut(index)
                .and_then(|own| own.names.get_mut(place))
            {
                *slot = name;
            }
        }
        changed |= self.present_columns(index, named, join);
        if let Some(own) = self.columns.get_mut(index) {
            own.shown = named && changed;
        }
    }

    /// Lists the columns that the join would have today; whether a newer one had to
    /// get another name than below.
    fn present_columns(&mut self, index: usize, named: bool, join: &Join) -> bool {
        let mut changed = false;
        let merged: Vec<(String, bool)> = (0..join.merged)
            .filter_map(|place| Some((self.columns.get(index)?.get(place)?.to_owned(), false)))
            .collect();
        if let Some(own) = self.columns.get_mut(index) {
            own.present = merged;
        }
        let mut next = join.merged;
        for (side, places) in [
            (join.left, &join.left_places),
            (join.right, &join.right_places),
        ] {
            let merged: Vec<usize> = places.iter().take(join.merged).copied().collect();
            let Some(below) = self.columns.get(side) else {
                continue;
            };
            let mut old = (1_usize..).zip(&below.names);
            let mut listed: Vec<(String, Option<usize>)> = Vec::new();
            for (name, new) in &below.present {
                let place = match new {
                    true => None,
                    false => old.by_ref().find(|(_, n)| n.is_some()).map(|(p, _)| p),
                };
                listed.push((name.clone(), place));
            }
            for (name, place) in listed {
                let (name, new) = match place {
                    Some(place) if merged.contains(&place) => continue,
                    Some(_) => {
                        let own = self.columns.get(index);
                        let found = own.and_then(|own| next_name(own, &mut next));
                        (found.unwrap_or(name), false)
                    }
                    None if named => {
                        let unique = self.unique(index, &name);
                        changed |= unique != name;
                        (unique, true)
                    }
                    None => (name, true),
                };
                if let Some(own) = self.columns.get_mut(index) {
                    own.present.push((name, new));
                }
            }
        }
        changed
    }
}

/// The next column that is still there.
fn next_name(own: &ColumnNames, next: &mut usize) -> Option<String> {
    while let Some(name) = own.names.get(*next) {
        *next += 1;
        if name.is_some() {
            return name.clone();
        }
    }
    None
}
