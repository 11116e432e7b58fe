//! The tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    kimberlite::cli::tool::main()
}
