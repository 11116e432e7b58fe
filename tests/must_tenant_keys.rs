//! Rows open under the keys of their own tenant only: the log of a stopped server
//! is read with the storage crate, and its events are tried with every other key
//! there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kimberlite_storage::env::fixed::FixedEntropy;
use kimberlite_storage::error::KeyError;
use kimberlite_storage::log::LogReader;
use kimberlite_storage::{
    Disk, Entropy, EnvKeyProvider, EventHeader, EventKind, FileKeyProvider, FsDisk, Key, KeyId,
    KeyProvider, KeyPurpose, KeyRecord, Keyring, Opener, StorageError, TenantId, Txn, segment, txn,
};
use support::server::{code, text};
use support::{Server, connect, kimberlite_cli};

/// Rows of each tenant; some are large enough to be compressed.
const ROWS: i32 = 8;

/// An event as the log holds it.
struct Stored {
    header: EventHeader,
    body: Vec<u8>,
}

/// A tenant and its marker.
type Tenant = (TenantId, String);

/// A stopped data directory with two databases, and what was put into each.
struct Site {
    dir: tempfile::TempDir,
    events: Vec<Stored>,
    first: Tenant,
    second: Tenant,
}

/// Random letters, long enough that random bytes do not contain them.
fn random_marker() -> String {
    (0..24)
        .map(|_| char::from(b'a' + rand::random::<u8>() % 16))
        .collect()
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let markers = [random_marker(), random_marker()];
        let server = Server::dev(dir.path());
        let admin = connect(&server.url).await.unwrap();
        for (name, marker) in ["first", "second"].iter().zip(&markers) {
            let sql = format!("CREATE DATABASE {name}");
            admin.batch_execute(&sql).await.unwrap();
            fill(&server.url_of(name), marker).await;
        }
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        let events = events(dir.path());
        let keyring = keyring(master_key(dir.path()), &key_records(&events));
        let [first, second] = markers.map(|marker| (owner(&keyring, &events, &marker), marker));
        Self {
            dir,
            events,
            first,
            second,
        }
    }

    /// The key records of a tenant: its wrapping key, then its data key.
    fn records(&self, tenant: TenantId) -> [KeyRecord; 2] {
        let mut records = key_records(&self.events);
        records.retain(|record| record.tenant_id().unwrap() == tenant);
        records.try_into().expect("two keys")
    }

    fn transactions(&self, tenant: TenantId) -> Vec<&Stored> {
        let wanted = |stored: &&Stored| {
            let header = &stored.header;
            header.tenant == tenant && header.kind == EventKind::Txn
        };
        self.events.iter().filter(wanted).collect()
    }

    /// A keyring with the true master key and these records only.
    fn keyring(&self, records: &[KeyRecord]) -> Arc<Keyring> {
        keyring(master_key(self.dir.path()), records)
    }

    /// Each tenant with the other.
    fn pairs(&self) -> [(&Tenant, &Tenant); 2] {
        [(&self.first, &self.second), (&self.second, &self.first)]
    }
}

/// A table with the marker in every row, changed once.
async fn fill(url: &str, marker: &str) {
    let client = connect(url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, word text, filler text)")
        .await
        .unwrap();
    for id in 0..ROWS {
        let filler = "filler ".repeat(usize::try_from(id).unwrap() * 100);
        let sql = "INSERT INTO t VALUES ($1, $2, $3)";
        client.execute(sql, &[&id, &marker, &filler]).await.unwrap();
    }
    let sql = "UPDATE t SET filler = word WHERE id = 1";
    client.batch_execute(sql).await.unwrap();
}

/// Everything in the log.
fn events(dir: &Path) -> Vec<Stored> {
    let disk: Arc<dyn Disk> = Arc::new(FsDisk);
    let first = segment::list(disk.as_ref(), dir).unwrap()[0];
    let reader = LogReader::new(disk, dir);
    let mut blocks = reader.blocks(first).unwrap();
    let mut events = Vec::new();
    while let Some((block, _, _)) = blocks.next().unwrap() {
        events.extend(block.events.iter().map(|event| Stored {
            header: event.header.clone(),
            body: event.body.to_vec(),
        }));
    }
    events
}

fn key_records(events: &[Stored]) -> Vec<KeyRecord> {
    let keys = events.iter().filter(|e| e.header.kind == EventKind::Key);
    keys.map(|key| KeyRecord::from_bytes(&key.body).unwrap())
        .collect()
}

fn master_key(dir: &Path) -> Arc<dyn KeyProvider> {
    Arc::new(FileKeyProvider::open(dir.join("dev/master.key")).unwrap())
}

fn keyring(provider: Arc<dyn KeyProvider>, records: &[KeyRecord]) -> Arc<Keyring> {
    let keyring = Keyring::new(provider, Arc::new(FixedEntropy::new(1)));
    for record in records {
        keyring.load_record(record).unwrap();
    }
    Arc::new(keyring)
}

/// What an event says under the keys of a keyring.
fn opened(keyring: &Arc<Keyring>, stored: &Stored) -> Result<Txn, StorageError> {
    let opener = Opener::new(Arc::clone(keyring));
    let plain = opener.open(&stored.header, &stored.body)?;
    txn::decode(plain)
}

fn contains(bytes: &[u8], marker: &str) -> bool {
    bytes
        .windows(marker.len())
        .any(|window| window == marker.as_bytes())
}

/// In how many of its changes a transaction has the marker.
fn count(txn: &Txn, marker: &str) -> usize {
    let changes = txn.streams.iter().flat_map(|stream| &stream.changes);
    changes
        .filter(|change| contains(&change.value, marker))
        .count()
}

/// The tenant in whose transactions the marker is; it must be in no other's.
fn owner(keyring: &Arc<Keyring>, events: &[Stored], marker: &str) -> TenantId {
    let mut found: BTreeMap<TenantId, usize> = BTreeMap::new();
    for stored in events {
        if stored.header.kind == EventKind::Txn {
            let txn = opened(keyring, stored).unwrap();
            let count = count(&txn, marker);
            if count > 0 {
                *found.entry(stored.header.tenant).or_default() += count;
            }
        }
    }
    assert_eq!(found.len(), 1, "the marker is in {found:?}");
    let (tenant, count) = found.pop_first().unwrap();
    // Every row as it was inserted, and one as it was changed.
    assert!(count > usize::try_from(ROWS).unwrap(), "{count}");
    tenant
}

#[tokio::test]
async fn every_tenant_has_keys_of_its_own_that_open_its_rows() {
    let site = Site::new().await;
    let ((first, _), (second, _)) = (&site.first, &site.second);
    let distinct = BTreeSet::from([*first, *second, TenantId::SYSTEM]);
    assert_eq!(distinct.len(), 3, "{distinct:?}");
    for ((tenant, marker), (_, other)) in site.pairs() {
        // These keys alone are enough.
        let keyring = site.keyring(&site.records(*tenant));
        let mut found = 0;
        for stored in site.transactions(*tenant) {
            assert!(!stored.header.key_id.is_none(), "not sealed");
            assert!(!contains(&stored.body, marker), "not encrypted");
            let txn = opened(&keyring, stored).unwrap();
            found += count(&txn, marker);
            assert_eq!(count(&txn, other), 0);
        }
        assert!(found > usize::try_from(ROWS).unwrap(), "{found}");
    }
    // No two tenants share a key, whatever the key is called.
    let all = site.keyring(&key_records(&site.events));
    let tenants = all.tenants();
    assert!(tenants.len() >= 4, "system, dev, first and second");
    let keys: BTreeSet<[u8; 32]> = tenants
        .iter()
        .map(|tenant| *all.current_key(*tenant).unwrap().key().expose())
        .collect();
    assert_eq!(keys.len(), tenants.len());
    // Everything that is anybody's is sealed, but for the wrapped keys.
    for Stored { header, .. } in &site.events {
        assert_eq!(header.key_id.is_none(), header.kind == EventKind::Key);
    }
}

/// A way to read a tenant's event without its keys.
struct Attempt {
    how: &'static str,
    keyring: Arc<Keyring>,
    header: EventHeader,
    expected: fn(&StorageError) -> bool,
}

/// The same record under another tenant's name.
fn misfiled(record: &KeyRecord, tenant: TenantId) -> KeyRecord {
    KeyRecord {
        tenant: tenant.0.to_vec(),
        ..record.clone()
    }
}

/// The keyring that somebody could make who knows `data_key` and claims that it
/// is the tenant's: with a master key and a wrapping key of his own, and records
/// that are valid in every way.
fn forged(tenant: TenantId, data_key: &Key) -> Arc<Keyring> {
    let entropy = FixedEntropy::new(2);
    let (master, wrapping) = (Key::random(&entropy), Key::random(&entropy));
    let provider = |key: &Key| EnvKeyProvider::new(&STANDARD.encode(key.expose())).unwrap();
    let record = |key_id: KeyId, wrapped_by: KeyId, with: &Key, key: &Key| {
        let context = [&tenant.0[..], &key_id.0.to_le_bytes()].concat();
        KeyRecord {
            tenant: tenant.0.to_vec(),
            key_id: key_id.0,
            wrapped_by: wrapped_by.0,
            wrapped: provider(with).wrap(&context, key, &entropy).unwrap(),
        }
    };
    let wrapping_id = KeyId::new(KeyPurpose::Wrapping, 1);
    let data_id = KeyId::new(KeyPurpose::Data, 1);
    let records = [
        record(wrapping_id, KeyId::NONE, &master, &wrapping),
        record(data_id, wrapping_id, &wrapping, data_key),
    ];
    keyring(Arc::new(provider(&master)), &records)
}

fn is_wrong_master_key(error: &StorageError) -> bool {
    matches!(error, StorageError::WrongMasterKey { .. })
}

fn does_not_open(error: &StorageError) -> bool {
    matches!(error, StorageError::Key(KeyError::DoesNotOpen { .. }))
}

impl Site {
    /// Everything that somebody could try who has all keys but those of `tenant`.
    fn attempts(&self, tenant: TenantId, other: TenantId, header: &EventHeader) -> Vec<Attempt> {
        let attempt = |how, keyring: Arc<Keyring>, expected: fn(&StorageError) -> bool| Attempt {
            how,
            keyring,
            header: header.clone(),
            expected,
        };
        let (own, others) = (self.records(tenant), self.records(other));
        let entropy = FixedEntropy::new(3);
        let another_master: Arc<dyn KeyProvider> = {
            let key = STANDARD.encode(Key::random(&entropy).expose());
            Arc::new(EnvKeyProvider::new(&key).unwrap())
        };
        let of_other = self.keyring(&others);
        let others_key = of_other.current_key(other).unwrap();
        let mut unsaid = others.to_vec();
        unsaid.push(own[0].clone());
        let misfiled_keys = others.each_ref().map(|record| misfiled(record, tenant));
        let mixed_keys = [own[0].clone(), misfiled(&others[1], tenant)];
        let mut claimed = attempt(
            "the event claims to be the other tenant's",
            Arc::clone(&of_other),
            does_not_open,
        );
        claimed.header.tenant = other;
        let mut renamed = attempt(
            "the event names a key that the tenant has not",
            self.keyring(&own),
            |error| matches!(error, StorageError::Key(KeyError::NoKey { .. })),
        );
        renamed.header.key_id = KeyId::new(KeyPurpose::Data, 2);
        vec![
            attempt("only the other tenant's keys", of_other, |error| {
                matches!(error, StorageError::Key(KeyError::NoTenant(_)))
            }),
            attempt(
                "no data key of the tenant",
                self.keyring(&unsaid),
                |error| matches!(error, StorageError::Key(KeyError::NoKey { .. })),
            ),
            attempt(
                "the other tenant's keys under the tenant's name",
                self.keyring(&misfiled_keys),
                is_wrong_master_key,
            ),
            attempt(
                "the other tenant's data key under the tenant's wrapping key",
                self.keyring(&mixed_keys),
                |error| matches!(error, StorageError::Key(KeyError::DoesNotUnwrap { .. })),
            ),
            attempt(
                "the other tenant's data key in records that are in order",
                forged(tenant, others_key.key()),
                does_not_open,
            ),
            attempt(
                "another master key",
                keyring(another_master, &own),
                is_wrong_master_key,
            ),
            claimed,
            renamed,
        ]
    }
}

#[tokio::test]
async fn no_other_key_opens_a_tenants_rows() {
    let site = Site::new().await;
    for ((tenant, marker), (other, _)) in site.pairs() {
        // The forgery is good: with the right key in it the rows do open.
        let own = site.keyring(&site.records(*tenant));
        let right = forged(*tenant, own.current_key(*tenant).unwrap().key());
        let mut readable = 0;
        for stored in site.transactions(*tenant) {
            readable += count(&opened(&right, stored).unwrap(), marker);
            for attempt in site.attempts(*tenant, *other, &stored.header) {
                let how = attempt.how;
                let tried = Stored {
                    header: attempt.header,
                    body: stored.body.clone(),
                };
                let Err(error) = opened(&attempt.keyring, &tried) else {
                    panic!("{how}: it opens");
                };
                assert!((attempt.expected)(&error), "{how}: {error:?}");
                let said = format!("{error} {error:?} {:?}", attempt.keyring);
                assert!(!contains(said.as_bytes(), marker), "{how}: {said}");
            }
        }
        assert!(readable > usize::try_from(ROWS).unwrap(), "{readable}");
    }
}

/// What the tools print, with the right key, with another and without one.
#[tokio::test]
async fn the_tools_print_nobodys_rows() {
    let site = Site::new().await;
    let dir = site.dir.path();
    let another = dir.join("another.key");
    let entropy: &dyn Entropy = &FixedEntropy::new(4);
    FileKeyProvider::generate(&another, entropy).unwrap();
    let own = dir.join("dev/master.key");
    let with = |key: &Path| -> [PathBuf; 2] { ["--master-key-file".into(), key.into()] };
    let (own, another) = (with(&own), with(&another));
    let runs: [(&[&str], &[PathBuf], i32); 5] = [
        (&["storage", "verify", "--full-scan"], &own, 0),
        (&["storage", "verify", "--output", "json"], &own, 0),
        (&["storage", "verify", "--full-scan"], &another, 2),
        (&["storage", "inspect"], &[], 0),
        (&["storage", "inspect", "--output", "json"], &[], 0),
    ];
    for (arguments, key, expected) in runs {
        let output = kimberlite_cli()
            .args(arguments)
            .args(key)
            .arg("--data-dir")
            .arg(dir)
            .output()
            .unwrap();
        let said = text(&output);
        assert_eq!(code(&output), expected, "{arguments:?}: {said}");
        for (_, marker) in [&site.first, &site.second] {
            assert!(!said.contains(marker.as_str()), "{arguments:?}: {said}");
        }
    }
}
