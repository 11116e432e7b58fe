//! Cutting a range of keys into parts of about the same size on disk.

use super::key_bounds::KeyRange;
use crate::txn::{ReadView, StreamKey};

/// Keys that cut a range into `parts` of about equal size, judged by the size on
/// disk; `None` when the range cannot be cut.
pub(super) fn middle_keys(
    view: &ReadView,
    stream: StreamKey,
    range: &KeyRange,
    parts: usize,
) -> Option<Vec<Vec<u8>>> {
    let first = first_key(view, stream, range)?;
    let size = |end: &[u8]| -> u64 {
        let start = crate::txn::physical_key(view.tenant(), stream.stream, &first);
        let end = crate::txn::physical_key(view.tenant(), stream.stream, end);
        view.snapshot().approximate_size(stream.space, &start, &end)
    };
    let last = match &range.end {
        Some(end) => end.clone(),
        None => vec![u8::MAX; first.len().max(8)],
    };
    let total = size(&last);
    let mut cuts = Vec::with_capacity(parts);
    for part in 1..parts {
        let wanted = total / parts as u64 * part as u64;
        let cut = bisect(&first, &last, |key| size(key) < wanted)?;
        if cuts.last().unwrap_or(&first) < &cut && cut < last {
            cuts.push(cut);
        }
    }
    Some(cuts)
}

fn first_key(view: &ReadView, stream: StreamKey, range: &KeyRange) -> Option<Vec<u8>> {
    let mut scan = view.scan(stream, &range.start, range.end.as_deref(), false);
    scan.next().ok().flatten().map(|(key, _)| key.to_vec())
}

/// Bytes after the common prefix that a cut is searched in.
const CUT_BYTES: usize = 7;

/// The key between `low` and `high` where `below` turns false, found on the
/// bytes after their common prefix.
fn bisect(low: &[u8], high: &[u8], below: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| -> u64 {
        (0..CUT_BYTES).fold(0, |n, i| {
            n << 8 | u64::from(key.get(common + i).copied().unwrap_or(0))
        })
    };
    let key_of = |n: u64| -> Vec<u8> {
        let mut key = low.get(..common).unwrap_or_default().to_vec();
        key.extend_from_slice(n.to_be_bytes().get(8 - CUT_BYTES..).unwrap_or_default());
        key
    };
    let (mut from, mut to) = (number(low), number(high));
    if to <= from {
        return None;
    }
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        if below(&key_of(middle)) {
            from = middle;
        } else {
            to = middle;
        }
    }
    Some(key_of(to))
}
