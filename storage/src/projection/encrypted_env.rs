//! The RocksDB environment that encrypts every file: the border to C++.
//!
//! This is the one module with unsafe code. `shim/encrypted_env.cc` adapts
//! RocksDB's `EncryptionProvider` to a table of five functions; they are here,
//! and only convert arguments: the cipher itself is `cipher.rs`, safe Rust.
//!
//! **Who owns what.** The C++ provider owns one `FileCipher` (a leaked `Box`,
//! given back to `drop_state` exactly once), each C++ stream owns one
//! `FileStream` (likewise, `close_stream`). A stream holds the key schedule by
//! `Arc`, so it may outlive the provider.
#![allow(unsafe_code)]

use std::ffi::c_void;

use librocksdb_sys::rocksdb_env_t;
use rocksdb::Env;

use super::cipher::{FileCipher, FileStream, OpenRefused, PREFIX_LEN};
use crate::error::{Result, StorageError};

/// `struct kimberlite_cipher` of `shim/encrypted_env.h`.
#[repr(C)]
struct CipherTable {
    state: *mut c_void,
    prefix_len: usize,
    new_prefix: extern "C" fn(*const c_void, *mut u8),
    open_stream: extern "C" fn(*const c_void, *const u8, usize, *mut *mut c_void) -> i32,
    apply: extern "C" fn(*const c_void, u64, *mut u8, usize) -> i32,
    close_stream: extern "C" fn(*mut c_void),
    drop_state: extern "C" fn(*mut c_void),
}

// `enum kimberlite_open_result`.
const OPEN_OK: i32 = 0;
const OPEN_NOT_ENCRYPTED: i32 = 1;
const OPEN_OTHER_KEY: i32 = 2;

unsafe extern "C" {
    fn kimberlite_encrypted_env(cipher: *const CipherTable) -> *mut rocksdb_env_t;
}

/// Both are used by RocksDB's threads at once.
const fn shared_between_threads<T: Send + Sync>() {}
const _: () = shared_between_threads::<FileCipher>();
const _: () = shared_between_threads::<FileStream>();

/// An environment over the operating system's files, encrypted with `cipher`.
pub(super) fn encrypted_env(cipher: FileCipher) -> Result<Env> {
    let table = CipherTable {
        state: Box::into_raw(Box::new(cipher)).cast(),
        prefix_len: PREFIX_LEN,
        new_prefix,
        open_stream,
        apply,
        close_stream,
        drop_state,
    };
    // SAFETY: `table` has the layout of `struct kimberlite_cipher`; the callee
    // copies it and takes ownership of `state`, also when it fails.
    let env = unsafe { kimberlite_encrypted_env(&raw const table) };
    if env.is_null() {
        return Err(StorageError::Projection(
            "no memory for the encrypted environment".into(),
        ));
    }
    // SAFETY: `env` was created for us, as `rocksdb_env_destroy` expects it
    // (allocated with new, `is_default` false), and nobody else holds it.
    Ok(unsafe { Env::from_raw(env) })
}

extern "C" fn new_prefix(state: *const c_void, prefix: *mut u8) {
    // SAFETY: `state` is the `FileCipher` that `encrypted_env` leaked, and lives
    // until `drop_state`, which the provider calls last. Shared access only.
    let cipher = unsafe { &*state.cast::<FileCipher>() };
    // SAFETY: the shim checked that the buffer has `prefix_len` bytes; RocksDB
    // allocated it for this call and does not touch it meanwhile. The bytes may
    // be uninitialised, so they are written before a slice is made of them.
    let prefix = unsafe {
        prefix.write_bytes(0, PREFIX_LEN);
        std::slice::from_raw_parts_mut(prefix, PREFIX_LEN)
    };
    cipher.new_prefix(prefix);
}

extern "C" fn open_stream(
    state: *const c_void,
    prefix: *const u8,
    len: usize,
    stream: *mut *mut c_void,
) -> i32 {
    if prefix.is_null() {
        return OPEN_NOT_ENCRYPTED;
    }
    // SAFETY: as in `new_prefix`.
    let cipher = unsafe { &*state.cast::<FileCipher>() };
    // SAFETY: pointer and length of a RocksDB slice that was just read or
    // written whole and stays alive and unchanged during the call.
    let prefix = unsafe { std::slice::from_raw_parts(prefix, len) };
    match cipher.open(prefix) {
        Ok(opened) => {
            // SAFETY: `stream` points to a local variable of the caller.
            unsafe { *stream = Box::into_raw(Box::new(opened)).cast() };
            OPEN_OK
        }
        Err(OpenRefused::NotEncrypted) => OPEN_NOT_ENCRYPTED,
        Err(OpenRefused::OtherKey) => OPEN_OTHER_KEY,
    }
}

extern "C" fn apply(stream: *const c_void, offset: u64, data: *mut u8, len: usize) -> i32 {
    // SAFETY: `stream` is a `FileStream` that `open_stream` leaked; the C++
    // stream that holds it is alive, being called. Shared access only.
    let stream = unsafe { &*stream.cast::<FileStream>() };
    // SAFETY: a buffer of `len` > 0 initialised bytes that belongs to the caller
    // for the duration of the call; RocksDB hands out no other reference to it.
    let data = unsafe { std::slice::from_raw_parts_mut(data, len) };
    i32::from(!stream.apply(offset, data))
}

extern "C" fn close_stream(stream: *mut c_void) {
    // SAFETY: leaked by `open_stream`, and closed once, by its only owner.
    drop(unsafe { Box::from_raw(stream.cast::<FileStream>()) });
}

extern "C" fn drop_state(state: *mut c_void) {
    // SAFETY: leaked by `encrypted_env`, and dropped once, by its only owner.
    drop(unsafe { Box::from_raw(state.cast::<FileCipher>()) });
}
