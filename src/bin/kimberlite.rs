//! The server.

use std::process::ExitCode;

fn main() -> ExitCode {
    kimberlite::cli::node::main()
}
