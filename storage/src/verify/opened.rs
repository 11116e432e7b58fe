//! What can only be verified with keys.

use super::{VerifyKeys, VerifyOptions};
use crate::apply::EventOpener;
use crate::crypto::{Keyring, Opener};
use crate::error::Result;
use crate::event::{EventKind, EventRef};
use crate::ids::Hash32;
use std::sync::Arc;

/// Opens every event, taking the keys from the log itself.
pub(super) struct Opened {
    opener: EventOpener,
    keyring: Arc<Keyring>,
}

impl Opened {
    /// Starts without keys, unless the scan begins after them: then the keys are
    /// read from the blocks before.
    pub(super) fn new(keys: &VerifyKeys, options: &VerifyOptions) -> Result<Self> {
        let keyring = Arc::new(Keyring::new(keys.provider.clone(), keys.entropy.clone()));
        let opener = EventOpener::new(keyring.clone(), Arc::new(Opener::new(keyring.clone())));
        let this = Self { opener, keyring };
        let from = options.from.unwrap_or(1);
        if from > 1 {
            let reader = crate::log::LogReader::new(options.disk.clone(), &options.data_dir);
            let mut blocks = reader.blocks(1)?;
            while let Some((block, _, leaves)) = blocks.next()? {
                if block.header.index >= from {
                    break;
                }
                for (event, leaf) in block.events.iter().zip(leaves) {
                    if event.header.kind == EventKind::Key {
                        this.event(0, event, leaf)?;
                    }
                }
            }
        }
        Ok(this)
    }

    /// Opens an event whose block is good.
    ///
    /// # Errors
    /// What is wrong with it; [`StorageError::WrongMasterKey`] says that of the
    /// caller's key, provided that the event's body is the one that was written.
    ///
    /// [`StorageError::WrongMasterKey`]: crate::error::StorageError::WrongMasterKey
    pub(super) fn event(&self, ordinal: u16, event: &EventRef<'_>, leaf: Hash32) -> Result<()> {
        if event.header.flags.redacted() {
            return Ok(());
        }
        match event.header.kind {
            EventKind::TxnPart => self.opener.open_txn(&event.header, event.body).map(drop),
            EventKind::Key => {
                self.opener.open(ordinal, &event.header, leaf, event.body)?;
                self.keyring.check_master_key()
            }
            _ => self
                .opener
                .open(ordinal, &event.header, leaf, event.body)
                .map(drop),
        }
    }
}
