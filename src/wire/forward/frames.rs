//! Where messages begin and end in bytes that are only copied.

/// Bytes of a message's type and length.
const HEADER: usize = 5;
/// How much of a body is shown, in bytes.
pub(super) const HEAD: usize = 7;

/// Follows a stream of messages, wherever its reads are cut.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// Bytes of the header that are here; all of them while in a body.
    have: usize,
    /// Bytes of the body that are not here.
    left: usize,
    head: [u8; HEAD],
    head_len: usize,
    /// A length was impossible: nothing after it is known to be a message.
    lost: bool,
}

impl Frames {
    /// Takes the next bytes. `ended` is called for each message that ends in them, with
    /// its type and the first [`HEAD`] bytes of its body.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut ended: impl FnMut(u8, &[u8])) {
        while !bytes.is_empty() && !self.lost {
            bytes = if self.have < HEADER {
                self.take_header(bytes)
            } else {
                self.take_body(bytes)
            };
            if self.have == HEADER && self.left == 0 && !self.lost {
                let [kind, ..] = self.header;
                ended(kind, self.head.get(..self.head_len).unwrap_or_default());
                self.have = 0;
                self.head_len = 0;
            }
        }
    }

    /// Whether the next byte begins a message.
    pub(super) fn between_messages(&self) -> bool {
        self.have == 0 && !self.lost
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let place = self.header.get_mut(self.have..).unwrap_or_default();
        let (taken, rest) = bytes.split_at(place.len().min(bytes.len()));
        for (to, from) in place.iter_mut().zip(taken) {
            *to = *from;
        }
        self.have += taken.len();
        if self.have == HEADER {
            let [_, length @ ..] = self.header;
            let body = u32::from_be_bytes(length).checked_sub(4);
            self.lost = body.is_none();
            self.left = body.map_or(0, |body| usize::try_from(body).unwrap_or(usize::MAX));
        }
        rest
    }

    fn take_body<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(self.left.min(bytes.len()));
        let place = self.head.get_mut(self.head_len..).unwrap_or_default();
        self.head_len += place.len().min(taken.len());
        for (to, from) in place.iter_mut().zip(taken) {
            *to = *from;
        }
        self.left -= taken.len();
        rest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    const STREAM: &[u8] = b"Z\0\0\0\x05IE\0\0\0\x0eSERROR\0abcS\0\0\0\x04";

    #[test]
    fn messages_are_found_wherever_reads_are_cut() {
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let mut frames = Frames::default();
                let mut seen = Vec::new();
                for part in [&STREAM[..first], &STREAM[first..second], &STREAM[second..]] {
                    frames.feed(part, |kind, head| seen.push((kind, head.to_vec())));
                }
                let expected = [
                    (b'Z', b"I".to_vec()),
                    (b'E', b"SERROR\0".to_vec()),
                    (b'S', Vec::new()),
                ];
                assert_eq!(seen, expected, "{first} {second}");
                assert!(frames.between_messages());
            }
        }
    }

    #[test]
    fn only_the_ends_of_messages_are_between_messages() {
        let between: Vec<usize> = (0..=STREAM.len())
            .filter(|cut| {
                let mut frames = Frames::default();
                frames.feed(&STREAM[..*cut], |_, _| ());
                frames.between_messages()
            })
            .collect();
        assert_eq!(between, [0, 6, 21, 26]);
    }

    #[test]
    fn after_an_impossible_length_nothing_is_a_message() {
        let mut frames = Frames::default();
        frames.feed(b"Q\0\0\0\x03Q\0\0\0\x04", |_, _| panic!("a message"));
        assert!(!frames.between_messages());
        frames.feed(b"Q\0\0\0\x04", |_, _| panic!("a message"));
    }
}
