//! Settings to go back to.

use std::sync::Arc;

use super::Settings;

/// The settings before a transaction and at its savepoints. Most transactions
/// change none: they are copied when the first change comes.
#[derive(Debug, Default)]
pub(in super::super) struct SettingsBefore {
    /// None while they are the same as now.
    transaction: Option<Arc<Settings>>,
    /// Likewise, for each savepoint.
    savepoints: Vec<Option<Arc<Settings>>>,
}

impl SettingsBefore {
    /// Notes that `settings` are about to change.
    pub(in super::super) fn remember(&mut self, settings: &Settings) {
        let marks = std::iter::once(&mut self.transaction).chain(&mut self.savepoints);
        let mut copy = None;
        for mark in marks.filter(|mark| mark.is_none()) {
            let copy = copy.get_or_insert_with(|| Arc::new(settings.clone()));
            *mark = Some(Arc::clone(copy));
        }
    }

    /// Undoes all changes.
    pub(in super::super) fn restore(self, settings: &mut Settings) {
        if let Some(before) = self.transaction {
            settings.restore(Arc::unwrap_or_clone(before));
        }
    }

    /// Adds a savepoint.
    pub(in super::super) fn savepoint(&mut self) {
        self.savepoints.push(None);
    }

    /// Forgets the savepoints from the one at `index`; the changes stay.
    pub(in super::super) fn release(&mut self, index: usize) {
        self.savepoints.truncate(index);
    }

    /// Undoes the changes since the savepoint at `index`, which stays.
    pub(in super::super) fn restore_savepoint(&mut self, index: usize, settings: &mut Settings) {
        self.savepoints.truncate(index + 1);
        if let Some(before) = self.savepoints.last_mut().and_then(Option::take) {
            settings.restore(Arc::unwrap_or_clone(before));
        }
    }
}
