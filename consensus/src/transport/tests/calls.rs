//! Requests and sessions.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::raw::{is_ended, welcomed};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_request_has_its_answer() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    for request in [
        Bytes::new(),
        "what?".into(),
        vec![9; REQUEST_LEN_MAX].into(),
    ] {
        let answer = a.transport.request(2, request.clone(), PATIENCE).await;
        assert!(answer.unwrap() == request);
    }
    let caller = Caller {
        replica: 1,
        identity: Some(IDENTITY),
    };
    assert_eq!(*b.handler.callers.lock().unwrap(), [caller; 3]);
    let many = (0..50_u8).map(|n| a.transport.request(2, vec![n].into(), PATIENCE));
    let mut tasks = tokio::task::JoinSet::new();
    drop(many);
    for n in 0..50_u8 {
        let transport = Arc::clone(&a.transport);
        tasks.spawn(async move { (n, transport.request(2, vec![n].into(), PATIENCE).await) });
    }
    for (n, answer) in tasks.join_all().await {
        assert_eq!(answer.unwrap(), vec![n]);
    }
}

#[tokio::test]
async fn lengths_are_bounded() {
    let site = Site::new();
    let (a, _b) = pair(&site).await;
    let ask = |request: Bytes| a.transport.request(2, request, PATIENCE);
    assert_eq!(ask("longest".into()).await.unwrap().len(), ANSWER_LEN_MAX);
    let answer = ask("too long".into()).await;
    assert!(
        matches!(answer, Err(TransportError::AnswerTooLong)),
        "{answer:?}"
    );
    let answer = ask(vec![0; REQUEST_LEN_MAX + 1].into()).await;
    assert!(
        matches!(answer, Err(TransportError::RequestTooLong(_))),
        "{answer:?}"
    );
    let answer = a.transport.request(9, Bytes::new(), PATIENCE).await;
    assert!(
        matches!(answer, Err(TransportError::UnknownPeer(9))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_read() {
    let site = Site::new();
    let (_a, b) = pair(&site).await;
    let mut stream = welcomed(&site, 1, &b, Purpose::Request).await;
    stream
        .write_all(&(REQUEST_LEN_MAX as u32 + 1).to_le_bytes())
        .await
        .unwrap();
    assert!(is_ended(stream).await);
    until("said", || {
        b.last_error(1).contains("a request of 1048577 bytes")
    })
    .await;
    let mut stream = welcomed(&site, 1, &b, Purpose::Request).await;
    stream.write_all(&[9, 0, 0, 0, 1, 2]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(is_ended(stream).await);
    assert!(b.handler.callers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_deadline_ends_a_request_on_both_sides() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let answer = a.transport.request(2, "never".into(), SECOND).await;
    assert!(
        matches!(answer, Err(TransportError::Deadline { .. })),
        "{answer:?}"
    );
    let dropped = tokio::time::timeout(PATIENCE, b.handler.dropped.notified());
    dropped.await.expect("the handler goes on");
}

#[tokio::test]
async fn requests_wait_for_their_turn() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS_MAX {
        let transport = Arc::clone(&a.transport);
        stuck.spawn(async move { transport.request(2, "never".into(), PATIENCE).await });
    }
    until("all are there", || {
        b.handler.callers.lock().unwrap().len() == REQUESTS_MAX
    })
    .await;
    let answer = a.transport.request(2, "me".into(), SECOND).await;
    assert!(
        matches!(answer, Err(TransportError::Deadline { .. })),
        "{answer:?}"
    );
    stuck.shutdown().await;
    let answer = a.transport.request(2, "me".into(), PATIENCE).await;
    assert_eq!(answer.unwrap(), "me");
}

#[tokio::test]
async fn a_removed_peer_gets_no_answer() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let transport = Arc::clone(&a.transport);
    let asking = tokio::spawn(async move { transport.request(2, "never".into(), PATIENCE).await });
    until("it is there", || {
        !b.handler.callers.lock().unwrap().is_empty()
    })
    .await;
    b.transport.set_peers(Vec::new());
    assert!(asking.await.unwrap().is_err());
    b.handler.dropped.notified().await;
}

#[tokio::test]
async fn a_session_carries_bytes_both_ways() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let session = a.transport.open_session(2).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(session);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut back = Vec::new();
    reader.read_to_end(&mut back).await.unwrap();
    assert!(back == expected);
    writing.await.unwrap();
    let caller = Caller {
        replica: 1,
        identity: Some(IDENTITY),
    };
    assert_eq!(*b.handler.callers.lock().unwrap(), [caller]);
}

#[tokio::test]
async fn sessions_end_with_the_peer() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let mut bytes = [0; 2];
    let mut theirs = a.transport.open_session(2).await.unwrap();
    theirs.write_all(b"hi").await.unwrap();
    theirs.read_exact(&mut bytes).await.unwrap();
    let mut ours = b.transport.open_session(1).await.unwrap();
    b.transport.set_peers(Vec::new());
    let ended = theirs.read(&mut bytes).await;
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    let ended = ours.read(&mut bytes).await.unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted);
    assert!(ours.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn a_place_is_free_again_when_the_stream_is_dropped() {
    let site = Site::new();
    let (a, b) = pair(&site).await;
    let places = Arc::clone(&b.transport.shared.peer(1).unwrap().sessions_in);
    let all_but_one = Arc::clone(&places)
        .acquire_many_owned(SESSIONS_MAX as u32 - 1)
        .await
        .unwrap();
    let session = a.transport.open_session(2).await.unwrap();
    let refused = a.transport.open_session(2).await;
    let Err(TransportError::Refused { code, .. }) = refused else {
        panic!("let in")
    };
    assert_eq!(code, RefusalCode::Busy);
    drop(session);
    until("free", || places.available_permits() == 1).await;
    drop(a.transport.open_session(2).await.unwrap());
    drop(all_but_one);
}
