//! What the replica in the middle has to know of a session that it only copies: whether
//! it could be ended now, and whether its client was told why it ends.

use super::frames::Frames;

/// Follows both directions of a session.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Messages of the client, as they were received.
    asked: Frames,
    /// Messages to the client, as they were sent.
    told: Frames,
    /// Messages of the client that end with a ReadyForQuery which has not come.
    unanswered: u64,
    /// It is the client's turn, and it has not said anything.
    resting: bool,
    /// A COPY FROM STDIN began since the last ReadyForQuery.
    copying: bool,
    /// The client said goodbye.
    left: bool,
    /// The last message to the client was an error that ends sessions.
    dismissed: bool,
}

impl Conversation {
    /// A session whose client waits for the first ReadyForQuery.
    pub(super) fn new() -> Self {
        Conversation {
            asked: Frames::default(),
            told: Frames::default(),
            unanswered: 1,
            resting: false,
            copying: false,
            left: false,
            dismissed: false,
        }
    }

    /// Bytes came from the client.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.resting = false;
        let (unanswered, left) = (&mut self.unanswered, &mut self.left);
        self.asked.feed(bytes, |kind, _| match kind {
            b'Q' | b'S' | b'F' => *unanswered = unanswered.saturating_add(1),
            b'X' => *left = true,
            _ => {}
        });
    }

    /// Bytes went to the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let asks_on = !self.asked.between_messages();
        let Conversation {
            told,
            unanswered,
            resting,
            copying,
            dismissed,
            ..
        } = self;
        told.feed(bytes, |kind, head| {
            *dismissed = kind == b'E' && matches!(head, b"SFATAL\0" | b"SPANIC\0");
            match kind {
                b'G' => *copying = true,
                b'Z' => {
                    // A COPY takes the Sync that drivers send right after Execute, and
                    // answers only the one after the data.
                    *unanswered = if std::mem::take(copying) {
                        0
                    } else {
                        unanswered.saturating_sub(1)
                    };
                    *resting = *unanswered == 0 && !asks_on;
                }
                _ => {}
            }
        });
    }

    /// Whether nothing is under way, as far as one can see from here.
    pub(super) fn is_resting(&self) -> bool {
        self.resting && self.may_interject()
    }

    /// Whether a message to the client would not be put into another one.
    pub(super) fn may_interject(&self) -> bool {
        self.told.between_messages()
    }

    /// Whether the client knows that the session is over.
    pub(super) fn is_over(&self) -> bool {
        self.left || self.dismissed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    const READY: &[u8] = b"Z\0\0\0\x05I";
    const SYNC: &[u8] = b"S\0\0\0\x04";
    const QUERY: &[u8] = b"Q\0\0\0\x05\0";

    fn ready() -> Conversation {
        let mut session = Conversation::new();
        assert!(!session.is_resting());
        session.sent(b"R\0\0\0\x08\0\0\0\0");
        assert!(!session.is_resting());
        session.sent(READY);
        assert!(session.is_resting());
        session
    }

    #[test]
    fn a_session_rests_when_everything_is_answered() {
        let mut session = ready();
        session.received(QUERY);
        session.received(QUERY);
        session.sent(READY);
        assert!(!session.is_resting());
        session.sent(READY);
        assert!(session.is_resting());
        // What comes unasked changes nothing, unless it is cut.
        session.sent(b"A\0\0\0\x04");
        assert!(session.is_resting());
        session.sent(b"A\0\0");
        assert!(!session.is_resting() && !session.may_interject());
        session.sent(b"\0\x04");
        assert!(session.is_resting());
        // A statement that is not synced yet, or not all here.
        session.received(b"P");
        assert!(!session.is_resting());
        session.received(b"\0\0\0\x04");
        assert!(!session.is_resting());
        session.received(SYNC);
        session.sent(READY);
        assert!(session.is_resting());
    }

    #[test]
    fn half_a_message_of_the_client_is_no_rest() {
        let mut session = ready();
        session.received(QUERY);
        session.received(&QUERY[..3]);
        session.sent(READY);
        assert!(!session.is_resting());
    }

    #[test]
    fn a_copy_swallows_the_sync_before_its_data() {
        let mut session = ready();
        session.received(b"E\0\0\0\x04");
        session.received(SYNC);
        session.sent(b"G\0\0\0\x04");
        session.received(b"d\0\0\0\x04");
        session.received(b"c\0\0\0\x04");
        session.received(SYNC);
        session.sent(READY);
        assert!(session.is_resting());
        session.received(SYNC);
        session.received(SYNC);
        session.sent(READY);
        assert!(!session.is_resting());
    }

    #[test]
    fn who_was_told_is_not_told_again() {
        let mut session = ready();
        session.sent(b"E\0\0\0\x0bSERROR\0");
        assert!(!session.is_over());
        session.sent(b"E\0\0\0\x0bSFATAL\0");
        assert!(session.is_over());
        let mut session = ready();
        session.received(b"X\0\0\0\x04");
        assert!(session.is_over());
    }
}
