#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]
use super::*;
use proptest::prelude::*;

fn identities() -> impl Strategy<Value = Option<Identity>> {
    (any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>())
        .prop_map(|(some, a, b)| Identity::new(a, Lineage(b)).filter(|_| some))
}

fn greetings() -> impl Strategy<Value = Greeting> {
    let purposes = prop_oneof![
        Just(Purpose::Replication),
        Just(Purpose::Request),
        Just(Purpose::Session)
    ];
    let words = (
        any::<u16>(),
        any::<u16>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
    );
    prop_oneof![
        (words, identities(), purposes).prop_map(
            |((oldest, newest, features, from, to), identity, purpose)| {
                Greeting::Hello(Hello {
                    oldest,
                    newest,
                    features,
                    identity,
                    from,
                    to,
                    purpose,
                })
            }
        ),
        (any::<u16>(), any::<u64>(), any::<u64>(), identities()).prop_map(
            |(version, features, from, identity)| {
                Greeting::Welcome(Welcome {
                    version,
                    features,
                    identity,
                    from,
                })
            }
        ),
        (0_u16..20, "[ -~ä-ü]{0,200}").prop_map(|(code, text)| {
            Greeting::Refused(Refusal::new(RefusalCode::from_code(code), text))
        }),
    ]
}

/// Reads from bytes; what is left of them.
fn read(bytes: &[u8]) -> (Result<Greeting, GreetingError>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut rest = bytes;
    let read = runtime.block_on(Greeting::read(&mut rest));
    (read, rest.len())
}

#[test]
fn the_bytes_are_those_of_the_table() {
    let hello = Greeting::Hello(Hello {
        oldest: 1,
        newest: 2,
        features: 3,
        identity: Identity::new([4; 16], Lineage([5; 16])),
        from: 6,
        to: 7,
        purpose: Purpose::Session,
    });
    let bytes = hello.encode();
    assert_eq!(bytes.len(), HEAD_LEN + 61);
    assert_eq!(bytes[..11], *b"KMBLPEER\x01\x3d\x00");
    assert_eq!(bytes[11..23], [1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[23..55], [[4; 16], [5; 16]].concat());
    assert_eq!(
        bytes[55..],
        [6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3]
    );
    let refused = Greeting::Refused(Refusal::new(RefusalCode::Busy, "no"));
    assert_eq!(refused.encode(), *b"KMBLPEER\x03\x04\x00\x09\x00no");
}

#[test]
fn half_an_identity_is_none() {
    let mut bytes = Greeting::Welcome(Welcome {
        version: 1,
        features: 0,
        identity: Identity::new([1; 16], Lineage([2; 16])),
        from: 1,
    })
    .encode();
    bytes[HEAD_LEN + 10..HEAD_LEN + 26].fill(0);
    assert!(matches!(read(&bytes).0, Err(GreetingError::HalfIdentity)));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let refusal = Refusal::new(RefusalCode::Busy, "ü".repeat(400));
    let (read, _) = read(&Greeting::Refused(refusal).encode());
    let Ok(Greeting::Refused(refusal)) = read else {
        panic!("{read:?}")
    };
    assert_eq!(refusal.text, "ü".repeat(256));
}

#[test]
fn what_a_peer_says_stays_on_one_line() {
    let refusal = Refusal::new(RefusalCode::Busy, "a\nb\x1b[0m");
    let (read, _) = read(&Greeting::Refused(refusal).encode());
    let expected = Refusal::new(RefusalCode::Busy, "a b [0m");
    assert_eq!(read.unwrap(), Greeting::Refused(expected));
}

proptest! {
    #[test]
    fn everything_reads_back_and_no_part_of_it_does(greeting in greetings(), cut in any::<usize>()) {
        let mut bytes = greeting.encode();
        let cut = cut % bytes.len();
        // A shorter stream is the end of it.
        prop_assert!(matches!(read(&bytes[..cut]).0, Err(GreetingError::Io(_))));
        bytes.extend_from_slice(b"what follows");
        let (again, left) = read(&bytes);
        prop_assert_eq!(again.unwrap(), greeting);
        prop_assert_eq!(left, 12);
    }

    #[test]
    fn fields_of_newer_versions_are_left_alone(greeting in greetings(), more in 1_usize..100) {
        prop_assume!(!matches!(greeting, Greeting::Refused(_)));
        let mut bytes = greeting.encode();
        let len = bytes.len() - HEAD_LEN + more;
        bytes[9..11].copy_from_slice(&(len as u16).to_le_bytes());
        bytes.resize(HEAD_LEN + len, 0xa5);
        let (again, left) = read(&bytes);
        prop_assert_eq!(again.unwrap(), greeting);
        prop_assert_eq!(left, 0);
    }

    #[test]
    fn no_bytes_make_it_panic(kind in 0_u8..6, body in proptest::collection::vec(any::<u8>(), 0..1100)) {
        drop(read(&body));
        let mut bytes = MAGIC.to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&(body.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&body);
        let (again, _) = read(&bytes);
        if body.len() > BODY_LEN_MAX {
            prop_assert!(matches!(again, Err(GreetingError::TooLong(_))));
        }
    }
}
