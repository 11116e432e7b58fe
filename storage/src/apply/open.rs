//! Opening events for the projection.

use crate::crypto::{KeyRecord, Keyring, Opener};
use crate::error::{FormatError, Result};
use crate::event::{EventHeader, EventKind};
use crate::ids::Hash32;
use crate::projection::OpenedEvent;
use crate::txn::{self, Txn};
use std::sync::Arc;

/// Opens events and takes the keys among them into the keyring.
#[derive(Clone)]
pub struct EventOpener {
    keyring: Arc<Keyring>,
    opener: Arc<Opener>,
}

impl EventOpener {
    /// Opens with the keys of `keyring`.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, opener: Arc<Opener>) -> Self {
        Self { keyring, opener }
    }

    /// Opens what the projection wants of an event. Parts of transactions are
    /// not opened: they count only through their close.
    ///
    /// # Errors
    /// [`crate::StorageError::Key`] or [`crate::StorageError::Format`] for a body
    /// that does not open.
    pub fn open(
        &self,
        ordinal: u16,
        header: &EventHeader,
        leaf: Hash32,
        body: &[u8],
    ) -> Result<OpenedEvent> {
        let mut opened = Self::unopened(ordinal, header, leaf);
        if header.flags.redacted() {
            return Ok(opened);
        }
        match header.kind {
            EventKind::Txn => opened.txn = Some(self.open_txn(header, body)?),
            EventKind::Key => opened.key = Some(self.take_key(header, body)?),
            EventKind::Control => opened.control = Some(self.opener.open(header, body)?),
            EventKind::TxnPart | EventKind::Checkpoint | EventKind::Audit => {}
        }
        Ok(opened)
    }

    /// The event without its content.
    #[must_use]
    pub fn unopened(ordinal: u16, header: &EventHeader, leaf: Hash32) -> OpenedEvent {
        OpenedEvent {
            ordinal,
            tenant: header.tenant,
            tenant_seq: header.tenant_seq,
            kind: header.kind,
            leaf,
            txn: None,
            key: None,
            control: None,
        }
    }

    /// Opens a transaction or a part of one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_txn(&self, header: &EventHeader, body: &[u8]) -> Result<Txn> {
        txn::decode(self.opener.open(header, body)?)
    }

    fn take_key(&self, header: &EventHeader, body: &[u8]) -> Result<KeyRecord> {
        let record = KeyRecord::from_bytes(&self.opener.open(header, body)?)?;
        if record.tenant_id()? != header.tenant {
            return Err(FormatError::Field {
                what: "tenant of a key record",
                value: header.tenant_seq,
            }
            .into());
        }
        self.keyring.load_record(&record)?;
        Ok(record)
    }
}
