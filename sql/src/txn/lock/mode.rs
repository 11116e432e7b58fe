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
    /// Advisory, shared.
    AdvisoryShare = 12,
    /// Advisory, exclusive.
    AdvisoryExclusive = 13,
}

impl LockMode {
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The modes that cannot be held by another transaction at the same time.
    pub(super) const fn conflicts(self) -> u16 {
        use LockMode::{
            AccessExclusive, AccessShare, AdvisoryExclusive, AdvisoryShare, Exclusive,
            RowExclusive, RowKeyShare, RowNoKeyUpdate, RowShare, RowShareLock, RowUpdate, Share,
            ShareRowExclusive, ShareUpdateExclusive,
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
            AdvisoryShare => AdvisoryExclusive.bit(),
            AdvisoryExclusive => AdvisoryShare.bit() | AdvisoryExclusive.bit(),
        }
    }

    /// Whether it is a mode of advisory locks.
    pub fn is_advisory(self) -> bool {
        matches!(self, Self::AdvisoryShare | Self::AdvisoryExclusive)
    }

    /// Whether it is a mode of rows.
    pub fn is_row(self) -> bool {
        !self.is_table() && !self.is_advisory()
    }

    /// Whether it is a mode of tables.
    pub fn is_table(self) -> bool {
        self.bit() & 0xff != 0
    }

    /// The name that `pg_locks` gives the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare | Self::RowKeyShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share | Self::RowShareLock | Self::AdvisoryShare => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive | Self::RowNoKeyUpdate | Self::AdvisoryExclusive => "ExclusiveLock",
            Self::AccessExclusive | Self::RowUpdate => "AccessExclusiveLock",
        }
    }
}
