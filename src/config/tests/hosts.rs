//! `host:port` and names of hosts.

use crate::config::host::{host_name, host_port};

#[test]
fn names_and_addresses_with_a_port_are_read() {
    for (text, host, canonical) in [
        ("a:1", "a", "a:1"),
        (
            "Replica-0.Example.COM:65535",
            "replica-0.example.com",
            "replica-0.example.com:65535",
        ),
        ("10.0.0.1:7000", "10.0.0.1", "10.0.0.1:7000"),
        ("[FD00:0::1]:7000", "fd00::1", "[fd00::1]:7000"),
        ("my_host.1a:7000", "my_host.1a", "my_host.1a:7000"),
    ] {
        let read = host_port(text).unwrap();
        assert_eq!((read.host.as_str(), read.text.as_str()), (host, canonical));
    }
}

#[test]
fn what_is_no_host_and_port_is_refused() {
    let long = format!("{}:7000", "a".repeat(64));
    for text in [
        "",
        "a",
        ":7000",
        "a:",
        "a:0",
        "a:+1",
        "a:65536",
        "a:7000x",
        "a b:7000",
        "a..b:7000",
        ".a:7000",
        "a.:7000",
        "-a:7000",
        "a-:7000",
        "ä:7000",
        "http://a:7000",
        "fd00::1:7000",
        "[fd00::1]",
        "[fd00::1:7000",
        "[10.0.0.1]:7000",
        "[]:7000",
        "10.0.0.256:7000",
        "10.0.1:7000",
        "a.0x1f:7000",
        "0.0.0.0:7000",
        "[::]:7000",
        "224.0.0.1:7000",
        &long,
    ] {
        host_port(text).expect_err(text);
    }
}

#[test]
fn a_name_has_at_most_253_bytes() {
    let name = |last: usize| {
        let label = "a".repeat(63);
        format!("{label}.{label}.{label}.{}", "a".repeat(last))
    };
    host_name(&name(61)).unwrap();
    host_name(&name(62)).unwrap_err();
}

#[test]
fn an_ipv6_address_is_a_name_without_brackets() {
    assert_eq!(host_name("FD00::0:1").unwrap(), "fd00::1");
    host_name("[fd00::1]").unwrap_err();
}

proptest::proptest! {
    /// What is read is read again as the same.
    #[test]
    fn the_canonical_form_is_canonical(text in "[a-zA-Z0-9:.\\[\\]_-]{0,30}:[0-9]{1,5}") {
        if let Ok(read) = host_port(&text) {
            proptest::prop_assert_eq!(host_port(&read.text).unwrap(), read);
        }
    }
}
