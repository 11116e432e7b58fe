//! Lock modes and which of them exclude each other.

/// Lock modes of tables and of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LockMode {
    /// Table: SELECT.
    AccessShare = 0,
    /// Table: SELECT FOR UPDATE and its kin.
    RowShare = 1,
    /// Table: INSERT, UPDATE, DELETE, COPY FROM.
    RowExclusive = 2,
    /// Table: maintenance that runs beside writes.
    ShareUpdateExclusive = 3,
    /// Table: CREATE INDEX.
    Share = 4,
    /// Table: one session at a time, readers allowed.
    ShareRowExclusive = 5,
    /// Table: readers only.
    Exclusive = 6,
    /// Table: nobody else at all; DDL, TRUNCATE.
    AccessExclusive = 7,
    /// Row: FOR KEY SHARE.
    RowKeyShare = 8,
    /// Row: FOR SHARE.
    RowShareLock = 9,
    /// Row: FOR NO KEY UPDATE, UPDATE of other columns than the key.
    RowNoKeyUpdate = 10,
    /// Row: FOR UPDATE, DELETE, key changes, and new rows.
    RowUpdate = 11,
}

impl LockMode {
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The modes that cannot be held by another transaction at the same time.
    pub(super) const fn conflicts(self) -> u16 {
        use LockMode::{
            AccessExclusive, AccessShare, Exclusive, RowExclusive, RowKeyShare, RowNoKeyUpdate,
            RowShare, RowShareLock, RowUpdate, Share, ShareRowExclusive, ShareUpdateExclusive,
        };
        let writers = ShareRowExclusive.bit() | Exclusive.bit() | AccessExclusive.bit();
        match self {
            AccessShare => AccessExclusive.bit(),
            RowShare => Exclusive.bit() | AccessExclusive.bit(),
            RowExclusive => Share.bit() | writers,
            ShareUpdateExclusive => ShareUpdateExclusive.bit() | Share.bit() | writers,
            Share => RowExclusive.bit() | ShareUpdateExclusive.bit() | writers,
            ShareRowExclusive => {
                RowExclusive.bit() | ShareUpdateExclusive.bit() | Share.bit() | writers
            }
            Exclusive => {
                RowShare.bit()
                    | RowExclusive.bit()
                    | ShareUpdateExclusive.bit()
                    | Share.bit()
                    | writers
            }
            AccessExclusive => 0xff,
            RowKeyShare => RowUpdate.bit(),
            RowShareLock => RowNoKeyUpdate.bit() | RowUpdate.bit(),
            RowNoKeyUpdate => RowShareLock.bit() | RowNoKeyUpdate.bit() | RowUpdate.bit(),
            RowUpdate => {
                RowKeyShare.bit() | RowShareLock.bit() | RowNoKeyUpdate.bit() | RowUpdate.bit()
            }
        }
    }
}
