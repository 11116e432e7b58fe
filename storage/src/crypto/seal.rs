//! Sealing and opening events.
//!
//! AES-256-GCM under a sub-key, so that nonces are unique whatever happens:
//!
//! - A [`Sealer`] draws a random 32-byte salt for each data key it uses and
//!   derives `sub-key = HKDF-SHA-256(ikm = data key, salt, info =
//!   "kimberlite/seal/v1" ‖ tenant_id ‖ key_id)`. Nobody else ever uses that
//!   salt: not this process after a restart, not another leader, not a forked
//!   history.
//! - Nonces count up from 0 under the sub-key: 8 bytes little-endian, then four
//!   zeros. After 2³² of them a new salt is drawn.
//!
//! The whole salt travels in the event header, so a reader needs nothing but the
//! data key and the event. The associated data is `tenant_id ‖ key_id ‖ kind ‖
//! salt` (16 + 8 + 1 + 32 bytes, as in the header). An event's place in the log
//! is bound by the chain, not here.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use lru::LruCache;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::keyring::{DataKey, Keyring};
use crate::env::{Entropy, draw};
use crate::error::{KeyError, Result, StorageError};
use crate::event::{
    EVENT_PLAINTEXT_LEN_MAX, EventFlags, EventHeader, EventKind, SealedEvent, TAG_LEN, sha256,
};
use crate::ids::{KeyId, TenantId};

/// How many messages one sub-key seals.
const NONCES_MAX: u64 = 1 << 32;

/// How many independently locked parts a cache has.
const SHARDS: usize = 16;

/// How many ciphers one part holds. An expanded key takes about a kilobyte, so a
/// cache takes at most about 16 MiB.
const SHARD_CAPACITY: NonZeroUsize = match NonZeroUsize::new(1024) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// A bounded cache of expanded keys, locked in parts. What is dropped from it is
/// derived again when needed.
struct CipherCache<K, V> {
    shards: [Mutex<LruCache<K, Arc<V>>>; SHARDS],
}

impl<K: std::hash::Hash + Eq, V> CipherCache<K, V> {
    fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(LruCache::new(SHARD_CAPACITY))),
        }
    }

    /// The value for `key`, made by `make` when it is not there or `usable` says
    /// no. `make` runs without a lock, because it may ask a key service; when two
    /// threads make the same value, one of the two is used and the other dropped.
    fn get_or_make(
        &self,
        tenant: TenantId,
        key: K,
        usable: impl Fn(&V) -> bool,
        make: impl FnOnce() -> Result<V>,
    ) -> Result<Arc<V>> {
        let find = |cache: &mut LruCache<K, Arc<V>>| {
            cache
                .get(&key)
                .filter(|found| usable(found))
                .map(Arc::clone)
        };
        if let Some(found) = find(&mut self.shard(tenant)) {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        let mut cache = self.shard(tenant);
        if let Some(found) = find(&mut cache) {
            return Ok(found);
        }
        cache.put(key, Arc::clone(&made));
        Ok(made)
    }

    /// The part of the cache that holds this tenant's values, locked.
    fn shard(&self, tenant: TenantId) -> MutexGuard<'_, LruCache<K, Arc<V>>> {
        let spread = tenant
            .0
            .iter()
            .fold(0_usize, |sum, byte| sum.wrapping_add(usize::from(*byte)));
        let [first, ..] = &self.shards;
        let shard = self.shards.get(spread % SHARDS).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn derive(key: &DataKey, salt: &[u8; 32]) -> Result<Aes256Gcm> {
    let mut sub_key = Zeroizing::new([0; 32]);
    let key_id = key.key_id().0.to_le_bytes();
    Hkdf::<Sha256>::new(Some(salt), key.key().expose())
        .expand_multi_info(
            &[b"kimberlite/seal/v1", &key.tenant().0, &key_id],
            sub_key.as_mut_slice(),
        )
        .map_err(|_| KeyError::Cipher("deriving a sub-key"))?;
    Ok(Aes256Gcm::new((&*sub_key).into()))
}

fn associated(tenant: TenantId, key_id: KeyId, kind: EventKind, salt: &[u8; 32]) -> [u8; 57] {
    crate::fields::FieldWriter::new()
        .put(&tenant.0)
        .put(&key_id.0.to_le_bytes())
        .put(&[kind.code()])
        .put(salt)
        .done()
}

/// A sub-key and the count of its nonces.
struct SealingKey {
    salt: [u8; 32],
    cipher: Aes256Gcm,
    next_nonce: AtomicU64,
}

impl SealingKey {
    /// A nonce that no one has had; `None` when there are no more.
    fn take_nonce(&self) -> Option<[u8; 12]> {
        let taken = self.next_nonce.fetch_add(1, Ordering::Relaxed);
        if taken >= NONCES_MAX {
            return None;
        }
        let mut nonce = [0; 12];
        let (counter, _) = nonce.split_first_chunk_mut::<8>()?;
        *counter = taken.to_le_bytes();
        Some(nonce)
    }

    fn used_up(&self) -> bool {
        self.next_nonce.load(Ordering::Relaxed) >= NONCES_MAX
    }
}

/// Seals events. One for a process; any number of threads may use it at once.
pub struct Sealer {
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
    keys: CipherCache<(TenantId, KeyId), SealingKey>,
    seals: AtomicU64,
}

impl Sealer {
    /// A sealer over these keys.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            keyring,
            entropy,
            keys: CipherCache::new(),
            seals: AtomicU64::new(0),
        }
    }

    /// Seals `plaintext` under the tenant's newest data key, in place: pass a
    /// vector with [`TAG_LEN`] bytes to spare and nothing is copied.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] when the event would be over its limit,
    /// [`KeyError`] when the tenant has no keys.
    pub fn seal(
        &self,
        tenant: TenantId,
        kind: EventKind,
        plaintext: Vec<u8>,
    ) -> Result<SealedEvent> {
        let plaintext_len = check_len(&plaintext)?;
        let data_key = self.keyring.current_key(tenant)?;
        let (key, nonce) = self.sealing_key(&data_key)?;
        let key_id = data_key.key_id();
        let associated = associated(tenant, key_id, kind, &key.salt);
        let mut body = plaintext;
        key.cipher
            .encrypt_in_place(&Nonce::from(nonce), &associated, &mut body)
            .map_err(|_| KeyError::Cipher("sealing an event"))?;
        data_key.count_seal();
        self.seals.fetch_add(1, Ordering::Relaxed);
        Ok(SealedEvent {
            kind,
            flags: EventFlags::NONE,
            tenant,
            key_id,
            salt: key.salt,
            nonce,
            plaintext_len,
            ciphertext_sha256: sha256(&body),
            body,
        })
    }

    /// The current sub-key of `data_key` and a fresh nonce under it.
    fn sealing_key(&self, data_key: &DataKey) -> Result<(Arc<SealingKey>, [u8; 12])> {
        let name = (data_key.tenant(), data_key.key_id());
        // Twice would do unless 2³² seals happen in between; then it is an error.
        for _ in 0..3 {
            let make = || {
                let salt = draw(self.entropy.as_ref());
                let cipher = derive(data_key, &salt)?;
                Ok(SealingKey {
                    salt,
                    cipher,
                    next_nonce: AtomicU64::new(0),
                })
            };
            let usable = |key: &SealingKey| !key.used_up();
            let key = self
                .keys
                .get_or_make(data_key.tenant(), name, usable, make)?;
            if let Some(nonce) = key.take_nonce() {
                return Ok((key, nonce));
            }
        }
        Err(KeyError::Cipher("drawing a nonce").into())
    }

    /// How many events this sealer has sealed.
    #[must_use]
    pub fn seal_count(&self) -> u64 {
        self.seals.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

fn check_len(plaintext: &[u8]) -> Result<u32> {
    match u32::try_from(plaintext.len()) {
        Ok(len) if len <= EVENT_PLAINTEXT_LEN_MAX => Ok(len),
        _ => Err(StorageError::TooLarge {
            what: "an event",
            len: plaintext.len() as u64,
            max: u64::from(EVENT_PLAINTEXT_LEN_MAX),
        }),
    }
}

/// Opens events. Any number of threads may use it at once.
pub struct Opener {
    keyring: Arc<Keyring>,
    ciphers: CipherCache<(TenantId, KeyId, [u8; 32]), Aes256Gcm>,
    opens: AtomicU64,
}

impl Opener {
    /// An opener over these keys.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            ciphers: CipherCache::new(),
            opens: AtomicU64::new(0),
        }
    }

    /// Opens an event's body; one that was never sealed is copied.
    ///
    /// # Errors
    /// [`KeyError::Redacted`] when the body was removed,
    /// [`KeyError::DoesNotOpen`] when the body or the header changed after
    /// sealing, [`KeyError::NoTenant`] and [`KeyError::NoKey`] when the key is
    /// not there.
    pub fn open(&self, header: &EventHeader, body: &[u8]) -> Result<Vec<u8>> {
        let (tenant, key_id) = (header.tenant, header.key_id);
        let does_not_open = KeyError::DoesNotOpen { tenant, key_id };
        if header.flags.redacted() {
            return Err(KeyError::Redacted(tenant).into());
        }
        if body.len() != header.ciphertext_len as usize {
            return Err(does_not_open.into());
        }
        if key_id.is_none() {
            return Ok(body.to_vec());
        }
        let (text, tag) = body
            .split_last_chunk::<{ TAG_LEN as usize }>()
            .ok_or_else(|| does_not_open.clone())?;
        let cipher = self.cipher(header)?;
        let mut plain = text.to_vec();
        let associated = associated(tenant, key_id, header.kind, &header.salt);
        cipher
            .decrypt_inout_detached(
                &Nonce::from(header.nonce),
                &associated,
                plain.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| does_not_open)?;
        self.opens.fetch_add(1, Ordering::Relaxed);
        Ok(plain)
    }

    fn cipher(&self, header: &EventHeader) -> Result<Arc<Aes256Gcm>> {
        let name = (header.tenant, header.key_id, header.salt);
        self.ciphers.get_or_make(
            header.tenant,
            name,
            |_| true,
            || {
                let key = self.keyring.data_key(header.tenant, header.key_id)?;
                derive(&key, &header.salt)
            },
        )
    }

    /// How many sealed events this opener has opened.
    #[must_use]
    pub fn open_count(&self) -> u64 {
        self.opens.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(redacted)")
    }
}

#[cfg(test)]
mod tests;
