//! Corruption of a log, in every way and place, and what verification and
//! opening say about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::{VerifyOptions, VerifyReport, inspect, verify};
use crate::disk::{Disk, Fault, MemDisk};
use crate::env::fixed::FixedClock;
use crate::error::{DamageKind, StorageError};
use crate::ids::TenantId;
use crate::segment::{self, Segment};
use crate::testing::{DIR, TestNode, dir, first_segment, noise, open, sets};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEGMENT: u64 = 128 << 10;

fn options(disk: &MemDisk) -> VerifyOptions {
    VerifyOptions {
        data_dir: dir(),
        disk: Arc::new(disk.clone()),
        full_scan: true,
        tenant: None,
        from: None,
        to: None,
        keys: None,
        clock: Arc::new(FixedClock::new(0, 1000)),
    }
}

fn check(disk: &MemDisk) -> VerifyReport {
    verify(&options(disk), &|_| {}).unwrap()
}

/// A log of several segments, closed in good order, and its tenants.
fn sample() -> (MemDisk, [TenantId; 2]) {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenants = [node.new_tenant().unwrap(), node.new_tenant().unwrap()];
    for n in 0..80_u64 {
        let value = noise(n, 100 + 97 * (n as usize % 60));
        node.set(tenants[n as usize % 2], &format!("k{}", n % 50), &value)
            .unwrap();
    }
    let parts = [sets(&[("p", b"1")]), sets(&[("q", b"2")])];
    node.commit(node.seal_parts(tenants[0], &parts)).unwrap();
    node.close().unwrap();
    (disk, tenants)
}

fn segment_paths(disk: &MemDisk) -> Vec<PathBuf> {
    let firsts = segment::list(disk, &dir()).unwrap();
    firsts
        .iter()
        .map(|f| Path::new(DIR).join("log").join(segment::file_name(*f)))
        .collect()
}

/// Offset and length of block `index` in the first segment.
fn place(disk: &MemDisk, index: u64) -> (usize, usize) {
    let segment = Segment::open(disk, &dir(), 1, crate::disk::OpenMode::Read).unwrap();
    match segment.ident(index).unwrap() {
        segment::IdentSlot::Valid(ident) => (ident.offset as usize, ident.len as usize),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_log_is_clean_and_its_roots_are_those_of_the_tenants() {
    let (disk, tenants) = sample();
    let report = check(&disk);
    assert_eq!(report.damages, []);
    assert!(report.stopped && report.is_clean());
    assert_eq!((report.blocks, report.events), (83, 87));
    assert!(segment_paths(&disk).len() > 1);
    assert_eq!(report.tenants.len(), 2);
    for tenant in &report.tenants {
        assert!(tenants.contains(&tenant.tenant) && tenant.root.is_some());
    }
    let seen = inspect(&disk, &dir()).unwrap();
    assert_eq!((seen.blocks(), seen.events()), (83, 87));
    assert_eq!(seen.head(), report.head);
    let part = VerifyOptions {
        from: Some(20),
        to: Some(40),
        ..options(&disk)
    };
    let part = verify(&part, &|_| {}).unwrap();
    assert_eq!((part.blocks, part.is_clean()), (21, true));
    assert!(part.tenants.iter().all(|t| t.root.is_none()));
    assert!(report.throughput() > 0);
}

#[test]
fn a_running_log_is_clean() {
    let disk = MemDisk::new();
    let _lock = disk.lock(&dir().join("LOCK")).unwrap();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                node.set(tenant, "k", &noise(n, 900)).unwrap();
            }
        });
        while !writer.is_finished() {
            let report = check(&disk);
            assert_eq!(report.damages, []);
            assert!(!report.stopped);
        }
    });
}

#[test]
fn a_log_that_cannot_be_written_is_checked_to_its_end() {
    let (disk, _, running) = unclosed();
    drop(running);
    let writable = check(&disk);
    assert!(writable.stopped);
    disk.set_read_only(true);
    assert_eq!(check(&disk), writable);
    // A node that has it open.
    let _lock = disk.lock_shared(&dir().join("LOCK")).unwrap();
    let beside = check(&disk);
    assert!(!beside.stopped && beside.is_clean());
    assert_eq!(beside.blocks, writable.blocks - 1);
}

#[test]
fn every_damaged_block_is_named_and_the_rest_is_still_checked() {
    let (disk, tenants) = sample();
    let whole = check(&disk).blocks;
    for index in [5, 9] {
        let (offset, len) = place(&disk, index);
        disk.corrupt(&first_segment(), |b| b[offset + len - 30] ^= 4)
            .unwrap();
    }
    // A header too: its length can no longer be believed.
    let (header, _) = place(&disk, 13);
    disk.corrupt(&first_segment(), |b| b[header + 52] ^= 0x80)
        .unwrap();
    let report = check(&disk);
    let named: Vec<_> = report
        .damages
        .iter()
        .filter_map(|d| d.block_index)
        .collect();
    assert_eq!(named, [5, 9, 13]);
    assert_eq!(report.blocks, whole - 3);
    for damage in &report.damages {
        let index = damage.block_index.unwrap();
        assert_eq!(damage.kind, DamageKind::Checksum);
        assert_eq!(damage.offset as usize, place(&disk, index).0);
        assert!(damage.expected.is_some(), "{damage}");
        // The checksums tell; a hash that is as it should be would not.
        assert!(damage.found != damage.expected, "{damage}");
        assert!(damage.detail.contains("checksum"), "{damage}");
        assert_eq!(
            damage.tenants,
            [tenants[(index as usize - 3) % 2]],
            "{damage}"
        );
    }
}

#[test]
fn a_forged_block_with_good_checksums_is_found_by_its_hash() {
    let (disk, _) = sample();
    let (offset, len) = place(&disk, 7);
    disk.corrupt(&first_segment(), |bytes| {
        let block = &mut bytes[offset..offset + len];
        // A byte of the tenant_seq, then both checksums made to fit.
        block[156 + 20] ^= 1;
        let end = len - 4;
        let crc = crc32fast::hash(&block[156..end]).to_le_bytes();
        block[end..].copy_from_slice(&crc);
    })
    .unwrap();
    let report = check(&disk);
    assert_eq!(report.damages[0].kind, DamageKind::Hash);
    assert_eq!(report.damages[0].block_index, Some(7));
}

#[test]
fn a_missing_segment_and_a_missing_end_are_noticed() {
    let (disk, _) = sample();
    let paths = segment_paths(&disk);
    let first = disk.copy();
    first.remove(&paths[0]).unwrap();
    let damages = check(&first).damages;
    assert_eq!(damages[0].kind, DamageKind::Missing, "{damages:?}");
    let last = disk.copy();
    last.remove(paths.last().unwrap()).unwrap();
    let damages = check(&last).damages;
    assert_eq!(damages[0].kind, DamageKind::Missing, "{damages:?}");
    for damaged in [first, last] {
        assert!(open(&damaged, SEGMENT, 2).is_err());
    }
}

/// A small generator of places and ways.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Damages bytes somewhere in `bytes`; says how.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let len = bytes.len();
    let at = dice.below(len);
    let n = 1 + dice.below(3000).min(len - at - 1);
    let other = dice.below(len - n);
    match dice.below(6) {
        0 => {
            bytes[at] ^= 1 << dice.below(8);
            format!("bit flipped at {at}")
        }
        1 => {
            bytes[at..at + n].fill(0);
            format!("{n} zeroed at {at}")
        }
        2 => {
            bytes.truncate(at);
            format!("truncated to {at}")
        }
        3 => {
            let piece = bytes[other..other + n].to_vec();
            bytes[at..at + n].copy_from_slice(&piece);
            format!("{n} duplicated from {other} to {at}")
        }
        4 => {
            let (from, to) = (bytes[other..other + n].to_vec(), bytes[at..at + n].to_vec());
            bytes[at..at + n].copy_from_slice(&from);
            bytes[other..other + n].copy_from_slice(&to);
            format!("{n} swapped between {at} and {other}")
        }
        _ => {
            let end = (at / 512 * 512 + 512 * (1 + dice.below(8))).min(len);
            bytes[at / 512 * 512..end].fill(0);
            format!("torn: sectors from {} to {end} lost", at / 512 * 512)
        }
    }
}

#[test]
fn a_thousand_corruptions_are_detected_or_harmless() {
    let (disk, _) = sample();
    let good = open(&disk.copy(), SEGMENT, 2).unwrap().sink.rows();
    let paths = segment_paths(&disk);
    let (mut detected, mut unchanged) = (0, 0);
    for seed in 0..1000 {
        let mut dice = Dice(seed);
        let copy = disk.copy();
        let path = &paths[dice.below(paths.len())];
        let (mut how, mut same) = (String::new(), false);
        copy.corrupt(path, |bytes| {
            let before = bytes.clone();
            how = format!(
                "seed {seed}, {}: {}",
                path.display(),
                damage(bytes, &mut dice)
            );
            same = *bytes == before;
        })
        .unwrap();
        let report = check(&copy);
        if same {
            assert!(report.is_clean(), "{how}: {:?}", report.damages);
            unchanged += 1;
        } else {
            assert!(!report.is_clean(), "{how}: not noticed");
            detected += 1;
        }
        for found in &report.damages {
            assert!(found.file.starts_with("log/"), "{how}: {found}");
        }
        // Opening refuses, or serves exactly what was there.
        match open(&copy, SEGMENT, 3) {
            Ok(node) => assert_eq!(node.sink.rows(), good, "{how}"),
            Err(StorageError::Damaged(_)) => {}
            Err(other) => panic!("{how}: {other}"),
        }
    }
    assert!(detected > 500, "{detected} detected, {unchanged} unchanged");
}

fn unclosed() -> (MemDisk, TenantId, TestNode) {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    for n in 0..6_u64 {
        node.set(tenant, "k", &noise(n, 2000)).unwrap();
    }
    // The superblock still says block 0: nothing but the log knows the rest.
    (disk.crash(0), tenant, node)
}

#[test]
fn the_last_block_with_a_lost_sector_is_torn_and_with_a_changed_one_is_not() {
    let (disk, tenant, _running) = unclosed();
    let (offset, len) = place(&disk, 7);
    let sector = (offset + len / 2) / 512 * 512;
    let torn = disk.copy();
    torn.corrupt(&first_segment(), |b| b[sector..sector + 512].fill(0))
        .unwrap();
    let report = check(&torn);
    assert!(
        report.is_clean() && report.torn_tail.is_some(),
        "{report:?}"
    );
    let node = open(&torn, SEGMENT, 2).unwrap();
    assert_eq!(node.recovered.notes[0].kind, DamageKind::TornTail);
    assert_eq!(node.value(tenant, "k"), Some(noise(4, 2000)));
    drop(node);
    assert!(check(&torn).is_clean());

    let rotten = disk.copy();
    rotten
        .corrupt(&first_segment(), |b| b[sector] ^= 1)
        .unwrap();
    assert_eq!(check(&rotten).damages[0].block_index, Some(7));
    for _ in 0..2 {
        let Err(StorageError::Damaged(found)) = open(&rotten, SEGMENT, 2).map(drop) else {
            panic!("the block was silently dropped");
        };
        assert!(found.detail.contains("quarantine/block-"), "{found}");
    }
    let copies = rotten.list(&dir().join("quarantine")).unwrap();
    assert_eq!(copies.len(), 1);
}

#[test]
fn a_torn_look_before_the_last_block_is_rot() {
    let (disk, _, _running) = unclosed();
    let (offset, len) = place(&disk, 6);
    let sector = (offset + len / 2) / 512 * 512;
    disk.corrupt(&first_segment(), |b| b[sector..sector + 512].fill(0))
        .unwrap();
    let Err(StorageError::Damaged(found)) = open(&disk, SEGMENT, 2).map(drop) else {
        panic!("an acknowledged block was dropped");
    };
    assert_eq!(found.block_index, Some(6));
    assert!(found.detail.contains("was acknowledged"), "{found}");
}

#[test]
fn a_lost_ident_entry_is_written_again() {
    let (disk, tenant, _running) = unclosed();
    let at = 4096 + 64 * 6;
    disk.corrupt(&first_segment(), |b| b[at..at + 64].fill(0))
        .unwrap();
    assert_eq!(check(&disk).damages[0].kind, DamageKind::Mismatch);
    let node = open(&disk, SEGMENT, 2).unwrap();
    assert_eq!(node.value(tenant, "k"), Some(noise(5, 2000)));
    assert_eq!(node.recovered.notes.len(), 1);
    drop(node);
    assert!(check(&disk).is_clean());
}

#[test]
fn what_is_no_data_directory_cannot_be_verified() {
    let disk = MemDisk::new();
    disk.inject(Fault::CrashAt(u64::MAX));
    assert!(verify(&options(&disk), &|_| {}).is_err());
}
