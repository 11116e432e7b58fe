//! Taking apart the bytes of members and changes.

use kimberlite_storage::FormatError;

use super::MEMBERS_MAX;

const VERSION: u8 = 1;

pub(super) const fn begin(flag: bool) -> [u8; 2] {
    [VERSION, flag as u8]
}

pub(super) fn field(what: &'static str, value: u64) -> FormatError {
    FormatError::Field { what, value }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The version, which has to be ours, and the flag after it.
    pub(super) fn begin(&mut self) -> Result<bool, FormatError> {
        let [version] = self.array()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: "members",
                found: version.into(),
                newest: VERSION.into(),
            });
        }
        self.flag()
    }

    pub(super) fn flag(&mut self) -> Result<bool, FormatError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(field("flag of members", other.into())),
        }
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(slice) = rest.get(..len) else {
            return Err(FormatError::Truncated {
                what: "members",
                needed: (self.at + len) as u64,
                have: self.bytes.len() as u64,
            });
        };
        self.at += len;
        Ok(slice)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let slice = self.slice(N)?;
        Ok(slice.first_chunk().copied().unwrap_or([0; N]))
    }

    /// A text with its length in one byte in front.
    pub(super) fn text(&mut self) -> Result<String, FormatError> {
        let [len] = self.array()?;
        let bytes = self.slice(len.into())?;
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| field("text of a member", len.into()))?;
        Ok(text.to_owned())
    }

    pub(super) fn count(&mut self) -> Result<usize, FormatError> {
        let count = usize::from(u16::from_le_bytes(self.array()?));
        if count > MEMBERS_MAX {
            return Err(field("number of members", count as u64));
        }
        Ok(count)
    }

    pub(super) fn ids(&mut self) -> Result<Vec<u64>, FormatError> {
        let count = self.count()?;
        (0..count)
            .map(|_| self.array().map(u64::from_le_bytes))
            .collect()
    }

    pub(super) fn end(&self) -> Result<(), FormatError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            rest => Err(field("bytes after members", rest as u64)),
        }
    }
}
