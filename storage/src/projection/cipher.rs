//! How the projection's files are encrypted.
//!
//! Every file begins with a prefix of 4,096 bytes (a page, so that what follows
//! stays aligned), the rest is AES-256-CTR:
//!
//! | Offset | Bytes | Field |
//! |---|---|---|
//! | 0 | 8 | magic `KBLKENC1` (the digit is the version) |
//! | 8 | 16 | nonce, random for each file: the counter block of byte 0 |
//! | 24 | 32 | key check: HKDF-SHA-256 of the replica key with info `kimberlite projection prefix v1` ‖ bytes 0–23 |
//! | 56 | 4,040 | zero |
//!
//! The byte at offset `n` of the file (prefix included) is encrypted with the
//! counter block `nonce + n / 16`, 128 bits, big-endian. The file key is
//! HKDF-SHA-256 of the replica key with info `kimberlite projection file v1`.
//! Two files share key stream only when their random 128-bit starting points lie
//! closer than the files are long, which for 2³² files of 2³² blocks has a
//! probability of about 2⁻³².
//!
//! Counter mode hides content but does not authenticate it. That is enough here
//! because the projection is not an authority: RocksDB's checksums catch rot, and
//! verification compares it with the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aes::Aes256Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper, StreamCipherSeek};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::Key;
use crate::env::{Entropy, draw};

/// Bytes that each file begins with.
pub(super) const PREFIX_LEN: usize = 4096;

const MAGIC: [u8; 8] = *b"KBLKENC1";
const NONCE_LEN: usize = 16;
const CHECK_LEN: usize = 32;
const CHECKED_LEN: usize = MAGIC.len() + NONCE_LEN;

/// Makes and opens file streams under one replica key.
pub(super) struct FileCipher {
    /// The key schedule. Computing it costs more than encrypting a block of a
    /// table, so it is done once and every stream borrows it.
    schedule: Arc<Aes256Enc>,
    prefix_check: Hkdf<Sha256>,
    entropy: Arc<dyn Entropy>,
    other_key_seen: Arc<AtomicBool>,
}

/// Why a file's stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenRefused {
    /// No prefix of ours.
    NotEncrypted,
    /// Written under another key, or the prefix was changed.
    OtherKey,
}

impl FileCipher {
    pub(super) fn new(key: &Key, entropy: Arc<dyn Entropy>) -> Self {
        let kdf = Hkdf::<Sha256>::new(None, key.expose());
        let mut file_key = Zeroizing::new([0_u8; 32]);
        expand(
            &kdf,
            &[b"kimberlite projection file v1"],
            file_key.as_mut_slice(),
        );
        Self {
            schedule: Arc::new(Aes256Enc::new((&*file_key).into())),
            prefix_check: kdf,
            entropy,
            other_key_seen: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Becomes true once a file of another key was met. RocksDB reports it as
    /// one of many kinds of corruption; this tells the cause for certain.
    pub(super) fn other_key_seen(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.other_key_seen)
    }

    /// Writes the prefix of a new file.
    pub(super) fn new_prefix(&self, prefix: &mut [u8]) {
        prefix.fill(0);
        let mut checked = [0; CHECKED_LEN];
        let (magic, nonce) = checked.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        nonce.copy_from_slice(&draw::<NONCE_LEN>(&*self.entropy));
        let check = self.check(&checked);
        let fields = checked.iter().chain(check.iter());
        prefix
            .iter_mut()
            .zip(fields)
            .for_each(|(to, from)| *to = *from);
    }

    /// Opens the stream of the file that begins with `prefix`.
    pub(super) fn open(&self, prefix: &[u8]) -> Result<FileStream, OpenRefused> {
        let refused = OpenRefused::NotEncrypted;
        if prefix.len() != PREFIX_LEN {
            return Err(refused);
        }
        let (checked, rest) = prefix.split_first_chunk::<CHECKED_LEN>().ok_or(refused)?;
        let check = rest.first_chunk::<CHECK_LEN>().ok_or(refused)?;
        let nonce = checked.strip_prefix(&MAGIC).ok_or(refused)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| refused)?;
        if self.check(checked) != *check {
            self.other_key_seen.store(true, Ordering::Relaxed);
            return Err(OpenRefused::OtherKey);
        }
        Ok(FileStream {
            schedule: Arc::clone(&self.schedule),
            nonce,
        })
    }

    fn check(&self, checked: &[u8; CHECKED_LEN]) -> [u8; CHECK_LEN] {
        let mut out = [0; CHECK_LEN];
        expand(
            &self.prefix_check,
            &[b"kimberlite projection prefix v1", checked],
            &mut out,
        );
        out
    }
}

/// HKDF-Expand. It refuses only outputs above 255 digests; ours are one.
fn expand(kdf: &Hkdf<Sha256>, info: &[&[u8]], out: &mut [u8]) {
    let expanded = kdf.expand_multi_info(info, out);
    debug_assert!(expanded.is_ok(), "one digest is within HKDF's limit");
}

/// The key stream of one file.
pub(super) struct FileStream {
    schedule: Arc<Aes256Enc>,
    nonce: [u8; NONCE_LEN],
}

impl FileStream {
    /// Encrypts or decrypts the bytes at `offset` of the file. False when the
    /// position is past the end of the key stream, which no file reaches.
    #[must_use]
    pub(super) fn apply(&self, offset: u64, data: &mut [u8]) -> bool {
        let core =
            CtrCore::<&Aes256Enc, Ctr128BE>::inner_iv_init(&self.schedule, (&self.nonce).into());
        let mut cipher = StreamCipherCoreWrapper::from_core(core);
        cipher.try_seek(offset).is_ok() && cipher.try_apply_keystream(data).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

    use aes::cipher::{Array, BlockCipherEncrypt};
    use proptest::prelude::*;

    use super::*;
    use crate::env::fixed::FixedEntropy;

    fn cipher(key: u8, seed: u64) -> FileCipher {
        FileCipher::new(
            &Key::from_bytes([key; 32]),
            Arc::new(FixedEntropy::new(seed)),
        )
    }

    fn prefix_of(cipher: &FileCipher) -> Vec<u8> {
        let mut prefix = vec![0xEE; PREFIX_LEN];
        cipher.new_prefix(&mut prefix);
        prefix
    }

    #[test]
    fn the_key_stream_is_plain_ctr_as_documented() {
        let cipher = cipher(7, 1);
        let stream = cipher.open(&prefix_of(&cipher)).unwrap();
        let mut got = [0_u8; 48];
        assert!(stream.apply(4096 + 5, &mut got));
        let start = u128::from_be_bytes(stream.nonce);
        for (i, byte) in got.iter().enumerate() {
            let at = 4096 + 5 + i as u128;
            let mut block = Array::from(start.wrapping_add(at / 16).to_be_bytes());
            cipher.schedule.encrypt_block(&mut block);
            assert_eq!(*byte, block[(at % 16) as usize], "byte {i}");
        }
    }

    #[test]
    fn each_file_gets_its_own_nonce() {
        let cipher = cipher(7, 1);
        let (a, b) = (prefix_of(&cipher), prefix_of(&cipher));
        assert_ne!(a[8..24], b[8..24]);
        assert_eq!(a[56..], [0; PREFIX_LEN - 56]);
    }

    #[test]
    fn another_key_is_told_from_no_prefix_at_all() {
        let (mine, other) = (cipher(7, 1), cipher(8, 1));
        let prefix = prefix_of(&mine);
        assert!(mine.open(&prefix).is_ok());
        assert_eq!(other.open(&prefix).err(), Some(OpenRefused::OtherKey));
        assert!(other.other_key_seen.load(Ordering::Relaxed));
        assert!(!mine.other_key_seen.load(Ordering::Relaxed));
        assert_eq!(
            mine.open(&prefix[..100]).err(),
            Some(OpenRefused::NotEncrypted)
        );
        assert_eq!(
            mine.open(&[0; PREFIX_LEN]).err(),
            Some(OpenRefused::NotEncrypted)
        );
        assert_eq!(mine.open(&[]).err(), Some(OpenRefused::NotEncrypted));
    }

    #[test]
    fn a_changed_nonce_is_noticed() {
        let cipher = cipher(7, 1);
        for at in 8..56 {
            let mut prefix = prefix_of(&cipher);
            prefix[at] ^= 1;
            assert_eq!(
                cipher.open(&prefix).err(),
                Some(OpenRefused::OtherKey),
                "byte {at}"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_as_the_whole(
            offset in 0_u64..1 << 40,
            data in proptest::collection::vec(any::<u8>(), 1..600),
            cut in 0_usize..600,
        ) {
            let cipher = cipher(3, 9);
            let stream = cipher.open(&prefix_of(&cipher)).unwrap();
            let mut whole = data.clone();
            prop_assert!(stream.apply(offset, &mut whole));
            let mut pieces = data.clone();
            let cut = cut.min(pieces.len());
            let (head, tail) = pieces.split_at_mut(cut);
            prop_assert!(stream.apply(offset, head) && stream.apply(offset + cut as u64, tail));
            prop_assert_eq!(&pieces, &whole);
            prop_assert!(stream.apply(offset, &mut whole));
            prop_assert_eq!(whole, data);
        }
    }
}
