//! Whose certificates are believed.

use std::io::Write;
use std::sync::MutexGuard;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, date_time_ymd};
use tracing_subscriber::fmt::MakeWriter;

use super::certificates::dns;
use super::*;

const AUTHORITY: &str = "signed by an authority";

/// A node with a certificate of its own.
async fn node_with(replica: u64, files: TlsFiles, site: &Site) -> Node {
    let mut options = options(site, replica);
    options.tls = files;
    Node::with(options, "127.0.0.1:0").await
}

/// Connects two nodes, the second with the files.
async fn two(site: &Site, files: TlsFiles) -> (Node, Node) {
    let (a, b) = (Node::start(site, 1).await, node_with(2, files, site).await);
    introduce(&[&a, &b]);
    (a, b)
}

async fn are_connected(a: &Node, b: &Node) {
    until("connected", || {
        a.status(2).connected_out && b.status(1).connected_out
    })
    .await;
}

/// What everybody says when `b` has a certificate that is of no use.
async fn are_not(a: &Node, b: &Node, ours: &str, theirs: &str) {
    until("a knows as it dials", || a.last_error(2).contains(ours)).await;
    until("b knows as it dials", || b.last_error(1).contains(theirs)).await;
    until("a knows as it is dialled", || a.strangers().contains(ours)).await;
    until("b knows as it is dialled", || {
        b.strangers().contains(theirs)
    })
    .await;
    assert!(!a.status(2).connected_in && !b.status(1).connected_in);
}

fn common_name(params: &mut CertificateParams) {
    params
        .distinguished_name
        .push(DnType::CommonName, name_of(2));
}

#[tokio::test]
async fn a_certificate_with_a_common_name_alone_is_enough() {
    let site = Site::new();
    let files = site.issue("cn", common_name);
    let (a, b) = two(&site, files).await;
    are_connected(&a, &b).await;
}

#[tokio::test]
async fn a_certificate_of_version_1_is_enough() {
    let site = Site::new();
    let files = site.issue_v1("v1", &name_of(2), "40960101000000Z");
    let (a, b) = two(&site, files).await;
    are_connected(&a, &b).await;
    b.transport.send(heartbeat(2, 1, 1));
    assert_eq!(a.inbox.next().await, heartbeat(2, 1, 1));
}

#[tokio::test]
async fn version_1_excuses_nothing() {
    let site = Site::new();
    let files = site.issue_v1("v1", &name_of(2), "20210101000000Z");
    let (a, b) = two(&site, files).await;
    are_not(
        &a,
        &b,
        "its certificate has expired",
        "our certificate has expired",
    )
    .await;

    let files = site.issue_v1("v1-other", &name_of(3), "40960101000000Z");
    let (a, b) = two(&site, files).await;
    let names = "its certificate names replica-3.test, and has to name replica-2.test";
    until("a knows as it dials", || a.last_error(2).contains(names)).await;
    until("b knows", || b.last_error(1).contains(names)).await;

    let mut files = Site::new().issue_v1("v1", &name_of(2), "40960101000000Z");
    files.authority = site.authority();
    let (other, mut own) = (Site::new(), site.issue("x", |_| ()));
    let forged = other.issue_v1("v1", &name_of(2), "40960101000000Z");
    (own.certificate, own.key) = (forged.certificate, forged.key);
    let (a, b) = two(&site, own).await;
    are_not(&a, &b, AUTHORITY, AUTHORITY).await;
}

#[tokio::test]
async fn another_authority_is_not_believed() {
    for name in ["Authority", "Another one"] {
        let (site, other) = (Site::new(), Site::of(name));
        let mut files = other.issue("r2", |params| {
            params.subject_alt_names = dns(&[&name_of(2)]);
        });
        files.authority = site.authority();
        let (a, b) = two(&site, files).await;
        are_not(&a, &b, AUTHORITY, AUTHORITY).await;
    }
}

#[tokio::test]
async fn an_expired_certificate_is_not_believed() {
    let site = Site::new();
    let files = site.issue("old", |params| {
        params.subject_alt_names = dns(&[&name_of(2)]);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let (a, b) = two(&site, files).await;
    are_not(
        &a,
        &b,
        "its certificate has expired",
        "our certificate has expired",
    )
    .await;
}

#[tokio::test]
async fn a_certificate_for_servers_alone_is_not_believed_of_who_dials() {
    let site = Site::new();
    let files = site.issue("server", |params| {
        params.subject_alt_names = dns(&[&name_of(2)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let (a, b) = two(&site, files).await;
    until("a knows", || a.strangers().contains("extendedKeyUsage")).await;
    until("b knows", || {
        b.last_error(1).contains("refuses our certificate")
    })
    .await;
    until("the other way works", || a.status(2).connected_out).await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_believed() {
    let site = Site::new();
    let files = site.issue("r3", |params| {
        // The common name does not count beside other names.
        common_name(params);
        params.subject_alt_names = dns(&[&name_of(3)]);
    });
    let (a, b) = two(&site, files).await;
    let names = "its certificate names replica-3.test, and has to name replica-2.test";
    until("a knows as it dials", || a.last_error(2).contains(names)).await;
    until("b knows as it dials", || b.last_error(1).contains(names)).await;
    until("a knows as it is dialled", || a.strangers().contains(names)).await;
    let refuses = "it refuses our certificate, which may not name this replica";
    until("b knows as it is dialled", || {
        b.strangers().contains(refuses)
    })
    .await;
}

#[tokio::test]
async fn a_star_is_enough() {
    let site = Site::new();
    let files = site.issue("star", |params| {
        params.subject_alt_names = dns(&["*.replicas.test"]);
    });
    let (a, b) = (
        Node::start(&site, 1).await,
        node_with(2, files, &site).await,
    );
    let mut of_b = b.entry();
    of_b.name = "b.replicas.test".into();
    a.transport.set_peers(vec![of_b]);
    b.transport.set_peers(vec![a.entry()]);
    are_connected(&a, &b).await;
}

#[tokio::test]
async fn files_that_change_are_read_again() {
    let site = Site::new();
    let wrong = site.issue("b", |params| params.subject_alt_names = dns(&[&name_of(3)]));
    let (a, b) = two(&site, wrong.clone()).await;
    until("a knows", || {
        a.last_error(2).contains("names replica-3.test")
    })
    .await;
    let again = site.issue("b", |params| params.subject_alt_names = dns(&[&name_of(2)]));
    assert_eq!(again, wrong);
    are_connected(&a, &b).await;

    // Files that are of no use change nothing.
    std::fs::write(&again.key, "no key").unwrap();
    std::fs::remove_file(&again.authority).unwrap();
    let answer = b.transport.request(1, "hello".into(), PATIENCE).await;
    assert_eq!(answer.unwrap(), "hello");
    let answer = a.transport.request(2, "hello".into(), PATIENCE).await;
    assert_eq!(answer.unwrap(), "hello");
}

#[tokio::test]
async fn a_transport_without_usable_files_does_not_start() {
    let site = Site::new();
    let good = options(&site, 1).tls;
    let other = options(&site, 2).tls;
    let nowhere = site.path().join("nowhere");
    let garbage = site.path().join("garbage");
    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let with = |change: &dyn Fn(&mut TlsFiles)| {
        let mut files = good.clone();
        change(&mut files);
        files
    };
    let cases = [
        (
            with(&|f| f.certificate.clone_from(&nowhere)),
            "nowhere: No such file",
        ),
        (
            with(&|f| f.certificate.clone_from(&f.key)),
            "there is no certificate in it",
        ),
        (
            with(&|f| f.certificate.clone_from(&garbage)),
            "not an X.509 certificate",
        ),
        (
            with(&|f| f.key.clone_from(&other.key)),
            "not the key of the certificate",
        ),
        (with(&|f| f.key.clone_from(&f.certificate)), "r1-cert.pem: "),
        (with(&|f| f.authority.clone_from(&garbage)), "garbage: "),
    ];
    for (tls, why) in cases {
        let mut options = options(&site, 9);
        options.tls = tls;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inbox = Arc::new(TestInbox::default());
        let handler = Arc::new(TestHandler::default());
        let Err(error) = Transport::start(options, listener, inbox, handler) else {
            panic!("started: {why}")
        };
        assert!(error.to_string().contains(why), "{error} is not {why}");
    }
}

/// A text log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

struct LogWriter<'a>(MutexGuard<'a, Vec<u8>>);

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogWriter(self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_reason_is_logged_once_and_not_at_each_retry() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (site, other) = (Site::new(), Site::new());
    let mut files = other.issue("r2", |params| {
        params.subject_alt_names = dns(&[&name_of(2)])
    });
    files.authority = site.authority();
    let (a, b) = two(&site, files).await;
    are_not(&a, &b, AUTHORITY, AUTHORITY).await;
    // Each try drops what waits.
    for _ in 0..4 {
        let before = a.status(2).dropped_frames;
        a.transport.send(heartbeat(1, 2, 1));
        until("another try", || a.status(2).dropped_frames > before).await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
    // Of each side one as it dials and one as it is dialled.
    assert_eq!(lines.len(), 4, "{text}");
}
