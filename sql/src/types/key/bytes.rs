//! Bytes of any length, which end where their order wants them to.

use super::corrupt;
use crate::error::SqlResult;

pub(super) fn encode_bytes(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(zero) = memchr::memchr(0, bytes) {
        let (head, tail) = bytes.split_at(zero + 1);
        out.extend_from_slice(head);
        out.push(255);
        bytes = tail;
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0, 0]);
}

pub(super) fn decode_bytes(bytes: &mut &[u8]) -> SqlResult<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let zero = memchr::memchr(0, bytes).ok_or_else(corrupt)?;
        let (head, tail) = bytes.split_at(zero);
        out.extend_from_slice(head);
        match tail {
            [0, 0, rest @ ..] => {
                *bytes = rest;
                return Ok(out);
            }
            [0, 255, rest @ ..] => {
                out.push(0);
                *bytes = rest;
            }
            _ => return Err(corrupt()),
        }
    }
}
