//! Compiles the C++ side of the encrypted RocksDB environment (`shim/`).

use std::env;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["shim/encrypted_env.cc", "shim/encrypted_env.h"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rerun-if-env-changed=ROCKSDB_INCLUDE_DIR");
    println!("cargo::rerun-if-env-changed=ROCKSDB_CXX_STD");

    let mut build = cc::Build::new();
    build
        .cpp(true)
        .file("shim/encrypted_env.cc")
        .include(rocksdb_headers()?);
    // What librocksdb-sys compiles RocksDB with, as far as it shows in headers:
    // the language level, NDEBUG (members that exist only in debug builds), and
    // run-time type information left at the compiler's default.
    build.define("NDEBUG", Some("1")).warnings(false);
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("msvc") {
        build.flag("-std:c++20").flag("-EHsc");
    } else {
        build.flag(cxx_standard()).flag("-include").flag("cstdint");
    }
    build.compile("kimberlite_encrypted_env");
    Ok(())
}

/// The headers of the RocksDB that is linked: its bundled sources, whose place
/// librocksdb-sys passes on (`cargo_manifest_dir` of `links = "rocksdb"`), or,
/// as that crate itself does, the directory that `ROCKSDB_INCLUDE_DIR` names.
fn rocksdb_headers() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(dir) = env::var_os("ROCKSDB_INCLUDE_DIR") {
        return Ok(dir.into());
    }
    let manifest_dir = env::var_os("DEP_ROCKSDB_CARGO_MANIFEST_DIR")
        .ok_or("librocksdb-sys does not say where its sources are")?;
    let headers = PathBuf::from(manifest_dir).join("rocksdb/include");
    if headers.join("rocksdb/env_encryption.h").is_file() {
        Ok(headers)
    } else {
        Err(format!("no rocksdb/env_encryption.h under {}", headers.display()).into())
    }
}

/// The language level that librocksdb-sys uses, from the same variable.
fn cxx_standard() -> String {
    match env::var("ROCKSDB_CXX_STD") {
        Ok(flag) if flag.starts_with("-std=") => flag,
        Ok(level) => format!("-std={level}"),
        Err(_) => "-std=c++20".into(),
    }
}
