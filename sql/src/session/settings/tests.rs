//! What settings accept, and that they come back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

#[test]
fn settings_take_effect_or_are_refused() {
    let mut settings = Settings::new("ann");
    settings.set("statement_timeout", "2s").unwrap();
    assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
    settings.set("TIMEZONE", "europe/berlin").unwrap();
    assert_eq!(settings.show("timezone").unwrap().1, "Europe/Berlin");
    assert_eq!(
        settings.take_changes(),
        [("TimeZone", "Europe/Berlin".to_owned())]
    );
    settings.set("search_path", "\"$user\", other").unwrap();
    assert_eq!(settings.search_path(), ["ann", "other"]);
    for (name, value, state) in [
        ("nonsense", "1", "42704"),
        ("lock_timeout", "soon", "22023"),
        ("server_version", "9.6", "55P02"),
        ("client_encoding", "LATIN1", "0A000"),
        ("DateStyle", "Martian", "22023"),
        ("transform_null_equals", "on", "0A000"),
        ("shared_buffers", "1GB", "55P02"),
    ] {
        assert_eq!(
            settings.set(name, value).unwrap_err().sqlstate(),
            state,
            "{name}"
        );
    }
}

#[test]
fn an_earlier_state_comes_back_and_is_reported() {
    let mut settings = Settings::new("ann");
    let before = settings.clone();
    settings.set("timezone", "Asia/Tokyo").unwrap();
    settings.set("lock_timeout", "5").unwrap();
    settings.restore(before);
    assert_eq!(settings.patience().limit, None);
    assert_eq!(settings.take_changes(), [("TimeZone", "UTC".to_owned())]);
}
