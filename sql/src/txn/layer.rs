//! The changes of a transaction that nobody else sees yet.
//!
//! Each statement writes into a layer of its own, so that it never sees its own
//! changes while it runs; a finished statement's layer is frozen and pushed on
//! the [`LayerStack`]. Savepoints remember a height of the stack, and going
//! back to one drops the layers above it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kimberlite_storage::Space;

/// A stream of changes: a table's rows, an index's entries or the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// Which projection the stream belongs to.
    pub space: Space,
    /// The stream's number within the tenant.
    pub stream: u64,
}

/// What happened to a key, relative to the state beneath the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The key did not exist.
    Insert,
    /// The key existed with another value.
    Update,
    /// The key existed.
    Delete,
}

/// The newest state of one key in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub kind: EntryKind,
    /// The new value; empty for a deletion.
    pub value: Bytes,
    /// Changed columns by `attnum` for an update; empty means all or unknown.
    pub changed: Vec<u16>,
}

impl Entry {
    /// An insertion.
    pub fn insert(value: impl Into<Bytes>) -> Self {
        Self {
            kind: EntryKind::Insert,
            value: value.into(),
            changed: Vec::new(),
        }
    }

    /// An update of the given columns.
    pub fn update(value: impl Into<Bytes>, changed: Vec<u16>) -> Self {
        Self {
            kind: EntryKind::Update,
            value: value.into(),
            changed,
        }
    }

    /// A deletion.
    pub fn delete() -> Self {
        Self {
            kind: EntryKind::Delete,
            value: Bytes::new(),
            changed: Vec::new(),
        }
    }

    /// Bytes that the entry holds, for the memory bound.
    fn weight(&self) -> usize {
        self.value.len() + self.changed.len() * 2 + ENTRY_OVERHEAD
    }

    /// The entry that has the effect of `self` followed by `newer`; `None` when
    /// together they did nothing.
    fn followed_by(self, newer: Self) -> Option<Self> {
        use EntryKind::{Delete, Insert, Update};
        match (self.kind, newer.kind) {
            (Insert, Delete) => None,
            (Insert, _) => Some(Self {
                kind: Insert,
                ..newer
            }),
            (Delete, Delete) => Some(newer),
            (Delete, _) => Some(Self {
                kind: Update,
                changed: Vec::new(),
                ..newer
            }),
            (Update, Update) => Some(Self {
                changed: union(self.changed, &newer.changed),
                ..newer
            }),
            (Update, _) => Some(newer),
        }
    }
}

/// Changed columns of two updates; an empty list means "all" and wins.
fn union(mut a: Vec<u16>, b: &[u16]) -> Vec<u16> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    for column in b {
        if !a.contains(column) {
            a.push(*column);
        }
    }
    a
}

/// Rough cost of a tree node and its bookkeeping, in bytes.
const ENTRY_OVERHEAD: usize = 96;

/// Changes by stream and key. Keys carry no tenant and no stream.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    streams: BTreeMap<StreamKey, BTreeMap<Box<[u8]>, Entry>>,
    weight: usize,
}

impl Layer {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Approximate memory in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The state of a key, if this layer changed it.
    pub fn get(&self, stream: StreamKey, key: &[u8]) -> Option<&Entry> {
        self.streams.get(&stream)?.get(key)
    }

    /// The changes of one stream in key order.
    pub fn stream(&self, stream: StreamKey) -> Option<&BTreeMap<Box<[u8]>, Entry>> {
        self.streams.get(&stream)
    }

    /// All changes by stream, in stream order.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamKey, &BTreeMap<Box<[u8]>, Entry>)> {
        self.streams.iter()
    }

    /// The changes, by stream and key.
    pub fn into_streams(self) -> BTreeMap<StreamKey, BTreeMap<Box<[u8]>, Entry>> {
        self.streams
    }

    /// Records a change made after all others in this layer.
    pub fn put(&mut self, stream: StreamKey, key: &[u8], entry: Entry) {
        let changes = self.streams.entry(stream).or_default();
        if let Some(slot) = changes.get_mut(key) {
            let old = std::mem::replace(slot, Entry::delete());
            self.weight -= old.weight() + key.len();
            match old.followed_by(entry) {
                Some(merged) => {
                    self.weight += merged.weight() + key.len();
                    *slot = merged;
                }
                None => {
                    changes.remove(key);
                    if changes.is_empty() {
                        self.streams.remove(&stream);
                    }
                }
            }
            return;
        }
        self.weight += entry.weight() + key.len();
        changes.insert(key.into(), entry);
    }

    /// Puts all changes of `newer` on top of this layer's.
    pub fn absorb(&mut self, newer: Self) {
        if self.is_empty() {
            *self = newer;
            return;
        }
        for (stream, changes) in newer.streams {
            for (key, entry) in changes {
                self.put(stream, &key, entry);
            }
        }
    }
}

/// The frozen layers of a transaction, oldest first.
#[derive(Debug, Clone, Default)]
pub struct LayerStack {
    layers: Vec<Arc<Layer>>,
    /// Heights that savepoints hold on to: layers below must not be merged with
    /// layers above.
    floors: Vec<usize>,
}

/// Bytes up to which a layer is moved into the one below without a thought.
const SMALL_LAYER: usize = 64 << 10;

/// Layers above this number are merged, so that reads stay cheap.
const MAX_LAYERS: usize = 8;

impl LayerStack {
    /// Whether the transaction has changed nothing.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers, oldest first.
    pub fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// Approximate memory in bytes.
    pub fn weight(&self) -> usize {
        self.layers.iter().map(|l| l.weight()).sum()
    }

    /// Adds the changes of a finished statement.
    pub fn push(&mut self, layer: Layer) {
        if layer.is_empty() {
            return;
        }
        let floor = self.floors.last().copied().unwrap_or(0);
        if self.layers.len() > floor
            && let Some(top) = self.layers.last_mut().and_then(Arc::get_mut)
            // A large layer is cheaper to keep than to move into a small one.
            && layer.weight() <= top.weight().saturating_mul(4) + SMALL_LAYER
        {
            top.absorb(layer);
            return;
        }
        self.layers.push(Arc::new(layer));
        self.limit_height(floor);
    }

    /// Merges the layers above the newest savepoint when there are too many.
    fn limit_height(&mut self, floor: usize) {
        if self.layers.len() - floor <= MAX_LAYERS {
            return;
        }
        let mut merged = Layer::default();
        for layer in self.layers.drain(floor..) {
            merged.absorb(Arc::unwrap_or_clone(layer));
        }
        self.layers.push(Arc::new(merged));
    }

    /// Marks a savepoint; returns the height to go back to.
    pub fn mark(&mut self) -> usize {
        self.floors.push(self.layers.len());
        self.layers.len()
    }

    /// Drops everything above `height` and the marks above it.
    pub fn rollback_to(&mut self, height: usize) {
        self.layers.truncate(height);
        self.floors.retain(|f| *f <= height);
    }

    /// Forgets the newest `count` marks; their changes stay.
    pub fn release(&mut self, count: usize) {
        let keep = self.floors.len().saturating_sub(count);
        self.floors.truncate(keep);
    }

    /// All changes as one layer.
    pub fn into_layer(self) -> Layer {
        let mut merged = Layer::default();
        for layer in self.layers {
            merged.absorb(Arc::unwrap_or_clone(layer));
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const STREAM: StreamKey = StreamKey {
        space: Space::Rows,
        stream: 7,
    };

    /// What a transaction does, one step at a time.
    #[derive(Debug, Clone)]
    enum Step {
        /// Insert, update or delete a key, whichever its state allows.
        Change(u8, Option<u8>),
        EndStatement,
        Savepoint,
        RollBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..6_u8, proptest::option::of(any::<u8>())).prop_map(|(k, v)| Step::Change(k, v)),
            3 => Just(Step::EndStatement),
            1 => Just(Step::Savepoint),
            1 => Just(Step::RollBack),
        ];
        proptest::collection::vec(step, 0..80)
    }

    type Model = BTreeMap<u8, u8>;

    /// The entry that takes `now` to `value`; none when there is nothing to do.
    fn entry(now: Option<&u8>, value: Option<u8>) -> Option<Entry> {
        match (now, value) {
            (None, None) => None,
            (None, Some(v)) => Some(Entry::insert(vec![v])),
            (Some(_), Some(v)) => Some(Entry::update(vec![v], vec![1])),
            (Some(_), None) => Some(Entry::delete()),
        }
    }

    /// What a reader sees of `base` under the stack.
    fn seen(base: &Model, layers: &[Arc<Layer>]) -> Model {
        let mut seen = base.clone();
        for layer in layers {
            for (key, entry) in layer.stream(STREAM).into_iter().flatten() {
                match entry.kind {
                    EntryKind::Delete => seen.remove(&key[0]),
                    _ => seen.insert(key[0], entry.value[0]),
                };
            }
        }
        seen
    }

    proptest! {
        /// Layers, merged or not, rolled back or not, show what happened; and the
        /// changes that are committed say truly whether a key was there before.
        #[test]
        fn layers_are_what_happened(base in proptest::collection::btree_map(0..6_u8, any::<u8>(), 0..6), steps in steps()) {
            let mut stack = LayerStack::default();
            let mut statement = Layer::default();
            let mut model = base.clone();
            let mut marks: Vec<(usize, Model)> = Vec::new();
            for step in steps {
                match step {
                    Step::Change(key, value) => {
                        if let Some(entry) = entry(model.get(&key), value) {
                            statement.put(STREAM, &[key], entry);
                            match value {
                                Some(v) => model.insert(key, v),
                                None => model.remove(&key),
                            };
                        }
                    }
                    Step::EndStatement => stack.push(std::mem::take(&mut statement)),
                    Step::Savepoint => {
                        stack.push(std::mem::take(&mut statement));
                        marks.push((stack.mark(), model.clone()));
                    }
                    Step::RollBack => {
                        if let Some((height, before)) = marks.last() {
                            statement = Layer::default();
                            stack.rollback_to(*height);
                            model = before.clone();
                        }
                    }
                }
            }
            stack.push(statement);
            prop_assert_eq!(&seen(&base, stack.layers()), &model);
            let committed = stack.into_layer();
            for (key, entry) in committed.stream(STREAM).into_iter().flatten() {
                let existed = base.contains_key(&key[0]);
                prop_assert_eq!(entry.kind != EntryKind::Insert, existed, "key {}", key[0]);
            }
            prop_assert_eq!(seen(&base, &[Arc::new(committed)]), model);
        }
    }

    #[test]
    fn weight_comes_and_goes() {
        let mut layer = Layer::default();
        layer.put(STREAM, b"k", Entry::insert(vec![0; 100]));
        assert!(layer.weight() >= 100);
        layer.put(STREAM, b"k", Entry::delete());
        assert_eq!(layer.weight(), 0);
        assert!(layer.is_empty());
    }

    #[test]
    fn updates_of_some_columns_add_up() {
        let mut layer = Layer::default();
        layer.put(STREAM, b"k", Entry::update(vec![1], vec![2]));
        layer.put(STREAM, b"k", Entry::update(vec![2], vec![3, 2]));
        assert_eq!(layer.get(STREAM, b"k").unwrap().changed, [2, 3]);
    }
}
