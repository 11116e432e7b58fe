//! Writes a path.

use super::{Head, JsonPath, LEAVES, Path, Predicate, RegexFlags, Step};
use crate::types::json::write_string;

/// The canonical text.
pub(super) fn text(path: &JsonPath) -> String {
    let mut out = String::new();
    if !path.lax {
        out.push_str("strict ");
    }
    write(&path.root, true, &mut out);
    out
}

/// How strongly a head binds its operands.
fn priority(head: &Head) -> u8 {
    use super::Arithmetic::{Add, Subtract};
    match head {
        Head::Predicate(Predicate::Or(..)) => 0,
        Head::Predicate(Predicate::And(..)) => 1,
        Head::Predicate(Predicate::Compare(..) | Predicate::StartsWith(..)) => 2,
        Head::Arithmetic(Add | Subtract, ..) => 3,
        Head::Arithmetic(..) => 4,
        Head::Plus(_) | Head::Minus(_) => 5,
        _ => 6,
    }
}

/// Writes a path; an operator in parentheses when `brackets`.
fn write(path: &Path, brackets: bool, out: &mut String) {
    let brackets = brackets || !path.steps.is_empty();
    let bracketed = matches!(
        path.head,
        Head::Arithmetic(..)
            | Head::Plus(_)
            | Head::Minus(_)
            | Head::Predicate(
                Predicate::And(..)
                    | Predicate::Or(..)
                    | Predicate::Compare(..)
                    | Predicate::StartsWith(..)
                    | Predicate::LikeRegex { .. }
            )
    );
    // A number would take the point of a step for its own.
    let number = matches!(path.head, Head::Number(_)) && !path.steps.is_empty();
    let brackets = (brackets && bracketed) || number;
    if brackets {
        out.push('(');
    }
    write_head(&path.head, out);
    if brackets {
        out.push(')');
    }
    for step in &path.steps {
        write_step(step, out);
    }
}

fn operand(parent: &Head, path: &Path, out: &mut String) {
    write(path, priority(&path.head) <= priority(parent), out);
}

fn write_head(head: &Head, out: &mut String) {
    match head {
        Head::Null => out.push_str("null"),
        Head::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Head::String(text) => write_string(text, out),
        Head::Number(number) => out.push_str(&number.to_string()),
        Head::Root => out.push('$'),
        Head::Current => out.push('@'),
        Head::Last => out.push_str("last"),
        Head::Variable(name) => {
            out.push('$');
            write_string(name, out);
        }
        Head::Arithmetic(op, left, right) => between(head, left, op.symbol(), right, out),
        Head::Plus(inner) => {
            out.push('+');
            operand(head, inner, out);
        }
        Head::Minus(inner) => {
            out.push('-');
            operand(head, inner, out);
        }
        Head::Predicate(predicate) => write_predicate(head, predicate, out),
    }
}

fn between(head: &Head, left: &Path, symbol: &str, right: &Path, out: &mut String) {
    operand(head, left, out);
    out.push(' ');
    out.push_str(symbol);
    out.push(' ');
    operand(head, right, out);
}

fn write_predicate(head: &Head, predicate: &Predicate, out: &mut String) {
    match predicate {
        Predicate::And(left, right) => between(head, left, "&&", right, out),
        Predicate::Or(left, right) => between(head, left, "||", right, out),
        Predicate::Compare(op, left, right) => between(head, left, op.symbol(), right, out),
        Predicate::StartsWith(left, right) => between(head, left, "starts with", right, out),
        Predicate::Not(inner) => {
            out.push_str("!(");
            write(inner, false, out);
            out.push(')');
        }
        Predicate::IsUnknown(inner) => {
            out.push('(');
            write(inner, false, out);
            out.push_str(") is unknown");
        }
        Predicate::Exists(inner) => {
            out.push_str("exists (");
            write(inner, false, out);
            out.push(')');
        }
        Predicate::LikeRegex {
            value,
            pattern,
            flags,
        } => {
            operand(head, value, out);
            out.push_str(" like_regex ");
            write_string(pattern, out);
            write_flags(*flags, out);
        }
    }
}

fn write_flags(flags: RegexFlags, out: &mut String) {
    if flags == RegexFlags::default() {
        return;
    }
    out.push_str(" flag \"");
    for (set, flag) in [
        (flags.ignore_case, 'i'),
        (flags.dot_all, 's'),
        (flags.multi_line, 'm'),
        (flags.quote, 'q'),
    ] {
        if set {
            out.push(flag);
        }
    }
    out.push('"');
}

fn write_step(step: &Step, out: &mut String) {
    match step {
        Step::Key(key) => {
            out.push('.');
            write_string(key, out);
        }
        Step::AnyKey => out.push_str(".*"),
        Step::AnyElement => out.push_str("[*]"),
        Step::Elements(elements) => {
            out.push('[');
            for (index, (first, last)) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(first, false, out);
                if let Some(last) = last {
                    out.push_str(" to ");
                    write(last, false, out);
                }
            }
            out.push(']');
        }
        Step::AnyLevel(0, LEAVES) => out.push_str(".**"),
        Step::AnyLevel(first, last) => {
            let level = |level: u32| match level {
                LEAVES => "last".to_owned(),
                level => level.to_string(),
            };
            out.push_str(".**{");
            out.push_str(&level(*first));
            if first != last {
                out.push_str(" to ");
                out.push_str(&level(*last));
            }
            out.push('}');
        }
        Step::Filter(condition) => {
            out.push_str("?(");
            write(condition, false, out);
            out.push(')');
        }
        Step::Method(method) => {
            out.push('.');
            out.push_str(method.name());
            out.push_str("()");
        }
        Step::Datetime(template) => {
            out.push_str(".datetime(");
            if let Some(template) = template {
                write_string(template, out);
            }
            out.push(')');
        }
    }
}
