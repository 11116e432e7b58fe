#![allow(clippy::unwrap_used, missing_docs)]
use super::*;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

fn certificate(common: &[&str], alternatives: Vec<SanType>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for name in common {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.subject_alt_names = alternatives;
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[test]
fn a_dns_name_equals_case_aside() {
    let certificate = certificate(&[], vec![dns("other.test"), dns("Replica-0.Test")]);
    assert_eq!(check_name(&certificate, "replica-0.test"), Ok(()));
    assert_eq!(check_name(&certificate, "replica-0.test."), Ok(()));
    let why = check_name(&certificate, "replica-1.test").unwrap_err();
    assert_eq!(
        why,
        "its certificate names other.test, Replica-0.Test, and has to name replica-1.test"
    );
}

#[test]
fn a_star_stands_for_one_whole_first_label() {
    let star = certificate(&[], vec![dns("*.replicas.test")]);
    assert_eq!(check_name(&star, "r1.replicas.test"), Ok(()));
    for name in [
        "replicas.test",
        "a.b.replicas.test",
        ".replicas.test",
        "r1.replicas.tes",
        "r1.test",
    ] {
        assert!(check_name(&star, name).is_err(), "{name}");
    }
    for pattern in ["*", "*.test", "r*.replicas.test", "r1.*.test"] {
        let odd = certificate(&[], vec![dns(pattern)]);
        for name in ["r1.replicas.test", "r1.test", "test"] {
            assert!(check_name(&odd, name).is_err(), "{pattern} {name}");
        }
    }
}

#[test]
fn addresses_are_compared_as_addresses() {
    let ips = ["10.0.0.1", "::1"].map(|ip| SanType::IpAddress(ip.parse().unwrap()));
    let certificate = certificate(&[], ips.to_vec());
    for name in ["10.0.0.1", "::1", "0:0:0:0:0:0:0:1"] {
        assert_eq!(check_name(&certificate, name), Ok(()), "{name}");
    }
    assert!(check_name(&certificate, "10.0.0.2").is_err());
    let text = self::certificate(&[], vec![dns("10.0.0.1")]);
    assert!(
        check_name(&text, "10.0.0.1").is_err(),
        "a DNS name is no address"
    );
}

#[test]
fn the_common_name_counts_only_where_there_is_no_other() {
    let plain = certificate(&["Replica-0.test"], vec![]);
    assert_eq!(check_name(&plain, "replica-0.test"), Ok(()));
    assert!(check_name(&plain, "replica-1.test").is_err());
    let both = certificate(&["replica-0.test"], vec![dns("replica-1.test")]);
    assert!(check_name(&both, "replica-0.test").is_err());
    let mail = SanType::Rfc822Name("ops@replica.test".try_into().unwrap());
    let mail = certificate(&["replica-0.test"], vec![mail]);
    assert!(check_name(&mail, "replica-0.test").is_err());
    let nobody = certificate(&[], vec![]);
    let why = check_name(&nobody, "replica-0.test").unwrap_err();
    assert_eq!(
        why,
        "its certificate names nobody, and has to name replica-0.test"
    );
}

#[test]
fn bytes_that_are_no_certificate_name_nobody() {
    assert!(check_name(&CertificateDer::from(vec![0x30, 3, 1, 2]), "a").is_err());
}
