//! The keys of all tenants, as the log's `key` events gave them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::key::Key;
use super::provider::KeyProvider;
use super::record::KeyRecord;
use super::wrap;
use crate::env::{Entropy, draw};
use crate::error::{FormatError, KeyError, Result, StorageError};
use crate::ids::{KeyId, KeyPurpose, TenantId};

/// The only wrapping key of a tenant.
const WRAPPING_KEY: KeyId = KeyId::new(KeyPurpose::Wrapping, 1);

/// A data key, and how often it has sealed.
pub struct DataKey {
    tenant: TenantId,
    key_id: KeyId,
    key: Key,
    seals: Arc<AtomicU64>,
}

impl DataKey {
    /// Whose key it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its name.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The secret.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// A key that no keyring has given.
    #[cfg(test)]
    pub(super) fn for_test(tenant: TenantId, key_id: KeyId, key: [u8; 32]) -> Self {
        Self {
            tenant,
            key_id,
            key: Key::from_bytes(key),
            seals: Arc::default(),
        }
    }

    /// Counts a seal.
    pub(super) fn count_seal(&self) {
        self.seals.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({} of {}, redacted)", self.key_id, self.tenant)
    }
}

/// A data key as loaded, unwrapped at its first use.
struct DataSlot {
    wrapped: Vec<u8>,
    opened: OnceLock<Arc<DataKey>>,
    seals: Arc<AtomicU64>,
}

/// A tenant's keys. Unwrapped at first use: with a remote key service, opening a
/// database of many tenants must not take a round trip for each.
struct TenantKeys {
    wrapped_kek: Vec<u8>,
    kek: OnceLock<Arc<Key>>,
    data: BTreeMap<KeyId, Arc<DataSlot>>,
}

/// The keys of all tenants. Memory grows with the number of tenants and their
/// rotations, about 500 bytes a key.
pub struct Keyring {
    provider: Arc<dyn KeyProvider>,
    entropy: Arc<dyn Entropy>,
    tenants: RwLock<HashMap<TenantId, TenantKeys>>,
}

impl Keyring {
    /// An empty keyring. [`Self::load_record`] fills it.
    #[must_use]
    pub fn new(provider: Arc<dyn KeyProvider>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            provider,
            entropy,
            tenants: RwLock::default(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<TenantId, TenantKeys>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<TenantId, TenantKeys>> {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes new keys for a new tenant with a random identity. They are not in
    /// the keyring until their records, appended to the log in this order as
    /// `key` events, come back through [`Self::load_record`]: nothing may be
    /// sealed under a key that a crash could lose.
    ///
    /// # Errors
    /// When the master key's provider fails.
    pub fn create_tenant(&self) -> Result<(TenantId, Vec<KeyRecord>)> {
        let tenant = TenantId(draw(self.entropy.as_ref()));
        Ok((tenant, self.create_keys(tenant)?))
    }

    /// Makes the first keys of `tenant`, as [`Self::create_tenant`] does. For
    /// [`TenantId::SYSTEM`].
    ///
    /// # Errors
    /// When the tenant has keys already, or the master key's provider fails.
    pub fn create_keys(&self, tenant: TenantId) -> Result<Vec<KeyRecord>> {
        if self.has_tenant(tenant) {
            return Err(KeyError::Conflict {
                tenant,
                key_id: WRAPPING_KEY,
            }
            .into());
        }
        let entropy = self.entropy.as_ref();
        let kek = Key::random(entropy);
        let context = KeyRecord::context(tenant, WRAPPING_KEY);
        let kek_record = KeyRecord {
            tenant: tenant.0.to_vec(),
            key_id: WRAPPING_KEY.0,
            wrapped_by: KeyId::NONE.0,
            wrapped: self.provider.wrap(&context, &kek, entropy)?,
        };
        let data_record = self.new_data_key(tenant, 1, &kek)?;
        Ok(vec![kek_record, data_record])
    }

    fn new_data_key(&self, tenant: TenantId, epoch: u32, kek: &Key) -> Result<KeyRecord> {
        let entropy = self.entropy.as_ref();
        let key_id = KeyId::new(KeyPurpose::Data, epoch);
        let key = Key::random(entropy);
        let context = KeyRecord::context(tenant, key_id);
        Ok(KeyRecord {
            tenant: tenant.0.to_vec(),
            key_id: key_id.0,
            wrapped_by: WRAPPING_KEY.0,
            wrapped: wrap::wrap(kek, &context, &key, entropy)?,
        })
    }

    /// Makes the tenant's next data key. It is used for sealing from when its
    /// record has come back through [`Self::load_record`]; the older ones remain
    /// for opening.
    ///
    /// # Errors
    /// When the tenant has no keys, or the master key does not unwrap them.
    pub fn rotate(&self, tenant: TenantId) -> Result<KeyRecord> {
        let current = self.current_key_id(tenant)?;
        let kek = self.wrapping_key(tenant)?;
        let epoch = current.epoch().checked_add(1).ok_or_else(|| {
            KeyError::Source(format!("tenant {tenant} has used up its key epochs"))
        })?;
        self.new_data_key(tenant, epoch, &kek)
    }

    /// Takes a key from the log. Loading the same record again changes nothing.
    ///
    /// # Errors
    /// [`KeyError::Conflict`] for another record of a known key,
    /// [`KeyError::NoTenant`] for a data key before its wrapping key,
    /// [`FormatError`] for a record that cannot be.
    pub fn load_record(&self, record: &KeyRecord) -> Result<()> {
        let tenant = record.tenant_id()?;
        let key_id = record.key_id();
        match (key_id.purpose(), record.wrapped_by()) {
            (Some(KeyPurpose::Wrapping), KeyId::NONE) if key_id == WRAPPING_KEY => {
                self.load_wrapping_key(tenant, record)
            }
            (Some(KeyPurpose::Data), WRAPPING_KEY) => self.load_data_key(tenant, record),
            _ => Err(FormatError::Field {
                what: "key id",
                value: key_id.0,
            }
            .into()),
        }
    }

    fn load_wrapping_key(&self, tenant: TenantId, record: &KeyRecord) -> Result<()> {
        let mut tenants = self.write();
        let keys = tenants.entry(tenant).or_insert_with(|| TenantKeys {
            wrapped_kek: record.wrapped.clone(),
            kek: OnceLock::new(),
            data: BTreeMap::new(),
        });
        same_or_conflict(tenant, WRAPPING_KEY, &keys.wrapped_kek, &record.wrapped)
    }

    fn load_data_key(&self, tenant: TenantId, record: &KeyRecord) -> Result<()> {
        let key_id = record.key_id();
        let mut tenants = self.write();
        let keys = tenants.get_mut(&tenant).ok_or(KeyError::NoTenant(tenant))?;
        let slot = keys.data.entry(key_id).or_insert_with(|| {
            Arc::new(DataSlot {
                wrapped: record.wrapped.clone(),
                opened: OnceLock::new(),
                seals: Arc::default(),
            })
        });
        same_or_conflict(tenant, key_id, &slot.wrapped, &record.wrapped)
    }

    /// Whether keys of the tenant are loaded.
    #[must_use]
    pub fn has_tenant(&self, tenant: TenantId) -> bool {
        self.read().contains_key(&tenant)
    }

    /// The tenants whose keys are loaded, in no order.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        self.read().keys().copied().collect()
    }

    /// Checks that the master key is the right one, on the keys of one tenant
    /// (the system tenant, when it is there). An empty keyring passes.
    ///
    /// # Errors
    /// [`StorageError::WrongMasterKey`].
    pub fn check_master_key(&self) -> Result<()> {
        let tenant = {
            let tenants = self.read();
            match tenants.contains_key(&TenantId::SYSTEM) {
                true => Some(TenantId::SYSTEM),
                false => tenants.keys().next().copied(),
            }
        };
        tenant.map_or(Ok(()), |tenant| self.wrapping_key(tenant).map(drop))
    }

    fn wrapping_key(&self, tenant: TenantId) -> Result<Arc<Key>> {
        let wrapped = {
            let tenants = self.read();
            let keys = tenants.get(&tenant).ok_or(KeyError::NoTenant(tenant))?;
            if let Some(kek) = keys.kek.get() {
                return Ok(Arc::clone(kek));
            }
            keys.wrapped_kek.clone()
        };
        // Without the lock: the provider may be a key service far away.
        let context = KeyRecord::context(tenant, WRAPPING_KEY);
        let kek = self
            .provider
            .unwrap(&context, &wrapped)
            .map_err(|error| name(error, tenant))?;
        let tenants = self.read();
        let keys = tenants.get(&tenant).ok_or(KeyError::NoTenant(tenant))?;
        Ok(Arc::clone(keys.kek.get_or_init(|| Arc::new(kek))))
    }

    fn current_key_id(&self, tenant: TenantId) -> Result<KeyId> {
        let tenants = self.read();
        let keys = tenants.get(&tenant).ok_or(KeyError::NoTenant(tenant))?;
        let newest = keys.data.last_key_value().map(|(key_id, _)| *key_id);
        Ok(newest.ok_or(KeyError::NoTenant(tenant))?)
    }

    /// The tenant's newest data key: the one to seal with.
    ///
    /// # Errors
    /// As [`Self::data_key`].
    pub fn current_key(&self, tenant: TenantId) -> Result<Arc<DataKey>> {
        {
            let tenants = self.read();
            let newest = tenants
                .get(&tenant)
                .and_then(|keys| keys.data.last_key_value());
            if let Some(opened) = newest.and_then(|(_, slot)| slot.opened.get()) {
                return Ok(Arc::clone(opened));
            }
        }
        self.data_key(tenant, self.current_key_id(tenant)?)
    }

    /// A data key by name, for opening.
    ///
    /// # Errors
    /// [`KeyError::NoTenant`], [`KeyError::NoKey`], [`KeyError::DoesNotUnwrap`],
    /// or [`StorageError::WrongMasterKey`].
    pub fn data_key(&self, tenant: TenantId, key_id: KeyId) -> Result<Arc<DataKey>> {
        let slot = {
            let tenants = self.read();
            let keys = tenants.get(&tenant).ok_or(KeyError::NoTenant(tenant))?;
            let slot = keys
                .data
                .get(&key_id)
                .ok_or(KeyError::NoKey { tenant, key_id })?;
            Arc::clone(slot)
        };
        if let Some(opened) = slot.opened.get() {
            return Ok(Arc::clone(opened));
        }
        let kek = self.wrapping_key(tenant)?;
        let context = KeyRecord::context(tenant, key_id);
        let key = wrap::unwrap(&kek, &context, &slot.wrapped)
            .ok_or(KeyError::DoesNotUnwrap { tenant, key_id })?;
        let opened = slot.opened.get_or_init(|| {
            Arc::new(DataKey {
                tenant,
                key_id,
                key,
                seals: Arc::clone(&slot.seals),
            })
        });
        Ok(Arc::clone(opened))
    }

    /// Counts seals that were made before this process started, as the log is
    /// replayed. Unknown keys are ignored.
    pub fn note_seals(&self, tenant: TenantId, key_id: KeyId, count: u64) {
        let tenants = self.read();
        if let Some(slot) = tenants.get(&tenant).and_then(|keys| keys.data.get(&key_id)) {
            slot.seals.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How often the tenant's newest data key has sealed.
    ///
    /// # Errors
    /// [`KeyError::NoTenant`].
    pub fn seals(&self, tenant: TenantId) -> Result<u64> {
        let tenants = self.read();
        let keys = tenants.get(&tenant).ok_or(KeyError::NoTenant(tenant))?;
        let (_, slot) = keys
            .data
            .last_key_value()
            .ok_or(KeyError::NoTenant(tenant))?;
        Ok(slot.seals.load(Ordering::Relaxed))
    }

    /// The tenants whose newest data key has sealed `limit` times or more, in no
    /// order: call [`Self::rotate`] for each.
    #[must_use]
    pub fn due_for_rotation(&self, limit: u64) -> Vec<TenantId> {
        let tenants = self.read();
        let due = tenants.iter().filter(|(_, keys)| {
            let newest = keys.data.last_key_value();
            newest.is_some_and(|(_, slot)| slot.seals.load(Ordering::Relaxed) >= limit)
        });
        due.map(|(tenant, _)| *tenant).collect()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} tenants, redacted)", self.read().len())
    }
}

/// Says whose key it was that did not unwrap.
fn name(error: StorageError, tenant: TenantId) -> StorageError {
    match error {
        StorageError::WrongMasterKey { provider, .. } => {
            let what = format!("the wrapping key of tenant {tenant}");
            StorageError::WrongMasterKey { provider, what }
        }
        other => other,
    }
}

fn same_or_conflict(tenant: TenantId, key_id: KeyId, known: &[u8], new: &[u8]) -> Result<()> {
    if known == new {
        return Ok(());
    }
    Err(KeyError::Conflict { tenant, key_id }.into())
}

#[cfg(test)]
mod tests;
