//! The replication port: where it is and its certificates.

use super::cluster::{THREE, called, cluster_of};
use super::*;

const ALONE: &str = "[cluster]\nreplicas = [{ id = 0, address = \"h:7000\" }]\n";

/// `THREE` with more lines in `[security]`, its last section.
fn with(lines: &str) -> String {
    format!("{THREE}{lines}\n")
}

fn in_development() -> Environment {
    Environment {
        env: Some("development".into()),
        ..Environment::default()
    }
}

#[test]
fn the_port_takes_the_certificates_of_the_client_port() {
    let config = parse(THREE).unwrap();
    // An authority that signs replicas asks nothing of clients.
    assert_eq!(config.security.tls.unwrap().client_ca_path, None);
    let cluster = config.cluster.unwrap();
    assert_eq!(cluster.bind_address, "0.0.0.0:7000".parse().unwrap());
    let expected = ClusterTls {
        cert_path: "/server.crt".into(),
        key_path: "/server.key".into(),
        ca_path: "/ca.crt".into(),
    };
    assert_eq!(cluster.tls, Some(expected));
}

#[test]
fn an_authority_may_sign_replicas_and_clients() {
    let config = parse(&with("tls_client_auth = \"require\"")).unwrap();
    let client = config.security.tls.unwrap();
    assert_eq!(client.client_ca_path, Some("/ca.crt".into()));
    let cluster = config.cluster.unwrap().tls.unwrap();
    assert_eq!(cluster.ca_path, Path::new("/ca.crt"));
}

#[test]
fn the_port_may_have_certificates_of_its_own() {
    let own = "cluster_tls_cert_path = \"/r.crt\"\ncluster_tls_key_path = \"/r.key\"";
    let tls = cluster_of(&with(own)).tls.unwrap();
    let paths = (tls.cert_path, tls.key_path, tls.ca_path);
    assert_eq!(paths, ("/r.crt".into(), "/r.key".into(), "/ca.crt".into()));
    let text = with("cluster_tls_ca_path = \"/r.ca\"").replace("tls_ca_path = \"/ca.crt\"\n", "");
    assert_eq!(cluster_of(&text).tls.unwrap().ca_path, Path::new("/r.ca"));
}

#[test]
fn an_authority_that_signs_nobody_is_refused() {
    let message = problem_of_line(&with("cluster_tls_ca_path = \"/r.ca\""), "\"/ca.crt\"");
    assert!(message.contains("has no effect"), "{message}");
}

#[test]
fn a_certificate_goes_with_its_key() {
    let (cert, key) = ("cluster_tls_cert_path", "cluster_tls_key_path");
    for (there, missing) in [(cert, key), (key, cert)] {
        let message = only_problem(&with(&format!("{there} = \"/r\""))).message;
        let expected = format!("{missing}: is missing, and {there} is set");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn an_empty_path_is_refused() {
    for key in ["cluster_tls_ca_path", "tls_ca_path"] {
        let text = THREE.replace("tls_ca_path = \"/ca.crt\"", &format!("{key} = \"\""));
        let message = problem_of_line(&text, key);
        assert!(message.contains("is empty"), "{message}");
    }
}

#[test]
fn without_an_authority_there_is_no_cluster() {
    let text = THREE.replace("tls_ca_path = \"/ca.crt\"\n", "");
    let message = only_problem(&text).message;
    let expected = "cluster_tls_ca_path: is missing, and so is tls_ca_path";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn replicas_speak_tls_in_development_too() {
    let development = in_development();
    parse_in(THREE, &development).unwrap();
    for text in [
        THREE.replace("tls_enabled = true", "tls_enabled = false"),
        THREE.replace("tls_enabled = true", ""),
    ] {
        let error = parse_in(&text, &development).expect_err("no TLS");
        assert_eq!(error.problems.len(), 1, "{error}");
        let expected = "tls_enabled: must be true: the replicas";
        assert!(error.to_string().contains(expected), "{error}");
    }
    let start = THREE.find("tls_enabled").unwrap();
    let bare = format!("{}bind_address = \"127.0.0.1:7000\"\n", &THREE[..start]);
    let error = parse_in(&bare, &development).expect_err("no TLS");
    for key in ["cert_path", "key_path", "ca_path"] {
        let expected = format!("cluster_tls_{key}: is missing");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn what_the_client_port_misses_is_said_once() {
    let text = THREE.replace("tls_cert_path = \"/server.crt\"\n", "");
    let message = only_problem(&text).message;
    assert!(message.contains("] tls_cert_path: is missing"), "{message}");
}

#[test]
fn where_the_port_is_must_be_said() {
    let text = THREE.replace("bind_address = \"0.0.0.0:7000\"\n", "");
    let message = only_problem(&text).message;
    assert!(message.contains("bind_address: is missing"), "{message}");
    let environment = Environment {
        bind_address: Some("10.0.0.1:7100".into()),
        ..Environment::default()
    };
    for text in [text.as_str(), THREE] {
        let cluster = parse_in(text, &environment).unwrap().cluster.unwrap();
        assert_eq!(cluster.bind_address, "10.0.0.1:7100".parse().unwrap());
    }
}

#[test]
fn where_the_port_is_must_be_an_address() {
    for (wrong, why) in [
        ("replica-0:7000", "is not an address"),
        ("0.0.0.0:0", "not 0"),
    ] {
        let text = THREE.replace("\"0.0.0.0:7000\"", &format!("\"{wrong}\""));
        let message = problem_of_line(&text, "bind_address");
        assert!(message.contains(why), "{message}");
        let environment = Environment {
            bind_address: Some(wrong.into()),
            ..Environment::default()
        };
        let error = parse_in(THREE, &environment).expect_err(wrong);
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn one_node_has_no_replication_port() {
    for key in [
        "bind_address = \"0.0.0.0:7000\"",
        "cluster_tls_cert_path = \"/r.crt\"",
        "cluster_tls_key_path = \"/r.key\"",
        "cluster_tls_ca_path = \"/r.ca\"",
    ] {
        let message = problem_of_line(&format!("{GOOD}{key}\n"), key);
        assert!(message.contains("no effect without [cluster]"), "{message}");
    }
    let bind = Environment {
        bind_address: Some("0.0.0.0:7000".into()),
        ..Environment::default()
    };
    for environment in [called("0"), bind] {
        let error = parse_in(GOOD, &environment).expect_err("a cluster was meant");
        assert!(error.to_string().contains("would run alone"), "{error}");
    }
}

#[test]
fn a_replica_that_is_alone_may_have_no_port() {
    let text = format!("{PLAINTEXT}{ALONE}");
    let config = parse_in(&text, &in_development()).unwrap();
    let cluster = config.cluster.unwrap();
    assert_eq!(cluster.tls, None);
    assert!(cluster.bind_address.ip().is_loopback());
    // With certificates it has one, for those who join later.
    assert!(cluster_of(&format!("{GOOD}{ALONE}")).tls.is_some());
}

#[test]
fn a_replica_that_is_alone_and_names_its_port_needs_certificates() {
    let text = format!("{PLAINTEXT}{ALONE}[security]\nbind_address = \"127.0.0.1:7000\"\n");
    let error = parse_in(&text, &in_development()).expect_err("no certificates");
    for key in ["cert_path", "key_path", "ca_path"] {
        let expected = format!("cluster_tls_{key}: is missing");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
