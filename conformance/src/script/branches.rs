//! `\if`, `\elif`, `\else`, `\endif`.

/// One open `\if`.
#[derive(Debug, Clone, Copy)]
struct Branch {
    /// Whether what encloses it runs.
    outer: bool,
    /// Whether a branch has run already.
    taken: bool,
    /// Whether the present branch runs.
    active: bool,
}

/// The open `\if`s.
#[derive(Debug, Default)]
pub struct Branches(Vec<Branch>);

impl Branches {
    /// Whether what comes now runs.
    pub fn active(&self) -> bool {
        self.0.last().is_none_or(|b| b.active)
    }

    /// Takes a command that steers; `false` when it is another command.
    pub fn command(&mut self, name: &str, arguments: &[String]) -> bool {
        let holds = || truth(arguments.first().map_or("", String::as_str));
        match name {
            "if" => {
                let outer = self.active();
                let active = outer && holds();
                self.0.push(Branch {
                    outer,
                    taken: active,
                    active,
                });
            }
            "elif" => {
                if let Some(b) = self.0.last_mut() {
                    b.active = b.outer && !b.taken && holds();
                    b.taken |= b.active;
                }
            }
            "else" => {
                if let Some(b) = self.0.last_mut() {
                    b.active = b.outer && !b.taken;
                    b.taken = true;
                }
            }
            "endif" => {
                self.0.pop();
            }
            _ => return false,
        }
        true
    }
}

/// psql's booleans; anything else counts as false.
fn truth(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    !text.is_empty()
        && (["true", "yes"].iter().any(|w| w.starts_with(&text)) || text == "on" || text == "1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn one_branch_runs() {
        let mut branches = Branches::default();
        let mut active = Vec::new();
        for (name, argument) in [
            ("if", "off"),
            ("if", "on"),
            ("endif", ""),
            ("elif", "1"),
            ("elif", "t"),
            ("else", ""),
            ("endif", ""),
        ] {
            assert!(branches.command(name, &[argument.to_owned()]));
            active.push(branches.active());
        }
        assert_eq!(active, [false, false, false, true, false, false, true]);
        assert!(!branches.command("echo", &[]));
    }
}
