#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kimberlite_storage::fuzz_entry::block(bytes));
