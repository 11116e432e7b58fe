//! The files that people begin with.

use super::*;

const ONE: &str = include_str!("../../../deploy/kimberlite.toml");
const CLUSTER: &str = include_str!("../../../deploy/cluster.toml");

/// A process that is told which replica it is, as the sample of a cluster wants.
fn second() -> Environment {
    Environment {
        replica_id: Some("kimberlite-1".into()),
        ..Environment::default()
    }
}

#[test]
fn the_sample_names_every_key() {
    assert_eq!(parse(ONE).unwrap().cluster, None);
    let honoured = schema::SECTIONS
        .iter()
        .flat_map(|section| section.keys)
        .filter(|key| key.support == schema::Support::Yes);
    for key in honoured {
        let setting = format!("{} = ", key.name);
        assert!(ONE.contains(&setting), "{}", key.name);
    }
}

#[test]
fn the_sample_of_a_cluster_names_every_key_of_one() {
    let cluster = parse_in(CLUSTER, &second()).unwrap().cluster.unwrap();
    assert_eq!(cluster.replica_id, 1);
    assert_eq!((cluster.voters.len(), cluster.standbys.len()), (3, 1));
    for section in ["cluster", "standby"] {
        let keys = schema::section(section).unwrap().keys;
        for key in keys.iter().filter(|k| k.support == schema::Support::Yes) {
            let setting = format!("{} = ", key.name);
            assert!(CLUSTER.contains(&setting), "{}", key.name);
        }
    }
}

/// Whether a line without its `# ` is one that sets a key.
fn is_setting(line: &str) -> bool {
    let name = line.split(" = ").next().unwrap_or_default();
    line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[test]
fn what_the_samples_call_a_default_is_one() {
    for (sample, environment) in [(ONE, Environment::default()), (CLUSTER, second())] {
        let uncommented: Vec<&str> = sample
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                // It has no default, and goes with another client_auth.
                Some(text) if is_setting(text) && !text.starts_with("tls_ca_path") => text,
                _ => line,
            })
            .collect();
        let uncommented = uncommented.join("\n");
        assert_ne!(uncommented, sample.trim_end());
        assert_eq!(
            parse_in(&uncommented, &environment).unwrap(),
            parse_in(sample, &environment).unwrap()
        );
    }
}

#[test]
fn what_the_sample_indents_makes_it_a_cluster() {
    let lines = ONE
        .lines()
        .map(|line| line.strip_prefix("#   ").unwrap_or(line));
    // The commands of the first lines are indented too.
    let settings = lines.filter(|line| !line.starts_with("kimberlite "));
    let text = settings.collect::<Vec<&str>>().join("\n");
    let cluster = parse(&text).unwrap().cluster.unwrap();
    assert_eq!((cluster.voters.len(), cluster.standbys.len()), (3, 1));
    let tls = cluster.tls.unwrap();
    assert_eq!(tls.ca_path, Path::new("/etc/kimberlite/replicas.crt"));
}
