//! Peers that are slow, stuck, or say what they must not say.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::raw::{accept, is_ended, welcomed};
use super::*;
use crate::frame::FRAME_LEN_MAX;

/// A packet as the sender makes it.
fn packet(frame: &Frame) -> Vec<u8> {
    let bytes = bytes_of(frame);
    let mut packet = (bytes.len() as u32).to_le_bytes().to_vec();
    packet.push(0);
    packet.extend(bytes);
    packet
}

#[tokio::test]
async fn what_nobody_takes_is_bounded_here_and_dropped_there() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let frame = large(1, 2, 1 << 20, true);
    // Three times what the window, the queue and the sockets hold together.
    for _ in 0..400 {
        a.transport.send(frame.clone());
        tokio::task::yield_now().await;
        assert!(a.status(2).queued_bytes <= QUEUE_BYTES_MAX);
    }
    until("the window is full", || b.inbox.waiting() == 31).await;
    let dropped = a.status(2).dropped_frames;
    assert!(dropped > 100, "{dropped}");
    assert_eq!(a.inbox.lost(), [2]);
    assert_eq!(b.inbox.waiting(), 31);
    // The sender gives up the connection; nothing more is taken on the next one either.
    until("the loss is told", || a.inbox.lost() == [2, 2]).await;
    assert_eq!(b.inbox.waiting(), 31);
    for _ in 0..31 {
        assert!(b.inbox.next().await == frame);
    }
    until("connected again", || a.status(2).connected_out).await;
    a.transport.send(heartbeat(1, 2, 5));
    while b.inbox.next().await != heartbeat(1, 2, 5) {}
}

#[tokio::test]
async fn many_small_frames_are_bounded_too() {
    let site = Site::new();
    let b = Node::start(&site, 2).await;
    b.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    let (mut reader, mut writer) =
        tokio::io::split(welcomed(&site, 1, &b, Purpose::Replication).await);
    let writing = tokio::spawn(async move {
        let some: Vec<u8> = (0..1000)
            .flat_map(|n| packet(&heartbeat(1, 2, n)))
            .collect();
        while writer.write_all(&some).await.is_ok() {}
    });
    let reading = tokio::spawn(async move {
        let mut waste = [0; 100];
        while reader.read(&mut waste).await.is_ok_and(|n| n > 0) {}
    });
    until("the window is full", || b.inbox.waiting() == 32 << 10).await;
    for _ in 0..10 {
        b.inbox.next().await;
    }
    until("and full again", || b.inbox.waiting() == 32 << 10).await;
    writing.abort();
    reading.abort();
}

#[tokio::test]
async fn a_peer_that_stops_is_noticed_whether_or_not_frames_wait() {
    for busy in [false, true] {
        let site = Site::new();
        let a = Node::start(&site, 1).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        a.transport.set_peers(vec![entry(2, &address)]);
        let files = options(&site, 2).tls;
        // It is welcomed, and then neither read from nor told that anybody lives.
        let stuck = accept(&listener, &files, 2).await;
        until("connected", || a.status(2).connected_out).await;
        assert_eq!(a.status(2).features, Some(8));
        let began = std::time::Instant::now();
        if busy {
            for _ in 0..40 {
                a.transport.send(large(1, 2, 1 << 20, true));
            }
        }
        until("noticed", || !a.status(2).connected_out).await;
        assert!(began.elapsed() < Duration::from_secs(15));
        assert_eq!(a.inbox.lost(), [2]);
        assert!(
            a.last_error(2).contains("took longer than 1s"),
            "{}",
            a.last_error(2)
        );
        drop(stuck);
        let again = accept(&listener, &files, 2).await;
        until("connected again", || a.status(2).connected_out).await;
        drop(again);
    }
}

#[tokio::test]
async fn a_dialler_that_stops_is_noticed() {
    let site = Site::new();
    let b = Node::start(&site, 2).await;
    b.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    let mut stream = welcomed(&site, 1, &b, Purpose::Replication).await;
    until("connected", || b.status(1).connected_in).await;
    stream
        .write_all(&packet(&heartbeat(1, 2, 4)))
        .await
        .unwrap();
    assert_eq!(b.inbox.next().await, heartbeat(1, 2, 4));
    until("noticed", || !b.status(1).connected_in).await;
}

#[tokio::test]
async fn a_newer_connection_takes_the_place_of_the_older() {
    let site = Site::new();
    let b = Node::start(&site, 2).await;
    b.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    let older = welcomed(&site, 1, &b, Purpose::Replication).await;
    until("connected", || b.status(1).connected_in).await;
    let mut newer = welcomed(&site, 1, &b, Purpose::Replication).await;
    assert!(is_ended(older).await);
    newer.write_all(&packet(&heartbeat(1, 2, 4))).await.unwrap();
    assert_eq!(b.inbox.next().await, heartbeat(1, 2, 4));
    assert!(b.status(1).connected_in);
}

#[tokio::test]
async fn what_is_against_the_protocol_ends_the_connection() {
    let site = Site::new();
    let b = Node::start(&site, 2).await;
    b.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    let longest = (FRAME_LEN_MAX as u32 + 1).to_le_bytes();
    let mut unknown_frame = packet(&heartbeat(1, 2, 1));
    unknown_frame[5] = 99;
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let mut bomb_packet = (bomb.len() as u32 + 4).to_le_bytes().to_vec();
    bomb_packet.push(1);
    bomb_packet.extend(10_000_u32.to_le_bytes());
    bomb_packet.extend(bomb);
    let cases: [(Vec<u8>, &str); 8] = [
        (
            packet(&heartbeat(3, 2, 1)),
            "a frame from replica 2 to replica 1",
        ),
        (
            packet(&heartbeat(1, 3, 1)),
            "a frame from replica 0 to replica 2",
        ),
        ([&longest[..], &[0]].concat(), "a packet of 100663297 bytes"),
        (vec![100, 0, 0, 0, 4], "a packet with flags 0x4"),
        (vec![9, 0, 0, 0, 0], "a packet of 9 bytes"),
        (
            vec![100, 0, 0, 0, 1, 255, 255, 255, 255],
            "compressed bytes for a frame of 4294967295",
        ),
        (unknown_frame, "against the protocol"),
        (bomb_packet, "compressed bytes that are none"),
    ];
    for (bytes, why) in cases {
        let mut stream = welcomed(&site, 1, &b, Purpose::Replication).await;
        stream.write_all(&bytes).await.unwrap();
        assert!(is_ended(stream).await, "{why}");
        until(why, || b.last_error(1).contains(why)).await;
    }
    assert_eq!(b.inbox.waiting(), 0);
    assert_eq!(
        b.transport
            .shared
            .peer(1)
            .unwrap()
            .window
            .available_permits(),
        WINDOW_BYTES as usize
    );
}

#[tokio::test]
async fn a_frame_that_breaks_off_is_none() {
    let site = Site::new();
    let b = Node::start(&site, 2).await;
    b.transport.set_peers(vec![entry(1, "127.0.0.1:1")]);
    let whole = packet(&large(1, 2, 100_000, true));
    for len in [3, 5, 80, whole.len() - 1] {
        let mut stream = welcomed(&site, 1, &b, Purpose::Replication).await;
        stream.write_all(&whole[..len]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(is_ended(stream).await);
        until("noticed", || {
            b.last_error(1).contains("it closed the connection")
        })
        .await;
    }
    assert_eq!(b.inbox.waiting(), 0);
}
