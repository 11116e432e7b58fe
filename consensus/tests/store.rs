//! A store on a real file system, with the real projection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kimberlite_consensus::node::Alone;
use kimberlite_storage::env::fixed::{FixedClock, FixedEntropy};
use kimberlite_storage::verify::{VerifyKeys, VerifyOptions, verify};
use kimberlite_storage::{
    Change, DamageKind, EventKind, FsDisk, MemDisk, Op, SealedEvent, SealedTransaction, Space,
    StorageError, Store, StoreOptions, StreamChanges, TenantId, Txn, rebuild_projection, txn,
};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const STREAM: u64 = 7;

fn options(dir: &Path, key: &str, seed: u64) -> StoreOptions {
    StoreOptions {
        data_dir: dir.to_owned(),
        key_provider: Arc::new(kimberlite_storage::EnvKeyProvider::new(key).unwrap()),
        clock: Arc::new(FixedClock::new(1_000_000, 1)),
        entropy: Arc::new(FixedEntropy::new(seed)),
        disk: Arc::new(FsDisk),
        segment_bytes: 4 << 20,
        replica: Box::new(Alone),
        on_fatal: Box::new(|error| panic!("{error}")),
        progress: Box::new(|_| {}),
    }
}

fn open(dir: &Path, seed: u64) -> Store {
    Store::open(options(dir, KEY, seed)).unwrap()
}

fn change(key: &str, value: &[u8]) -> Change {
    Change {
        op: Op::Insert as i32,
        key: key.as_bytes().to_vec().into(),
        value: value.to_vec().into(),
        changed: Vec::new(),
    }
}

fn message(changes: Vec<Change>, part_count: u32) -> Txn {
    Txn {
        principal: String::new(),
        time_us: 0,
        statements: Vec::new(),
        streams: vec![StreamChanges {
            stream: STREAM,
            space: Space::Rows as i32,
            changes,
        }],
        part_count,
    }
}

fn seal(store: &Store, tenant: TenantId, txns: &[(EventKind, Txn)]) -> SealedTransaction {
    let sealer = store.sealer();
    let seal = |(kind, txn): &(EventKind, Txn)| {
        sealer
            .seal(tenant, *kind, txn::encode(txn).unwrap())
            .unwrap()
    };
    SealedTransaction {
        tenant,
        events: txns.iter().map(seal).collect(),
        plain: None,
        epoch: 0,
    }
}

fn set(store: &Store, tenant: TenantId, key: &str, value: &[u8]) {
    let txn = message(vec![change(key, value)], 0);
    let mut sealed = seal(store, tenant, &[(EventKind::Txn, txn.clone())]);
    sealed.plain = Some(Arc::new(txn));
    store.commit(sealed).unwrap();
}

fn get(store: &Store, tenant: TenantId, key: &str) -> Option<Vec<u8>> {
    let physical = [&tenant.0[..], &STREAM.to_be_bytes(), key.as_bytes()].concat();
    // A stored row begins with the eight bytes of its commit sequence number.
    store
        .snapshot()
        .get(Space::Rows, &physical, |row| row[8..].to_vec())
        .unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn committed_rows_survive_closing_and_a_missing_projection() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data, 1);
    let tenant = store.create_tenant().unwrap();
    for n in 0..500 {
        set(&store, tenant, &format!("k{n}"), format!("v{n}").as_bytes());
    }
    let content = store.snapshot().derived_hash().unwrap();
    assert_eq!(
        store.metrics().applied_index.get(),
        store.snapshot().index()
    );
    store.close().unwrap();
    drop(store);

    let store = open(&data, 2);
    assert_eq!(store.metrics().replayed_blocks.get(), 0);
    assert_eq!(get(&store, tenant, "k499"), Some(b"v499".to_vec()));
    assert_eq!(store.snapshot().derived_hash().unwrap(), content);
    drop(store);

    std::fs::remove_dir_all(data.join("projection")).unwrap();
    let store = open(&data, 3);
    assert_eq!(store.metrics().rebuilds.get(), 1);
    assert_eq!(store.snapshot().derived_hash().unwrap(), content);
    set(&store, tenant, "after", b"1");
    store.close().unwrap();
    drop(store);

    std::fs::remove_file(data.join("keys/replica.key")).unwrap();
    let store = open(&data, 4);
    assert_eq!(get(&store, tenant, "after"), Some(b"1".to_vec()));
    drop(store);
    assert!(rebuild_projection(options(&data, KEY, 5)).unwrap() > 500);
    let store = open(&data, 6);
    assert_eq!(get(&store, tenant, "k0"), Some(b"v0".to_vec()));
}

#[test]
fn control_events_survive_closing_and_a_missing_projection() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data, 1);
    let mut expected = Vec::new();
    for body in [b"first".to_vec(), b"second".to_vec()] {
        let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Control, body.clone());
        let committed = store.commit(SealedTransaction {
            tenant: TenantId::SYSTEM,
            events: vec![event.unwrap()],
            plain: None,
            epoch: 0,
        });
        let committed = committed.unwrap();
        expected.push((committed.index, committed.ordinal, body));
    }
    assert_eq!(store.snapshot().controls().unwrap(), expected);
    drop(store);
    let store = open(&data, 2);
    assert_eq!(store.snapshot().controls().unwrap(), expected);
    drop(store);
    std::fs::remove_dir_all(data.join("projection")).unwrap();
    let store = open(&data, 3);
    assert_eq!(store.snapshot().controls().unwrap(), expected);
    store.close().unwrap();
}

#[test]
fn a_store_that_was_never_closed_replays_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    set(&store, tenant, "a", b"1");
    // What a killed process leaves: the files as they are now.
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("data");
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(dir.path())
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success());
    let second = open(&target, 2);
    assert_eq!(get(&second, tenant, "a"), Some(b"1".to_vec()));
    set(&second, tenant, "b", b"2");
    set(&store, tenant, "c", b"3");
}

#[test]
fn large_transactions_reach_the_projection_and_survive() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    let value = |n: usize| {
        let mut bytes = vec![0; 2000];
        kimberlite_storage::Entropy::fill(&FixedEntropy::new(n as u64), &mut bytes);
        bytes
    };
    let part = |p: usize| {
        let rows = (0..200).map(|n| change(&format!("{p}/{n}"), &value(p * 200 + n)));
        (EventKind::TxnPart, message(rows.collect(), 0))
    };
    let mut events: Vec<_> = (0..8).map(part).collect();
    events.push((EventKind::Txn, message(vec![change("close", b"1")], 8)));
    let committed = store.commit(seal(&store, tenant, &events)).unwrap();
    assert!(committed.index > 4, "{committed:?}");
    assert_eq!(get(&store, tenant, "7/199"), Some(value(1599)));
    let content = store.snapshot().derived_hash().unwrap();
    drop(store);
    rebuild_projection(options(dir.path(), KEY, 2)).unwrap();
    let store = open(dir.path(), 3);
    assert_eq!(store.snapshot().derived_hash().unwrap(), content);
}

#[test]
fn a_second_opening_and_a_wrong_key_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    set(&store, tenant, "a", b"1");
    let error = Store::open(options(dir.path(), KEY, 2)).unwrap_err();
    assert!(matches!(error, StorageError::Locked(_)), "{error}");
    store.close().unwrap();
    drop(store);
    let before = std::fs::read(dir.path().join("superblock")).unwrap();
    for lost in [false, true] {
        if lost {
            std::fs::remove_file(dir.path().join("keys/replica.key")).unwrap();
        }
        let error = Store::open(options(dir.path(), OTHER_KEY, 2)).unwrap_err();
        assert!(
            matches!(error, StorageError::WrongMasterKey { .. }),
            "{error}"
        );
        assert_eq!(
            std::fs::read(dir.path().join("superblock")).unwrap(),
            before
        );
        assert_eq!(dir.path().join("keys/replica.key").exists(), !lost);
    }
    assert_eq!(get(&open(dir.path(), 3), tenant, "a"), Some(b"1".to_vec()));
}

#[test]
fn verification_with_another_key_says_nothing_about_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    set(&store, tenant, "a", b"1");
    store.close().unwrap();
    drop(store);
    let error = verify(&verify_options(dir.path(), OTHER_KEY), &|_| {}).unwrap_err();
    assert!(
        matches!(error, StorageError::WrongMasterKey { .. }),
        "{error}"
    );
    let report = verify(&verify_options(dir.path(), KEY), &|_| {}).unwrap();
    assert!(report.is_clean());
}

#[test]
fn a_changed_block_is_named_and_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    set(&store, tenant, "a", b"1");
    store.close().unwrap();
    drop(store);
    let path = segments(dir.path()).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.windows(4).rposition(|w| w == b"KBLK").unwrap();
    bytes[last + 330] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(options(dir.path(), KEY, 2)).unwrap_err();
    let StorageError::Damaged(damage) = error else {
        panic!("{error}");
    };
    assert_eq!(damage.kind, DamageKind::Checksum);
    assert_eq!((damage.offset, damage.block_index), (last as u64, Some(4)));
    assert_eq!(damage.tenants, [tenant]);
}

fn verify_options(dir: &Path, key: &str) -> VerifyOptions {
    VerifyOptions {
        data_dir: dir.to_owned(),
        disk: Arc::new(FsDisk),
        full_scan: true,
        tenant: None,
        from: None,
        to: None,
        keys: Some(VerifyKeys {
            provider: Arc::new(kimberlite_storage::EnvKeyProvider::new(key).unwrap()),
            entropy: Arc::new(FixedEntropy::new(77)),
        }),
        clock: Arc::new(FixedClock::new(0, 1000)),
    }
}

#[test]
fn verification_with_keys_opens_every_event_and_compares_the_projection() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenant = store.create_tenant().unwrap();
    for n in 0..50 {
        set(&store, tenant, &format!("k{n}"), b"v");
    }
    let running = verify(&verify_options(dir.path(), KEY), &|_| {}).unwrap();
    assert_eq!((running.damages.len(), running.projection_equal), (0, None));
    assert!(!running.stopped);
    let root = store.snapshot().frontier(tenant).unwrap().root();
    store.close().unwrap();
    drop(store);
    let report = verify(&verify_options(dir.path(), KEY), &|_| {}).unwrap();
    assert_eq!(report.damages, []);
    assert_eq!((report.blocks, report.projection_equal), (53, Some(true)));
    let seen = report.tenants.iter().find(|t| t.tenant == tenant).unwrap();
    assert_eq!((seen.events, seen.root), (52, Some(root)));
    // A rebuild that missed the last block would differ: pretend that by giving
    // the projection of a longer log to a shorter one's directory.
    let other = tempfile::tempdir().unwrap();
    let store = open(other.path(), 1);
    let second = store.create_tenant().unwrap();
    set(&store, second, "k0", b"another");
    store.close().unwrap();
    drop(store);
    for name in ["projection", "keys"] {
        std::fs::remove_dir_all(dir.path().join(name)).unwrap();
        std::fs::rename(other.path().join(name), dir.path().join(name)).unwrap();
    }
    let report = verify(&verify_options(dir.path(), KEY), &|_| {}).unwrap();
    assert_eq!(report.projection_equal, Some(false));
    assert_eq!(report.damages[0].file, "projection/");
}

#[test]
fn a_log_without_its_superblock_is_not_taken_for_new() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), 1));
    std::fs::remove_file(dir.path().join("superblock")).unwrap();
    let error = Store::open(options(dir.path(), KEY, 2)).unwrap_err();
    assert!(matches!(error, StorageError::Damaged(_)), "{error}");
    assert_eq!(segments(dir.path()).len(), 1);
}

#[test]
fn a_medium_that_is_read_only_is_refused() {
    let disk = MemDisk::new();
    disk.set_read_only(true);
    let mut options = options(Path::new("/data"), KEY, 1);
    options.disk = Arc::new(disk);
    let error = Store::open(options).unwrap_err();
    assert!(matches!(error, StorageError::ReadOnly { .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere; the simulated disk covers the rest.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let error = Store::open(options(dir.path(), KEY, 1)).unwrap_err();
    assert!(
        matches!(
            error,
            StorageError::Io { .. } | StorageError::ReadOnly { .. }
        ),
        "{error}"
    );
}

#[test]
fn sessions_on_many_threads_see_their_own_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1);
    let tenants = [
        store.create_tenant().unwrap(),
        store.create_tenant().unwrap(),
    ];
    std::thread::scope(|scope| {
        for session in 0..4_usize {
            let (store, tenant) = (&store, tenants[session % 2]);
            scope.spawn(move || {
                for n in 0..50 {
                    let key = format!("{session}/{n}");
                    set(store, tenant, &key, b"mine");
                    assert_eq!(get(store, tenant, &key), Some(b"mine".to_vec()));
                }
            });
        }
    });
    assert_eq!(get(&store, tenants[1], "0/0"), None, "another tenant's key");
    // Callbacks come in the order of the log.
    let (send, receive) = mpsc::channel();
    for n in 0..100 {
        let txn = message(vec![change("x", &[n])], 0);
        let send = send.clone();
        let sealed = seal(&store, tenants[0], &[(EventKind::Txn, txn)]);
        store
            .commit_log()
            .submit(sealed, Box::new(move |r| send.send(r).unwrap()));
    }
    let order: Vec<_> = receive.iter().take(100).map(|r| r.unwrap()).collect();
    assert!(order.is_sorted_by_key(|c| (c.index, c.ordinal)));
    assert_eq!(get(&store, tenants[0], "x"), Some(vec![99]));
}
