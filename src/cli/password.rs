//! The first operator's password, from a file, the environment or a person.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// The variable that `kimberlite init` reads the password from.
pub(super) const VARIABLE: &str = "KIMBERLITE_INIT_PASSWORD";
/// Shortest password taken, in characters.
const LENGTH_MIN: usize = 12;
/// Longest password file read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Finds the password: `file`, else the variable, else asks at the terminal.
///
/// # Errors
/// The message for the operator.
pub(super) fn obtain(file: Option<&Path>, role: &str) -> Result<String, String> {
    let password = match (file, std::env::var(VARIABLE)) {
        (Some(path), _) => from_file(path)?,
        (None, Ok(password)) => password,
        (None, Err(_)) => ask(role)?,
    };
    if password.chars().count() < LENGTH_MIN {
        return Err(format!(
            "the password has fewer than {LENGTH_MIN} characters; it opens the whole database"
        ));
    }
    Ok(password)
}

fn from_file(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let describe = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(describe)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(describe)?;
    // One line, as editors and secret managers write it.
    Ok(text
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .unwrap_or(&text)
        .to_owned())
}

fn ask(role: &str) -> Result<String, String> {
    let no_terminal = |_| {
        format!(
            "there is no terminal to ask for the password of \"{role}\": use --password-file or \
             set {VARIABLE}"
        )
    };
    let tty = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(no_terminal)?;
    let _quiet = Quiet::new(&tty)?;
    let first = prompt(&tty, &format!("Password for the operator \"{role}\": "))?;
    let again = prompt(&tty, "Again: ")?;
    if first == again {
        Ok(first)
    } else {
        Err("the two passwords differ".to_owned())
    }
}

fn prompt(mut tty: &std::fs::File, text: &str) -> Result<String, String> {
    let describe = |e: std::io::Error| format!("the terminal: {e}");
    tty.write_all(text.as_bytes()).map_err(describe)?;
    let mut line = String::new();
    BufReader::new(tty).read_line(&mut line).map_err(describe)?;
    tty.write_all(b"\n").map_err(describe)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal does not echo while this lives. `stty` (POSIX) does it, so that
/// no terminal library is needed for two lines of input.
struct Quiet<'t>(&'t std::fs::File);

impl<'t> Quiet<'t> {
    fn new(tty: &'t std::fs::File) -> Result<Self, String> {
        echo(tty, "-echo")?;
        Ok(Self(tty))
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done with a terminal that refuses.
        let _ = echo(self.0, "echo");
    }
}

fn echo(tty: &std::fs::File, setting: &str) -> Result<(), String> {
    let describe = |e: std::io::Error| format!("the terminal cannot be silenced (stty): {e}");
    let stdin = tty.try_clone().map_err(describe)?;
    let status = Command::new("stty")
        .arg(setting)
        .stdin(Stdio::from(stdin))
        .status()
        .map_err(describe)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!(
            "the terminal cannot be silenced: stty {setting} failed"
        ))
    }
}
