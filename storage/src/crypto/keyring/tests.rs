#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::crypto::provider::EnvKeyProvider;
use crate::env::fixed::FixedEntropy;

/// A master key for tests: 32 times the same byte.
fn provider(byte: u8) -> Arc<dyn KeyProvider> {
    use base64::Engine;
    let value = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    Arc::new(EnvKeyProvider::new(&value).unwrap())
}

fn keyring(byte: u8) -> Keyring {
    Keyring::new(provider(byte), Arc::new(FixedEntropy::new(u64::from(byte))))
}

fn load(keyring: &Keyring, records: &[KeyRecord]) {
    for record in records {
        let stored = KeyRecord::from_bytes(&record.to_bytes()).unwrap();
        keyring.load_record(&stored).unwrap();
    }
}

fn key_error<T: fmt::Debug>(result: Result<T>) -> KeyError {
    match result {
        Err(StorageError::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tenants_keys_come_back_from_their_records() {
    let first = keyring(1);
    let (tenant, records) = first.create_tenant().unwrap();
    assert!(
        !first.has_tenant(tenant),
        "not before the records are durable"
    );
    load(&first, &records);
    let key = first.current_key(tenant).unwrap();
    assert_eq!(key.key_id(), KeyId::new(KeyPurpose::Data, 1));

    let second = keyring(1);
    load(&second, &records);
    load(&second, &records);
    second.check_master_key().unwrap();
    let again = second.data_key(tenant, key.key_id()).unwrap();
    assert_eq!(again.key().expose(), key.key().expose());
    assert_eq!(second.tenants(), [tenant]);
}

#[test]
fn records_hold_no_key_in_the_clear() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    load(&keyring, &records);
    let key = keyring.current_key(tenant).unwrap();
    let kek = keyring.wrapping_key(tenant).unwrap();
    for secret in [key.key().expose(), kek.expose()] {
        for record in &records {
            let bytes = record.to_bytes();
            assert!(
                !bytes
                    .windows(8)
                    .any(|seen| secret.windows(8).any(|part| part == seen))
            );
        }
    }
}

#[test]
fn the_wrong_master_key_is_told_at_the_check() {
    let (tenant, records) = keyring(1).create_tenant().unwrap();
    let wrong = keyring(2);
    wrong.check_master_key().unwrap();
    load(&wrong, &records);
    let error = wrong.check_master_key().unwrap_err();
    assert!(
        matches!(error, StorageError::WrongMasterKey { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(&tenant.to_string()), "{error}");
    let error = wrong.current_key(tenant).unwrap_err();
    assert!(
        matches!(error, StorageError::WrongMasterKey { .. }),
        "{error}"
    );
}

#[test]
fn rotation_makes_a_new_key_and_keeps_the_old() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    load(&keyring, &records);
    let old = keyring.current_key(tenant).unwrap();
    let record = keyring.rotate(tenant).unwrap();
    assert_eq!(
        keyring.current_key(tenant).unwrap().key_id(),
        old.key_id(),
        "not yet"
    );
    load(&keyring, &[record]);
    let new = keyring.current_key(tenant).unwrap();
    assert_eq!(new.key_id(), KeyId::new(KeyPurpose::Data, 2));
    assert_ne!(new.key().expose(), old.key().expose());
    let kept = keyring.data_key(tenant, old.key_id()).unwrap();
    assert_eq!(kept.key().expose(), old.key().expose());
}

#[test]
fn seals_are_counted_and_make_a_rotation_due() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    load(&keyring, &records);
    let key = keyring.current_key(tenant).unwrap();
    keyring.note_seals(tenant, key.key_id(), 8);
    key.count_seal();
    assert_eq!(keyring.seals(tenant).unwrap(), 9);
    assert_eq!(keyring.due_for_rotation(10), []);
    key.count_seal();
    assert_eq!(keyring.due_for_rotation(10), [tenant]);
    load(&keyring, &[keyring.rotate(tenant).unwrap()]);
    assert_eq!(keyring.due_for_rotation(10), []);
    assert_eq!(keyring.seals(tenant).unwrap(), 0);
}

#[test]
fn a_record_moved_to_another_tenant_does_not_unwrap() {
    let keyring = keyring(1);
    let (alice, of_alice) = keyring.create_tenant().unwrap();
    let (bob, mut of_bob) = keyring.create_tenant().unwrap();
    load(&keyring, &of_alice);
    // Alice's data key, filed under Bob's name.
    of_bob[1].wrapped = of_alice[1].wrapped.clone();
    load(&keyring, &of_bob);
    keyring.current_key(alice).unwrap();
    let error = key_error(keyring.current_key(bob));
    assert!(matches!(error, KeyError::DoesNotUnwrap { tenant, .. } if tenant == bob));

    // Alice's wrapping key and data key, filed under Carol's name.
    let carol = TenantId([0xCC; 16]);
    let mut of_carol = of_alice;
    of_carol
        .iter_mut()
        .for_each(|record| record.tenant = carol.0.to_vec());
    load(&keyring, &of_carol);
    let error = keyring.current_key(carol).unwrap_err();
    assert!(
        matches!(error, StorageError::WrongMasterKey { .. }),
        "{error}"
    );
}

#[test]
fn a_record_never_replaces_another() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    load(&keyring, &records);
    for mut record in records {
        record.wrapped[20] ^= 1;
        let error = key_error(keyring.load_record(&record));
        assert!(matches!(error, KeyError::Conflict { .. }), "{error}");
    }
    keyring.current_key(tenant).unwrap();
    let error = key_error(keyring.create_keys(tenant));
    assert!(matches!(error, KeyError::Conflict { .. }));
}

#[test]
fn what_is_missing_is_named() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    assert_eq!(
        key_error(keyring.current_key(tenant)),
        KeyError::NoTenant(tenant)
    );
    assert_eq!(
        key_error(keyring.load_record(&records[1])),
        KeyError::NoTenant(tenant)
    );
    load(&keyring, &records);
    let key_id = KeyId::new(KeyPurpose::Data, 2);
    assert_eq!(
        key_error(keyring.data_key(tenant, key_id)),
        KeyError::NoKey { tenant, key_id }
    );
    let wrapping = key_error(keyring.data_key(tenant, WRAPPING_KEY));
    assert!(
        matches!(wrapping, KeyError::NoKey { .. }),
        "a wrapping key seals nothing"
    );
    assert_eq!(
        key_error(keyring.rotate(TenantId::SYSTEM)),
        KeyError::NoTenant(TenantId::SYSTEM)
    );
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    let keyring = keyring(1);
    let (_, mut records) = keyring.create_tenant().unwrap();
    records[0].wrapped_by = 1;
    assert!(matches!(
        keyring.load_record(&records[0]),
        Err(StorageError::Format(_))
    ));
    records[1].wrapped_by = 0;
    assert!(matches!(
        keyring.load_record(&records[1]),
        Err(StorageError::Format(_))
    ));
}

#[test]
fn nothing_prints_a_key() {
    let keyring = keyring(1);
    let (tenant, records) = keyring.create_tenant().unwrap();
    load(&keyring, &records);
    let key = keyring.current_key(tenant).unwrap();
    let text = format!("{keyring:?} {key:?}");
    assert!(text.contains("redacted"));
    assert!(!text.contains(&format!("{:?}", key.key().expose())));
}
