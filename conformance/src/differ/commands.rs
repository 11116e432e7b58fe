//! What a backslash command means to the comparison.

use super::copy_command::{self, Source};
use crate::script::Variables;

/// What is to be done.
pub(crate) enum Command {
    /// Nothing (more).
    Done,
    /// New sessions.
    Reconnect,
    /// A COPY statement.
    Copy(String, Source),
    /// It is left out, for this reason.
    Skip(&'static str),
}

/// Carries out what concerns variables only, and says what else is to be done.
pub(crate) fn interpret(
    name: &str,
    words: &[String],
    written: &str,
    variables: &mut Variables,
) -> Command {
    match (name, words) {
        ("set", [variable, values @ ..]) => variables.set(variable, &values.concat()),
        ("unset", [variable, ..]) => variables.unset(variable),
        ("getenv", [variable, from, ..]) => {
            // The environment is what the caller set under names with a dollar.
            if let Some(value) = variables.get(&format!("${from}")).map(str::to_owned) {
                variables.set(variable, &value);
            }
        }
        ("c" | "connect", []) => return Command::Reconnect,
        ("c" | "connect", [database, ..]) if database == "-" && words.len() == 1 => {
            return Command::Reconnect;
        }
        ("c" | "connect", _) => return Command::Skip("another database or user"),
        ("copy", _) => {
            return match copy_command::read(written) {
                Some((text, source)) => Command::Copy(text, source),
                None => Command::Skip("not understood"),
            };
        }
        (
            "echo" | "qecho" | "warn" | "pset" | "x" | "t" | "a" | "f" | "H" | "C" | "T" | "timing"
            | "encoding" | "p" | "print" | "setenv" | "errverbose" | "prompt" | "." | "set",
            _,
        ) => {}
        (name, _) if name.starts_with('d') || name.starts_with('s') || name == "l" => {
            return Command::Skip("psql asks the catalogs itself");
        }
        _ => return Command::Skip("a command of psql alone"),
    }
    Command::Done
}
