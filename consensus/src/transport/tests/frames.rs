//! Frames from one replica to another.

use super::*;

#[tokio::test]
async fn frames_arrive_in_order_and_as_they_were() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let frames: Vec<_> = (0..500)
        .map(|n| match n % 50 {
            7 => large(1, 2, 70_000, n % 100 == 7),
            _ => heartbeat(1, 2, n),
        })
        .collect();
    for frame in &frames {
        a.transport.send(frame.clone());
    }
    for frame in frames {
        assert!(b.inbox.next().await == frame, "another frame");
    }
    b.transport.send(heartbeat(2, 1, 77));
    assert_eq!(a.inbox.next().await, heartbeat(2, 1, 77));
    let status = a.status(2);
    assert_eq!((status.queued_bytes, status.dropped_frames), (0, 0));
    assert_eq!((status.features, status.version), (Some(0b101), Some(1)));
    assert_eq!(status.last_error, None);
    assert!(status.sent_bytes > 500 * 90 && b.status(1).received_bytes > 500 * 90);
}

#[tokio::test]
async fn frames_larger_than_the_window_arrive() {
    let site = Site::new();
    // Checking so long a frame takes its time in a build that is not optimised.
    let (a, b) = patient_pair(&site, PATIENCE).await;
    let frames = [40 << 20, 1000, 60 << 20].map(|len| large(1, 2, len, true));
    for frame in &frames {
        a.transport.send(frame.clone());
    }
    // The one of 60 MiB does not fit behind the one of 40, unless that is gone already.
    for frame in frames.iter().take(2) {
        assert!(b.inbox.next().await == *frame, "another frame");
    }
    a.transport.send(heartbeat(1, 2, 1));
    while b.inbox.next().await != heartbeat(1, 2, 1) {}
}

#[tokio::test]
async fn frames_that_wait_and_shrink_are_compressed_on_their_way() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let frame = large(1, 2, 1 << 20, false);
    for _ in 0..20 {
        a.transport.send(frame.clone());
    }
    for _ in 0..20 {
        assert!(b.inbox.next().await == frame, "another frame");
    }
    let sent = a.status(2).sent_bytes;
    assert!(sent < 5 << 20, "{sent}");
}

#[tokio::test]
async fn everybody_reaches_everybody() {
    let site = Site::new();
    let mut nodes = Vec::new();
    for replica in 1..=7 {
        nodes.push(Node::start(&site, replica).await);
    }
    introduce(&nodes.iter().collect::<Vec<_>>());
    for from in &nodes {
        for to in nodes.iter().filter(|to| to.replica != from.replica) {
            until("connected", || from.status(to.replica).connected_out).await;
            from.transport.send(heartbeat(from.replica, to.replica, 9));
        }
    }
    for to in &nodes {
        let mut from = Vec::new();
        for _ in 1..nodes.len() {
            from.push(to.inbox.next().await.from());
        }
        from.sort_unstable();
        let expected: Vec<_> = (1..=7).filter(|r| *r != to.replica).collect();
        assert_eq!(from, expected);
    }
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_and_its_loss_told_once() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    b.transport.close().await;
    until("the loss is told", || !a.inbox.lost().is_empty()).await;
    a.transport.send(heartbeat(1, 2, 1));
    until("what waits is dropped", || a.status(2).dropped_frames > 0).await;
    assert!(
        a.last_error(2).contains("cannot connect"),
        "{}",
        a.last_error(2)
    );
    let again = Node::with(options(&site, 2), &b.address).await;
    introduce(&[&a, &again]);
    until("connected again", || a.status(2).connected_out).await;
    a.transport.send(heartbeat(1, 2, 2));
    assert_eq!(again.inbox.next().await, heartbeat(1, 2, 2));
    assert_eq!(a.inbox.lost(), [2]);
    again.transport.close().await;
    until("the next loss is told", || a.inbox.lost() == [2, 2]).await;
}

#[tokio::test]
async fn a_peer_that_moves_is_dialled_there() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let moved = Node::start(&site, 2).await;
    moved.transport.set_peers(vec![a.entry()]);
    a.transport.set_peers(vec![moved.entry()]);
    until("connected there", || moved.status(1).connected_in).await;
    until("connected", || a.status(2).connected_out).await;
    a.transport.send(heartbeat(1, 2, 3));
    assert_eq!(moved.inbox.next().await, heartbeat(1, 2, 3));
    until("the old place is left", || !b.status(1).connected_in).await;
}

#[tokio::test]
async fn a_removed_peer_is_cut_off_and_refused() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    b.transport.set_peers(Vec::new());
    until("cut off", || !a.status(2).connected_out).await;
    assert!(b.transport.peers_status().is_empty());
    until("refused", || {
        a.last_error(2).contains("replica 0 is not known here")
    })
    .await;
    until("said on the other side", || {
        b.strangers().contains("replica 0 is not known here")
    })
    .await;
    b.transport.send(heartbeat(2, 1, 1));
    introduce(&[&a, &b]);
    until("let in again", || {
        a.status(2).connected_out && b.status(1).connected_out
    })
    .await;
    b.transport.send(heartbeat(2, 1, 2));
    assert_eq!(a.inbox.next().await, heartbeat(2, 1, 2));
}

#[tokio::test]
async fn closing_ends_everything() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    a.transport.close().await;
    a.transport.close().await;
    assert!(!a.status(2).connected_out && !a.status(2).connected_in);
    until("the other side sees it", || !b.status(1).connected_in).await;
    assert!(tokio::net::TcpStream::connect(&a.address).await.is_err());
    let asked = a.transport.request(2, Bytes::new(), PATIENCE).await;
    assert!(matches!(asked, Err(TransportError::Closed)), "{asked:?}");
}

#[test]
fn outside_of_a_runtime_it_does_not_start() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let inbox = Arc::new(TestInbox::default());
    let handler = Arc::new(TestHandler::default());
    let started = Transport::start(options(&site, 1), listener, inbox, handler);
    assert!(matches!(started, Err(TransportError::Start(_))));
}
