//! Connections that are not wanted, and what both sides say about them.

use tokio::io::AsyncWriteExt as _;

use super::raw::{connect, hello, is_ended, say};
use super::*;
use crate::transport::hello::{Greeting, Hello, MAGIC};

/// What a Hello is answered with.
async fn refused(site: &Site, node: &Node, as_replica: u64, hello: Hello) -> (RefusalCode, String) {
    let files = options(site, as_replica).tls;
    let name = name_of(node.replica);
    let mut stream = connect(&node.address, &files, &name).await.unwrap();
    match say(&mut stream, hello).await {
        Greeting::Refused(refusal) => (refusal.code, refusal.text),
        other => panic!("{other:?}"),
    }
}

async fn node_that_knows_1(site: &Site) -> Node {
    let node = Node::start(site, 2).await;
    node.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    node
}

#[tokio::test]
async fn every_reason_has_its_code() {
    let site = Site::new();
    let node = node_that_knows_1(&site).await;
    let good = |purpose| hello(1, 2, purpose);
    let replication = good(Purpose::Replication);
    let other_cluster = Identity {
        cluster_id: [8; 16],
        ..IDENTITY
    };
    let other_lineage = Identity {
        lineage: Lineage([8; 16]),
        ..IDENTITY
    };
    let cases = [
        (
            1,
            Hello {
                oldest: 2,
                newest: 3,
                ..replication.clone()
            },
            RefusalCode::Version,
        ),
        (
            1,
            Hello {
                oldest: 0,
                newest: 0,
                ..replication.clone()
            },
            RefusalCode::Version,
        ),
        (
            1,
            Hello {
                to: 3,
                ..replication.clone()
            },
            RefusalCode::WrongReplica,
        ),
        (
            3,
            Hello {
                from: 3,
                ..replication.clone()
            },
            RefusalCode::UnknownReplica,
        ),
        (
            2,
            Hello {
                from: 2,
                ..replication.clone()
            },
            RefusalCode::UnknownReplica,
        ),
        (3, replication.clone(), RefusalCode::WrongName),
        (
            1,
            Hello {
                identity: Some(other_cluster),
                ..replication.clone()
            },
            RefusalCode::OtherCluster,
        ),
        (
            1,
            Hello {
                identity: Some(other_cluster),
                ..good(Purpose::Request)
            },
            RefusalCode::OtherCluster,
        ),
        (
            1,
            Hello {
                identity: Some(other_lineage),
                ..replication.clone()
            },
            RefusalCode::OtherLineage,
        ),
        (
            1,
            Hello {
                identity: None,
                ..replication
            },
            RefusalCode::NoIdentity,
        ),
        (
            1,
            Hello {
                identity: None,
                ..good(Purpose::Session)
            },
            RefusalCode::NoIdentity,
        ),
    ];
    for (as_replica, hello, code) in cases {
        let words = format!("{hello:?}");
        let (found, text) = refused(&site, &node, as_replica, hello).await;
        assert_eq!(found, code, "{words}: {text}");
        // A certificate of 3 does not fill in the status of 1.
        let said = if as_replica == 1 {
            node.last_error(1)
        } else {
            node.strangers()
        };
        assert!(said.contains(&text), "{text} is not in {said}");
    }
    assert!(!node.status(1).connected_in);
    let strangers = node.strangers();
    let wrong = "replica 0: its certificate names replica-3.test, and has to name replica-1.test";
    assert!(strangers.contains(wrong), "{strangers}");
}

#[tokio::test]
async fn a_newer_build_that_speaks_our_version_is_welcome() {
    let site = Site::new();
    let node = node_that_knows_1(&site).await;
    let files = options(&site, 1).tls;
    let mut stream = connect(&node.address, &files, &name_of(2)).await.unwrap();
    let newer = Hello {
        newest: 9,
        features: u64::MAX,
        ..hello(1, 2, Purpose::Replication)
    };
    let Greeting::Welcome(welcome) = say(&mut stream, newer).await else {
        panic!("refused")
    };
    assert_eq!(
        (welcome.version, welcome.features, welcome.from),
        (1, 0b101, 2)
    );
    until("its features are known", || {
        node.status(1).features == Some(u64::MAX)
    })
    .await;
}

#[tokio::test]
async fn garbage_instead_of_a_hello_is_refused() {
    let site = Site::new();
    let node = node_that_knows_1(&site).await;
    let files = options(&site, 1).tls;
    let mut purpose = Greeting::Hello(hello(1, 2, Purpose::Session)).encode();
    *purpose.last_mut().unwrap() = 9;
    let magic = |rest: &[u8]| [&MAGIC[..], rest].concat();
    let cases: [(Vec<u8>, &str); 5] = [
        (vec![b'x'; 5000], "first bytes are not the magic"),
        (
            magic(&[1, 255, 255]),
            "a greeting of 65535 bytes is too long",
        ),
        (magic(&[1, 2, 0, 1, 0]), "shorter than its fields"),
        (magic(&[7, 0, 0]), "unknown kind 7"),
        (purpose, "unknown purpose 9"),
    ];
    for (bytes, why) in cases {
        let mut stream = connect(&node.address, &files, &name_of(2)).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let answer = Greeting::read(&mut stream).await.unwrap();
        let Greeting::Refused(refusal) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(refusal.code, RefusalCode::Malformed);
        assert!(refusal.text.contains(why), "{}", refusal.text);
        assert!(node.strangers().contains(why));
    }
    let whole = Greeting::Hello(hello(1, 2, Purpose::Replication)).encode();
    for len in [0, 1, 11, whole.len() - 1] {
        let mut stream = connect(&node.address, &files, &name_of(2)).await.unwrap();
        stream.write_all(&whole[..len]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(is_ended(stream).await);
    }
    assert!(!node.status(1).connected_in);
}

#[tokio::test]
async fn garbage_instead_of_tls_is_refused() {
    use tokio::io::AsyncReadExt as _;
    let site = Site::new();
    let node = node_that_knows_1(&site).await;
    let mut tcp = tokio::net::TcpStream::connect(&node.address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut answer = Vec::new();
    drop(tcp.read_to_end(&mut answer).await);
    until("said", || {
        node.strangers().contains("it does not speak TLS")
    })
    .await;
}

#[tokio::test]
async fn who_says_nothing_is_sent_away() {
    use tokio::io::AsyncReadExt as _;
    let site = Site::new();
    let node = node_that_knows_1(&site).await;
    let mut silent = tokio::net::TcpStream::connect(&node.address).await.unwrap();
    let ended = silent.read(&mut [0]).await;
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    let said = "it did not finish the handshake in time";
    until("said", || node.strangers().contains(said)).await;
}

#[tokio::test]
async fn those_who_say_nothing_do_not_keep_others_out_for_good() {
    let (site, mut silent) = (Site::new(), Vec::new());
    let (a, b) = (Node::start(&site, 1).await, Node::start(&site, 2).await);
    for _ in 0..HANDSHAKES_MAX + 10 {
        silent.push(tokio::net::TcpStream::connect(&a.address).await.unwrap());
    }
    introduce(&[&a, &b]);
    until("let in", || b.status(1).connected_out).await;
}

#[tokio::test]
async fn both_sides_know_why_and_an_identity_mends_it() {
    let site = Site::new();
    let mut other = options(&site, 2);
    other.identity = Some(Identity {
        cluster_id: [8; 16],
        ..IDENTITY
    });
    let (a, b) = (
        Node::start(&site, 1).await,
        Node::with(other, "127.0.0.1:0").await,
    );
    introduce(&[&a, &b]);
    let clusters = "the two replicas belong to different clusters";
    until("a knows", || a.last_error(2).contains(clusters)).await;
    until("b knows", || b.last_error(1).contains(clusters)).await;
    assert_eq!(a.inbox.lost(), [2]);
    let lineages = "the logs of the two replicas hold different histories";
    b.transport
        .set_identity(IDENTITY.cluster_id, Lineage([8; 16]));
    until("a knows", || a.last_error(2).contains(lineages)).await;
    until("b knows", || b.last_error(1).contains(lineages)).await;
    b.transport.set_identity(IDENTITY.cluster_id, LINEAGE);
    until("connected", || {
        a.status(2).connected_out && b.status(1).connected_out
    })
    .await;
    assert_eq!(
        (a.status(2).last_error, b.status(1).last_error),
        (None, None)
    );
    b.transport
        .set_identity(IDENTITY.cluster_id, Lineage([9; 16]));
    until("cut off", || {
        !a.status(2).connected_out && !b.status(1).connected_out
    })
    .await;
    until("on both sides", || {
        !a.status(2).connected_in && !b.status(1).connected_in
    })
    .await;
}

#[tokio::test]
async fn who_belongs_to_nothing_yet_waits_and_then_connects() {
    let site = Site::new();
    let mut joining = options(&site, 2);
    joining.identity = None;
    let (a, b) = (
        Node::start(&site, 1).await,
        Node::with(joining, "127.0.0.1:0").await,
    );
    introduce(&[&a, &b]);
    until("told", || {
        a.last_error(2).contains("belongs to no cluster yet")
    })
    .await;
    let session = b.transport.open_session(1).await;
    assert!(matches!(session, Err(TransportError::NoIdentity)));
    let answer = b
        .transport
        .request(1, Bytes::from_static(b"hello"), PATIENCE)
        .await;
    assert_eq!(answer.unwrap(), "hello");
    let caller = Caller {
        replica: 2,
        identity: None,
    };
    assert_eq!(*a.handler.callers.lock().unwrap(), [caller]);
    b.transport.set_identity(IDENTITY.cluster_id, LINEAGE);
    until("connected", || {
        a.status(2).connected_out && b.status(1).connected_out
    })
    .await;
    b.transport.send(heartbeat(2, 1, 1));
    assert_eq!(a.inbox.next().await, heartbeat(2, 1, 1));
}
