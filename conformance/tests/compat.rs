//! The generated section of COMPAT.md is one that `make compat` wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kimberlite_conformance::catalogue::check;

#[test]
fn the_generated_section_is_as_generated() {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let path = std::path::Path::new(&folder).join("../COMPAT.md");
    check(&std::fs::read_to_string(path).unwrap()).unwrap();
}
