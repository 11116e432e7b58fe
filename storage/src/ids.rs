//! Names of things in the log.

use std::fmt;

/// A SHA-256 digest.
pub type Hash32 = [u8; 32];

/// The digest that stands for "nothing before this": the `prev_hash` of the
/// first block of a lineage and the `tenant_prev` of a tenant's first event.
pub const NO_HASH: Hash32 = [0; 32];

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A digest that prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

impl fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

/// Reads 32 hexadecimal digits, either case.
fn parse_hex16(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let high = char::from(high).to_digit(16)?;
        let low = char::from(low).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(out)
}

macro_rules! hex_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl $name {
            /// Reads the 32 hexadecimal digits that `Display` writes.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_hex16(text).map(Self)
            }
        }
    };
}

/// Whose data it is: 128 random bits, the outermost part of every key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub [u8; 16]);

hex_id!(TenantId);

impl TenantId {
    /// The database's own tenant: users, tenants, configuration, audit.
    pub const SYSTEM: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

/// The random identity of one history. A cluster that is forcibly recovered
/// gets a new one, so that blocks of the two histories can never be mixed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage(pub [u8; 16]);

hex_id!(Lineage);

/// What a key is for; the top byte of a [`KeyId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// Wraps the tenant's other keys; itself wrapped by the master key.
    Wrapping,
    /// Seals events.
    Data,
}

impl KeyPurpose {
    const fn code(self) -> u8 {
        match self {
            Self::Wrapping => 1,
            Self::Data => 2,
        }
    }
}

/// Names one key of one tenant: purpose in the top byte, epoch in the low 32
/// bits, the 24 bits between are zero. It means nothing without the tenant it
/// is looked up under. Zero means "no key": the event is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u64);

impl KeyId {
    /// No key: the body is not sealed.
    pub const NONE: Self = Self(0);

    /// The key of `purpose` in `epoch`.
    #[must_use]
    pub const fn new(purpose: KeyPurpose, epoch: u32) -> Self {
        Self((purpose.code() as u64) << 56 | epoch as u64)
    }

    /// What the key is for; `None` for [`KeyId::NONE`] and unknown purposes.
    #[must_use]
    pub const fn purpose(self) -> Option<KeyPurpose> {
        match self.0 >> 32 {
            0x0100_0000 => Some(KeyPurpose::Wrapping),
            0x0200_0000 => Some(KeyPurpose::Data),
            _ => None,
        }
    }

    /// Counts the key's rotations, from 1.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.0 as u32
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.purpose() {
            Some(KeyPurpose::Wrapping) => write!(f, "wrapping/{}", self.epoch()),
            Some(KeyPurpose::Data) => write!(f, "data/{}", self.epoch()),
            None if self.is_none() => f.write_str("none"),
            None => write!(f, "unknown/{:016x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_hex_and_read_back() {
        assert_eq!(
            TenantId::SYSTEM.to_string(),
            "00000000000000000000000000000001"
        );
        let id = TenantId([0xAB; 16]);
        assert_eq!(TenantId::parse(&id.to_string()), Some(id));
        assert_eq!(TenantId::parse(&id.to_string().to_uppercase()), Some(id));
        assert_eq!(TenantId::parse("ab"), None);
        assert_eq!(TenantId::parse("zz000000000000000000000000000001"), None);
        assert_eq!(TenantId::parse("é0000000000000000000000000000é"), None);
    }

    #[test]
    fn key_ids_carry_purpose_and_epoch() {
        let id = KeyId::new(KeyPurpose::Data, 7);
        assert_eq!(id.0, 0x0200_0000_0000_0007);
        assert_eq!((id.purpose(), id.epoch()), (Some(KeyPurpose::Data), 7));
        assert_eq!(KeyId::NONE.purpose(), None);
        assert_eq!(
            KeyId(id.0 | 1 << 40).purpose(),
            None,
            "the middle bits must be zero"
        );
    }
}
