//! Reading fixed-width little-endian fields without ever running past the end.

use crate::error::FormatError;

/// A position in bytes that are being read field by field.
pub(crate) struct Fields<'a> {
    what: &'static str,
    total: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the first byte; `what` names the thing in errors.
    pub(crate) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            what,
            total: bytes.len(),
            rest: bytes,
        }
    }

    /// The next `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated(N as u64))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next `len` bytes, borrowed.
    #[inline]
    pub(crate) fn slice(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.truncated(len as u64))?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Result<i64, FormatError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn truncated(&self, wanted: u64) -> FormatError {
        let read = (self.total - self.rest.len()) as u64;
        FormatError::Truncated {
            what: self.what,
            needed: read.saturating_add(wanted),
            have: self.total as u64,
        }
    }
}

/// Writes fixed-width little-endian fields into an array of exactly their size.
pub(crate) struct FieldWriter<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> FieldWriter<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            at: 0,
        }
    }

    /// Appends `field`. What does not fit is dropped, which [`Self::done`]
    /// catches in debug builds: the callers write constant layouts.
    #[inline]
    pub(crate) fn put(mut self, field: &[u8]) -> Self {
        let end = self.at + field.len();
        if let Some(room) = self.bytes.get_mut(self.at..end) {
            room.copy_from_slice(field);
        }
        self.at = end;
        self
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> &[u8] {
        self.bytes.get(..self.at).unwrap_or(&self.bytes)
    }

    #[inline]
    pub(crate) fn done(self) -> [u8; N] {
        debug_assert_eq!(self.at, N, "the layout fills its array exactly");
        self.bytes
    }
}
