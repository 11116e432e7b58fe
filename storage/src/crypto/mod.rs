//! Keys, and sealing events under them.
//!
//! ```text
//! master key          KeyProvider: a file, the environment, later KMS and HSM
//!   └─ wrapping key   one per tenant           KeyId "wrapping/1"
//!        └─ data key  one per tenant and epoch KeyId "data/1", "data/2", …
//!             └─ sub-key  one per sealing process: HKDF-SHA-256(data key, salt)
//!                  └─ nonces counted from 0
//! ```
//!
//! Only wrapped keys are stored ([`KeyRecord`], in `key` events of the log).
//! A key is always looked up under the tenant that the event names, and the
//! sub-key and the associated data contain the tenant too, so one tenant's event
//! cannot open with another tenant's key even if a key were misfiled.

mod key;
mod keyring;
mod provider;
mod record;
mod seal;
mod wrap;

pub use key::{KEY_LEN, Key};
pub use keyring::{DataKey, Keyring};
pub use provider::{EnvKeyProvider, FileKeyProvider, KeyProvider, MASTER_KEY_VARIABLE};
pub use record::KeyRecord;
pub use seal::{Opener, Sealer};
