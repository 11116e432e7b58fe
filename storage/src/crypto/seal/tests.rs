#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::crypto::EnvKeyProvider;
use crate::env::fixed::FixedEntropy;
use crate::event::EVENT_BODY_LEN_MAX;

struct Setup {
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
    tenants: Vec<TenantId>,
}

impl Setup {
    fn new(tenant_count: usize) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(FixedEntropy::new(11));
        let provider = EnvKeyProvider::new(&STANDARD.encode([3; 32])).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(provider), Arc::clone(&entropy)));
        let mut tenants = Vec::new();
        for _ in 0..tenant_count {
            let (tenant, records) = keyring.create_tenant().unwrap();
            records
                .iter()
                .for_each(|record| keyring.load_record(record).unwrap());
            tenants.push(tenant);
        }
        Self {
            keyring,
            entropy,
            tenants,
        }
    }

    fn sealer(&self) -> Sealer {
        Sealer::new(Arc::clone(&self.keyring), Arc::clone(&self.entropy))
    }

    fn opener(&self) -> Opener {
        Opener::new(Arc::clone(&self.keyring))
    }
}

fn refused(result: Result<Vec<u8>>) -> KeyError {
    match result {
        Err(StorageError::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_sealed_opens() {
    let setup = Setup::new(1);
    let (sealer, opener) = (setup.sealer(), setup.opener());
    for len in [0, 1, 15, 16, 17, 1000, 100_000] {
        let plain = vec![0xA5; len];
        let event = sealer
            .seal(setup.tenants[0], EventKind::Txn, plain.clone())
            .unwrap();
        assert_eq!(event.body.len(), len + 16);
        assert_eq!(event.plaintext_len as usize, len);
        assert_eq!(event.ciphertext_sha256, sha256(&event.body));
        let header = event.place(0, 0, [0; 32]);
        assert_eq!(opener.open(&header, &event.body).unwrap(), plain);
    }
    assert_eq!((sealer.seal_count(), opener.open_count()), (7, 7));
    assert_eq!(setup.keyring.seals(setup.tenants[0]).unwrap(), 7);
}

#[test]
fn the_plaintext_is_not_in_the_event() {
    let setup = Setup::new(1);
    let marker = b"a sentence that must not be on any disk".repeat(3);
    let event = setup
        .sealer()
        .seal(setup.tenants[0], EventKind::Txn, marker.clone())
        .unwrap();
    assert!(
        !event
            .body
            .windows(8)
            .any(|seen| marker.windows(8).any(|part| part == seen))
    );
}

#[test]
fn sealing_into_spare_room_moves_nothing() {
    let setup = Setup::new(1);
    let mut plain = Vec::with_capacity(1000 + TAG_LEN as usize);
    plain.resize(1000, 1);
    let at = plain.as_ptr();
    let event = setup
        .sealer()
        .seal(setup.tenants[0], EventKind::Txn, plain)
        .unwrap();
    assert_eq!(event.body.as_ptr(), at);
}

#[test]
fn another_tenants_key_does_not_open() {
    let setup = Setup::new(2);
    let (alice, bob) = (setup.tenants[0], setup.tenants[1]);
    let event = setup
        .sealer()
        .seal(alice, EventKind::Txn, b"alice's".to_vec())
        .unwrap();
    let mut header = event.place(0, 0, [0; 32]);
    // Alice's event relabelled as Bob's: Bob's key is taken, and does not fit.
    header.tenant = bob;
    let error = refused(setup.opener().open(&header, &event.body));
    assert!(
        matches!(error, KeyError::DoesNotOpen { tenant, .. } if tenant == bob),
        "{error}"
    );
}

#[test]
fn even_the_same_secret_under_another_tenant_does_not_open() {
    // As if one tenant's key had been misfiled as another's: both the sub-key and
    // the associated data still carry the tenant.
    let setup = Setup::new(2);
    let (alice, bob) = (setup.tenants[0], setup.tenants[1]);
    let secret = setup.keyring.current_key(alice).unwrap();
    let key_id = secret.key_id();
    let salt = [9; 32];
    let misfiled = DataKey::for_test(bob, key_id, *secret.key().expose());
    let (right, wrong) = (
        derive(&secret, &salt).unwrap(),
        derive(&misfiled, &salt).unwrap(),
    );
    let nonce = Nonce::from([0; 12]);
    let mut body = b"alice's".to_vec();
    right
        .encrypt_in_place(
            &nonce,
            &associated(alice, key_id, EventKind::Txn, &salt),
            &mut body,
        )
        .unwrap();
    let opens = |cipher: &Aes256Gcm, tenant| {
        let associated = associated(tenant, key_id, EventKind::Txn, &salt);
        cipher
            .decrypt_in_place(&nonce, &associated, &mut body.clone())
            .is_ok()
    };
    assert!(opens(&right, alice));
    assert!(
        !opens(&wrong, alice),
        "the sub-key must depend on the tenant"
    );
    assert!(
        !opens(&right, bob),
        "the associated data must hold the tenant"
    );
}

#[test]
fn a_changed_header_or_body_does_not_open() {
    let setup = Setup::new(1);
    let (sealer, opener) = (setup.sealer(), setup.opener());
    let tenant = setup.tenants[0];
    let event = sealer
        .seal(tenant, EventKind::Txn, b"plaintext".to_vec())
        .unwrap();
    let good = event.place(7, 0, [0; 32]);
    let opens = |change: &dyn Fn(&mut EventHeader)| {
        let mut header = good.clone();
        change(&mut header);
        opener.open(&header, &event.body).is_ok()
    };
    assert!(opens(&|_| {}));
    assert!(!opens(&|header| header.kind = EventKind::Audit));
    assert!(!opens(&|header| header.salt[31] ^= 1));
    assert!(!opens(&|header| header.nonce[0] ^= 1));
    assert!(!opens(&|header| header.key_id.0 += 1));
    let redacted = EventHeader {
        flags: EventFlags::REDACTED,
        ..good.clone()
    };
    assert_eq!(
        refused(opener.open(&redacted, &event.body)),
        KeyError::Redacted(tenant)
    );
    for bit in 0..event.body.len() * 8 {
        let mut body = event.body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        assert!(opener.open(&good, &body).is_err(), "bit {bit}");
    }
    for len in 0..event.body.len() {
        assert!(
            opener.open(&good, &event.body[..len]).is_err(),
            "{len} bytes"
        );
    }
}

#[test]
fn an_event_without_a_key_is_returned_as_it_is() {
    let setup = Setup::new(1);
    let event =
        SealedEvent::unsealed(setup.tenants[0], EventKind::Key, b"record".to_vec()).unwrap();
    let header = event.place(0, 0, [0; 32]);
    assert_eq!(
        setup.opener().open(&header, &event.body).unwrap(),
        b"record"
    );
}

#[test]
fn no_two_events_share_salt_and_nonce() {
    let setup = Setup::new(3);
    // Three processes on the same log, several threads each.
    let sealers = [setup.sealer(), setup.sealer(), setup.sealer()];
    let seen = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for sealer in &sealers {
            for _ in 0..3 {
                scope.spawn(|| {
                    for n in 0..300 {
                        let tenant = setup.tenants[n % 3];
                        let event = sealer.seal(tenant, EventKind::Txn, vec![1]).unwrap();
                        assert!(
                            seen.lock()
                                .unwrap()
                                .insert((tenant, event.salt, event.nonce))
                        );
                    }
                });
            }
        }
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 2700);
    let salts: HashSet<_> = seen.iter().map(|(_, salt, _)| salt).collect();
    // A lost race may leave a salt unused but never adds one.
    assert_eq!(salts.len(), 9, "one for each process and tenant");
}

#[test]
fn a_used_up_sub_key_is_replaced() {
    let setup = Setup::new(1);
    let (sealer, opener) = (setup.sealer(), setup.opener());
    let tenant = setup.tenants[0];
    let seal = || sealer.seal(tenant, EventKind::Txn, b"x".to_vec()).unwrap();
    let first = seal();
    let data_key = setup.keyring.current_key(tenant).unwrap();
    let (key, _) = sealer.sealing_key(&data_key).unwrap();
    key.next_nonce.store(NONCES_MAX - 1, Ordering::Relaxed);
    let last = seal();
    assert_eq!(
        (last.salt, &last.nonce[..8]),
        (first.salt, &[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0][..])
    );
    assert_eq!(key.take_nonce(), None);
    let next = seal();
    assert_ne!(next.salt, first.salt);
    assert_eq!(next.nonce, [0; 12]);
    for event in [first, last, next] {
        assert_eq!(
            opener
                .open(&event.place(0, 0, [0; 32]), &event.body)
                .unwrap(),
            b"x"
        );
    }
}

#[test]
fn a_rotated_key_seals_and_the_old_events_still_open() {
    let setup = Setup::new(1);
    let (sealer, opener) = (setup.sealer(), setup.opener());
    let tenant = setup.tenants[0];
    let before = sealer
        .seal(tenant, EventKind::Txn, b"before".to_vec())
        .unwrap();
    let record = setup.keyring.rotate(tenant).unwrap();
    setup.keyring.load_record(&record).unwrap();
    let after = sealer
        .seal(tenant, EventKind::Txn, b"after".to_vec())
        .unwrap();
    assert_eq!((before.key_id.epoch(), after.key_id.epoch()), (1, 2));
    assert_eq!(
        opener
            .open(&before.place(0, 0, [0; 32]), &before.body)
            .unwrap(),
        b"before"
    );
    assert_eq!(
        opener
            .open(&after.place(0, 0, [0; 32]), &after.body)
            .unwrap(),
        b"after"
    );
}

#[test]
fn the_cache_is_bounded_and_forgetting_does_no_harm() {
    let cache: CipherCache<u32, u32> = CipherCache::new();
    let tenant = TenantId([0; 16]);
    for n in 0..5000 {
        assert_eq!(
            *cache.get_or_make(tenant, n, |_| true, || Ok(n)).unwrap(),
            n
        );
    }
    assert_eq!(cache.shard(tenant).len(), SHARD_CAPACITY.get());
    assert_eq!(
        *cache.get_or_make(tenant, 0, |_| true, || Ok(77)).unwrap(),
        77,
        "made again"
    );
    let kept = cache
        .get_or_make(tenant, 4999, |_| true, || Ok(77))
        .unwrap();
    assert_eq!(*kept, 4999, "the newest is still there");
}

#[test]
fn an_event_that_is_too_large_is_refused() {
    let setup = Setup::new(1);
    let sealer = setup.sealer();
    let largest = vec![0; EVENT_PLAINTEXT_LEN_MAX as usize];
    let event = sealer
        .seal(setup.tenants[0], EventKind::Txn, largest)
        .unwrap();
    assert_eq!(event.body.len(), EVENT_BODY_LEN_MAX as usize);
    let larger = vec![0; EVENT_PLAINTEXT_LEN_MAX as usize + 1];
    let error = sealer
        .seal(setup.tenants[0], EventKind::Txn, larger)
        .unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { .. }), "{error}");
}

#[test]
fn a_tenant_without_keys_cannot_seal() {
    let setup = Setup::new(0);
    let error = setup
        .sealer()
        .seal(TenantId::SYSTEM, EventKind::Audit, vec![])
        .unwrap_err();
    assert!(
        matches!(
            error,
            StorageError::Key(KeyError::NoTenant(TenantId::SYSTEM))
        ),
        "{error}"
    );
}

/// HKDF-SHA-256 and AES-256-GCM themselves, against published vectors: what this
/// file builds on does what its documentation promises to third parties.
#[test]
fn published_vectors() {
    let bytes = |hex: &str| -> Vec<u8> {
        let digits: Vec<u32> = hex
            .chars()
            .map(|digit| digit.to_digit(16).unwrap())
            .collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect()
    };
    // RFC 5869, appendix A.1.
    let mut okm = [0; 42];
    let salt: Vec<u8> = (0..=0x0C).collect();
    let info: Vec<u8> = (0xF0..=0xF9).collect();
    Hkdf::<Sha256>::new(Some(&salt), &[0x0B; 22])
        .expand(&info, &mut okm)
        .unwrap();
    let expected =
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(okm.to_vec(), bytes(expected));
    // The GCM specification, test case 14: zero key, zero nonce, one zero block.
    let mut body = vec![0; 16];
    let cipher = Aes256Gcm::new(&[0; 32].into());
    cipher
        .encrypt_in_place(&Nonce::from([0; 12]), b"", &mut body)
        .unwrap();
    let expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
    assert_eq!(body, bytes(expected));
}

proptest! {
    #[test]
    fn any_header_and_body_open_or_are_refused(
        header: [u8; 32], nonce: [u8; 12], sealed: bool,
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let setup = Setup::new(1);
        let event = setup.sealer().seal(setup.tenants[0], EventKind::Txn, vec![0; 8]).unwrap();
        let mut noise = event.place(0, 0, header);
        noise.nonce = nonce;
        noise.ciphertext_len = body.len() as u32;
        if !sealed {
            noise.key_id = KeyId::NONE;
        }
        prop_assert_eq!(setup.opener().open(&noise, &body).is_ok(), !sealed);
    }
}
