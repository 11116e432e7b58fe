//! Random logs against a model in ordinary maps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::*;
use crate::ids::TenantId;
use crate::projection::{Projection, ProjectionOptions, csn};
use crate::txn::{Space, StreamChanges, Txn};

/// What one change is meant to do; the operation follows from what is there.
#[derive(Clone, Debug)]
enum Wish {
    Put(u8, u16),
    Remove(u8),
}

type Wishes = Vec<(bool, u8, Wish)>;

/// A transaction: tenant, whether it comes in parts, wishes.
type Transaction = (bool, bool, Wishes);

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        3 => (0_u8..12, any::<u16>()).prop_map(|(key, value)| Wish::Put(key, value)),
        1 => (0_u8..12).prop_map(Wish::Remove),
    ]
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let wishes = prop::collection::vec((any::<bool>(), 0_u8..3, wish()), 0..40);
    (any::<bool>(), prop::bool::weighted(0.15), wishes)
}

type Rows = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;
type Past = BTreeMap<(u8, Vec<u8>, u64), (u64, Vec<u8>)>;

/// What the projection must say.
#[derive(Clone, Default)]
struct Model {
    rows: Rows,
    catalog: Rows,
    index: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Space, physical key, `to` → `from`, value.
    history: Past,
}

impl Model {
    /// Carries out wishes at `csn` and returns the changes that say so.
    fn carry_out(&mut self, tenant: TenantId, csn: u64, wishes: &Wishes) -> Vec<StreamChanges> {
        let mut streams = Vec::new();
        for (first_stream, space, wish) in wishes {
            let space = [Space::Rows, Space::Index, Space::Catalog][usize::from(*space)];
            let id = if *first_stream { 1 } else { 2 };
            if let Some(change) = self.one(tenant, csn, space, id, wish) {
                streams.push(stream(space, id, vec![change]));
            }
        }
        streams
    }

    fn one(
        &mut self,
        tenant: TenantId,
        csn: u64,
        space: Space,
        id: u64,
        wish: &Wish,
    ) -> Option<crate::txn::Change> {
        let (Wish::Put(key, _) | Wish::Remove(key)) = wish;
        let place = physical(tenant, id, [*key]);
        let versions = match space {
            Space::Index => {
                return match wish {
                    Wish::Put(_, value) => {
                        self.index.insert(place, value.to_le_bytes().to_vec());
                        Some(insert([*key], value.to_le_bytes()))
                    }
                    Wish::Remove(_) => self.index.remove(&place).map(|_| delete([*key])),
                };
            }
            Space::Rows => &mut self.rows,
            Space::Catalog => &mut self.catalog,
        };
        let old = versions.remove(&place);
        let existed = old.is_some();
        if let Some((from, value)) = old.filter(|(from, _)| *from < csn) {
            self.history
                .insert((space as u8, place.clone(), csn), (from, value));
        }
        match wish {
            Wish::Put(_, value) => {
                versions.insert(place, (csn, value.to_le_bytes().to_vec()));
                let op = if existed { update } else { insert };
                Some(op([*key], value.to_le_bytes()))
            }
            Wish::Remove(_) => existed.then(|| delete([*key])),
        }
    }

    fn check(&self, projection: &Projection) {
        let stored = |versions: &Rows| -> Vec<(Vec<u8>, Vec<u8>)> {
            let join =
                |(csn, value): &(u64, Vec<u8>)| [csn.to_le_bytes().as_slice(), value].concat();
            versions
                .iter()
                .map(|(key, version)| (key.clone(), join(version)))
                .collect()
        };
        assert_eq!(all(projection, Space::Rows), stored(&self.rows));
        assert_eq!(all(projection, Space::Catalog), stored(&self.catalog));
        let index: Vec<_> = self.index.clone().into_iter().collect();
        assert_eq!(all(projection, Space::Index), index);
        let mut found = BTreeMap::new();
        let snapshot = projection.snapshot();
        for space in [Space::Rows, Space::Index, Space::Catalog] {
            for (tenant, id, key) in places() {
                let place = physical(tenant, id, [key]);
                let collect = |version: crate::projection::PastVersion<'_>| {
                    let at = (space as u8, place.clone(), version.to);
                    found.insert(at, (version.from, version.value.to_vec()));
                    Ok(())
                };
                snapshot.history(space, &place, collect).unwrap();
            }
        }
        assert_eq!(found, self.history);
    }
}

fn places() -> impl Iterator<Item = (TenantId, u64, u8)> {
    let tenants = [ALICE, BOB].into_iter();
    tenants.flat_map(|tenant| (1..3).flat_map(move |id| (0..12).map(move |key| (tenant, id, key))))
}

/// Cuts a transaction into three parts and a close.
fn cut(whole: Txn) -> (Vec<Txn>, Txn) {
    let size = whole.streams.len().div_ceil(4).max(1);
    let mut pieces = whole.streams.chunks(size).map(<[StreamChanges]>::to_vec);
    let last = pieces.next_back().unwrap_or_default();
    let parts: Vec<_> = pieces.map(txn).collect();
    let part_count = u32::try_from(parts.len()).unwrap();
    (
        parts,
        Txn {
            part_count,
            ..txn(last)
        },
    )
}

struct EachClose(BTreeMap<u16, Vec<Txn>>);

impl crate::projection::PartSource for EachClose {
    fn for_each_part(
        &mut self,
        _index: u64,
        close: &crate::projection::OpenedEvent,
        each: &mut dyn FnMut(Txn) -> crate::Result<()>,
    ) -> crate::Result<()> {
        self.0
            .remove(&close.ordinal)
            .unwrap_or_default()
            .into_iter()
            .try_for_each(each)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_projection_is_what_the_model_says(
        blocks in prop::collection::vec(
            (prop::collection::vec(transaction(), 0..4), 0_u8..8),
            1..12,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = ProjectionOptions { bulk_chunk_bytes: 300, ..options() };
        let mut projection = Projection::open(dir.path(), &key(7), &options).unwrap();
        let mut log = Log::default();
        let mut model = Model::default();
        for (at, (transactions, then)) in blocks.iter().enumerate() {
            let index = at as u64 + 1;
            let mut parts = EachClose(BTreeMap::new());
            let happenings = transactions.iter().enumerate().map(|(ordinal, transaction)| {
                let (alice, in_parts, wishes) = transaction;
                let tenant = if *alice { ALICE } else { BOB };
                let ordinal = ordinal as u16;
                let whole = txn(model.carry_out(tenant, csn(index, ordinal), wishes));
                if !in_parts {
                    return Happening::Txn(tenant, whole);
                }
                let (cut_parts, close) = cut(whole);
                parts.0.insert(ordinal, cut_parts);
                Happening::Txn(tenant, close)
            });
            let block = log.block(happenings.collect());
            if block.closes_parts() {
                projection.apply_bulk(&block, &mut parts).unwrap();
            } else {
                projection.apply(&block).unwrap();
            }
            projection.publish().unwrap();
            match then {
                0 => projection.flush().unwrap(),
                1 => {
                    drop(projection);
                    projection = Projection::open(dir.path(), &key(7), &options).unwrap();
                    prop_assert_eq!(projection.applied(), Some((block.index, block.hash)));
                }
                2 => model.check(&projection),
                _ => {}
            }
        }
        model.check(&projection);
    }
}
