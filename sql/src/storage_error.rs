//! What a client is told when storage fails.

use kimberlite_storage::StorageError;

use crate::error::{SqlError, state};

impl SqlError {
    /// The transaction began under another leader.
    pub(crate) fn epoch_over() -> Self {
        Self::new(
            state::T_R_SERIALIZATION_FAILURE,
            "could not serialize access: another replica has led since the transaction began",
        )
        .hint("Try the transaction again.")
    }

    /// The log failed while a transaction was on its way.
    pub(crate) fn outcome_unknown() -> Self {
        Self::new(
            state::TRANSACTION_RESOLUTION_UNKNOWN,
            "the log failed while the transaction was being committed: whether it was is unknown",
        )
        .hint("Look after the server has restarted; a committed transaction is then visible.")
    }
}

impl From<StorageError> for SqlError {
    fn from(error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::Full { .. } => Self::new(state::DISK_FULL, message)
                .hint("Free space in the data directory; nothing of this transaction was stored."),
            StorageError::Closed(_) | StorageError::Unknown(_) => {
                Self::outcome_unknown().with_internal(message)
            }
            StorageError::NotCommitted(_) => Self::new(state::T_R_SERIALIZATION_FAILURE, message)
                .hint("Try the transaction again."),
            StorageError::TooLarge { .. } => Self::new(state::PROGRAM_LIMIT_EXCEEDED, message),
            StorageError::Damaged(_) | StorageError::Format(_) => Self::corrupted(message)
                .hint("Run kimberlite-cli storage verify to see what is damaged."),
            StorageError::ReadOnly { .. } => Self::new(state::READ_ONLY_SQL_TRANSACTION, message),
            _ => Self::new(state::IO_ERROR, message),
        }
    }
}
