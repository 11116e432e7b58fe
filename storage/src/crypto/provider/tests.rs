#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::env::fixed::FixedEntropy;

fn source_error(result: Result<impl fmt::Debug>) -> String {
    match result {
        Err(StorageError::Key(KeyError::Source(text))) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_generated_file_opens_again_and_is_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let entropy = FixedEntropy::new(5);
    let first = FileKeyProvider::generate(&path, &entropy).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(fs::read(&path).unwrap().len(), 45);
    let again = FileKeyProvider::open(&path).unwrap();
    let secret = Key::random(&entropy);
    let wrapped = first.wrap(b"x", &secret, &entropy).unwrap();
    assert_eq!(
        again.unwrap(b"x", &wrapped).unwrap().expose(),
        secret.expose()
    );
    assert!(again.describe().contains("master.key"));
    let names = fs::read_dir(dir.path()).unwrap();
    assert_eq!(names.count(), 1, "a temporary file was left");
}

#[test]
fn an_existing_key_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    fs::write(&path, "precious").unwrap();
    let refused = FileKeyProvider::generate(&path, &FixedEntropy::new(5));
    assert!(
        matches!(refused, Err(StorageError::Io { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn of_two_that_make_the_key_at_once_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let (path, make) = (&path, |seed| {
        let path = dir.path().join("master.key");
        move || FileKeyProvider::generate(path, &FixedEntropy::new(seed))
    });
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|seed| scope.spawn(make(seed))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut made = made.into_iter().flatten();
    let (one, none) = (made.next().unwrap(), made.next());
    assert!(none.is_none());
    let stored = FileKeyProvider::open(path).unwrap();
    assert_eq!(stored.key.expose(), one.key.expose());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_can_use_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    FileKeyProvider::generate(&path, &FixedEntropy::new(5)).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o700, 0o644, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let text = source_error(FileKeyProvider::open(&path));
        assert!(
            text.contains(&format!("{mode:04o}")) && text.contains("chmod 600"),
            "{text}"
        );
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        FileKeyProvider::open(&path).unwrap();
    }
}

#[test]
fn a_file_without_a_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let short = STANDARD.encode([1; 31]);
    let long = STANDARD.encode([1; 33]);
    for content in [
        "",
        "not base64 at all, and of about 44 characters",
        &short,
        &long,
    ] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let text = source_error(FileKeyProvider::open(&path));
        assert!(text.contains("base64"), "{text}");
    }
    let missing = FileKeyProvider::open(dir.path().join("none"));
    assert!(
        matches!(missing, Err(StorageError::Io { .. })),
        "{missing:?}"
    );
    let folder = source_error(FileKeyProvider::open(dir.path()));
    assert!(folder.contains("not a file"), "{folder}");
}

#[test]
fn the_environment_form_is_the_file_form() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let entropy = FixedEntropy::new(5);
    let file = FileKeyProvider::generate(&path, &entropy).unwrap();
    let env = EnvKeyProvider::new(&fs::read_to_string(&path).unwrap()).unwrap();
    let secret = Key::random(&entropy);
    let wrapped = file.wrap(b"x", &secret, &entropy).unwrap();
    assert_eq!(
        env.unwrap(b"x", &wrapped).unwrap().expose(),
        secret.expose()
    );
    let text = source_error(EnvKeyProvider::new("short"));
    assert!(
        text.contains(MASTER_KEY_VARIABLE) && text.contains("openssl"),
        "{text}"
    );
}

#[test]
fn another_master_key_is_told_apart_with_what_to_check() {
    let entropy = FixedEntropy::new(5);
    let right = EnvKeyProvider::new(&STANDARD.encode([1; 32])).unwrap();
    let wrong = EnvKeyProvider::new(&STANDARD.encode([2; 32])).unwrap();
    let wrapped = right.wrap(b"x", &Key::random(&entropy), &entropy).unwrap();
    let error = wrong.unwrap(b"x", &wrapped).unwrap_err();
    assert!(matches!(error, StorageError::WrongMasterKey { .. }));
    let text = error.to_string();
    assert!(
        text.contains(MASTER_KEY_VARIABLE) && text.contains("Check that"),
        "{text}"
    );
}

#[test]
fn providers_do_not_print_their_key() {
    let value = STANDARD.encode([0x41; 32]);
    let provider = EnvKeyProvider::new(&value).unwrap();
    let text = format!("{provider:?} {}", provider.describe());
    assert!(
        !text.contains(&value) && !text.contains("65") && !text.contains("AAA"),
        "{text}"
    );
}
